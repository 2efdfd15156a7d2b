"""The proof that a bench checkout measures itself: break what is in scope and see who notices.

An editable install, a workspace link or an absolute import that leads back to the user's tree
would race a program against itself, and every verdict would be noise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from autoresearch.core.errors import GateFailed
from autoresearch.core.model import Arm
from autoresearch.edges.files import named_errors, remove_tree, replace_file
from autoresearch.loop.bench import PREPARE_TIMEOUT_S, CandidateFailed, ProtectedTouched
from autoresearch.loop.confinement import Purpose
from autoresearch.loop.measure import SEED_BITS
from autoresearch.planning.leaks import describe, find_leaks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autoresearch.core.snapshot import TreeMap
    from autoresearch.edges.checkout import Slot
    from autoresearch.loop.bench import Bench, Built
    from autoresearch.loop.measure import Randomness

BROKEN_TEXT = b"\x01 this file was broken on purpose by autoresearch, to see who notices {[(<\n"
"""Neither Python nor any other language, format or prose parses as intended after this."""

TRIES = 3
"""How often a broken checkout that still prints a number is asked: one odd value may be noise."""


@contextmanager
def altered(
    bench: Bench, slot: Slot, tree: TreeMap, changes: Mapping[str, bytes]
) -> Iterator[Built]:
    """A slot that holds `tree` with some files changed, and is as before when the block ends.

    Raises:
        CandidateFailed, ProtectedTouched: the unchanged tree does not set up or build.
    """
    try:
        built = bench.bring(slot, tree, label="0000-proof")
        for path, content in changes.items():
            full = slot.root / path
            with named_errors(full):
                replace_file(str(full), content, mode=0o755, sync=False)
        yield built
    finally:
        slot.restore()
        for folder in bench.contract.cache:
            # A build may have put what it made of the changed files there.
            remove_tree(slot.root / folder)


def builds(bench: Bench, built: Built) -> bool:
    """Whether the changed slot builds; a contract without `build` always does."""
    contract = bench.contract
    if not contract.build:
        return True
    outcome = bench.run(built, contract.build, timeout_s=PREPARE_TIMEOUT_S, purpose=Purpose.BUILD)
    return not (outcome.exit_code or outcome.timed_out)


def values_when_broken(
    bench: Bench, tree: TreeMap, scoped: Sequence[str], randomness: Randomness
) -> tuple[float, ...]:
    """What verify prints with these files broken; empty when build or verify fails then."""
    try:
        with altered(bench, bench.slots[1], tree, dict.fromkeys(scoped, BROKEN_TEXT)) as built:
            return _values(bench, built, randomness)
    except (CandidateFailed, ProtectedTouched):
        return ()


def _values(bench: Bench, built: Built, randomness: Randomness) -> tuple[float, ...]:
    contract = bench.contract
    if not builds(bench, built):
        return ()
    values = []
    for _ in range(TRIES):
        seed = randomness.getrandbits(SEED_BITS)
        outcome = bench.run(built, contract.verify, timeout_s=contract.timeout_s, seed=seed)
        values.append(bench.read(outcome, Arm.CANDIDATE, "0000-proof").value)
    return tuple(values)


def is_unnoticed(sound: Sequence[float], broken: Sequence[float]) -> bool:
    """Whether a value of the broken checkout lies among those of the sound one.

    Args:
        sound: values of the unchanged code, at least one; their range is widened by its width.
        broken: from `values_when_broken`.
    """
    spread = max(sound) - min(sound)
    low, high = min(sound) - spread, max(sound) + spread
    return any(low <= value <= high for value in broken)


def require_noticed(bench: Bench, sound: Sequence[float], broken: Sequence[float]) -> None:
    """Make sure that breaking the scope changed what verify prints.

    Args:
        bench: whose contract was rehearsed.
        sound: values of the unchanged code, at least one.
        broken: from `values_when_broken`.

    Raises:
        GateFailed: `not_measured`: a broken checkout still yields what the sound one does.
    """
    if not is_unnoticed(sound, broken):
        return
    environment = dict((*bench.frozen, *bench.contract.env))
    leaks = find_leaks(bench.repo.toplevel, bench.contract, environment)
    raise GateFailed(
        "verify did not notice that every file in scope was broken in its checkout: "
        "it measures other files than those an experiment changes",
        code="not_measured",
        hint=describe(leaks),
    )
