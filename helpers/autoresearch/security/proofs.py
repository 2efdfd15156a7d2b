"""Proofs of concept: scripts that the helper runs on a commit, on a bench of their own.

A proof is a test of the attack. It ends with exactly one line on stdout: `PROOF exploited` with an
exit status other than 0, or `PROOF withstood` with status 0. Everything else is broken, and counts
as not withstood: a script that fails for another reason proves no fix.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core import contract
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_block, clean_line
from autoresearch.core.model import SCHEMA
from autoresearch.core.scope import compile_scope
from autoresearch.core.security.forms import foreign_hosts
from autoresearch.core.security.ledger import Proof
from autoresearch.core.security.quotes import redact
from autoresearch.edges.clock import now_utc
from autoresearch.edges.environment import find_environment
from autoresearch.edges.files import atomic_write, read_bytes_limited
from autoresearch.edges.places import bases_of
from autoresearch.loop.bench import Bench, BenchPlaces
from autoresearch.loop.confinement import Purpose
from autoresearch.security.books import sha256
from autoresearch.share.proving import TIMEOUT_S, ProofResult, command_for, judge

if TYPE_CHECKING:
    from autoresearch.security.books import Books

MAX_SCRIPT_BYTES = 64 * 1024


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
        schema=SCHEMA,
        at=now_utc(),
        finding=number,
        commit=books.tree.commit,
        script=f"finding-{number:03d}{script.ending}",
        script_sha256=sha256(script.content),
        link=script.link,
        result=result,
        exit_code=outcome.exit_code,
        duration_s=outcome.wall_s,
        sandbox=bench.confinement.found.name,
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
        scope=compile_scope(("**",), ()),
        frozen=find_environment(books.environ, Path(books.environ.get("HOME", "/"))),
        passed=(("PYTHONPATH", str(root / "a")),),
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
