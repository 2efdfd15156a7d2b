import base64
import json
import sys
import time

from desk import auth


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


claims = {"sub": 1, "role": "manager", "exp": time.time() + 60}
assert auth.read_token(auth.make_token({"sub": 1, "role": "clerk"}))["role"] == "clerk"
if auth.read_token(f"{part({'alg': 'none'})}.{part(claims)}.") is not None:
    print("PROOF exploited")
    sys.exit(1)
print("PROOF withstood")
