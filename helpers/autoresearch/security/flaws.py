"""`security add`, `prove`, `state`, `recheck`: findings, their proofs, and what still holds."""

from __future__ import annotations

import json
import re
import secrets
import shlex
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import NamedTuple

from msgspec import structs

from autoresearch import share
from autoresearch.core import contract
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_block, clean_line
from autoresearch.core.security.catalog import rate
from autoresearch.core.security.forms import MIN_REASON, FormError, foreign_hosts, read_finding
from autoresearch.core.security.ledger import Finding, Proof, Resolution, Runs, State
from autoresearch.core.security.overview import Standing
from autoresearch.core.security.quotes import fingerprint, occurrence, redact
from autoresearch.core.snapshot import TreeMap
from autoresearch.edges.environment import find_environment
from autoresearch.edges.files import atomic_write, read_bytes_limited
from autoresearch.edges.gitdiff import changed_paths
from autoresearch.edges.places import CHECKOUT, bases_of
from autoresearch.loop.bench import Bench, BenchPlaces
from autoresearch.loop.confinement import Purpose
from autoresearch.security.books import Books, sha256
from autoresearch.security.sweeping import checked_cell, resolved
from autoresearch.share.proving import TIMEOUT_S, ProofResult, command_for, judge

WATCHED = (".py", ".js", ".mjs", ".cjs")
"""Ends of files whose lines `reach.py` sees running."""
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
    """Run a script on the commit that the books are held against, and see what it runs.

    Where no program that we can watch loads the quoted file, the proof runs once more without
    that file: if the attack succeeds all the same, it is not an attack on that code.

    Raises:
        AutoresearchError: `proof` where there is nothing to run it on, `no_sandbox`.
    """
    finding = books.finding(number)
    own = books.tree.place(finding.evidence[0], finding.commit)
    ran, seen = _run(books, number, script, books.tree.whole, own)
    runs = Runs(seen) if seen in {"yes", "no"} else Runs.UNKNOWN
    if runs is Runs.UNKNOWN and own is not None and ran.proof.result is ProofResult.EXPLOITED:
        without = {path: entry for path, entry in books.tree.whole.items() if path != own.path}
        control, _ = _run(books, number, script, without, None)
        watched = own.path.endswith(WATCHED)
        if control.proof.result is ProofResult.EXPLOITED:
            runs = Runs.NO
        elif not watched:
            runs = Runs.YES
    return ran._replace(proof=structs.replace(ran.proof, runs=runs))


