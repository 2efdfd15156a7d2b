"""Commands of a sweep: the model, one cell after the other, flaws, their proofs and fixes."""

from __future__ import annotations

from pathlib import Path

import click

from autoresearch.cli.app import few, picked
from autoresearch.cli.security import (
    FILE,
    FORM,
    cells,
    coverage_line,
    form_text,
    places_line,
    security,
)
from autoresearch.core import formatting
from autoresearch.core.formatting import WIDE_BYTES, Answer, clean_line
from autoresearch.core.security.catalog import categories
from autoresearch.core.security.ledger import Opinion, State
from autoresearch.core.security.overview import isolation
from autoresearch.security import fixing, flaws, refuting, scanners, sweeping
from autoresearch.security.books import Books

SHOWN = 12
UNCONFINED = click.option(
    "--unconfined", is_flag=True, help="Run proofs though no sandbox works (for humans to say)."
)
DONE = "report what was found; the human opens the next sweep"


@security(write=True, begin=True)
def init_command(books: Books) -> Answer:
    """Draft a threat model of the code: elements, flows, stores.

    The draft is a starting point: complete it, then pass it to `security model`. In the repository
    only two ignored copies at its root change.

    Example: autoresearch security init
    """
    found = sweeping.begin(books)
    places = ", ".join(f"{number} {kind}" for kind, number in found.counts.items())
    elements = found.model.elements
    drafted = (f"  {e.kind.value:<8} {clean_line(e.name, 60)}" for e in elements)
    return Answer(
        lines=(
            f"model: {formatting.count(len(elements), 'element')}"
            + (", kept from before" if found.kept else " drafted from the code"),
            *few(drafted, SHOWN, "  … {} more"),
            f"places by pattern: {places}",
            f"draft to complete: {found.draft}",
            *(f"scanner {name}: {call}" for name, call in found.scanners.items()),
            *(f"scanner {name} (not installed): {call}" for name, call in found.missing.items()),
        ),
        data={
            "elements": [element.name for element in elements],
            **picked(found, "kept draft"),
            "places": found.counts,
            "scanners": found.scanners,
            "missing_scanners": list(found.missing.values()),
        },
        next_step="complete the draft and `autoresearch security model FILE`, then "
        "`autoresearch security sweep N`",
    )


@security(write=True, begin=True)
@FORM
def model_command(books: Books, text: str) -> Answer:
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
    model = sweeping.complete(books, text)
    found = books.covered()
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


@security(write=True)
@click.argument("iterations", type=click.IntRange(1, 10_000), required=False)
@click.option("--scope", multiple=True, help="Pattern of files to examine; repeatable.")
@click.option("--diff", metavar="REV", help="Only what changed since REV and what it reaches.")
@click.option("--since-last", is_flag=True, help="The same since the last look.")
@click.option(
    "--focus", default="", help="auth, injection, dos, crypto, secrets, files, supply, logs."
)
@click.option("--depth", default="", help="quick, standard, deep.")
def sweep_command(
    books: Books,
    iterations: int | None,
    scope: tuple[str, ...],
    diff: str | None,
    focus: str,
    depth: str,
    *,
    since_last: bool,
) -> Answer:
    """Open a sweep of ITERATIONS cells, or continue the open one.

    Without a number it has 10 cells, or as many as `--depth` says: quick, half of the cells;
    standard, each once; deep, each twice. Once they are used, the answer is AUTORESEARCH DONE.

    Example: autoresearch security sweep 20 --diff origin/main
    """
    found = sweeping.open_sweep(
        books, iterations, scope, diff, since_last=since_last, focus=focus, depth=depth
    )
    if found is None:
        return Answer(
            lines=("AUTORESEARCH DONE: no relevant change, so there is nothing to look at",),
            data={"sweep": None, "used": 0, "iterations": 0, "done": True, "paths": []},
            next_step="go on",
        )
    sweep = found.sweep
    audited = f", {formatting.count(len(sweep.paths), 'file')} in the audit" if sweep.base else ""
    state = "AUTORESEARCH DONE" if found.done else "opened" if found.opened else "goes on"
    left = sweep.iterations - found.used
    raw = (
        "the model is only drafted: complete it first (`security model`), or `next` asks of guesses"
    )
    return Answer(
        lines=(
            f"sweep {sweep.number}: {state}, {found.used} of {sweep.iterations} used{audited}",
            *([raw] if books.require_model().drafted else []),
            coverage_line(found.coverage),
            places_line(books.places(sweep)),
        ),
        data={
            "sweep": sweep.number,
            "used": found.used,
            "iterations": sweep.iterations,
            "done": found.done,
            "paths": sweep.paths,
            **picked(found.coverage, "cells covered"),
        },
        next_step=DONE if found.done else f"`autoresearch security next` ({left} left)",
    )


