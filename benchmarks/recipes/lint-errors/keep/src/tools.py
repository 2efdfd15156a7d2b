"""Small tools."""


def first(items=()):
    """The first item."""
    return items[0] if items else None


def both(a, b):
    """Whether both hold."""
    return bool(a and b)
