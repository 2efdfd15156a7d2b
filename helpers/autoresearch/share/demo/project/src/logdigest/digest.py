"""From lines to the digest."""

from . import render
from .entry import parse_line
from .latency import slowest_paths
from .tally import seconds_by_path, tally

TOP = 10


def digest(lines):
    """The digest of an access log, as text that ends with a newline."""
    entries = []
    skipped = 0
    for line in lines:
        entry = parse_line(line)
        if entry is None:
            skipped += 1
        else:
            entries.append(entry)
    hosts = tally(entry.host for entry in entries)
    paths = tally(entry.path for entry in entries)
    failed = tally(entry.path for entry in entries if entry.status >= 500)
    by_hour = dict(tally(entry.hour for entry in entries))
    sent = sum(entry.size for entry in entries)
    return "".join(
        [
            f"{len(entries)} requests, {len(hosts)} visitors, {sent} bytes, {skipped} lines skipped\n",
            render.title("Most requested"),
            render.count_rows(paths[:TOP]),
            render.title("Busiest visitors"),
            render.count_rows(hosts[:TOP]),
            render.title("Server errors"),
            render.count_rows(failed[:TOP]),
            render.title("Slowest paths"),
            render.latency_rows(slowest_paths(seconds_by_path(entries), TOP)),
            render.title("By hour"),
            render.hour_rows(by_hour),
        ]
    )
