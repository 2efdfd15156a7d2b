"""Evidence: everything from which the verdicts on a branch can be recomputed without running them.

A bundle is a set of text files and an in-toto statement whose subjects are their SHA-256 digests.
It is written as one JSON file, which holds the files in its predicate, or as a directory.

    log.jsonl               the session's log, whose lines are chained by their hashes
    contracts/<sha256>.yaml every contract that was in force
    commits/<id>            raw commits: the branch's base, the branch, the session's tip
    trees/<id>.json         their files: path, mode, git's id, SHA-256 of the content

The branch's commit names the log's last line and the race by their hashes. So whoever knows the
commit's id knows that nothing in the bundle was changed since the commit was made.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from autoresearch.core import wire
from autoresearch.core.errors import AutoresearchError, GateFailed
from autoresearch.core.formatting import clean_line
from autoresearch.core.records import Epoch, Shipment, Shipped
from autoresearch.core.snapshot import GITLINK_MODE
from autoresearch.edges.files import atomic_write, named_errors
from autoresearch.edges.gitrepo import to_bytes, to_text
from autoresearch.loop.session import CONTRACT_FILE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoresearch.edges.gitrepo import GitRepo
    from autoresearch.loop.session import Session

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:autoresearch:evidence:1"
STATEMENT_FILE, LOG = "statement.json", "log.jsonl"

Texts = dict[str, str]
"""The files of a bundle by name, bytes that are no UTF-8 as surrogate escapes."""


class ListedFile(NamedTuple):
    """A file of a tree; no SHA-256 for a submodule."""

    path: str
    mode: str
    oid: str
    sha256: str


class EvidenceBundle(NamedTuple):
    """A bundle in memory: its statement, and its files."""

    statement: wire.JsonObject
    files: Texts


class Predicate(Struct, frozen=True, kw_only=True):
    """What a statement claims; all of it follows from the files.

    Attributes:
        tool: the version that wrote it.
        branch, base, commit: the branch, and the commit that it was raced against.
        trees: git's ids of both arms, base first.
        contract: SHA-256 of the contract in force.
        evaluator: SHA-256 over path, mode and content of every file outside the scope.
        shipped: the branch as the log has it: samples, order of coins, seeds, alpha, rule, machine.
        log: hash of the log's last line.
        verdicts: of every experiment: number, verdict, reason, rule version.
    """

    schema: int
    tool: str
    branch: str
    base: str
    commit: str
    trees: tuple[str, str]
    contract: str
    evaluator: str
    shipped: Shipped
    validated: bool
    log: str
    verdicts: tuple[tuple[int, str, str, int], ...]


def shipments(session: Session) -> list[Shipment]:
    """All shipments of a session, oldest first."""
    found = (entry.record for entry in session.index.log.records())
    return [record for record in found if isinstance(record, Shipment)]


def gathered(session: Session, shipment: Shipment, branch: Shipped) -> Texts:
    """The files of a branch's bundle."""
    repo = session.repo
    with session.places.log.open("rb") as file:
        files = {LOG: to_text(file.read(session.index.position.offset))}
    for entry in session.index.log.records():
        if isinstance(entry.record, Epoch):
            found = repo.object_at(f"{entry.record.commit}:{CONTRACT_FILE}")
            content = b"" if found is None else found.content
            files[f"contracts/{entry.record.contract_sha256}.yaml"] = to_text(content)
    known: dict[str, str] = {}
    for commit in dict.fromkeys((branch.base, branch.commit, shipment.tip)):
        found = repo.object_at(commit)
        if found is None:
            raise AutoresearchError(
                f"the commit {commit[:12]} is not in this repository",
                code="lost_commit",
                hint="Fetch it from where it was pushed to, or `finalize` again.",
            )
        files[f"commits/{commit}"] = to_text(found.content)
        tree = repo.tree_of(commit)
        files[f"trees/{tree}.json"] = _listing(repo, tree, known)
    return files


def _listing(repo: GitRepo, tree: str, known: dict[str, str]) -> str:
    """A tree's files as JSON lines; `known` remembers the SHA-256 of each blob."""
    entries = repo.tree(tree)
    wanted = {e.oid for e in entries.values() if e.mode != GITLINK_MODE} - known.keys()
    for oid, content in repo.blobs(sorted(wanted)):
        known[oid] = hashlib.sha256(content).hexdigest()
    lines = (
        wire.dumps([path, entry.mode, entry.oid, known.get(entry.oid, "")])
        for path, entry in entries.items()
    )
    return "".join(f"{line}\n" for line in lines)


