"""What sandbox and pristine checkout cost a sample, over the plain process.

A checkout is pristine by comparison, or by an overlay where bubblewrap has them. Runs alternate, so
that a noisy machine hits all alike; figures are of one call.
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

from autoresearch.edges.checkout import Slot
from autoresearch.edges.command import Limits, run_command
from autoresearch.edges.environment import find_environment, find_visible, wanted_paths
from autoresearch.edges.gitrefs import head
from autoresearch.edges.gitrepo import GitRepo
from autoresearch.edges.sandbox import Rules, private_folders
from support.confined import found_here, overlays_here
from support.harness import Git

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autoresearch.edges.sandbox import Confiner

SIZES = (30, 100, 3_000, 30_000)
LOCKED = 10
FOLDER = 100


def project(root: Path, files: int) -> Git:
    """A project: one folder in scope, protected folders and files beside it."""
    repo = Git.create(root)
    for number in range(files):
        part = number % (LOCKED // 2)
        folder = "src" if number < files // 3 else f"part{part}"
        repo.write(f"{folder}/{number // FOLDER}/{number}.py", "X = 1\n" * 40)
    for number in range(LOCKED // 2):
        repo.write(f"setting{number}.toml", "x = 1\n")
    repo.commit()
    return repo


class Ways:
    """The ways of running one command in a checkout; each takes milliseconds."""

    def __init__(self, place: Path, slot: Slot, user: Path) -> None:
        self.slot, self.place = slot, place
        environment = dict(find_environment(os.environ, Path.home()))
        locked = [f"{slot.root}/part{n}" for n in range(LOCKED // 2)]
        locked += [f"{slot.root}/setting{n}.toml" for n in range(LOCKED // 2)]
        self.rules = Rules(
            slot=slot.root,
            locked=tuple(locked),
            visible=find_visible([user], [Path.home()], wanted_paths(environment, [], [])),
        )

    def plain(self) -> float:
        """Without a sandbox, and without a look at the checkout."""
        return self._elapsed(None, look=False)

    def compared(self) -> float:
        """Without a sandbox; the checkout is put back."""
        return self._elapsed(None, look=True)

    def confined(self, found: Confiner) -> float:
        """In a sandbox; the checkout is put back."""
        return self._elapsed(found, look=True)

    def overlaid(self, found: Confiner) -> float:
        """In a sandbox, over the checkout."""
        return self._elapsed(found, look=False)

    def _elapsed(self, found: Confiner | None, *, look: bool) -> float:
        start = time.perf_counter()
        sandbox = None if found is None else found.sandbox
        over = sandbox is not None and not look
        with private_folders(self.place / "run", overlay=over) as own:
            prefix: Sequence[str] = ()
            if sandbox is not None:
                writable = (str(own.home), str(own.tmp))
                rules = self.rules._replace(writable=writable, overlay=own.overlay)
                prefix = sandbox.prefix(rules)
            run_command(
                "true",
                cwd=self.slot.root,
                env={"PATH": os.environ["PATH"], "HOME": str(own.home)},
                limits=Limits(timeout_s=60),
                prefix=prefix,
            )
            if own.overlay is not None:
                self.slot.replaced_by(own.overlay)
        if look:
            self.slot.restore()
        return (time.perf_counter() - start) * 1e3


def measured(place: Path, files: int, rounds: int) -> list[list[float]]:
    """Milliseconds of each way, sorted."""
    user = project(place / "r", files)
    ours, newer = found_here(), overlays_here()
    with GitRepo.open(user.root) as repo:
        slot = Slot(place / "a", repo, manifest=place / "a.manifest")
        slot.bring(repo.tree(head(repo).commit or ""))
        ways = Ways(place, slot, user.root)
        each: list[Callable[[], float]] = [ways.plain, ways.compared, lambda: ways.confined(ours)]
        if newer.sandbox is not None and not newer.sandbox.no_overlay:
            each.append(lambda: ways.overlaid(newer))
        taken = [[way() for way in each] for _ in range(rounds)]
    return [sorted(column) for column in zip(*taken, strict=True)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds, the smallest project")
    parser.add_argument("--full", action="store_true", help="all of it (default)")
    quick = parser.parse_args().quick
    rounds = 40 if quick else 200
    if found_here().sandbox is None:
        sys.exit(f"no sandbox to measure: {found_here().why}. {found_here().remedy}")
    print(
        f"sandbox: {found_here().name}, overlays: {overlays_here().name}; at most {rounds} rounds"
    )
    print("| files | | plain process | put back | sandbox, put back | sandbox, overlay |")
    print("|---|---|---|---|---|---|")
    for files in SIZES[:1] if quick else SIZES:
        with tempfile.TemporaryDirectory(prefix="sandbox-") as folder:
            number = max(rounds // 8, rounds * 100 // max(files, 100))
            columns = measured(Path(folder).resolve(), files, number)
        # The fastest tenth is what a machine without other work would show.
        for name, rank in (("median", number // 2), ("fastest tenth", number // 10)):
            plain, *others = (column[rank] for column in columns)
            cells = " | ".join(f"{way:.1f} ms (+{way - plain:.1f})" for way in others)
            print(f"| {files:,} | {name} | {plain:.1f} ms | {cells} |", flush=True)


if __name__ == "__main__":
    main()
