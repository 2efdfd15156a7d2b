"""The books of a repository's security: the ledger in the state folder, and its copies.

The authority is `security.jsonl` in `…/autoresearch/<repository>/.security/`, outside the
repository and independent of any session. `autoresearch.security.jsonl` and
`autoresearch.security.md` at the root are copies for people and for CI.
"""

from __future__ import annotations

import hashlib
import stat
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec import Struct

from autoresearch.core.errors import AutoresearchError, CorruptLogError
from autoresearch.core.model import SCHEMA
from autoresearch.core.security.ledger import LEDGER, Ledger, Line
from autoresearch.edges import gitrefs, notices
from autoresearch.edges.clock import now_utc
from autoresearch.edges.files import atomic_write, named_errors
from autoresearch.edges.gitrepo import GitRepo
from autoresearch.edges.gitwrite import exclude
from autoresearch.edges.lock import Lock
from autoresearch.edges.log import START, Chain, Position
from autoresearch.edges.places import places_for, shown_path
from autoresearch.edges.stored import Stored
from autoresearch.security.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

FOLDER = ".security"
"""Beside the sessions' folders; no session can be called so."""
LOG_NAME = "security.jsonl"
LOG_COPY = "autoresearch.security.jsonl"
PAGE_COPY = "autoresearch.security.md"
FORMS = "autoresearch.forms"
"""Where agents write what they hand in: inside the folder that their host lets them write."""
EXCLUDED = (f"/{LOG_COPY}", f"/{PAGE_COPY}", f"/{FORMS}/")

_REMEDY = f"Bring {LOG_NAME} back from a backup, or from a copy ({LOG_COPY}) that `git log` knows."


class Head(Struct, frozen=True, kw_only=True):
    """What was written last: the log's end, and the page.

    Attributes:
        offset, sha256: see `edges.log.Position`.
        page: SHA-256 of the Markdown copy; empty before the first.
    """

    schema: int
    offset: int
    sha256: str
    page: str


@dataclass
class Books:
    """The ledger of one repository, open.

    Attributes:
        state: the folder of the authority.
        ledger: what its lines add up to.
        tree: the files at the commit that evidence is checked against: HEAD.
        news: notices to print with whatever ends the command; see `edges.notices`.
    """

    repo: GitRepo
    state: Path
    cache: Path
    chain: Chain[Line]
    ledger: Ledger
    tree: Snapshot
    environ: Mapping[str, str]
    head: Head
    news: list[str] = field(default_factory=notices.current)

    @property
    def today(self) -> str:
        """The day, UTC."""
        return now_utc()[:10]

    @property
    def proofs(self) -> Path:
        """The folder of proofs of concept."""
        return self.state / "proofs"

    def write(self, record: Line) -> None:
        """Append a record: one write, synced; then remember where the log ends."""
        end = self.chain.append(record).end
        self.ledger.take(record)
        self.keep(end, self.head.page)

    def write_all(self, records: Iterable[Line]) -> None:
        """Append many records, each by one write, and remember the end once."""
        end = Position(self.head.offset, self.head.sha256)
        for record in records:
            end = self.chain.append(record).end
            self.ledger.take(record)
        self.keep(end, self.head.page)

    def keep(self, end: Position, page: str) -> None:
        """Remember the log's end and the page."""
        self.head = Head(schema=SCHEMA, offset=end.offset, sha256=end.sha256, page=page)
        _head(self.state).save(self.head)


@contextmanager
def reading(cwd: Path, environ: Mapping[str, str]) -> Iterator[Books]:
    """The books, to look into; where this machine has none, the copy at the root stands in.

    Raises:
        AutoresearchError: `no_ledger`, or as git and the disk say.
        CorruptLogError: the ledger is not what was written.
    """
    with GitRepo.open(cwd) as repo:
        places = places_for(environ, repo.toplevel, repo.common_dir, FOLDER)
        source = places.state / LOG_NAME
        news = notices.current()
        if not source.is_file():
            source = repo.toplevel / LOG_COPY
            if not _is_plain(source):
                raise AutoresearchError(
                    "this repository has no security ledger yet",
                    code="no_ledger",
                    hint="`autoresearch security init` begins one.",
                )
            news.append(f"read from {LOG_COPY}: this machine has no ledger of its own")
        yield _books(repo, source, places.state, places.cache, environ, news)


