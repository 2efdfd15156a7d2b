import sys
import unittest

sys.path.insert(0, "src")
from prices import label, price


class Prices(unittest.TestCase):
    def test_few(self):
        self.assertEqual(price(2, 100, False), 200)
