"""Shapes."""


def square(size):
    """The area of a square."""
    return size * size


def circle(size):
    """The area of a circle, rounded."""
    return round(3.14159 * size * size)
