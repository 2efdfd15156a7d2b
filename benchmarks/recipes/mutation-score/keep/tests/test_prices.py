import sys
import unittest

sys.path.insert(0, "src")
from prices import label, price


class Prices(unittest.TestCase):
    def test_few(self):
        self.assertEqual(price(2, 100, False), 200)

    def test_many_for_a_member(self):
        self.assertEqual(price(10, 100, True), 850)
        self.assertEqual(price(9, 50, True), 450)

    def test_negative(self):
        with self.assertRaises(ValueError):
            price(-1, 1, False)

    def test_label(self):
        self.assertEqual((label(200), label(205)), ("2.-", "2.05"))
