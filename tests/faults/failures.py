"""A log with many failures in it, without the time that real ones take."""

from __future__ import annotations

import os

from autoresearch.core.model import Reason, Verdict
from autoresearch.core.records import Experiment
from autoresearch.loop.session import loaded
from support.records import make

SHARED = 22
"""The experiments up to here are one commit, those behind another one."""


def fail_often(rig, count):
    """So many experiments more, as they would be logged had their builds failed."""
    head, tree = (rig.repo("rev-parse", name) for name in ("HEAD", "HEAD^{tree}"))
    commits = [rig.repo("commit-tree", tree, "-p", head, "-m", f"failed {n}") for n in (1, 2)]
    orders = []
    with loaded(rig.root, dict(os.environ), command="fill", write=True) as session:
        first = session.progress.last_number + 1
        for number in range(first, first + count):
            commit = commits[number > SHARED]
            orders.append(f"create {session.ref(number)} {commit}\n")
            session.index.append(
                make(
                    Experiment,
                    number=number,
                    message=f"failed {number}",
                    parent=head,
                    commit=commit,
                    tree=f"{number:040x}",
                    patch_id=f"{number:040x}",
                    paths=(("M", "src/work.sh"),),
                    verdict=Verdict.CRASH,
                    reason=Reason.BUILD,
                    detail="build failed",
                    sandbox="none",
                )
            )
    rig.repo("update-ref", "--stdin", stdin="".join(orders).encode())
