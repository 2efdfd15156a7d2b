"""All attacks by threat, what none of them can show, and the table of docs/trust.md.

`python tests/attacks/catalogue.py` writes the table anew.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from attacks import (
    carrying,
    data,
    environment,
    evaluator,
    gitset,
    in_process,
    injection,
    metric,
    racing,
    resources,
    scope,
    state,
)
from attacks.arena import Attack, Needs, Threat
from attacks.honest import HONEST

PAGE = Path(__file__).resolve().parents[2] / "docs" / "trust.md"
BEGIN, END = "<!-- attacks: begin -->", "<!-- attacks: end -->"

CATALOGUE: dict[Threat, tuple[Attack, ...]] = {
    Threat.EVALUATOR: evaluator.ATTACKS,
    Threat.SCOPE: scope.ATTACKS,
    Threat.GIT: gitset.ATTACKS,
    Threat.ENVIRONMENT: environment.ATTACKS,
    Threat.METRIC: metric.ATTACKS,
    Threat.IN_PROCESS: in_process.ATTACKS,
    Threat.CARRYING: carrying.ATTACKS,
    Threat.RESOURCES: resources.ATTACKS,
    Threat.INJECTION: injection.ATTACKS,
    Threat.RACE: racing.ATTACKS,
    Threat.STATE: state.ATTACKS,
    Threat.DATA: data.ATTACKS,
}

STANDING = (Threat.EVALUATOR, Threat.SCOPE, Threat.GIT, Threat.ENVIRONMENT, Threat.STATE)
RUNNING = tuple(threat for threat in CATALOGUE if threat not in STANDING)


class Limit(NamedTuple):
    """What is not withstood, why, and what helps all the same."""

    what: str
    why: str
    helps: str


LIMITS = (
    Limit(
        "learns the benchmark's inputs by heart",
        "the same question every night can be answered from memory",
        "inputs from `AUTORESEARCH_SEED`, `holdout`, the literal check",
    ),
    Limit(
        "is fast on the benchmark and slow elsewhere",
        "nobody sees what is not measured",
        "`holdout`, limited secondary metrics, more inputs in verify",
    ),
    Limit(
        "breaks behaviour that neither guard nor `same` looks at",
        "nobody knows what is not checked",
        "`same` on odd inputs; `check` breaks code to see who notices",
    ),
    Limit(
        "in-process cheats under a benchmark that imports the candidate",
        "code in one process has all its rights; nothing inside can tell truth from lies",
        "a separate evaluator; else the flag `suspicious` and a human's look at the diff",
    ),
    Limit(
        "takes over the separate evaluator by ptrace or its memory, as root without a sandbox",
        "root can look into every process",
        "a sandbox (no capabilities in it), or a user without privileges",
    ),
    Limit(
        "an agent that rewrites the whole state folder so that all of it fits",
        "it has your rights; the hash chain shows changes but cannot prevent them",
        "host rules that forbid writing there; `refs/autoresearch/*` pushed elsewhere",
    ),
    Limit(
        "an agent that runs a readable holdout by hand",
        "it has your rights",
        "a holdout that only another user, or the referee's machine, can read",
    ),
    Limit(
        "prints what it can read",
        "output is kept for people, and an excerpt is shown when a run fails",
        "the sandbox hides the home; pass no secrets",
    ),
    Limit(
        "persuades whoever reads its output, code or message",
        "fences mark data; they do not stop a reader from obeying it",
        "few words, after the verdict, and none when all went well",
    ),
)


def of(needs: Needs, threats: tuple[Threat, ...] = tuple(Threat)) -> list[Attack]:
    """The attacks of these threats that need so much."""
    return [attack for threat in threats for attack in CATALOGUE[threat] if attack.needs is needs]


def table() -> str:
    """The results, from the declarations alone."""
    counts = [_row("threat", *("attacks", *(_HEADS[needs] for needs in Needs)))]
    counts.append(_row(*["---"] * (len(Needs) + 2)))
    for threat, attacks in CATALOGUE.items():
        numbers = [sum(attack.needs is needs for attack in attacks) for needs in Needs]
        counts.append(_row(threat.value, len(attacks), *(number or "" for number in numbers)))
    whole = [len(of(needs)) for needs in Needs]
    counts.append(_row("**all**", sum(whole), *whole))
    lines = [
        *counts,
        "",
        f"In addition, {len(HONEST)} honest changes of every shape: all of them are kept.",
        "",
        "Only a sandbox withstands code that",
        "",
        *(f"- {attack.name}" for attack in of(Needs.SANDBOX)),
        "",
        "Only a separate evaluator withstands code that does the following. Without one, each of "
        "these is discarded or flagged `suspicious`:",
        "",
        *(f"- {attack.name}" for attack in of(Needs.SEPARATE_EVALUATOR)),
        "",
        "Nothing of ours withstands this:",
        "",
        _row("what", "why", "what helps"),
        _row("---", "---", "---"),
        *(_row(*limit) for limit in LIMITS),
    ]
    return "\n".join(lines)


_HEADS = {
    Needs.NOTHING: "withstood by itself",
    Needs.SANDBOX: "with a sandbox",
    Needs.SEPARATE_EVALUATOR: "with a separate evaluator",
}


def _row(*cells: object) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def page_with_table(page: str) -> str:
    """The page with the table between its marks."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{table()}\n\n{END}{tail}"


if __name__ == "__main__":
    PAGE.write_text(page_with_table(PAGE.read_text("utf-8")), "utf-8")
