"""The books of a repository's security: the ledger, held against the code as it is.

The authority is `security.jsonl` in `…/autoresearch/<repository>/.security/`, outside the
repository and independent of any session. `autoresearch.security.jsonl` and
`autoresearch.security.md` at the root are copies for people and for CI (see `publishing`).
"""

from __future__ import annotations

import hashlib
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from msgspec import Struct

from autoresearch import __version__
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.core.model import SCHEMA
from autoresearch.core.scope import compile_scope
from autoresearch.core.security import overview as sums
from autoresearch.core.security import quotes
from autoresearch.core.security.forms import Claim
from autoresearch.core.security.inventory import MAX_FILE_BYTES, Site, is_touched, sites_in
from autoresearch.core.security.ledger import (
    LEDGER,
    Element,
    Finding,
    FindingStatus,
    Ledger,
    Line,
    Model,
    PlaceKind,
    Quote,
    Sweep,
)
from autoresearch.core.snapshot import GITLINK_MODE, Entry
from autoresearch.edges import gitrefs, notices
from autoresearch.edges.clock import now_utc
from autoresearch.edges.gitdiff import changed_paths
from autoresearch.edges.gitrepo import GitRepo
from autoresearch.edges.log import START, Chain, Position
from autoresearch.edges.places import Places, places_for
from autoresearch.edges.stored import Stored

FOLDER = ".security"
"""Beside the sessions' folders; no session can be called so."""
LOG_NAME = "security.jsonl"
LOG_COPY = "autoresearch.security.jsonl"
PAGE_COPY = "autoresearch.security.md"
LINK_MODE = "120000"
MAX_READ = 1 << 21
"""Bytes of a file that are read: nobody finds a flaw behind two megabytes by quoting lines."""

REMEDY = f"Bring {LOG_NAME} back from a backup, or from a copy ({LOG_COPY}) that `git log` knows."


