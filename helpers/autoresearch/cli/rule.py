"""The rule for everybody: pairs in, what the loop would decide out, nothing is run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NoReturn

import click
from msgspec import Meta, Struct

from autoresearch.core import wire
from autoresearch.core.contract.keys import Patience
from autoresearch.core.decision import Policy
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.model import RULE, SCHEMA, Arm, Direction, Pair, Scale
from autoresearch.core.question import HOPE, patient_pairs
from autoresearch.core.race import judge
from autoresearch.core.wire import Finite

HINT = "docs/decision.md shows the lines that `rule` reads."


class AskedPolicy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first line of a race; docs/decision.md tells what each key means."""

    pairs: Annotated[int, Meta(ge=1, le=1000)]
    direction: Direction = Direction.LOWER
    scale: Scale = Scale.RATIO
    alpha: Annotated[float, Meta(gt=0, le=0.5)] = 0.02
    min_effect: Annotated[float, Meta(ge=0)] = 0.0
    patience: Patience = Patience.NORMAL
    sample_s: Annotated[float, Meta(ge=0)] = 0.0
    seed: Annotated[int, Meta(ge=0)] | None = None
    pool: tuple[Finite, ...] = ()
    fresh: Annotated[int, Meta(ge=0)] | None = None
    rule: Annotated[int, Meta(ge=1, le=RULE)] = RULE

    def policy(self, race: int) -> Policy:
        """The rules of the race of this number."""
        return Policy(
            alpha=self.alpha,
            pairs=self.pairs,
            direction=self.direction,
            scale=self.scale,
            min_effect=self.min_effect,
            rule=self.rule,
            seed=race if self.seed is None else self.seed,
            hope=HOPE[self.patience],
            patient=patient_pairs(self.sample_s, self.pairs),
            fresh=self.fresh,
        )


class AskedPair(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One pair: its values, and which run came first; where it ran changes no decision."""

    incumbent: Finite
    candidate: Finite
    order: Literal["ab", "ba"]
    place: str | None = None
    machine: str | None = None


class Asked:
    """One race that is asked about."""

    def __init__(self, number: int, asked: AskedPolicy) -> None:
        self.number, self.asked = number, asked
        self.policy = asked.policy(number)
        self.pairs: list[Pair] = []

    def add(self, pair: AskedPair) -> None:
        """One more pair; those after its end are ignored, as no loop would have run them."""
        self.pairs.append(
            Pair(incumbent=pair.incumbent, candidate=pair.candidate, first=Arm(pair.order[0]))
        )

    def answer(self) -> dict[str, Any]:
        """What the loop would decide after these pairs."""
        decision = judge(self.pairs, self.policy, self.asked.pool)
        told = wire.to_object(decision)
        return {
            "schema": SCHEMA,
            "race": self.number,
            "given": len(self.pairs),
            **{name: value for name, value in told.items() if name != "rule"},
            "decided_by": decision.rule.value,
            "rule": self.policy.rule,
            "seed": self.policy.seed,
        }


def answered(lines: Iterator[str], *, each: bool) -> Iterator[dict[str, Any]]:
    """The answers to these lines, as they come.

    Raises:
        AutoresearchError: a line is not what belongs there.
    """
    race: Asked | None = None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = wire.loads(line)
            if "policy" in found:
                if race is not None and not each:
                    yield race.answer()
                asked = wire.convert(found["policy"], AskedPolicy)
                race = Asked(1 if race is None else race.number + 1, asked)
                continue
            pair = wire.convert(found, AskedPair)
        except ValueError as error:
            refuse(f"line {number}: {error}")
        if race is None:
            refuse(f"line {number}: a pair before any policy")
        race.add(pair)
        if each:
            yield race.answer()
    if race is None:
        refuse("no line with a policy on stdin")
    if not each:
        yield race.answer()


def refuse(message: str) -> NoReturn:
    """Say which line cannot be read, and where its form is told."""
    raise AutoresearchError(message, code="unreadable_pairs", hint=HINT)


@click.command("rule")
@click.option("--each", is_flag=True, help="Answer after every pair, not only at the end.")
def rule_command(*, each: bool) -> None:
    """Say what the loop would decide about pairs that you measured or made up.

    Reads JSON lines from stdin, runs nothing, and prints one JSON line a race. A line with a policy
    begins a race, the lines after it are its pairs. Any number of races may follow. The code is
    that of `try`; docs/decision.md describes input and output, which stay.

    Example: autoresearch rule < pairs.jsonl
    """
    for answer in answered(sys.stdin, each=each):
        sys.stdout.write(f"{wire.dumps(answer)}\n")
        sys.stdout.flush()
