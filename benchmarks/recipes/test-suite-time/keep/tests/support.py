"""What all tests need."""

import sys

sys.path.insert(0, "src")
import sums


def total(n):
    """The product's answer."""
    return sums.total(n)