class EvidenceError(AutoresearchError):
    """Raised when a quote is not what the commit holds."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, code="evidence", hint=hint)


class CommitFiles:
    """The files of a commit, read from git: the working tree is nobody's evidence.

    Attributes:
        commit: its id.
        whole: everything in it.
        entries: path -> mode and blob of its regular files.
        news: notices, see `Books`.
    """

    def __init__(self, repo: GitRepo, commit: str, news: list[str]) -> None:
        self.repo = repo
        self.commit = commit
        self.news = news
        self.whole = repo.tree(commit)
        self.entries = {
            path: entry
            for path, entry in self.whole.items()
            if entry.mode not in {GITLINK_MODE, LINK_MODE}
        }
        self._contents: dict[str, bytes] = {}
        self._fresh: dict[str, tuple[str, ...]] = {}
        self._placed: dict[tuple[Quote, str], sums.Standing | None] = {}

    def content(self, path: str) -> bytes:
        """The first bytes of a file, read once; KeyError when there is none of that name."""
        oid = self.entries[path].oid
        if oid not in self._contents:
            whole = self.repo.blob(oid)
            if len(whole) > MAX_READ:
                self.news.append(f"{clean_line(path, 200)}: only the first 2 MiB are read")
            self._contents[oid] = whole[:MAX_READ]
        return self._contents[oid]

    def verified(self, claims: Iterable[Claim]) -> tuple[Quote, ...]:
        """The quotes of claims that hold; EvidenceError says which do not, and what helps."""
        found = [self._verified(claim) for claim in claims]
        refusals = [one for one in found if isinstance(one, quotes.Mismatch)]
        if refusals:
            raise EvidenceError(
                "; ".join(refusal.problem for refusal in refusals),
                hint=" ".join(dict.fromkeys(refusal.hint for refusal in refusals)),
            )
        return tuple(one for one in found if isinstance(one, Quote))

    def _verified(self, claim: Claim) -> Quote | quotes.Mismatch:
        path = claim.file.removeprefix(f"{self.repo.toplevel}/").removeprefix("./")
        where = clean_line(path, 200)
        if path not in self.entries:
            return quotes.Mismatch(f"{where}: {self._absent(path)}", _NAMING)
        found = quotes.check(self.content(path), claim.span, claim.quote)
        if isinstance(found, quotes.Mismatch):
            return quotes.Mismatch(f"{where}: {found.problem}", found.hint)
        first, last, text = found
        if claim.span not in {None, (first, last)}:
            self.news.append(f"{where}: lines corrected to {first}-{last}")
        note, blob = quotes.redact(claim.note or ""), self.entries[path].oid
        return Quote(path=path, first=first, last=last, text=text, blob=blob, note=note)

    def _absent(self, path: str) -> str:
        """Why a file cannot be quoted."""
        entry = self.whole.get(path)
        if entry is not None and entry.mode == LINK_MODE:
            target = clean_line(self.repo.blob(entry.oid).decode("utf-8", "replace"), 200)
            return f"it is a symbolic link to {target}, which holds the lines"
        return f"there is no such file at commit {self.commit[:12]}"

    def holds(self, name: str) -> bool:
        """Whether a text stands in some file."""
        asked = ("grep", "--quiet", "--fixed-strings", "--no-color", "-e", name, self.commit)
        return self.repo.run(*asked, check=False).code == 0

    def place(self, quote: Quote, since: str) -> sums.Standing | None:
        """Where lines quoted at the commit `since` stand in this one; None when they are gone.

        They are looked for in their own file, then in every file that gained them since.
        """
        if (quote, since) not in self._placed:
            self._placed[quote, since] = self._find(quote, since)
        return self._placed[quote, since]

    def _find(self, quote: Quote, since: str) -> sums.Standing | None:
        entry = self.entries.get(quote.path)
        if entry is not None and entry.oid == quote.blob:
            return sums.Standing(quote.path, quote.first, quote.last)
        if entry is not None:
            found = quotes.relocate(self.content(quote.path), quote.text, quote.first)
            if found is not None:
                return sums.Standing(quote.path, found.first, found.last)
        name = quote.path.rpartition("/")[2]
        for path in sorted(self._gained(since), key=lambda one: (not one.endswith(name), one)):
            places = quotes.matches(self.content(path), quote.text)
            before = self.repo.object_at(f"{since}:{path}") if places else None
            if places and (
                before is None or len(quotes.matches(before.content, quote.text)) < len(places)
            ):
                return sums.Standing(path, *places[-1])
        return None

    def _gained(self, since: str) -> tuple[str, ...]:
        """Files that are new or changed since a commit; all where that one is not here."""
        if since not in self._fresh:
            paths: Iterable[str] = self.entries
            if self.repo.resolve(since) is not None:
                paths = (path for _, path in changed_paths(self.repo, since, self.commit))
            self._fresh[since] = tuple(path for path in paths if path in self.entries)
        return self._fresh[since]


_NO_ENTRY = Entry("", "")
_NAMING = "Name files relative to the root, as `git ls-files` does; commit new ones."


SITES_VERSION = 3
"""Of the table of places; another version is made anew."""


class KnownSites(Struct, frozen=True, kw_only=True):
    """The places of files that were read: by blob and path, kind and line."""

    version: int
    sites: dict[str, list[tuple[PlaceKind, int]]]


class Written(Struct, frozen=True, kw_only=True):
    """What was written last: the log's end, and the page.

    Attributes:
        offset, sha256: see `edges.log.Position`.
        page: SHA-256 of the Markdown copy; empty before the first.
    """

    schema: int
    offset: int
    sha256: str
    page: str

    @property
    def end(self) -> Position:
        """The end of the log."""
        return Position(self.offset, self.sha256)


class Books:
    """The ledger of one repository, open.

    Raises AutoresearchError `no_commit`, CorruptLogError when the ledger is not what was written.

    Attributes:
        state, cache: the folders of the authority and of what can be made again.
        ledger: what its lines add up to.
        tree: the files at the commit that evidence is checked against: HEAD.
        news: notices to print with whatever ends the command; see `edges.notices`.
        unconfined: whether a human said that proofs may run without a sandbox.
    """

    def __init__(
        self,
        repo: GitRepo,
        places: Places,
        source: Path,
        environ: Mapping[str, str],
        news: list[str],
    ) -> None:
        commit = gitrefs.head(repo).commit
        if commit is None:
            raise AutoresearchError(
                "the repository has no commit yet",
                code="no_commit",
                hint="Commit the project first: evidence is checked against a commit.",
            )
        self.repo = repo
        self.state, self.cache = places.state, places.cache
        self.environ = environ
        self.news = news
        self.unconfined = False
        self.tree = CommitFiles(repo, commit, news)
        self.today = now_utc()[:10]
        self.chain: Chain[Line] = Chain(source, LEDGER, REMEDY)
        self.ledger = Ledger()
        end = START
        for entry in self.chain.records():
            self.ledger.take(entry.record)
            end = entry.end
        self._head = Stored(places.state / "head.json", Written)
        known = self._head.load() if source.parent == places.state else None
        self.written = known or Written(
            schema=SCHEMA, offset=end.offset, sha256=end.sha256, page=""
        )
        self.chain.require_tail(self.written.end)

    def stamp(self) -> dict[str, Any]:
        """What every new line says of itself but a lead: version, time, commit."""
        return {"schema": SCHEMA, "at": now_utc(), "commit": self.tree.commit}

    def write(self, *records: Line) -> None:
        """Append records, each by one synced write; then remember where the log ends."""
        end = self.written.end
        for record in records:
            end = self.chain.append(record).end
            self.ledger.take(record)
        self.__dict__.pop("touched", None)
        self.keep(end, self.written.page)

    def keep(self, end: Position, page: str) -> None:
        """Remember the log's end and the page."""
        self.written = Written(schema=SCHEMA, offset=end.offset, sha256=end.sha256, page=page)
        self._head.save(self.written)

    def require_model(self) -> Model:
        """The model in force; raises AutoresearchError `no_model` before `init`."""
        if self.ledger.model is None:
            raise AutoresearchError(
                "there is no model yet", code="no_model", hint="Run `autoresearch security init`."
            )
        return self.ledger.model

    def element(self, name: str) -> Element:
        """The element of a name; raises AutoresearchError `no_element`."""
        for element in self.require_model().elements:
            if element.name == name:
                return element
        names = ", ".join(element.name for element in self.require_model().elements)
        raise AutoresearchError(
            f"the model has no element '{clean_line(name, 60)}'",
            code="no_element",
            hint=f"It has: {clean_line(names, 300)}.",
        )

    def finding(self, number: int) -> Finding:
        """A finding; raises AutoresearchError `no_finding`."""
        if number not in self.ledger.findings:
            raise AutoresearchError(
                f"there is no finding F{number}",
                code="no_finding",
                hint="`autoresearch security status` lists them.",
            )
        return self.ledger.findings[number]

    def _origin(self) -> str:
        """Where the repository was cloned from, as a URL without credentials; empty for none."""
        done = self.repo.run("config", "--get", "remote.origin.url", check=False)
        url = done.out.decode("utf-8", "replace").strip()
        short = re.fullmatch(r"(?:[\w.-]+@)?([\w.-]+):(?!//)(\S+)", url)
        url = f"ssh://{short[1]}/{short[2]}" if short else url
        found = re.fullmatch(r"(https?|ssh|git)://(?:[^@/\s]*@)?([\w.:-]+/[\w.~/-]+)", url)
        return f"{found[1]}://{found[2]}" if found else ""

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        """The places of every file of the commit; files that were read before are not again."""
        stored = Stored(self.state / "sites.json", KnownSites, sync=False)
        known = stored.load()
        table = known.sites if known is not None and known.version == SITES_VERSION else {}
        keys = {f"{entry.oid} {path}": path for path, entry in self.tree.entries.items()}
        fresh: dict[str, list[str]] = {}  # two files may hold the same
        for key in keys.keys() - table.keys():
            fresh.setdefault(key.partition(" ")[0], []).append(key)
        for oid, content in self.repo.blobs(fresh):
            for key in fresh[oid]:
                table[key] = [(site.kind, site.line) for site in sites_in(keys[key], content)]
            if len(content) > MAX_FILE_BYTES:
                name = clean_line(keys[fresh[oid][0]], 200)
                self.news.append(f"{name}: too large to look for places, over 1 MiB")
        if fresh and self.state.is_dir():
            sites = {key: table.get(key, []) for key in keys}
            stored.save(KnownSites(version=SITES_VERSION, sites=sites))
        return tuple(
            Site(kind, path, line)
            for key, path in keys.items()
            for kind, line in table.get(key, ())
        )

    @cached_property
    def touched(self) -> frozenset[Site]:
        """Places that stand in a quote which still stands."""
        spans: dict[str, list[tuple[int, int]]] = {}
        for _, record in self.ledger.records:
            flow = record.flow if isinstance(record, Finding) else ()
            for quote in (*record.evidence, *flow):
                found = self.tree.place(quote, record.commit)
                if found is not None:
                    spans.setdefault(found.path, []).append((found.first, found.last))
        return frozenset(
            site
            for site in self.sites
            if any(is_touched(site, site.path, *span) for span in spans.get(site.path, ()))
        )

    def places(self, sweep: Sweep | None = None) -> tuple[sums.PlaceCount, ...]:
        """How many places of the model's files stand in quotes, by kind, most places first."""
        elements = self.ledger.model.elements if self.ledger.model else ()
        own = {path for one in elements for path in self.audited(one, sweep)}
        counts = Counter(site.kind for site in self.sites if site.path in own)
        seen = Counter(site.kind for site in self.touched if site.path in own)
        return tuple(sums.PlaceCount(kind, seen[kind], n) for kind, n in counts.most_common())

    def overview(self) -> sums.Overview:
        """All that a report shows."""
        ledger = self.ledger
        return sums.Overview(
            name=self.repo.toplevel.name,
            commit=self.tree.commit,
            today=self.today,
            version=__version__,
            model=ledger.model,
            coverage=self.covered(),
            findings=sums.ordered([self.shown(one) for one in ledger.standings]),
            examined=tuple(ledger.examined[number] for number in sorted(ledger.examined)),
            leads=ledger.open_leads,
            places=self.places(),
            reviews=ledger.reviews,
            cuts=tuple(self.tree.news),
            origin=self._origin(),
        )

    def covered(self, sweep: Sweep | None = None) -> sums.Coverage:
        """The matrix of what a sweep looks at, from records whose evidence stands."""
        return sums.coverage(
            self.ledger, self.tree.place, lambda element: bool(self.audited(element, sweep))
        )

    def audited(self, element: Element, sweep: Sweep | None) -> tuple[str, ...]:
        """The files of an element that a sweep looks at; all where none is given."""
        found = sums.files_of(element, self.tree.entries)
        if sweep is not None and sweep.scope:
            covers = compile_scope(sweep.scope, ()).covers
            found = tuple(path for path in found if covers(path))
        if sweep is not None and sweep.base is not None:
            found = tuple(path for path in found if path in set(sweep.paths))
        return found

    def shown(self, standing: FindingStatus) -> sums.Shown:
        """A finding with its places in the code as it is."""
        finding = standing.finding
        return sums.Shown(
            standing=standing,
            state=standing.state(self.today),
            evidence=tuple(self._placed(quote, finding.commit) for quote in finding.evidence),
            flow=tuple(self._placed(quote, finding.commit) for quote in finding.flow),
        )

    def _placed(self, quote: Quote, since: str) -> sums.Located:
        found = self.tree.place(quote, since)
        if found is None:
            where, text = sums.Standing(quote.path, quote.first, quote.last), quote.text
        else:
            where, text = found, quotes.shown(self.tree.content(found.path), *found[1:])
        return sums.Located(
            *where,
            text,
            quote.note,
            stands=found is not None,
            changed=self.tree.entries.get(quote.path, _NO_ENTRY).oid != quote.blob,
            was=quote.path if where.path != quote.path else "",
        )


@contextmanager
def reading(cwd: Path, environ: Mapping[str, str]) -> Iterator[Books]:
    """The books, to look into; where this machine has none, the copy at the root stands in.

    Raises:
        AutoresearchError: `no_ledger`, or as git and the disk say.
        CorruptLogError: the ledger is not what was written.
    """
    with GitRepo.open(cwd) as repo:
        places = places_for(environ, repo.toplevel, repo.common_dir, FOLDER)
        source, news = places.state / LOG_NAME, notices.current()
        if not source.is_file():
            source = repo.toplevel / LOG_COPY
            if not is_plain(source):
                raise no_ledger()
            news.append(f"read from {LOG_COPY}: this machine has no ledger of its own")
        yield Books(repo, places, source, environ, news)


def no_ledger() -> AutoresearchError:
    """The error of whoever begins at the end."""
    return AutoresearchError(
        "this repository has no security ledger yet",
        code="no_ledger",
        hint="`autoresearch security init` begins one.",
    )


def is_plain(path: Path) -> bool:
    """Whether it is a regular file, and no link to one."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def sha256(content: bytes) -> str:
    """Hex digest of some bytes."""
    return hashlib.sha256(content).hexdigest()