@security(write=True)
def next_command(books: Books) -> Answer:
    """Show the least-examined cell and what to try there.

    It names element, threat, persona, hypothesis, checks, and the places that no quote touches.

    Example: autoresearch security next
    """
    task = sweeping.next_task(books)
    if isinstance(task, sweeping.SweepState):
        return Answer(
            lines=(
                f"AUTORESEARCH DONE: sweep {task.sweep.number} used its {task.sweep.iterations}",
                coverage_line(task.coverage),
                places_line(books.places(task.sweep)),
            ),
            data={"done": True, **cells(task.coverage)},
            next_step=DONE,
        )
    element = task.element
    places = (f"  {clean_line(s.path, 120)}:{s.line} {s.kind.value}" for s in task.sites)
    files = ", ".join(clean_line(path, 120) for path in task.files[:SHOWN])
    more = f" and {len(task.files) - SHOWN} more" if len(task.files) > SHOWN else ""
    return Answer(
        lines=(
            f"element: {element.name} ({element.kind.value}): {clean_line(element.description)}",
            f"stride: {task.stride.value}; persona: {task.persona.value}",
            f"hypothesis: {task.hypothesis}",
            *(f"  check {check.id}: {check.ask}" for check in task.checks),
            f"previous reviewers: {', '.join(task.looks) or 'nobody'}",
            f"files: {files}{more}",
            *(
                f"  lead L{lead.number} of {lead.tool}, {clean_line(lead.path, 100)}:{lead.line}: "
                f"{clean_line(lead.message, 100)}"
                for lead in task.leads[:5]
            ),
            f"places that no quote touches: {task.untouched} of {len(task.sites)}",
            *few(places, SHOWN, "  … {} more places: --json lists them"),
            coverage_line(task.progress.coverage),
        ),
        data={
            "done": False,
            "element": element.name,
            **picked(task, "stride persona hypothesis looks"),
            "files": task.files[:100],
            "places": [[s.path, s.line, s.kind.value] for s in task.sites[:50]],
            "leads": [lead.number for lead in task.leads],
            "used": task.progress.used,
            "iterations": task.progress.sweep.iterations,
            "untouched": task.untouched,
            "checks": [check.id for check in task.checks],
        },
        next_step="read the files, try to break it; then `autoresearch security add -` or "
        "`autoresearch security examined -`",
        max_lines=60,
        max_bytes=WIDE_BYTES,
    )


@security(write=True)
@FORM
def examined_command(books: Books, text: str) -> Answer:
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
      lines: 12-14   # optional where the quote stands once
      quote: |       # `|2` where the first line is the deepest
        the lines, exactly as they are at HEAD
    lead: 3          # optional: a scanner's lead that this dismisses
    check: server-framing   # optional: the check of `next` that this answers

    Example: autoresearch security examined - <<'EOF'
    """
    record = sweeping.examine(books, text)
    found = books.covered(books.ledger.sweep)
    return Answer(
        lines=(
            f"E{record.number} recorded: {clean_line(record.element, 60)}, {record.stride.value}, "
            f"{formatting.count(len(record.evidence), 'quote')} verified",
            coverage_line(found),
            *filter(None, [sweeping.checkpoint(books)]),
        ),
        data={"examined": record.number, **cells(found)},
        next_step="`autoresearch security next`",
    )


@security(write=True)
@click.option("--distinct", is_flag=True, help="Another flaw than the one in the same lines.")
@FORM
def add_command(books: Books, text: str, *, distinct: bool) -> Answer:
    r"""Record a flaw with its evidence.

    FILE (`-`: standard input) is YAML: the keys of `examined` except `reason`, and more.

    \b
    title: any customer reads any order   # at most 120 characters
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
    finding = flaws.add(books, text, distinct=distinct)
    found = books.covered(books.ledger.sweep)
    labels = [category.label for category in categories(finding.cwe, finding.lists)]
    return Answer(
        lines=(
            f"F{finding.number} recorded: {finding.severity.value} {finding.score:.1f}, "
            f"{formatting.count(len(finding.evidence) + len(finding.flow), 'quote')} verified",
            f"fingerprint: {finding.fingerprint}",
            *labels,
            coverage_line(found),
            *filter(None, [sweeping.checkpoint(books)]),
        ),
        data={
            "finding": finding.number,
            **picked(finding, "score severity vector fingerprint"),
            "categories": labels,
            **cells(found),
        },
        next_step=f"`autoresearch security prove {finding.number} FILE` where an attack can be "
        "scripted, then `autoresearch security next`",
        max_bytes=WIDE_BYTES,
    )


