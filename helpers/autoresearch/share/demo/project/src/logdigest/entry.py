"""One line of the log.

    203.0.113.7 - anna [12/Mar/2026:13:05:22 +0000] "GET /shop?id=3 HTTP/1.1" 200 5120 0.042

The last field is the time taken to answer, in seconds. A size of `-` means that no body was sent.
"""

import re
from typing import NamedTuple

LINE = re.compile(
    r"(?P<host>\S+) \S+ \S+ "
    r"\[\d\d/[A-Z][a-z][a-z]/\d{4}:(?P<hour>[01]\d|2[0-3]):\d\d:\d\d [+-]\d{4}\] "
    r'"(?P<method>[A-Z]+) (?P<target>.+) HTTP/\d(?:\.\d)?" '
    r"(?P<status>[1-5]\d\d) (?P<size>\d+|-) (?P<seconds>\d+\.\d+)"
)


class Entry(NamedTuple):
    host: str
    hour: int
    path: str
    status: int
    size: int
    seconds: float


def parse_size(text):
    """Bytes sent; `-` counts as none."""
    return 0 if text == "-" else int(text)


def parse_path(target):
    """The target without its query; spaces, which careless clients send, belong to the path."""
    return target.partition("?")[0]


def parse_line(line):
    """The entry a line holds, or None when it is not a line of an access log."""
    match = LINE.fullmatch(line.strip())
    if match is None:
        return None
    fields = match.groupdict()
    return Entry(
        host=fields["host"],
        hour=int(fields["hour"]),
        path=parse_path(fields["target"]),
        status=int(fields["status"]),
        size=parse_size(fields["size"]),
        seconds=float(fields["seconds"]),
    )
