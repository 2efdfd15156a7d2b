import sys
import unittest

sys.path.insert(0, "src")
from target import work


class Repeated(unittest.TestCase):
    def test_order(self):
        self.assertEqual(work("b a b c a b"), ["b", "a"])

    def test_none(self):
        self.assertEqual(work(""), [])
