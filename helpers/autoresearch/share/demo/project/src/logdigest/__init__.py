"""A digest of a web server's access log: what was asked for, by how many, and how long it took."""

from .digest import digest

__all__ = ["digest"]
