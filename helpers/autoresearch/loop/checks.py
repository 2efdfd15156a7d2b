"""Guard and `same`: what must hold of a program besides its metric."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core import formatting
from autoresearch.core.errors import SessionBroken
from autoresearch.core.model import Reason
from autoresearch.loop.bench import CandidateFailed, ProtectedTouched

if TYPE_CHECKING:
    from autoresearch.core.history import Progress
    from autoresearch.core.model import CommandResult
    from autoresearch.core.records import Epoch
    from autoresearch.core.snapshot import TreeMap
    from autoresearch.edges.command import Outcome
    from autoresearch.loop.bench import Bench


class Checked(NamedTuple):
    """What guard and `same` said, None where the contract has none or it was not reached.

    Attributes:
        failed: GUARD, SAME, or None when both hold.
        text: what failed, in words; empty when nothing did.
    """

    guard: CommandResult | None
    same: CommandResult | None
    failed: Reason | None
    text: str

    @property
    def output(self) -> str:
        """The file that holds what the failed command printed; empty when nothing failed."""
        result = self.same if self.failed is Reason.SAME else self.guard
        return "" if self.failed is None or result is None else result.output


def current_epoch(progress: Progress) -> Epoch:
    """The epoch whose evaluator measures.

    Raises:
        SessionBroken: the log holds no baseline.
    """
    if progress.epoch is None:
        raise SessionBroken(
            "the session has no baseline", code="no_baseline", hint="Start it anew with `init`."
        )
    return progress.epoch


def run_checks(
    bench: Bench, tree: TreeMap, same_sha256: str | None, label: str, say: Callable[[str], None]
) -> Checked:
    """Run the guard and then `same` on a tree, in a checkout of their own.

    Args:
        bench: with the contract in force.
        tree: the program.
        same_sha256: hash of what `same` printed on the baseline's code.
        label: names captured output.
        say: told what runs.

    Raises:
        CandidateFailed: set-up or build failed.
        ProtectedTouched: a protected file of the checkout changed while one of them ran.
    """
    contract, guard = bench.contract, None
    if contract.guard is None and contract.same is None:
        return Checked(None, None, None, "")
    ground = bench.bring(bench.slots[2], tree, label=f"{label}-guard")
    if contract.guard is not None:
        say("guard")
        guard, _ = bench.command(ground, contract.guard, label=f"{label}-guard")
        if not guard.passed:
            return Checked(guard, None, Reason.GUARD, f"the guard {_ending(guard)}")
    if contract.same is None:
        return Checked(guard, None, None, "")
    say("same")
    same, outcome = bench.command(ground, contract.same, label=f"{label}-same")
    text = _difference(same, outcome, same_sha256)
    return Checked(guard, same, Reason.SAME if text else None, text)


def _difference(same: CommandResult, outcome: Outcome, expected: str | None) -> str:
    """How `same` differs from the baseline's, in words; empty when it does not."""
    if not same.passed:
        return f"`same` {_ending(same)}"
    if outcome.stdout_truncated:
        return "`same` printed more than can be compared"
    if hashlib.sha256(outcome.stdout).hexdigest() != expected:
        return "`same` printed something else"
    return ""


def require_sound_guard(bench: Bench, incumbent: TreeMap, label: str) -> None:
    """Make sure that the guard passes on the incumbent; else it says nothing about a candidate."""
    try:
        ground = bench.bring(bench.slots[2], incumbent, label=label)
        result, _ = bench.command(ground, bench.contract.guard or "", label=label)
    except (CandidateFailed, ProtectedTouched) as error:
        raise broken("the guard's checkout", error) from error
    if not result.passed:
        raise SessionBroken(
            f"the guard {_ending(result)} on the incumbent as well "
            f"({bench.places.output.parent / result.output})",
            code="guard_broken",
            hint="Mend what it needs on this machine, then try again; the edit is untouched.",
        )


def broken(what: str, error: CandidateFailed | ProtectedTouched) -> SessionBroken:
    """The error for an incumbent that fails: no verdict on the candidate can be given."""
    output = error.output if isinstance(error, CandidateFailed) else ""
    return SessionBroken(
        f"{what} of the incumbent itself fails: {error.message}"
        + (f" ({output})" if output else ""),
        code="benchmark_broken",
        hint="Mend what it needs on this machine, then try again; the edit is untouched.",
    )


def _ending(result: CommandResult) -> str:
    took = formatting.duration(result.duration_s)
    if result.timed_out:
        return f"did not end within {took}"
    return f"failed with exit code {result.exit_code} after {took}"
