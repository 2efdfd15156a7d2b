"""`security add`, `prove`, `state`, `recheck`: findings, their proofs, and what still holds."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import NamedTuple

from autoresearch.core import contract
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_block, clean_line
from autoresearch.core.security.catalog import rate
from autoresearch.core.security.forms import MIN_REASON, FormError, foreign_hosts, read_finding
from autoresearch.core.security.ledger import Finding, Proof, Resolution, State
from autoresearch.core.security.quotes import fingerprint, occurrence, redact
from autoresearch.edges.environment import find_environment
from autoresearch.edges.files import atomic_write, read_bytes_limited
from autoresearch.edges.places import bases_of
from autoresearch.loop.bench import Bench, BenchPlaces
from autoresearch.loop.confinement import Purpose
from autoresearch.security.books import Books, sha256
from autoresearch.security.sweeping import checked_cell
from autoresearch.share.proving import TIMEOUT_S, ProofResult, command_for, judge

MAX_SCRIPT_BYTES = 64 * 1024


# A proof is a test of the attack. What is neither exploited nor withstood is broken, and counts as
# not withstood: a script that fails for another reason proves no fix.


class Script(NamedTuple):
    """A proof of concept: `.py`, `.js` or `.sh`, and the ignored folders that it may read."""

    content: bytes
    ending: str
    link: tuple[str, ...]


class Ran(NamedTuple):
    """What a run showed, and the end of what it printed."""

    proof: Proof
    output: str


def _error(message: str, hint: str) -> AutoresearchError:
    return AutoresearchError(message, code="proof", hint=hint)


def load(path: Path, link: tuple[str, ...]) -> Script:
    """The script in a file; AutoresearchError `proof` for one that must not be run."""
    script = Script(read_bytes_limited(path, MAX_SCRIPT_BYTES), path.suffix, link)
    try:
        command_for(script.ending, "x")
    except KeyError as error:
        problem = f"{path.name} is neither .py nor .js nor .sh"
        raise _error(problem, "Write the proof in one of them.") from error
    hosts = foreign_hosts(script.content.decode("utf-8", "replace"))
    if hosts:
        raise _error(
            f"{path.name} names the host {hosts[0]}",
            "A proof talks to nothing but loopback: start what it attacks itself.",
        )
    return script


def run(books: Books, number: int, script: Script) -> Ran:
    """Run a script on the commit that the books are held against, and write down what it showed."""
    for name in script.link:
        plain = all(part not in {"", ".", ".."} for part in name.split("/"))
        tracked = any(f"{path}/".startswith(f"{name}/") for path in books.tree.whole)
        if not plain or tracked or not (books.repo.toplevel / name).is_dir():
            problem = f"there is no ignored folder {clean_line(name, 100)} to link"
            raise _error(problem, "Take it out.")
    file = books.cache / "proof" / "script" / f"proof{script.ending}"
    command = command_for(script.ending, str(file))
    bench = _bench(books, script, file, command)
    built = bench.bring(bench.slots[0], books.tree.whole, label="proof")
    file.parent.mkdir(exist_ok=True, mode=0o700)
    atomic_write(file, script.content, mode=0o600, sync=False)
    try:
        outcome = bench.run(built, command, timeout_s=TIMEOUT_S, purpose=Purpose.HOLDOUT)
    finally:
        file.unlink()
    result = judge(outcome.stdout, outcome.exit_code)
    if outcome.timed_out or outcome.stdout_truncated:
        result = ProofResult.BROKEN
    proof = Proof(
        finding=number,
        script=f"finding-{number:03d}{script.ending}",
        script_sha256=sha256(script.content),
        link=script.link,
        result=result,
        exit_code=outcome.exit_code,
        duration_s=outcome.wall_s,
        sandbox=bench.confinement.found.name,
        **books.stamp(),
    )
    said = outcome.stdout + b"\n" + outcome.stderr
    return Ran(proof, clean_block(redact(said.decode("utf-8", "replace")), 8, 1_000))


def _bench(books: Books, script: Script, file: Path, command: str) -> Bench:
    """A bench whose programs see the checkout, the links and the script, and may change the first.

    Like a holdout, the script lies outside the checkout and in a folder that is hidden otherwise.
    """
    terms = {
        "session": "proof",
        "goal": "see whether an attack works",
        "metric": {"name": "proof", "direction": "lower"},
        "verify": command,
        "scope": ["**"],
        "env": {"pass": ["PYTHONPATH"]},
        "link": list(script.link),
        "holdout": {"command": command, "reads": [str(file)]},
    }
    root = books.cache / "proof"
    return Bench(
        places=BenchPlaces(
            cache=root,
            manifests=books.state / "manifests",
            output=books.state / "output",
            roots=bases_of(books.environ),
        ),
        repo=books.repo,
        contract=contract.parse(json.dumps(terms), name="the bench of a proof"),
        frozen=find_environment(books.environ, Path(books.environ.get("HOME", "/"))),
        environ={"PYTHONPATH": str(root / "a")},
    )


def file_away(books: Books, proof: Proof, script: Script) -> None:
    """Keep a script in the state folder."""
    folder = books.state / "proofs"
    folder.mkdir(mode=0o700, exist_ok=True)
    atomic_write(folder / proof.script, script.content, mode=0o600)


def filed(books: Books, number: int) -> Script:
    """The script of a finding, as it was filed; AutoresearchError `proof` when it is not there."""
    proof = books.ledger.proofs[number]
    path = books.state / "proofs" / proof.script
    if not path.is_file():
        raise _error(
            f"the proof of F{number} is not on this machine",
            f"`autoresearch security prove {number} FILE` files it again.",
        )
    content = path.read_bytes()
    if sha256(content) != proof.script_sha256:
        raise _error(
            f"the proof of F{number} was changed since it was filed", f"Bring {path} back."
        )
    return Script(content, path.suffix, proof.link)


def run_filed(books: Books, number: int) -> Ran:
    """Run the proof of a finding again, and record what it shows."""
    ran = run(books, number, filed(books, number))
    books.write(ran.proof)
    return ran


MAX_DAYS = 366
"""Longest acceptance of a risk: then somebody looks again."""
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Rechecked(NamedTuple):
    """How many proofs ran, whose lines are gone without a proof, and what changed, in words."""

    ran: int
    gone: tuple[int, ...]
    news: tuple[str, ...]


def add(books: Books, text: str) -> Finding:
    """Record a finding whose evidence holds; the form or a quote is refused otherwise."""
    form = read_finding(text)
    cell = checked_cell(books, form)
    own = cell["evidence"][0]
    try:
        rated = rate(form.vector)
    except ValueError as error:
        raise AutoresearchError(
            f"the vector is no CVSS 4.0 vector: {error}",
            code="vector",
            hint="Shape: CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:N/VA:N/SC:N/SI:N/SA:N",
        ) from error
    above = occurrence(books.tree.content(own.path), own.text, own.first)
    finding = Finding(
        number=max(books.ledger.findings, default=0) + 1,
        title=redact(form.title),
        cwe=form.cwe,
        lists=form.lists,
        vector=rated.vector,
        score=rated.score,
        severity=rated.severity,
        fingerprint=fingerprint(own.path, own.text, form.cwe[0], above),
        flow=books.tree.verified(form.flow),
        scenario=redact(form.scenario),
        reproduction=redact(form.reproduction),
        remedy=redact(form.remedy),
        **cell,
    )
    _refuse_duplicate(books, finding)
    books.write(finding)
    return finding


def _refuse_duplicate(books: Books, finding: Finding) -> None:
    own = finding.evidence[0]
    for standing in books.ledger.standings:
        other = standing.finding
        place = books.tree.place(other.evidence[0])
        overlaps = (
            other.cwe[0] == finding.cwe[0]
            and other.evidence[0].path == own.path
            and place is not None
            and place.first <= own.last
            and own.first <= place.last
        )
        if overlaps or other.fingerprint == finding.fingerprint:
            state = standing.state(books.today)
            raise AutoresearchError(
                f"the same flaw is F{other.number} already ({state.value})",
                code="duplicate",
                hint=f"`autoresearch security show {other.number}` shows it; "
                "`state N open` opens it again.",
            )


def prove(books: Books, number: int, path: Path, link: tuple[str, ...]) -> Proof:
    """Run a proof of concept and file it, once it succeeds on the commit that is checked out."""
    books.finding(number)
    script = load(path, link)
    ran = run(books, number, script)
    if ran.proof.result is not ProofResult.EXPLOITED:
        raise AutoresearchError(
            f"the proof says {ran.proof.result.value} (exit {ran.proof.exit_code}) on "
            f"{books.tree.commit[:12]}, so it proves no flaw: {ran.output[-300:]}",
            code="proof",
            hint="It must print `PROOF exploited` and end with status 1 while the flaw stands.",
        )
    file_away(books, ran.proof, script)
    books.write(ran.proof)
    return ran.proof


def decide(books: Books, number: int, state: State, reason: str, until: str | None) -> Resolution:
    """Record what is to be done about a finding; `fixed` has to be seen."""
    books.finding(number)
    if len(reason.strip()) < MIN_REASON:
        raise AutoresearchError("the reason says too little", code="reason", hint="Say why.")
    if state is State.ACCEPTED:
        _require_day(until, books.today)
    elif until is not None:
        raise FormError("only an acceptance has a last day", hint="Leave out --until.")
    checked = _checked_fixed(books, number) if state is State.FIXED else "word"
    return _decide(books, number, state, redact(reason.strip()), checked, until)


def _require_day(until: str | None, today: str) -> None:
    """Refuse an acceptance without a last day, or with one that is none or too far away."""
    ahead = None
    with suppress(ValueError):
        if until is not None and _DAY.fullmatch(until):
            ahead = (date.fromisoformat(until) - date.fromisoformat(today)).days
    if until is None:
        problem = "an accepted finding needs its last day"
    elif ahead is None:
        problem = f"{until[:20]} is no day"
    elif not 0 <= ahead <= MAX_DAYS:
        problem = f"{until} is not within the next {MAX_DAYS} days"
    else:
        return
    raise AutoresearchError(
        problem, code="until", hint=f"`--until YYYY-MM-DD`, at most {MAX_DAYS} days ahead."
    )


def _checked_fixed(books: Books, number: int) -> str:
    """What the helper saw of a fix; raises AutoresearchError `not_fixed`."""
    if number in books.ledger.proofs:
        ran = run_filed(books, number)
        if ran.proof.result is ProofResult.WITHSTOOD:
            return "proof"
        raise AutoresearchError(
            f"the proof of F{number} says {ran.proof.result.value} on {books.tree.commit[:12]}: "
            f"{ran.output[-300:]}",
            code="not_fixed",
            hint="Mend the flaw and commit; a proof that breaks proves no fix.",
        )
    if _stands(books, number):
        raise AutoresearchError(
            f"the lines of F{number} are still there, and it has no proof that they are harmless",
            code="not_fixed",
            hint="Commit the fix, or have a human decide `false-positive` or `accepted`.",
        )
    return "gone"


def _decide(
    books: Books, number: int, state: State, reason: str, checked: str, until: str | None = None
) -> Resolution:
    decision = Resolution(
        finding=number,
        state=state,
        reason=reason,
        until=until,
        checked=checked,
        **books.stamp(),
    )
    books.write(decision)
    return decision


def recheck(books: Books) -> Rechecked:
    """Run every proof on the commit that is checked out, and look for every quoted line.

    An open finding whose proof is withstood becomes fixed; a fixed one whose proof succeeds again,
    or whose lines are back, is open again. An open finding without a proof is never closed by it.
    """
    ran, gone, news = 0, [], []
    for standing in books.ledger.standings:
        number, state = standing.finding.number, standing.state(books.today)
        if state not in {State.OPEN, State.FIXED}:
            continue
        if standing.proof is None:
            held, checked, reason = not _stands(books, number), "gone", "its lines are back"
            if held and state is State.OPEN:
                gone.append(number)
                continue
        else:
            result = run_filed(books, number).proof.result
            ran += 1
            held, checked = result is ProofResult.WITHSTOOD, "proof"
            reason = "its proof is withstood" if held else f"its proof says {result.value}"
        if held is not (state is State.FIXED):
            _decide(books, number, State.FIXED if held else State.OPEN, reason, checked)
            news.append(f"F{number} is {'fixed' if held else 'open again'}: {reason}")
    return Rechecked(ran, tuple(gone), tuple(news))


def _stands(books: Books, number: int) -> bool:
    """Whether the flaw's own lines are still there."""
    return books.tree.stands(books.ledger.findings[number].evidence[0])
