"""Proofs of concept: scripts that the helper runs on a commit, in a checkout of their own.

A proof is a test of the attack. It ends with exactly one line on stdout: `PROOF exploited` with an
exit status other than 0, or `PROOF withstood` with status 0. Everything else is broken, and counts
as not withstood: a script that fails for another reason proves no fix.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_block, clean_line
from autoresearch.core.model import SCHEMA
from autoresearch.core.security.forms import foreign_hosts
from autoresearch.core.security.ledger import Proof
from autoresearch.core.security.quotes import redact
from autoresearch.edges.checkout import Slot
from autoresearch.edges.clock import now_utc
from autoresearch.edges.command import Limits, run_command
from autoresearch.edges.environment import find_environment, sample_environment
from autoresearch.edges.files import atomic_write, read_bytes_limited, remove_tree
from autoresearch.edges.places import bases_of
from autoresearch.edges.sandbox import Rules, find_sandbox
from autoresearch.edges.visible import find_visible, wanted_paths
from autoresearch.loop.confinement import MEMORY
from autoresearch.security.books import sha256
from autoresearch.share.proving import Result, command_for, judge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoresearch.edges.command import Outcome
    from autoresearch.edges.sandbox import Confiner
    from autoresearch.security.books import Books

MAX_SCRIPT_BYTES = 64 * 1024
TIMEOUT_S = 60.0


class Script(NamedTuple):
    """A proof of concept before it is filed.

    Attributes:
        content: its bytes.
        ending: `.py`, `.js` or `.sh`.
        link: ignored directories of the repository that its checkout may read.
    """

    content: bytes
    ending: str
    link: tuple[str, ...]


class Ran(NamedTuple):
    """What a run showed, and the end of what it printed."""

    proof: Proof
    output: str


def load(path: Path, link: tuple[str, ...]) -> Script:
    """The script in a file.

    Raises:
        AutoresearchError: `proof` for another language or a host that is not loopback; or as the
            disk says.
    """
    script = Script(read_bytes_limited(path, MAX_SCRIPT_BYTES), path.suffix, link)
    try:
        command_for(script.ending, "x")
    except KeyError as error:
        raise AutoresearchError(
            f"{path.name} is neither .py nor .js nor .sh",
            code="proof",
            hint="Write the proof in one of them.",
        ) from error
    hosts = foreign_hosts(script.content.decode("utf-8", "replace"))
    if hosts:
        raise AutoresearchError(
            f"{path.name} names the host {hosts[0]}",
            code="proof",
            hint="A proof talks to nothing but loopback: start what it attacks itself.",
        )
    return script


def run(books: Books, number: int, script: Script) -> Ran:
    """Run a script on the commit that the books are held against.

    Raises:
        AutoresearchError: a link is missing or tracked, or the process cannot be started.
    """
    _check_links(books, script.link)
    outcome, sandbox = _executed(books, script)
    result = judge(outcome.stdout, outcome.exit_code)
    if outcome.timed_out or outcome.stdout_truncated:
        result = Result.BROKEN
    proof = Proof(
        schema=SCHEMA,
        at=now_utc(),
        finding=number,
        commit=books.tree.commit,
        script=name_of(number, script),
        script_sha256=sha256(script.content),
        link=script.link,
        result=result,
        exit_code=outcome.exit_code,
        duration_s=outcome.wall_s,
        sandbox=sandbox,
    )
    said = outcome.stdout + b"\n" + outcome.stderr
    return Ran(proof, clean_block(redact(said.decode("utf-8", "replace")), 8, 1_000))


def _check_links(books: Books, names: tuple[str, ...]) -> None:
    for name in names:
        plain = all(part not in {"", ".", ".."} for part in name.split("/"))
        tracked = any(f"{path}/".startswith(f"{name}/") for path in books.tree.whole)
        if not plain or tracked or not (books.repo.toplevel / name).is_dir():
            raise AutoresearchError(
                f"there is no ignored folder {clean_line(name, 100)} to link",
                code="proof",
                hint="Take it out.",
            )


def _executed(books: Books, script: Script) -> tuple[Outcome, str]:
    """One run in a clean checkout, with a home and a temporary folder of its own."""
    root = books.cache / "proof"
    links = {name: books.repo.toplevel / name for name in script.link}
    slot = Slot(root / "tree", books.repo, manifest=root / "tree.manifest", links=links)
    work = root / "work"
    remove_tree(work)
    home, tmp = work / "home", work / "tmp"
    try:
        for folder in (home, tmp):
            folder.mkdir(parents=True, mode=0o700)
        slot.bring(books.tree.whole)
        file = home / f"proof{script.ending}"
        atomic_write(file, script.content, mode=0o600, sync=False)
        environment = sample_environment(
            find_environment(books.environ, Path(books.environ.get("HOME", "/"))),
            (("PYTHONPATH", str(slot.root)),),
            (),
            home=home,
            tmp=tmp,
            seed=None,
            time_budget_s=None,
        )
        sandbox = _sandbox(books, environment)
        outcome = run_command(
            command_for(script.ending, str(file)),
            cwd=slot.root,
            env=environment,
            limits=Limits(timeout_s=TIMEOUT_S),
            prefix=_prefix(books, sandbox, slot.root, links, (home, tmp), environment),
        )
        slot.restore()
    finally:
        remove_tree(work)
    return outcome, sandbox.name


def _sandbox(books: Books, environment: Mapping[str, str]) -> Confiner:
    """What confines proofs here; one that works is used, and every record says which."""
    state, cache = bases_of(books.environ)
    return find_sandbox(environment.get("PATH", ""), state / MEMORY, cache)


def _prefix(
    books: Books,
    found: Confiner,
    root: Path,
    links: Mapping[str, Path],
    own: tuple[Path, ...],
    environment: Mapping[str, str],
) -> list[str]:
    """The words that confine a proof: no network but loopback, home and repository hidden."""
    if found.sandbox is None:
        return []
    repo = books.repo
    visible = find_visible(
        (repo.toplevel, repo.common_dir, *bases_of(books.environ)),
        [Path(books.environ.get("HOME", "/"))],
        wanted_paths(environment, (), links.values()),
    )
    writable = tuple(str(folder.resolve()) for folder in own)
    return found.sandbox.prefix(Rules(slot=root.resolve(), writable=writable, visible=visible))


def name_of(number: int, script: Script) -> str:
    """The file name under which the script of a finding is kept."""
    return f"finding-{number:03d}{script.ending}"


def file_away(books: Books, number: int, script: Script) -> None:
    """Keep a script in the state folder."""
    books.proofs.mkdir(mode=0o700, exist_ok=True)
    atomic_write(books.proofs / name_of(number, script), script.content, mode=0o600)


def filed(books: Books, number: int) -> Script:
    """The script of a finding, as it was when it was filed.

    Raises:
        AutoresearchError: `proof` when it is missing or not the one that was filed.
    """
    proof = books.ledger.proofs[number]
    path = books.proofs / proof.script
    if not path.is_file():
        raise AutoresearchError(
            f"the proof of F{number} is not on this machine",
            code="proof",
            hint=f"`autoresearch security prove {number} FILE` files it again.",
        )
    content = path.read_bytes()
    if sha256(content) != proof.script_sha256:
        raise AutoresearchError(
            f"the proof of F{number} was changed since it was filed",
            code="proof",
            hint=f"Bring {path} back.",
        )
    return Script(content, path.suffix, proof.link)
