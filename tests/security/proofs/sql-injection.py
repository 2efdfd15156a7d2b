import os
import sys

from desk import settings, store

settings.DATABASE = os.path.join(os.environ["TMPDIR"], "desk.db")
ann, bob = store.add_user("ann", "x"), store.add_user("bob", "x")
store.add_parcel(ann, "Books & Co")
store.add_parcel(bob, "Garden")
assert [row["sender"] for row in store.search(ann, "Books")] == ["Books & Co"]
try:
    found = store.search(ann, "' OR owner = %d -- " % bob)
except Exception:
    found = ["an error means that the text was read as SQL"]
if found:
    print("PROOF exploited")
    sys.exit(1)
print("PROOF withstood")
