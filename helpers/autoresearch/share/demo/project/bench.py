"""Times the digest of a made-up day: prints `METRIC digest_ms` (lower is better).

CPU time of this process, the best of several rounds: what else runs on the machine can only make
a round slower. The text must be the known one, so a fast digest of something else is a failure.
`METRIC peak_kb` is the most memory the digest held at once, measured apart on a part of the day.
"""

import hashlib
import sys
import time
import tracemalloc
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from logdigest import digest  # noqa: E402

LINES = 3000
ROUNDS = 7
GOLDEN = "3aba0ccc3826b2c678f4fb1cdb7778654010e6e76436731e982ede62eb6a2774"
MONTHS = ("Jan", "Feb", "Mar")


def numbers(seed):
    """A stream of numbers below 2**16, the same on every machine and version (Knuth's MMIX)."""
    while True:
        seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
        yield seed >> 48


def access_log(count):
    """`count` lines: a few busy visitors and paths, a long tail of rare ones, some broken lines."""
    draw = numbers(2026)
    lines = []
    for i in range(count):
        if next(draw) % 97 == 0:
            lines.append("worker process 41 exited on signal 11\n")
            continue
        skew = (next(draw) / 65536) ** 2
        host = f"203.0.{int(skew * 4)}.{int(skew * 251) % 251}"
        skew = (next(draw) / 65536) ** 2
        path = f"/shop/{'abcdefgh'[int(skew * 8)]}/{int(skew * 400)}"
        query = f"?page={next(draw) % 9}" if next(draw) % 3 == 0 else ""
        status = (200, 200, 200, 200, 304, 404, 500, 503)[next(draw) % 8]
        size = "-" if status == 304 else next(draw)
        seconds = 0.002 + (next(draw) / 65536) ** 4
        second = i * 86400 // count
        clock = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
        lines.append(
            f"{host} - - [12/{MONTHS[i % 3]}/2026:{clock} +0000] "
            f'"GET {path}{query} HTTP/1.1" {status} {size} {seconds:.3f}\n'
        )
    return lines


def milliseconds(lines):
    """CPU time of one digest, which must be the known text."""
    start = time.process_time()
    text = digest(lines)
    spent = time.process_time() - start
    found = hashlib.sha256(text.encode()).hexdigest()
    if found != GOLDEN:
        sys.exit(f"the digest changed: SHA-256 {found}\n{text}")
    return spent * 1000


def peak_kilobytes(lines):
    """Most memory held at once during one digest."""
    tracemalloc.start()
    digest(lines)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1024


if __name__ == "__main__":
    day = access_log(LINES)
    print(f"METRIC digest_ms={min(milliseconds(day) for _ in range(ROUNDS)):.4f}")
    print(f"METRIC peak_kb={peak_kilobytes(day[: LINES // 8]):.1f}")
