"""Use cases of `autoresearch security`: keep the books of a sweep and check its evidence."""