@security(write=True)
@click.argument("number", type=click.IntRange(min=1))
@click.argument("file", type=FILE)
@click.option("--link", multiple=True, help="Ignored folder that it may read, such as .venv.")
@UNCONFINED
def prove_command(
    books: Books, number: int, file: Path, link: tuple[str, ...], *, unconfined: bool
) -> Answer:
    r"""Run and keep a proof of concept for finding NUMBER.

    It runs on HEAD in a clean checkout. FILE is .py, .js or .sh, runs at the root of the checkout,
    and ends with one line on stdout:

    \b
    PROOF exploited   and exit status 1, while the flaw stands (as it must now)
    PROOF withstood   and exit status 0, once the attack no longer works
    Anything else is broken and does not prove a fix. It is stopped after 60 s, reaches only
    loopback, and must run the lines that the finding quotes first.

    Example: autoresearch security prove 3 /tmp/proof.py --link .venv
    """
    books.unconfined = unconfined
    proof = flaws.prove(books, number, file, link)
    return Answer(
        lines=(
            f"F{number}: {proof.result.value} at {proof.commit[:12]} in "
            f"{formatting.duration(proof.duration_s)}, {isolation(proof.sandbox)}",
            f"runs the quoted lines: {proof.runs.value}",
        ),
        data={
            "finding": number,
            "proof": proof.result.value,
            "sandbox": proof.sandbox,
            "runs": proof.runs.value,
        },
        next_step="`autoresearch security next`",
    )


@security(write=True)
@click.argument("file", type=FILE)
def import_command(books: Books, file: Path) -> Answer:
    """Import a scanner's report, or advisories, as leads.

    Reads SARIF, JSON of bandit, semgrep, pip-audit, npm and osv-scanner, and a file or folder of
    OSV advisories, matched offline against lock files. A lead is only the scanner's claim:
    confirm it with `add` or dismiss it with `examined`, with `lead: N` and evidence of your own.

    Example: autoresearch security import bandit.json
    """
    found = scanners.take_in(books, file)
    left = len(books.ledger.open_leads)
    return Answer(
        lines=(
            f"{formatting.count(len(found.fresh), 'lead')} taken in, {found.known} known before, "
            f"{left} not answered",
        ),
        data={"leads": [one.number for one in found.fresh], "known": found.known, "open": left},
        next_step="`autoresearch security leads`",
    )


@security(write=True)
@click.argument("number", type=click.IntRange(min=1))
@click.argument("text", metavar="[FILE]", type=form_text, required=False)
def refute_command(books: Books, number: int, text: str | None) -> Answer:
    r"""Hand a finding to a second mind, and record what it says.

    Without FILE it prints what a fresh helper needs, who has not seen how the finding was made. Its
    answer, YAML, is checked as `examined` is:

    \b
    verdict: contested        # or confirmed: it tried and could not refute it
    reason: why, naming the code
    evidence:
    - file: app/admin.py
      quote: |
        the lines that show it

    Example: autoresearch security refute 3 autoresearch.forms/refute-3.yaml
    """
    finding = books.finding(number)
    if text is None:
        places = ", ".join(f"{q.path}:{q.first}-{q.last}" for q in finding.evidence)
        return Answer(
            lines=(
                f"F{number} claims: {clean_line(finding.title, 120)}",
                f"at {clean_line(places)}",
                f"attack: {clean_line(finding.scenario)}",
                "Show that this is false: the value is checked before, the caller cannot get "
                "there, the framework prevents it, nothing is lost. Read the code itself.",
            ),
            data={"finding": number, "verdict": None},
            next_step=f"`autoresearch security refute {number} FILE` with verdict, reason and "
            "evidence",
        )
    review = refuting.refute(books, number, text)
    return Answer(
        lines=(f"F{number} is {review.verdict.value} by a second mind",),
        data={"finding": number, "verdict": review.verdict},
        next_step="prove it, or let the human decide"
        if review.verdict is Opinion.CONTESTED
        else "`autoresearch security next`",
    )


