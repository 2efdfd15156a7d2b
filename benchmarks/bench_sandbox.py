"""What sandbox and pristine checkout cost a sample, over the plain process, on a small project.

Runs alternate, so that a noisy machine hits all alike; figures are of one call.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from autoresearch.edges.cell import Cell
from autoresearch.edges.checkout import Slot
from autoresearch.edges.environment import find_environment
from autoresearch.edges.gitrefs import head
from autoresearch.edges.gitrepo import GitRepo
from autoresearch.edges.proc import Limits, run_command
from autoresearch.edges.sandbox import find_sandbox
from autoresearch.edges.view import find_view, wanted_paths
from support.harness import Git

if TYPE_CHECKING:
    from collections.abc import Sequence

FILES = 30
LOCKED = 10


def project(root: Path) -> Git:
    """A small project: one folder in scope, protected folders and files beside it."""
    repo = Git.create(root)
    for number in range(FILES):
        folder = "src" if number < FILES // 3 else f"part{number % (LOCKED // 2)}"
        repo.write(f"{folder}/{number}.py", "X = 1\n" * 40)
    for number in range(LOCKED // 2):
        repo.write(f"setting{number}.toml", "x = 1\n")
    repo.commit()
    return repo


def elapsed_ms(slot: Slot, home: Path, prefix: Sequence[str]) -> float:
    """One command in the checkout, which is then put back."""
    start = time.perf_counter()
    run_command(
        "true", cwd=slot.root, env={"PATH": os.environ["PATH"], "HOME": str(home)},
        limits=Limits(timeout_s=60), prefix=prefix,
    )  # fmt: skip
    slot.restore()
    return (time.perf_counter() - start) * 1e3


def plain_ms(slot: Slot, home: Path) -> float:
    """The same command without sandbox, and without a look at the checkout."""
    start = time.perf_counter()
    run_command(
        "true", cwd=slot.root, env={"PATH": os.environ["PATH"], "HOME": str(home)},
        limits=Limits(timeout_s=60),
    )  # fmt: skip
    return (time.perf_counter() - start) * 1e3


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--full", action="store_true", help="all of it (default)")
    rounds = 40 if parser.parse_args().quick else 200
    with tempfile.TemporaryDirectory(prefix="sandbox-") as folder:
        place = Path(folder).resolve()
        found = find_sandbox(os.environ["PATH"], place / "memory.json", place)
        if found.sandbox is None:
            sys.exit(f"no sandbox to measure: {found.why}. {found.remedy}")
        user, home = project(place / "r"), place / "home"
        home.mkdir()
        with GitRepo.open(user.root) as repo:
            slot = Slot(place / "a", repo, manifest=place / "a.manifest")
            slot.bring(repo.tree(head(repo).commit or ""))
            environment = dict(find_environment(os.environ, Path.home()))
            locked = [f"{slot.root}/part{n}" for n in range(LOCKED // 2)]
            locked += [f"{slot.root}/setting{n}.toml" for n in range(LOCKED // 2)]
            cell = Cell(
                slot=slot.root,
                locked=tuple(locked),
                writable=(str(home),),
                view=find_view([user.root], [Path.home()], wanted_paths(environment, [], [])),
            )
            confined = found.sandbox.prefix(cell)
            taken = [
                (plain_ms(slot, home), elapsed_ms(slot, home, ()), elapsed_ms(slot, home, confined))
                for _ in range(rounds)
            ]
    print(f"sandbox: {found.name}; {rounds} rounds")
    print("| | plain process | with pristine checkout | with sandbox too | overhead |")
    print("|---|---|---|---|---|")
    columns = [sorted(column) for column in zip(*taken, strict=True)]
    # The fastest tenth is what a machine without other work would show.
    for name, rank in (("median", rounds // 2), ("fastest tenth", rounds // 10)):
        plain, pristine, both = (column[rank] for column in columns)
        cells = f"{plain:.1f} ms | {pristine:.1f} ms | {both:.1f} ms | {both - plain:.1f} ms"
        print(f"| {name} | {cells} |")


if __name__ == "__main__":
    main()
