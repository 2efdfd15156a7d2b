"""Faults at every call: which ones are taken, where the sessions lie, and what came of it.

CI takes a sample, drawn anew each time; `make fault-test` takes every call site, at its first and
its last turn, and writes benchmarks/results/faults.md.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import defaultdict
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

import pytest

EVERY = os.environ.get("AUTORESEARCH_EVERY_FAULT", "")
"""The file that a run of all of them is noted in; empty for a sample."""
SAMPLED = int(os.environ.get("AUTORESEARCH_FAULTS", "1"))
"""Faults a case and kind that are taken else."""
SEED = int(os.environ.get("AUTORESEARCH_SEED_OF_FAULTS", "0"))
"""Of the sample; drawn where there is none."""
RESULTS = Path(__file__).parents[2] / "benchmarks/results/faults.md"
HEAD = """# A fault at every call

`make fault-test`: each command below is run once whole, and its calls on files, processes and
locks are listed by call site: the line of the helper and those that led there. Then it is run
again for each site that no case above it has, with a SIGKILL before the call (at the first and the
last turn of the site) or with the call failing (at the first). After each the next command tidies
up, every invariant is checked, and the command is repeated to its end. "git" are the system calls
of the git processes of a command that change a file, by strace; their sites are process and call.
`gc` is killed and failed at each of its calls along with these, by its own test, without a row.

Run on {today} (UTC) at commit {commit}.

| case | fault | calls | sites | faults taken | violations |
|---|---|---|---|---|---|
"""


def memory():
    """A folder in memory where there is one: nothing that is ended here waits for a disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@contextmanager
def environment(folder):
    """The variables that keep a session below a folder."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
            patch.setenv(name, str(Path(folder) / name.lower()))
        yield


ANY = "any"
"""The kind of a fault that CI draws."""


def drawn(kinds):
    """The kinds that a test is repeated for: all of them, or one that is drawn in it."""
    return tuple(kinds) if EVERY else (ANY,)


def kind_of(asked, kinds):
    """The kind that a test asks for, or one that is drawn; a failing test shows it."""
    return (random.Random(SEED) if SEED else random).choice(list(kinds)) if asked == ANY else asked


def chosen(case, kind, sites, known=frozenset()):
    """The calls to fail at, as numbers from 1: a sample, or each site that is not known already.

    A kill is taken at the first and the last turn of a site, a failure at the first. A failing
    test shows the seed of its sample.
    """
    if not EVERY:
        seed = SEED or random.SystemRandom().randrange(1, 1 << 32)
        sys.stdout.write(f"AUTORESEARCH_SEED_OF_FAULTS={seed}: {case}, {kind}\n")
        return sorted(random.Random(seed).sample(range(1, len(sites) + 1), SAMPLED))
    turns = defaultdict(list)
    for number, site in enumerate(sites, 1):
        turns[site].append(number)
    picked = (0, -1) if kind.endswith("kill") else (0,)
    return sorted({at[turn] for site, at in turns.items() if site not in known for turn in picked})


def note(case, kind, sites, taken, violations):
    """Note for the table how many faults were taken, and how many broke something."""
    if EVERY:
        with Path(EVERY).open("a", encoding="utf-8") as file:
            file.write(f"{case}|{kind}|{len(sites)}|{len(set(sites))}|{taken}|{violations}\n")


def commit():
    """The commit that is tried, marked where the tree differs from it."""
    command = ["git", "-C", str(RESULTS.parent), "describe", "--always", "--dirty", "--exclude=*"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def table():
    """Write the table of what was noted."""
    today = datetime.now(tz=timezone.utc).strftime("%Y-%m-%d")
    noted = [line.split("|") for line in sorted(Path(EVERY).read_text("utf-8").splitlines())]
    rows = [f"| {' | '.join(row)} |" for row in noted]
    sums = (sum(int(row[at]) for row in noted) for at in range(2, 6))
    rows.append(f"| all | | {' | '.join(map(str, sums))} |")
    head = HEAD.format(today=today, commit=commit())
    RESULTS.write_text(head + "\n".join(rows) + "\n", "utf-8")


if __name__ == "__main__":
    table()
