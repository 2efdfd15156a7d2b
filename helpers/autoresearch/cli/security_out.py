"""What a security ledger gives to others: reports, the gate of CI, the contract of a fix."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click

from autoresearch.cli.app import answers
from autoresearch.cli.security import FILE, coverage_line, environment
from autoresearch.core import formatting
from autoresearch.core.answer import WIDE_BYTES, Answer
from autoresearch.core.formatting import clean_line
from autoresearch.core.security.ledger import Severity

LIMITS = [severity.value for severity in Severity if severity is not Severity.NONE]
EXIT_GATE = 4


@click.command("report")
@click.option("--sarif", type=FILE, help="Write SARIF 2.1.0 to this file.")
@click.option("--markdown", type=FILE, help="Write the report in Markdown.")
@click.option("--html", type=FILE, help="Write it as a section of HTML.")
@click.option("--badge", type=FILE, help="Write a badge's JSON (shields.io endpoint).")
@answers
def report_command(
    sarif: Path | None, markdown: Path | None, html: Path | None, badge: Path | None
) -> Answer:
    """Write the findings in other formats.

    Without an option it only says what there is.

    Example: autoresearch security report --sarif security.sarif
    """
    from autoresearch.core.security import overview as sums  # noqa: PLC0415 - start fast
    from autoresearch.core.security import page  # noqa: PLC0415 - start fast
    from autoresearch.core.security import sarif as form  # noqa: PLC0415 - start fast
    from autoresearch.edges.files import atomic_write  # noqa: PLC0415 - start fast
    from autoresearch.security.books import reading  # noqa: PLC0415 - start fast
    from autoresearch.security.look import overview  # noqa: PLC0415 - start fast

    with reading(Path.cwd(), environment()) as books:
        found = overview(books)
    texts: tuple[tuple[Path | None, Callable[[], str]], ...] = (
        (sarif, lambda: json.dumps(form.document(found), indent=1) + "\n"),
        (markdown, lambda: page.markdown(found)),
        (html, lambda: page.section(found)),
        (badge, lambda: json.dumps(sums.badge(found)) + "\n"),
    )
    written = []
    for path, render in texts:
        if path is not None:
            atomic_write(path, render().encode("utf-8", "replace"))
            written.append(str(path))
    return Answer(
        lines=(
            f"open findings: {sums.tally(found.open())}",
            coverage_line(found.coverage),
            *(f"written: {clean_line(path)}" for path in written),
        ),
        data={
            "written": written,
            "open": len(found.open()),
            "covered": found.coverage.covered,
            "cells": found.coverage.cells,
        },
        next_step="`autoresearch security gate --fail-on high` judges them",
    )


@click.command("gate")
@click.option("--fail-on", type=click.Choice(LIMITS), default="high", show_default=True)
@click.option("--baseline", type=FILE, help="SARIF report of findings that are already known.")
@answers
def gate_command(fail_on: str, baseline: Path | None) -> Answer:
    """Exit with 4 if an open finding reaches the limit.

    Findings in the baseline do not count. In CI the ledger is read from
    `autoresearch.security.jsonl` if that is committed. A finding whose lines are gone stays open
    until `recheck` or `state` says that it is fixed.

    Example: autoresearch security gate --fail-on high --baseline known.sarif
    """
    from autoresearch.core.security.overview import judge  # noqa: PLC0415 - start fast
    from autoresearch.security.books import reading  # noqa: PLC0415 - start fast
    from autoresearch.security.look import baseline as known  # noqa: PLC0415 - start fast
    from autoresearch.security.look import overview  # noqa: PLC0415 - start fast

    with reading(Path.cwd(), environment()) as books:
        found = overview(books)
        said = judge(found, Severity(fail_on), known(baseline))
    failing = [
        f"{one.label} {one.finding.severity.value} {one.finding.score:.1f} "
        f"{clean_line(one.where.path, 80)}:{one.where.first} {clean_line(one.finding.title, 80)}"
        for one in said.failing
    ]
    facts: dict[str, object] = {
        "fail_on": fail_on,
        "failing": [one.finding.number for one in said.failing],
        "known": [one.finding.number for one in said.known],
        "covered": found.coverage.covered,
        "cells": found.coverage.cells,
    }
    if failing:
        facts["error"] = {
            "code": "gate",
            "message": f"{formatting.count(len(failing), 'open finding')} at or above {fail_on}",
            "hint": "mend them and `recheck`, or a human accepts them with `state`",
        }
    return Answer(
        lines=(
            f"gate: {'no' if failing else 'passed'}, "
            f"{formatting.count(len(failing), 'open finding')} at or above {fail_on}, "
            f"{len(said.known)} known",
            *failing,
            coverage_line(found.coverage),
        ),
        data=facts,
        next_step="mend them and `autoresearch security recheck`" if failing else "go on",
        exit_code=EXIT_GATE if failing else 0,
        max_bytes=WIDE_BYTES,
    )


@click.command("fix")
@click.option("--session", default="security-fix", show_default=True, help="Name of the session.")
@click.option("--guard", required=True, help="Command that must pass: the tests.")
@click.option("--scope", multiple=True, required=True, help="Files a fix may change; repeatable.")
@answers
def fix_command(session: str, guard: str, scope: tuple[str, ...]) -> Answer:
    """Draft the contract of a session that fixes open findings.

    It freezes the findings with their proofs. The metric is the sum of the CVSS scores of findings
    whose proof is not withstood; the guard is yours plus every proof that the incumbent withstands.
    Findings without a proof that succeeds today are left out.

    Example: autoresearch security fix --guard "python -m pytest -q" --scope "app/**"
    """
    from autoresearch.security.books import writing  # noqa: PLC0415 - start fast
    from autoresearch.security.fixing import FOLDER, prepare  # noqa: PLC0415 - start fast

    with writing(Path.cwd(), environment(), "security fix") as books:
        found = prepare(books, session, guard, scope)
    weight = sum(finding.score for finding in found.findings)
    left = ", ".join(f"F{number}" for number in found.left_out)
    return Answer(
        lines=(
            f"frozen: {formatting.count(len(found.findings), 'finding')}, weight {weight:.1f}",
            *(
                f"  F{finding.number} {finding.score:.1f} {clean_line(finding.title, 100)}"
                for finding in found.findings
            ),
            *([f"left out, no proof that succeeds: {left}"] if left else []),
            f"proofs: {FOLDER}/",
            f"contract: {found.draft}",
        ),
        data={
            "findings": [finding.number for finding in found.findings],
            "left_out": list(found.left_out),
            "weight": weight,
            "folder": FOLDER,
            "draft": str(found.draft),
        },
        next_step=f"`git add {FOLDER}` and commit it, then `autoresearch check` and "
        "`autoresearch init` with that contract",
        max_bytes=WIDE_BYTES,
    )
