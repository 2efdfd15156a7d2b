import sys

sys.path.insert(0, "src")
from server import answer

assert answer("/") == (200, b"42 items")
assert answer("/items/7") == (200, b"item 7")
assert answer("/items/99")[0] == 404