@security(write=True)
@UNCONFINED
def recheck_command(books: Books, *, unconfined: bool) -> Answer:
    """Run all proofs on HEAD and look for all quoted lines.

    The states of the findings follow the results.

    Example: autoresearch security recheck
    """
    books.unconfined = unconfined
    found = flaws.recheck(books)
    again = "read it again, then prove it or decide"
    gone = (f"F{n}: its lines stand nowhere any more; {again}" for n in found.gone)
    changed = (f"F{n}: its file changed; {again}" for n in found.changed)
    return Answer(
        lines=(
            f"{formatting.count(found.ran, 'proof')} run at {books.tree.commit[:12]}",
            *found.news,
            *gone,
            *changed,
        ),
        data=picked(found, "ran gone news moved changed"),
        next_step="`autoresearch security status`",
        max_bytes=WIDE_BYTES,
    )


@security(write=True)
@click.argument("number", type=click.IntRange(min=1))
@click.argument("state", type=click.Choice([state.value for state in State]))
@click.option("--reason", required=True, help="Why, in a sentence.")
@click.option("--until", metavar="YYYY-MM-DD", help="Last day on which an acceptance holds.")
@click.option("--commit", metavar="REV", help="The commit that mends it, when no proof does.")
@UNCONFINED
def state_command(
    books: Books,
    number: int,
    state: str,
    reason: str,
    until: str | None,
    commit: str | None,
    *,
    unconfined: bool,
) -> Answer:
    """Decide what becomes of a finding (for humans).

    It becomes open, fixed, accepted or false-positive. `fixed` is accepted only if HEAD withstands
    the proof or, without a proof, if the quoted lines stand nowhere any more and `--commit` names
    the commit that mends it. `accepted` needs a last day; afterwards the finding is open again.

    Example: autoresearch security state 3 accepted --until 2027-03-31 --reason "behind the VPN"
    """
    books.unconfined = unconfined
    decision = flaws.decide(books, number, State(state), reason, until, commit)
    last = f" until {decision.until}" if decision.until else ""
    return Answer(
        lines=(f"F{number} is {decision.state.value}{last} (seen: {decision.checked})",),
        data={"finding": number, **picked(decision, "state checked")},
        next_step="`autoresearch security status`",
    )


@security(write=True)
@click.option("--session", default="security-fix", show_default=True, help="Name of the session.")
@click.option("--guard", required=True, help="Command that must pass: the tests.")
@click.option("--scope", multiple=True, required=True, help="Files a fix may change; repeatable.")
@UNCONFINED
def fix_command(
    books: Books, session: str, guard: str, scope: tuple[str, ...], *, unconfined: bool
) -> Answer:
    """Draft the contract of a session that fixes open findings.

    It freezes the findings with their proofs. The metric is the sum of the CVSS scores of findings
    whose proof is not withstood; the guard is yours plus every proof that the incumbent withstands.
    Findings without a proof that succeeds today and runs their lines are left out.

    Example: autoresearch security fix --guard "python -m pytest -q" --scope "app/**"
    """
    books.unconfined = unconfined
    found = fixing.prepare(books, session, guard, scope)
    weight = sum(finding.score for finding in found.findings)
    left = ", ".join(f"F{number}" for number in found.left_out)
    return Answer(
        lines=(
            f"frozen: {formatting.count(len(found.findings), 'finding')}, weight {weight:.1f}",
            *(f"  F{f.number} {f.score:.1f} {clean_line(f.title, 100)}" for f in found.findings),
            *([f"left out, no proof that succeeds: {left}"] if left else []),
            f"proofs: {fixing.FOLDER}/",
            f"contract: {found.draft}",
        ),
        data={
            "findings": [finding.number for finding in found.findings],
            "left_out": found.left_out,
            "weight": weight,
            "folder": fixing.FOLDER,
            "draft": str(found.draft),
        },
        next_step=f"`git add {fixing.FOLDER}` and commit it, then `autoresearch check` and "
        "`autoresearch init` with that contract",
        max_bytes=WIDE_BYTES,
    )
