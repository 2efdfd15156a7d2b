"""The incumbent without one of its kept experiments: what `undo` and ablation measure."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.model import Arm
from autoresearch.core.suspicion import ABLATION_PAIRS
from autoresearch.loop.bench import CandidateFailed, ProtectedTouched
from autoresearch.loop.checks import broken
from autoresearch.loop.measure import Question, Race, policy_of
from autoresearch.loop.merge import Merged, merge_change
from autoresearch.loop.resume import resumed, setting_of

if TYPE_CHECKING:
    from pathlib import Path

    from autoresearch.core.history import Tried
    from autoresearch.core.snapshot import TreeMap
    from autoresearch.loop.bench import Bench
    from autoresearch.loop.measure import Raced, Randomness, Standing
    from autoresearch.loop.session import Session


class Watchers(NamedTuple):
    """Who is told what: where a race stands, and what is waited for."""

    watch: Callable[[Standing], None]
    say: Callable[[str], None]


def leave_out(session: Session, tried: Tried) -> Merged:
    """The changes to the incumbent's tree that take a kept experiment out of it."""
    ours = session.tree(session.progress.incumbent_commit)
    before, after = session.tree(tried.parent), session.tree(tried.commit)
    return merge_change(session.repo, after, before, ours)


def tape_file(session: Session, label: str) -> Path:
    """Where a race of this label is kept until it ends."""
    return session.places.raw / f"{label}.jsonl"


def race_without(
    session: Session,
    bench: Bench,
    tree: TreeMap,
    label: str,
    randomness: Randomness,
    watchers: Watchers,
) -> Raced:
    """Race the incumbent against a tree that lacks something of it: fixed, without an early end.

    One that was interrupted goes on; whoever logs its end removes its tape (`tape_file`).

    Raises:
        CandidateFailed, ProtectedTouched: the tree does not measure.
        SessionBroken: the incumbent itself fails.
    """
    progress, contract = session.progress, session.contract
    try:
        best = bench.bring(bench.slots[0], session.tree(progress.incumbent_commit), label=label)
    except (CandidateFailed, ProtectedTouched) as error:
        raise broken("set-up or build", error) from error
    setting = setting_of(session, bench, candidate=label)
    names = f"`{label}`", f"`{label}`"
    race = Race(
        bench=bench,
        incumbent=best,
        candidate=bench.bring(bench.slots[1], tree, label=label),
        question=Question(
            policy=policy_of(contract, pairs=ABLATION_PAIRS, alpha=contract.race.alpha),
            pool=(),
            recorded=progress.incumbent_value if progress.deterministic else None,
        ),
        tape=resumed(session, tape_file(session, label), setting, randomness, names),
        label=label,
        watch=watchers.watch,
        sample_s=progress.sample_s,
        warm_both=True,
    )
    try:
        return race.run_fixed(ABLATION_PAIRS)
    except (CandidateFailed, ProtectedTouched) as error:
        if race.failed_arm is Arm.INCUMBENT:
            raise broken("verify", error) from error
        raise
