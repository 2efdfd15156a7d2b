"""Steps that SQLite's machine takes for a query: a count, the same on every run.

Adapt: `fill`, QUERY, SCHEMA and EXPECTED (print it once with --digest). For PostgreSQL see sql-postgresql.md.
"""

import hashlib
import pathlib
import random
import sqlite3
import sys
import time

SCHEMA = pathlib.Path("sql/schema.sql")
QUERY = pathlib.Path("sql/report.sql")
EXPECTED = "b1b9ebb408a06353"
ROWS = 4000


def fill(link: sqlite3.Connection) -> None:
    """The same data every time, skewed as real data is."""
    choice = random.Random(7)
    link.executemany(
        "INSERT INTO customer VALUES (?, ?)", [(n, f"name {n % 97}") for n in range(200)]
    )
    link.executemany(
        "INSERT INTO sale VALUES (?, ?, ?)",
        [(n, int(choice.paretovariate(1)) % 200, choice.randrange(1000)) for n in range(ROWS)],
    )


def main() -> None:
    """Run the query once under a counter."""
    link = sqlite3.connect(":memory:")
    link.executescript(SCHEMA.read_text())
    fill(link)
    link.execute("ANALYZE")
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    link.set_progress_handler(step, 1)
    start = time.perf_counter()
    rows = link.execute(QUERY.read_text()).fetchall()
    took = time.perf_counter() - start
    digest = hashlib.sha256(repr(rows).encode()).hexdigest()[:16]
    if "--digest" in sys.argv:
        print(digest)
    elif digest != EXPECTED:
        sys.exit(f"wrong answer: {digest}")
    else:
        print(f"METRIC vm_steps={steps}")
        print(f"METRIC query_ms={took * 1e3:.4f}")


if __name__ == "__main__":
    main()
