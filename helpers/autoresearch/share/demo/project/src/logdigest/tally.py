"""Counting and grouping."""


def tally(keys):
    """(key, how often) for every key, most frequent first, equals in alphabetical order."""
    counts = []
    for key in keys:
        for count in counts:
            if count[0] == key:
                count[1] += 1
                break
        else:
            counts.append([key, 1])
    return sorted(((key, n) for key, n in counts), key=lambda pair: (-pair[1], pair[0]))


def seconds_by_path(entries):
    """How long each answer took, by path, paths in the order of their first appearance."""
    order = []
    seen = set()
    for entry in entries:
        if entry.path not in seen:
            seen.add(entry.path)
            order.append(entry.path)
    groups = {}
    for path in order:
        groups[path] = []
    for entry in entries:
        groups[entry.path].append(entry.seconds)
    return groups
