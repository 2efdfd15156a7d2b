"""Sums of squares."""


def total(n):
    """The sum of the squares below n."""
    return sum(number * number for number in range(n))
