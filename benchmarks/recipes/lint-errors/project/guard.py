import sys

sys.path.insert(0, "src")
from tools import both, first

assert first([3, 4]) == 3
assert first() is None
assert both(1, 1)
assert not both(1, 0)
