"""The files of one commit, read from git: never the working tree, which is nobody's evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.core.security import quotes
from autoresearch.core.security.ledger import Quote
from autoresearch.core.security.quotes import redact
from autoresearch.core.snapshot import GITLINK_MODE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autoresearch.core.security.forms import Claim
    from autoresearch.core.snapshot import TreeMap
    from autoresearch.edges.gitrepo import GitRepo

LINK_MODE = "120000"


class EvidenceError(AutoresearchError):
    """Raised when a quote is not what the commit holds."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, code="evidence", hint=hint)


class Snapshot:
    """The files of a commit.

    Attributes:
        commit: its id.
        entries: path -> mode and blob of its regular files.
    """

    def __init__(self, repo: GitRepo, commit: str) -> None:
        self.repo = repo
        self.commit = commit
        self.whole: TreeMap = repo.tree(commit)
        self.entries = {
            path: entry
            for path, entry in self.whole.items()
            if entry.mode not in {GITLINK_MODE, LINK_MODE}
        }
        self._contents: dict[str, bytes] = {}

    def content(self, path: str) -> bytes:
        """The bytes of a file; KeyError when there is none of that name."""
        oid = self.entries[path].oid
        if oid not in self._contents:
            self._contents[oid] = self.repo.blob(oid)
        return self._contents[oid]

    def verified(self, claims: Iterable[Claim]) -> tuple[Quote, ...]:
        """The quotes of claims that hold.

        Raises:
            EvidenceError: one does not; says which and where its lines are, if anywhere.
        """
        return tuple(self._verified(claim) for claim in claims)

    def _verified(self, claim: Claim) -> Quote:
        where = f"{clean_line(claim.path, 200)}:{claim.first}-{claim.last}"
        if claim.path not in self.entries:
            raise EvidenceError(
                f"{where}: there is no such file at commit {self.commit[:12]}",
                hint="Name files relative to the root, as `git ls-files` does; commit new ones.",
            )
        found = quotes.check(self.content(claim.path), claim.first, claim.last, claim.quote)
        if isinstance(found, quotes.Mismatch):
            raise EvidenceError(f"{where}: {found.problem}", hint=found.hint)
        return Quote(
            path=claim.path,
            first=found.first,
            last=found.last,
            text=found.text,
            blob=self.entries[claim.path].oid,
            note=redact(claim.note),
        )

    def place(self, quote: Quote) -> quotes.Found | None:
        """Where a quote stands in this commit; None when it is gone."""
        entry = self.entries.get(quote.path)
        if entry is None:
            return None
        if entry.oid == quote.blob:
            return quotes.Found(quote.first, quote.last, quote.text)
        return quotes.relocate(self.content(quote.path), quote.text, quote.first)

    def stands(self, quote: Quote) -> bool:
        """Whether a quote is in this commit."""
        return self.place(quote) is not None