def _run(
    books: Books, number: int, script: Script, tree: TreeMap, own: Standing | None
) -> tuple[Ran, str]:
    """One run in a checkout of a tree, and what was seen of the lines `own`."""
    for name in script.link:
        plain = all(part not in {"", ".", ".."} for part in name.split("/"))
        tracked = any(f"{path}/".startswith(f"{name}/") for path in books.tree.whole)
        if not plain or tracked or not (books.repo.toplevel / name).is_dir():
            problem = f"there is no ignored folder {clean_line(name, 100)} to link"
            raise _error(problem, "Take it out.")
    folder, word = books.cache / "proof" / "script", secrets.token_hex(8)
    file = folder / f"proof{script.ending}"
    command = command_for(script.ending, str(file))
    if own is not None:
        words = (word, own.path, str(own.first), str(own.last), command)
        command = f"exec python3 {shlex.join((str(folder / 'reach.py'), *words))}"
    bench = _bench(books, script, folder, command)
    _require_sandbox(books, bench)
    built = bench.bring(bench.slots[0], tree, label="proof")
    for name in ("reach.py", "trace/sitecustomize.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        content = (share.FOLDER / "security" / name).read_bytes()
        atomic_write(folder / name, content, mode=0o600, sync=False)
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
    errors, there, seen = outcome.stderr.decode("utf-8", "replace").rpartition(f"\n{word} ")
    said = outcome.stdout.decode("utf-8", "replace") + "\n" + (errors if there else seen)
    if outcome.timed_out:
        said += f"\nstopped after {TIMEOUT_S} s"
    return Ran(proof, clean_block(redact(said), 8, 1_000)), seen.strip() if there else ""


def _require_sandbox(books: Books, bench: Bench) -> None:
    """Refuse to run foreign code that nothing confines, until a human says so."""
    found = bench.confinement.found
    in_ci = books.environ.get("CI", "") not in {"", "0", "false"}
    if found.sandbox is None and (in_ci or not books.unconfined):
        raise AutoresearchError(
            f"nothing confines the proof, which could reach the network and write anywhere: "
            f"{found.absence}",
            code="no_sandbox",
            hint="CI must have a sandbox."
            if in_ci
            else "A human who has read the script may say `--unconfined`.",
        )


def _bench(books: Books, script: Script, folder: Path, command: str) -> Bench:
    """A bench whose programs see checkout, links and the script's folder, and may change the first.

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
        "holdout": {"command": command, "reads": [str(folder)]},
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
        environ={"PYTHONPATH": str(root / CHECKOUT)},
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
    """How many proofs ran, and what changed, in words.

    Attributes:
        gone: findings without a proof whose lines stand nowhere any more.
        moved: those whose lines stand elsewhere.
        changed: those whose lines stand, in a file that is another one by now.
    """

    ran: int
    gone: tuple[int, ...]
    moved: tuple[int, ...]
    changed: tuple[int, ...]
    news: tuple[str, ...]


def add(books: Books, text: str, *, distinct: bool = False) -> Finding:
    """Record a finding whose evidence holds; the form or a quote is refused otherwise.

    With `distinct` it may quote lines of another finding, under another weakness.
    """
    form = read_finding(text)
    cell, flow = checked_cell(books, form, form.flow)
    own = cell["evidence"][0]
    try:
        rated = rate(form.vector)
    except ValueError as error:
        raise AutoresearchError(
            f"the vector is no CVSS 4.0 vector: {error}",
            code="vector",
            hint="Shape: CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:N/VA:N/SC:N/SI:N/SA:N",
        ) from error
    if not rated.score:
        raise AutoresearchError(
            "nothing is lost by this vector: its score is 0",
            code="vector",
            hint="Rate what the system loses (VC, VI, VA), or record the cell with `examined`.",
        )
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
        flow=flow,
        scenario=redact(form.scenario),
        reproduction=redact(form.reproduction),
        remedy=redact(form.remedy),
        **cell,
    )
    _refuse_duplicate(books, finding, distinct=distinct)
    books.write(finding)
    return finding


def _refuse_duplicate(books: Books, finding: Finding, *, distinct: bool) -> None:
    own = finding.evidence[0]
    for standing in books.ledger.standings:
        other = standing.finding
        place = books.tree.place(other.evidence[0], other.commit)
        same = other.cwe[0] == finding.cwe[0]
        overlaps = (
            not (distinct and not same)
            and place is not None
            and place.path == own.path
            and place.first <= own.last
            and own.first <= place.last
        )
        if overlaps or other.fingerprint == finding.fingerprint:
            state = standing.state(books.today)
            raise AutoresearchError(
                f"the same flaw is F{other.number} already ({state.value})"
                if same
                else f"F{other.number} stands in the same lines ({state.value})",
                code="duplicate",
                hint=f"`autoresearch security show {other.number}` shows it; "
                "`state N open` opens it again."
                + ("" if same else " Another flaw: `add --distinct`."),
            )


def prove(books: Books, number: int, path: Path, link: tuple[str, ...]) -> Proof:
    """Run a proof of concept and file it, once it succeeds on the commit that is checked out."""
    books.finding(number)
    script = load(path, link)
    ran = run(books, number, script)
    finding = books.finding(number)
    own = books.tree.place(finding.evidence[0], finding.commit) or finding.evidence[0]
    if ran.proof.runs is Runs.NO and ran.proof.result is ProofResult.EXPLOITED:
        raise _error(
            f"the proof never runs {clean_line(own.path, 200)}:{own.first}-{own.last}, the lines "
            f"that F{number} quotes first",
            "It must attack that code itself: import it, or start it as its users do (with the "
            "environment that it gets), and let the attack go through those lines.",
        )
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


def decide(
    books: Books,
    number: int,
    state: State,
    reason: str,
    until: str | None,
    commit: str | None = None,
) -> Resolution:
    """Record what is to be done about a finding; `fixed` has to be seen.

    Args:
        books: open to write.
        number: the finding's.
        state: from here on.
        reason: why, in a sentence.
        until: last day of an acceptance, `2026-12-31`.
        commit: that mends it, by the word of whoever read it.
    """
    books.finding(number)
    if len(reason.strip()) < MIN_REASON:
        raise AutoresearchError("the reason says too little", code="reason", hint="Say why.")
    if state is State.ACCEPTED:
        _require_day(until, books.today)
    elif until is not None:
        raise FormError("only an acceptance has a last day", hint="Leave out --until.")
    checked, by = ("word", "") if state is not State.FIXED else _seen_fixed(books, number, commit)
    return _decide(books, number, state, redact(reason.strip()), checked, until, by)


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


def _seen_fixed(books: Books, number: int, commit: str | None) -> tuple[str, str]:
    """What the helper saw of a fix, and the commit; raises AutoresearchError `not_fixed`."""
    finding = books.finding(number)
    own = finding.evidence[0]
    if number in books.ledger.proofs:
        ran = run_filed(books, number)
        if ran.proof.result is ProofResult.WITHSTOOD:
            return "proof", ""
        problem = (
            f"the proof of F{number} says {ran.proof.result.value} on {books.tree.commit[:12]}: "
            f"{ran.output[-300:]}"
        )
        hint = "Mend the flaw and commit; a proof that breaks proves no fix."
        raise AutoresearchError(problem, code="not_fixed", hint=hint)
    place = books.tree.place(own, finding.commit)
    if place is not None:
        where = f"{clean_line(place.path, 200)}:{place.first}-{place.last}"
        problem = f"the lines of F{number} stand at {where}, and no proof says that it is withstood"
        hint = "Commit the fix, or have a human decide `false-positive` or `accepted`."
    elif commit is None:
        problem = f"that the lines of F{number} are gone does not mean that the flaw is"
        hint = (
            "Read what took their place. Then prove it (`prove`, `recheck`), or name the commit "
            "that mends it: `--commit REV`."
        )
    else:
        by = resolved(books, commit)
        after = books.repo.run("rev-list", f"{finding.commit}..{books.tree.commit}", check=False)
        if after.code == 0 and by in after.out.decode().split():
            parent = books.repo.resolve(f"{by}^")
            changed = [] if parent is None else changed_paths(books.repo, parent, by)
            if own.path in (path for _, path in changed):
                return "commit", by
        problem = f"{commit[:40]} does not change {clean_line(own.path, 200)} after F{number}"
        hint = "Name the commit between the finding and HEAD that mends the flaw."
    raise AutoresearchError(problem, code="not_fixed", hint=hint)


def _decide(
    books: Books,
    number: int,
    state: State,
    reason: str,
    checked: str,
    until: str | None = None,
    by: str = "",
) -> Resolution:
    decision = Resolution(
        finding=number,
        state=state,
        reason=reason,
        until=until,
        checked=checked,
        by=by,
        **books.stamp(),
    )
    books.write(decision)
    return decision


def recheck(books: Books) -> Rechecked:
    """Run every proof on the commit that is checked out, and look for every quoted line.

    An open finding whose proof is withstood becomes fixed; a fixed one whose proof succeeds again,
    or whose lines are back, is open again. An open finding without a proof is never closed by it.
    """
    ran, news = 0, []
    gone: list[int] = []
    moved: list[int] = []
    changed: list[int] = []
    for standing in books.ledger.standings:
        number, state = standing.finding.number, standing.state(books.today)
        if state not in {State.OPEN, State.FIXED}:
            continue
        own = books.shown(standing).where
        if own.stands and (own.was or own.changed) and state is State.OPEN:
            (moved if own.was else changed).append(number)
            if own.was:
                news.append(f"F{number} moved: {own.was} -> {own.path}:{own.first}-{own.last}")
        if standing.proof is None:
            held, checked, reason = not own.stands, "gone", "its lines are back"
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
    return Rechecked(ran, tuple(gone), tuple(moved), tuple(changed), tuple(news))
