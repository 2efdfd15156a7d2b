import sys

sys.path[:0] = ["src", "tests"]
import sums
import support

assert [support.total(n) for n in (0, 5, 11)] == [0, 30, 385]
sums.total = lambda n: -1
import importlib.util

assert importlib.util.find_spec("support").origin.endswith("tests/support.py")