def listed(files: Texts, tree: str) -> list[ListedFile]:
    """The files of a tree as a bundle lists them; ValueError where it does not."""
    text = files.get(f"trees/{tree}.json")
    if text is None:
        raise ValueError(f"the files of tree {tree[:12]} are missing")
    found = []
    for line in text.splitlines():
        parts = json.loads(line)
        if len(parts) != len(ListedFile._fields) or not all(isinstance(p, str) for p in parts):
            raise ValueError(f"tree {tree[:12]} holds the line {clean_line(line, 80)}")
        found.append(ListedFile(*parts))
    return found


def evaluator_digest(files: list[ListedFile]) -> str:
    """SHA-256 over path, mode and content of the files that measure."""
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(wire.dumps([file.path, file.mode, file.sha256]).encode("ascii") + b"\n")
    return digest.hexdigest()


def plain(record: object) -> wire.JsonObject:
    """A record as it is read back from JSON."""
    return wire.loads(wire.text(record))


def stated(predicate: Predicate, files: Texts) -> wire.JsonObject:
    """The in-toto statement of some files."""
    subjects = [
        {"name": name, "digest": {"sha256": hashlib.sha256(to_bytes(text)).hexdigest()}}
        for name, text in sorted(files.items())
    ]
    return {
        "_type": STATEMENT,
        "subject": subjects,
        "predicateType": PREDICATE,
        "predicate": plain(predicate),
    }


def write(bundle: EvidenceBundle, place: Path, *, single: bool) -> None:
    """Write a bundle: to one file, or into a directory that does not exist yet."""
    with named_errors(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        if single:
            predicate = {**bundle.statement["predicate"], "files": bundle.files}
            whole = {**bundle.statement, "predicate": predicate}
            atomic_write(place, wire.dumps(whole).encode("ascii") + b"\n")
            return
        place.mkdir()
        for name, text in bundle.files.items():
            path = place / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(to_bytes(text))
        statement = wire.dumps(bundle.statement).encode("ascii") + b"\n"
        atomic_write(place / STATEMENT_FILE, statement)


def read(place: Path) -> EvidenceBundle:
    """The bundle at a place; raises GateFailed `no_bundle` where there is none."""
    try:
        return _directory(place) if place.is_dir() else _file(place.read_bytes())
    except (OSError, ValueError) as error:
        raise GateFailed(
            f"{clean_line(str(place))} is no bundle of evidence: {clean_line(str(error), 200)}",
            code="no_bundle",
            hint="`autoresearch evidence` writes one for each branch of `finalize`.",
        ) from error


def _directory(place: Path) -> EvidenceBundle:
    statement = wire.loads((place / STATEMENT_FILE).read_bytes().decode("ascii"))
    paths = (path for path in sorted(place.rglob("*")) if path.is_file())
    names = {path.relative_to(place).as_posix(): path for path in paths}
    texts = {name: to_text(path.read_bytes()) for name, path in names.items()}
    return EvidenceBundle(
        statement, {name: text for name, text in texts.items() if name != STATEMENT_FILE}
    )


def _file(content: bytes) -> EvidenceBundle:
    statement = wire.loads(content.decode("ascii"))
    inside = statement.get("predicate")
    held = inside.pop("files", None) if isinstance(inside, dict) else None
    if not isinstance(held, dict) or not all(isinstance(text, str) for text in held.values()):
        raise ValueError("it holds no files")
    return EvidenceBundle(statement, held)


def head_of(commit: str) -> Mapping[str, list[str]]:
    """The header of a raw commit: key -> values."""
    found: dict[str, list[str]] = {}
    for line in commit.partition("\n\n")[0].split("\n"):
        key, _, value = line.partition(" ")
        found.setdefault(key, []).append(value)
    return found


def trailers_of(commit: str, name: str) -> list[str]:
    """The values of our trailers of that name in a raw commit."""
    message = commit.partition("\n\n")[2]
    prefix = f"Autoresearch-{name}: "
    lines = (line for line in message.split("\n") if line.startswith(prefix))
    return [line.removeprefix(prefix) for line in lines]
