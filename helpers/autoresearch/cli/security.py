"""`autoresearch security`: sweeps for flaws whose evidence is checked."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autoresearch.cli import LazyGroup
from autoresearch.cli.app import answers
from autoresearch.core import formatting
from autoresearch.core.answer import WIDE_BYTES, Answer
from autoresearch.core.formatting import clean_line
from autoresearch.edges.files import read_bytes_limited

if TYPE_CHECKING:
    from autoresearch.core.security.overview import Coverage

MAX_FORM_BYTES = 64 * 1024
SHOWN = 12
FILE = click.Path(path_type=Path)

COMMANDS = {
    "init": "security",
    "model": "security",
    "sweep": "security",
    "next": "security",
    "examined": "security",
    "add": "security",
    "prove": "security_books",
    "import": "security_books",
    "leads": "security_books",
    "status": "security_books",
    "show": "security_books",
    "recheck": "security_books",
    "state": "security_books",
    "report": "security_out",
    "gate": "security_out",
    "fix": "security_out",
}
"""Subcommand -> module of this package that defines it."""


class SecurityGroup(LazyGroup):
    """The group of a sweep's commands, in its order."""

    table = COMMANDS


@click.group("security", cls=SecurityGroup, no_args_is_help=True)
def security_command() -> None:
    """Sweep code for security flaws. Example: autoresearch security init."""


def environment() -> dict[str, str]:
    """The process's environment; the loop's own way to it would load the whole loop."""
    return dict(os.environ)


def form_text(file: Path) -> str:
    """What was handed in: a file, or standard input for `-`."""
    if str(file) == "-":
        return sys.stdin.buffer.read(MAX_FORM_BYTES + 1).decode("utf-8", "replace")
    return read_bytes_limited(file, MAX_FORM_BYTES).decode("utf-8", "replace")


def coverage_line(found: Coverage) -> str:
    """How much of the matrix is covered."""
    return f"coverage: {found.covered} of {found.cells} cells ({found.share:.0%})"


@click.command("init")
@answers
def init_command() -> Answer:
    """Draft a threat model of the code: elements, flows, stores.

    The draft is a starting point: complete it, then pass it to `security model`. In the repository
    only two ignored copies at its root change.

    Example: autoresearch security init
    """
    from autoresearch.security.books import writing  # noqa: PLC0415 - start fast
    from autoresearch.security.modelling import begin  # noqa: PLC0415 - start fast

    with writing(Path.cwd(), environment(), "security init", begin=True) as books:
        found = begin(books)
    places = ", ".join(f"{number} {kind}" for kind, number in found.counts.items())
    elements = found.model.elements
    return Answer(
        lines=(
            f"model: {formatting.count(len(elements), 'element')}"
            + (", kept from before" if found.kept else " drafted from the code"),
            *(f"  {e.kind.value:<8} {clean_line(e.name, 60)}" for e in elements[:SHOWN]),
            *([f"  … {len(elements) - SHOWN} more"] if len(elements) > SHOWN else []),
            f"places by pattern: {places}",
            f"draft to complete: {found.draft}",
            *(f"scanner {name}: {call}" for name, call in found.scanners.items()),
        ),
        data={
            "elements": [element.name for element in elements],
            "kept": found.kept,
            "draft": found.draft,
            "places": dict(found.counts),
            "scanners": dict(found.scanners),
        },
        next_step="complete the draft and `autoresearch security model FILE`, then "
        "`autoresearch security sweep N`",
    )


@click.command("model")
@click.argument("file", type=FILE)
@answers
def model_command(file: Path) -> Answer:
    r"""Record the completed model in FILE, YAML or JSON.

    `-` stands for standard input.

    \b
    elements:
    - {name: api, kind: process, files: [app/api/**], description: serves orders}
    - {name: orders, kind: flow, from: web, to: api, files: [app/api/routes.py],
       description: what customers send}
    boundaries: [{name: inside, inside: [api], description: the cluster}]
    assets: [{name: addresses, where: [api], description: of customers}]
    Kinds: external, process, store, log (a store that shows who did what), flow.

    Example: autoresearch security model model.yaml
    """
    from autoresearch.security.books import writing  # noqa: PLC0415 - start fast
    from autoresearch.security.look import covered  # noqa: PLC0415 - start fast
    from autoresearch.security.modelling import complete  # noqa: PLC0415 - start fast

    text = form_text(file)
    with writing(Path.cwd(), environment(), "security model", begin=True) as books:
        model = complete(books, text)
        found = covered(books)
    return Answer(
        lines=(
            f"model: {formatting.count(len(model.elements), 'element')}, "
            f"{formatting.count(len(model.boundaries), 'boundary line')}, "
            f"{formatting.count(len(model.assets), 'asset')}",
            coverage_line(found),
        ),
        data={"elements": len(model.elements), "cells": found.cells, "covered": found.covered},
        next_step="`autoresearch security sweep N`",
    )


