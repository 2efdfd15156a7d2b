"""`transfer` of the contract: is the gain on another workload too, and which keeps stay behind?"""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

from msgspec.structs import replace

from autoresearch.core import carrying
from autoresearch.core.carrying import TIP_RUNS, judged, log_gain, next_round, noise_of_a_run
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.model import SCHEMA, Arm, Scale
from autoresearch.core.race import pairs_of
from autoresearch.core.records import Transfer
from autoresearch.core.snapshot import with_changes
from autoresearch.core.suspicion import ABLATION_PAIRS
from autoresearch.edges.clock import now_utc
from autoresearch.edges.lock import turn_to_measure
from autoresearch.loop import logbook
from autoresearch.loop.bench import CandidateFailed, ProtectedTouched, must_hold
from autoresearch.loop.measure import SEED_BITS, Race
from autoresearch.loop.settle import leave_out
from autoresearch.loop.validate import VALIDATION_PAIRS, first_arm, race_fixed
from autoresearch.shipping.review import standing

if TYPE_CHECKING:
    from autoresearch.core.question import Caller
    from autoresearch.core.records import Validation
    from autoresearch.core.snapshot import TreeMap
    from autoresearch.loop.bench import Bench
    from autoresearch.loop.session import Session

SHARE = 5
"""Naming the keeps costs a fifth of racing each of them."""


def carried(
    session: Session, caller: Caller, validation: Validation, *, keeps: bool
) -> tuple[Transfer, ...]:
    """Race first against last on every workload of `transfer`; with `keeps`, name those that stay.

    Raises:
        SessionBroken: a workload does not run.
    """
    found = []
    for name, command in session.contract.transfer:
        contract = replace(session.contract, verify=command, secondary=())
        bench = session.bench(contract)
        with (
            turn_to_measure(session.places.measure_lock, "validate", caller.say),
            must_hold(f"the workload {name}", "the last commit"),
        ):
            caller.say(f"the workload {name}")
            race = Race(bench, caller, f"transfer-{name}", base="the first commit")
            first, tip = first_arm(session), session.incumbent_tree
            raced = race_fixed(session, race, first, tip, VALIDATION_PAIRS)
            effect, record = raced.decision.effect, raced.record
            if effect is None:
                continue
            staying, unsure, runs = (
                _staying(
                    session, caller, bench, noise_of_a_run(pairs_of(record.order, record.values))
                )
                if keeps and effect.scale is Scale.RATIO
                else ((), (), 0)
            )
        ratio = carrying.ratio_of(effect, validation.effect, session.contract.metric.direction)
        told = Transfer(
            schema=SCHEMA,
            at=now_utc(),
            epoch=session.epoch.number,
            workload=name,
            last=validation.last,
            effect=effect,
            race=record,
            ratio=None if ratio is None else (ratio.value, ratio.low, ratio.high),
            staying=staying,
            unsure=unsure,
            runs=runs,
        )
        logbook.record(session, told)
        found.append(told)
    if found:
        logbook.publish(session)
    return tuple(found)


def _staying(
    session: Session, caller: Caller, bench: Bench, noise: float
) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """The keeps that stay behind, those not surely decided, and the runs that it took."""
    direction = session.contract.metric.direction
    trees: dict[int, TreeMap] = {}
    expected: dict[int, float] = {}
    for keep in standing(session):
        merged = leave_out(session, keep)
        gain = 0.0 if keep.effect is None else log_gain(keep.effect.change, direction)
        if merged.changes and not merged.conflicts and gain > 0:
            trees[keep.number] = with_changes(session.incumbent_tree, merged.changes)
            expected[keep.number] = gain
    budget = len(trees) * 2 * ABLATION_PAIRS // SHARE
    known: dict[int, list[float]] = {}
    runs = 0
    while chosen := next_round(known, expected, noise, budget - runs):
        order = [*chosen, *[0] * TIP_RUNS]
        for place in range(len(order) - 1, 0, -1):  # chance decides who runs when
            other = caller.randomness.getrandbits(SEED_BITS) % (place + 1)
            order[place], order[other] = order[other], order[place]
        values: dict[int, list[float]] = {}
        for number in order:
            caller.say(f"without experiment {number}" if number else "with all of them")
            value = _run(caller, bench, trees.get(number, session.incumbent_tree))
            values.setdefault(number, []).append(value)
        tip = statistics.fmean(map(math.log, values[0]))
        for number in chosen:
            change = math.expm1(math.log(values[number][0]) - tip)
            known.setdefault(number, []).append(-log_gain(change, direction))
        runs += len(order)
    found = {number: judged(told, expected[number], noise) for number, told in known.items()}
    return (
        tuple(sorted(number for number, one in found.items() if one.stays)),
        tuple(sorted(number for number, one in found.items() if not one.surely)),
        runs,
    )


def _run(caller: Caller, bench: Bench, tree: TreeMap) -> float:
    """One run of the workload on a tree."""
    seed = caller.randomness.getrandbits(SEED_BITS)
    try:
        built = bench.bring(bench.slots[0], tree, label="transfer")
        value = bench.sample(built, Arm.CANDIDATE, seed=seed, label="transfer").value
    except (CandidateFailed, ProtectedTouched) as error:
        raise AutoresearchError(
            f"without one of the keeps the workload does not run: {error.message}",
            code="transfer_failed",
            hint="`validate` without `--transfer` measures the whole.",
        ) from error
    if value <= 0:
        raise AutoresearchError(
            f"the workload's metric is {value}, so gains cannot be compared as ratios",
            code="transfer_failed",
            hint="Let it print a positive number.",
        )
    return value
