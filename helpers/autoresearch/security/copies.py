"""The copies of the ledger at the repository's root: its lines, and the report in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoresearch.core.security import page
from autoresearch.edges.files import atomic_write
from autoresearch.edges.log import Position
from autoresearch.edges.places import shown_path
from autoresearch.edges.stored import keep_edited, plain_content
from autoresearch.security.books import LOG_COPY, PAGE_COPY, sha256
from autoresearch.security.look import overview

if TYPE_CHECKING:
    from pathlib import Path

    from autoresearch.security.books import Books


def publish(books: Books) -> None:
    """Bring both copies up to the ledger; what somebody wrote into one is set aside and told."""
    whole = books.chain.path.read_bytes() if books.chain.path.exists() else b""
    log, report = books.repo.toplevel / LOG_COPY, books.repo.toplevel / PAGE_COPY
    _write(books, log, whole, known=whole.startswith)
    text = page.markdown(overview(books)).encode("utf-8", "surrogateescape")
    _write(books, report, text, known=lambda found: sha256(found) == books.head.page)
    digest = sha256(text)
    if digest != books.head.page:
        books.keep(Position(books.head.offset, books.head.sha256), digest)


def _write(books: Books, path: Path, content: bytes, known: Known) -> None:
    found = plain_content(path)
    if found == content:
        return
    there = path.is_symlink() or path.exists()
    if there and (found is None or not known(found)):
        _keep_edited(books, path)
    atomic_write(path, content, sync=False)


def _keep_edited(books: Books, path: Path) -> None:
    kept = keep_edited(path, books.state / "set-aside")
    books.news.append(
        f"{path.name} was not what was written last; it is kept as {shown_path(kept)}"
    )


if TYPE_CHECKING:
    from collections.abc import Callable

    Known = Callable[[bytes], bool]