@contextmanager
def writing(
    cwd: Path, environ: Mapping[str, str], command: str, *, begin: bool = False
) -> Iterator[Books]:
    """The books, ours alone until the end; copies are made anew when the block ends well.

    Args:
        cwd: a folder of the repository.
        environ: of the process.
        command: for whoever is kept out.
        begin: whether a ledger may be begun.

    Raises:
        AutoresearchError: `no_ledger`, `locked`, or as git and the disk say.
        CorruptLogError: the ledger is not what was written.
    """
    from autoresearch.security.copies import publish  # noqa: PLC0415 - readers need none of it

    with ExitStack() as stack:
        repo = stack.enter_context(GitRepo.open(cwd))
        places = places_for(environ, repo.toplevel, repo.common_dir, FOLDER)
        source = places.state / LOG_NAME
        copy = repo.toplevel / LOG_COPY
        news = notices.current()
        if not source.is_file() and not begin and not _is_plain(copy):
            raise AutoresearchError(
                "this repository has no security ledger yet",
                code="no_ledger",
                hint="`autoresearch security init` begins one.",
            )
        places.prepare()
        with named_errors(places.state):
            places.state.mkdir(mode=0o700, exist_ok=True)
        stack.enter_context(Lock(places.state / "lock").acquire(command))
        _adopt(source, copy, news)
        _repair(source, news)
        books = _books(repo, source, places.state, places.cache, environ, news)
        yield books
        exclude(repo, EXCLUDED)
        publish(books)


def _books(
    repo: GitRepo,
    source: Path,
    state: Path,
    cache: Path,
    environ: Mapping[str, str],
    news: list[str],
) -> Books:
    commit = gitrefs.head(repo).commit
    if commit is None:
        raise AutoresearchError(
            "the repository has no commit yet",
            code="no_commit",
            hint="Commit the project first: evidence is checked against a commit.",
        )
    chain = Chain(source, LEDGER, _REMEDY)
    head = _head(state).load() if source.parent == state else None
    ledger, end = _read(chain, head)
    return Books(
        repo=repo,
        state=state,
        cache=cache,
        chain=chain,
        ledger=ledger,
        tree=Snapshot(repo, commit),
        environ=environ,
        head=head or Head(schema=SCHEMA, offset=end.offset, sha256=end.sha256, page=""),
        news=news,
    )


def _read(chain: Chain[Line], head: Head | None) -> tuple[Ledger, Position]:
    """Every line, and whether the last one that was written is still there."""
    ledger, end = Ledger(), START
    remembered = START if head is None else Position(head.offset, head.sha256)
    seen = remembered == START
    for entry in chain.records():
        ledger.take(entry.record)
        end = entry.end
        seen = seen or end == remembered
    if not seen:
        raise CorruptLogError(
            f"log {chain.path} does not hold the last line that was written to it", hint=_REMEDY
        )
    return ledger, end


def _head(state: Path) -> Stored[Head]:
    return Stored(state / "head.json", Head)


def _adopt(source: Path, copy: Path, news: list[str]) -> None:
    """Take the copy at the root for the ledger where this machine has none."""
    if source.exists() or not _is_plain(copy):
        return
    for _ in Chain(copy, LEDGER, _REMEDY).records():
        pass  # a chain that breaks raises
    atomic_write(source, copy.read_bytes(), mode=0o600)
    news.append(f"the ledger was taken from {LOG_COPY}: this machine had none of its own")


def _repair(source: Path, news: list[str]) -> None:
    torn = Chain(source, LEDGER, _REMEDY).repair()
    if torn is not None:
        news.append(f"half a line ({torn.size} bytes) was moved to {shown_path(torn.moved_to)}")


def _is_plain(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def sha256(content: bytes) -> str:
    """Hex digest of some bytes."""
    return hashlib.sha256(content).hexdigest()
