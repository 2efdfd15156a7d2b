"""Writing the books: the ledger is ours alone meanwhile, and its copies are made anew."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from autoresearch.core.security import page
from autoresearch.core.security.ledger import LEDGER
from autoresearch.edges import notices
from autoresearch.edges.files import atomic_write, named_errors
from autoresearch.edges.gitrepo import GitRepo
from autoresearch.edges.gitwrite import exclude
from autoresearch.edges.lock import Lock
from autoresearch.edges.log import Chain
from autoresearch.edges.places import places_for, shown_path
from autoresearch.edges.stored import keep_edited, plain_content
from autoresearch.security import books as shelf

FORMS = "autoresearch.forms"
"""Where agents write what they hand in: inside the folder that their host lets them write."""
EXCLUDED = (f"/{shelf.LOG_COPY}", f"/{shelf.PAGE_COPY}", f"/{FORMS}/")


@contextmanager
def writing(
    cwd: Path, environ: Mapping[str, str], command: str, *, begin: bool = False
) -> Iterator[shelf.Books]:
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
    with GitRepo.open(cwd) as repo:
        places = places_for(environ, repo.toplevel, repo.common_dir, shelf.FOLDER)
        source, copy = places.state / shelf.LOG_NAME, repo.toplevel / shelf.LOG_COPY
        if not (begin or source.is_file() or shelf.is_plain(copy)):
            raise shelf.no_ledger()
        places.prepare()
        with named_errors(places.state):
            places.state.mkdir(mode=0o700, exist_ok=True)
        with Lock(places.state / "lock").acquire(command):
            news = notices.current()
            if shelf.is_plain(copy) and not source.exists():
                for _ in Chain(copy, LEDGER, shelf.REMEDY).records():
                    pass  # a chain that breaks raises
                atomic_write(source, copy.read_bytes(), mode=0o600)
                news.append(f"the ledger was taken from {shelf.LOG_COPY}: this machine had none")
            torn = Chain(source, LEDGER, shelf.REMEDY).repair()
            if torn is not None:
                where = shown_path(torn.moved_to)
                news.append(f"half a line ({torn.size} bytes) was moved to {where}")
            books = shelf.Books(repo, places, source, environ, news)
            yield books
            exclude(repo, EXCLUDED)
            _publish(books)


def _publish(books: shelf.Books) -> None:
    """Bring both copies up to the ledger; what somebody wrote into one is set aside and told."""
    whole = books.chain.path.read_bytes() if books.chain.path.exists() else b""
    _copy(books, shelf.LOG_COPY, whole, whole.startswith)
    text = page.markdown(books.overview()).encode("utf-8", "surrogateescape")
    _copy(books, shelf.PAGE_COPY, text, lambda found: shelf.sha256(found) == books.written.page)
    if shelf.sha256(text) != books.written.page:
        books.keep(books.written.end, shelf.sha256(text))


def _copy(books: shelf.Books, name: str, content: bytes, known: Callable[[bytes], bool]) -> None:
    """Write a copy; what is not `known` to be ours there is kept aside first."""
    path = books.repo.toplevel / name
    found = plain_content(path)
    if found == content:
        return
    if os.path.lexists(path) and (found is None or not known(found)):
        kept = shown_path(keep_edited(path, books.state / "set-aside"))
        books.news.append(f"{name} was not what was written last; it is kept as {kept}")
    atomic_write(path, content, sync=False)