@click.command("sweep")
@click.argument("iterations", type=click.IntRange(1, 10_000), required=False)
@click.option("--scope", multiple=True, help="Pattern of files to examine; repeatable.")
@click.option("--diff", metavar="REV", help="Only what changed since REV and what it reaches.")
@answers
def sweep_command(iterations: int | None, scope: tuple[str, ...], diff: str | None) -> Answer:
    """Open a sweep of ITERATIONS cells, or continue the open one.

    Without a number it has 10 cells. Once they are used, the answer is AUTORESEARCH DONE.

    Example: autoresearch security sweep 20 --diff origin/main
    """
    from autoresearch.security.books import writing  # noqa: PLC0415 - start fast
    from autoresearch.security.sweeping import open_sweep  # noqa: PLC0415 - start fast

    with writing(Path.cwd(), environment(), "security sweep") as books:
        found = open_sweep(books, iterations, scope, diff)
    sweep = found.sweep
    left = sweep.iterations - found.used
    audited = f", {formatting.count(len(sweep.paths), 'file')} in the audit" if sweep.base else ""
    state = "opened" if found.opened else "goes on"
    if found.done:
        state = "AUTORESEARCH DONE"
    return Answer(
        lines=(
            f"sweep {sweep.number}: {state}, {found.used} of {sweep.iterations} used{audited}",
            coverage_line(found.coverage),
        ),
        data={
            "sweep": sweep.number,
            "used": found.used,
            "iterations": sweep.iterations,
            "done": found.done,
            "paths": list(sweep.paths),
            "cells": found.coverage.cells,
            "covered": found.coverage.covered,
        },
        next_step="report what was found; the human opens the next sweep"
        if found.done
        else f"`autoresearch security next` ({left} left)",
    )


@click.command("next")
@answers
def next_command() -> Answer:
    """Show the least-examined cell and what to try there.

    It names element, threat, persona, hypothesis and places.

    Example: autoresearch security next
    """
    from autoresearch.core.security.catalog import threats  # noqa: PLC0415 - start fast
    from autoresearch.security.books import writing  # noqa: PLC0415 - start fast
    from autoresearch.security.sweeping import Progress, next_task  # noqa: PLC0415 - start fast

    with writing(Path.cwd(), environment(), "security next") as books:
        task = next_task(books)
    if isinstance(task, Progress):
        return Answer(
            lines=(
                f"AUTORESEARCH DONE: sweep {task.sweep.number} used its {task.sweep.iterations}",
                coverage_line(task.coverage),
            ),
            data={"done": True, "covered": task.coverage.covered, "cells": task.coverage.cells},
            next_step="report what was found; the human opens the next sweep",
        )
    element = task.element
    hypothesis = f"acting as {task.persona.value}, one can {threats()[task.stride].question}"
    places = [f"  {clean_line(s.path, 120)}:{s.line} {s.kind.value}" for s in task.sites[:SHOWN]]
    if len(task.sites) > SHOWN:
        places.append(f"  … {len(task.sites) - SHOWN} more places: --json lists them")
    files = ", ".join(clean_line(path, 120) for path in task.files[:SHOWN])
    more = f" and {len(task.files) - SHOWN} more" if len(task.files) > SHOWN else ""
    return Answer(
        lines=(
            f"element: {element.name} ({element.kind.value}): {clean_line(element.description)}",
            f"stride: {task.stride.value}; persona: {task.persona.value}",
            f"hypothesis: {hypothesis}",
            f"previous reviewers: {', '.join(task.looks) or 'nobody'}",
            f"files: {files}{more}",
            *(
                f"  lead L{lead.number} of {lead.tool}, {clean_line(lead.path, 100)}:{lead.line}: "
                f"{clean_line(lead.message, 100)}"
                for lead in task.leads[:5]
            ),
            *places,
            coverage_line(task.progress.coverage),
        ),
        data={
            "done": False,
            "element": element.name,
            "stride": task.stride.value,
            "persona": task.persona.value,
            "hypothesis": hypothesis,
            "looks": list(task.looks),
            "files": list(task.files[:100]),
            "places": [[s.path, s.line, s.kind.value] for s in task.sites[:50]],
            "leads": [lead.number for lead in task.leads],
            "used": task.progress.used,
            "iterations": task.progress.sweep.iterations,
        },
        next_step="read the files, try to break it; then `autoresearch security add -` or "
        "`autoresearch security examined -`",
    )


