import sys
import unittest

sys.path.insert(0, "src")
from prices import label, price


class Prices(unittest.TestCase):
    def test_label(self):
        self.assertEqual(label(200), "2.-")
