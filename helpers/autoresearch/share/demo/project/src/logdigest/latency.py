"""How long answers took."""

from typing import NamedTuple


class Latency(NamedTuple):
    path: str
    requests: int
    median: float
    p90: float
    p99: float
    slowest: float


def percentile(values, share):
    """The smallest value that at least `share` of all values do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = -(-len(ordered) * share // 100)
    return ordered[max(rank, 1) - 1]


def latency(path, seconds):
    """The latencies of one path."""
    return Latency(
        path=path,
        requests=len(seconds),
        median=percentile(seconds, 50),
        p90=percentile(seconds, 90),
        p99=percentile(seconds, 99),
        slowest=percentile(seconds, 100),
    )


def slowest_paths(groups, top):
    """The `top` paths by 99th percentile, slowest first, equals in alphabetical order."""
    table = [latency(path, seconds) for path, seconds in groups.items()]
    return sorted(table, key=lambda row: (-row.p99, row.path))[:top]