@click.command("examined")
@click.argument("file", type=FILE)
@answers
def examined_command(file: Path) -> Answer:
    r"""Record a cell that withstands, with the lines that prove it.

    FILE (`-`: standard input) is YAML.

    \b
    element: api
    stride: spoofing
    persona: anonymous caller
    hypothesis: a caller without a session reaches the admin pages
    reason: every handler below /admin goes through require_admin, which raises
    evidence:
    - file: app/admin.py
      lines: 12-14
      quote: |
        the lines, exactly as they are at HEAD
    lead: 3          # optional: a scanner's lead that this dismisses

    Example: autoresearch security examined - <<'EOF'
    """
    from autoresearch.security.books import writing  # noqa: PLC0415 - start fast
    from autoresearch.security.look import covered  # noqa: PLC0415 - start fast
    from autoresearch.security.sweeping import examine  # noqa: PLC0415 - start fast

    text = form_text(file)
    with writing(Path.cwd(), environment(), "security examined") as books:
        record = examine(books, text)
        found = covered(books, books.ledger.sweep)
    return Answer(
        lines=(
            f"E{record.number} recorded: {clean_line(record.element, 60)}, {record.stride.value}, "
            f"{formatting.count(len(record.evidence), 'quote')} verified",
            coverage_line(found),
        ),
        data={"examined": record.number, "covered": found.covered, "cells": found.cells},
        next_step="`autoresearch security next`",
    )


@click.command("add")
@click.argument("file", type=FILE)
@answers
def add_command(file: Path) -> Answer:
    r"""Record a flaw with its evidence.

    FILE (`-`: standard input) is YAML: the keys of `examined` except `reason`, and more.

    \b
    title: any customer reads any order
    cwe: [639]
    lists: [API1]                     # optional: OWASP LLM and API codes
    vector: CVSS:4.0/AV:N/AC:L/AT:N/PR:L/UI:N/VC:H/VI:N/VA:N/SC:N/SI:N/SA:N
    scenario: how an attacker does it
    reproduction: steps that show it
    remedy: what to change
    flow: […]                         # optional: quotes from source to flaw
    The evidence begins with the flaw's own lines, at most 40.

    Example: autoresearch security add finding.yaml
    """
    from autoresearch.core.security.catalog import categories  # noqa: PLC0415 - start fast
    from autoresearch.security.books import writing  # noqa: PLC0415 - start fast
    from autoresearch.security.findings import add  # noqa: PLC0415 - start fast
    from autoresearch.security.look import covered  # noqa: PLC0415 - start fast

    text = form_text(file)
    with writing(Path.cwd(), environment(), "security add") as books:
        finding = add(books, text)
        found = covered(books, books.ledger.sweep)
    labels = [category.label for category in categories(finding.cwe, finding.lists)]
    return Answer(
        lines=(
            f"F{finding.number} recorded: {finding.severity.value} {finding.score:.1f}, "
            f"{formatting.count(len(finding.evidence) + len(finding.flow), 'quote')} verified",
            f"fingerprint: {finding.fingerprint}",
            *labels,
            coverage_line(found),
        ),
        data={
            "finding": finding.number,
            "score": finding.score,
            "severity": finding.severity.value,
            "vector": finding.vector,
            "fingerprint": finding.fingerprint,
            "categories": labels,
            "covered": found.covered,
            "cells": found.cells,
        },
        next_step=f"`autoresearch security prove {finding.number} FILE` where an attack can be "
        "scripted, then `autoresearch security next`",
        max_bytes=WIDE_BYTES,
    )
