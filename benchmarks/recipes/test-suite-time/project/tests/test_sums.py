import unittest

import support


class Sums(unittest.TestCase):
    def test_0(self):
        self.assertEqual(support.total(0), 0)

    def test_1(self):
        self.assertEqual(support.total(1), 0)

    def test_2(self):
        self.assertEqual(support.total(2), 1)

    def test_3(self):
        self.assertEqual(support.total(3), 5)

    def test_4(self):
        self.assertEqual(support.total(4), 14)

    def test_5(self):
        self.assertEqual(support.total(5), 30)

    def test_6(self):
        self.assertEqual(support.total(6), 55)

    def test_7(self):
        self.assertEqual(support.total(7), 91)

    def test_8(self):
        self.assertEqual(support.total(8), 140)

    def test_9(self):
        self.assertEqual(support.total(9), 204)

    def test_10(self):
        self.assertEqual(support.total(10), 285)

    def test_11(self):
        self.assertEqual(support.total(11), 385)
