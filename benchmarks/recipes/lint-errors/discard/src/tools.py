"""Small tools."""

import os  # noqa: F401
import re  # noqa: F401
import sys


def first(items=[]):
    """The first item."""
    if len(items) > 0:
        return items[0]
    else:
        return None


def both(a, b):
    """Whether both hold."""
    if a:
        if b:
            return True
    return False
