"""git's index beside the branch: what cannot be brought up to date is remembered and done later.

While another git holds the index, or a dead one left its lock, entries stay as an earlier
incumbent had them. A plain `git commit` would then take a keep back, so every later command tries
again. Only object ids are remembered that the path had without anybody staging them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from autoresearch.core.formatting import clean_line
from autoresearch.core.model import SCHEMA
from autoresearch.edges import gitrefs
from autoresearch.edges.files import file_error, named_errors
from autoresearch.edges.gitwrite import IndexChange, outdated, sync_index
from autoresearch.edges.stored import Stored

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autoresearch.edges.gitrepo import GitRepo
    from autoresearch.edges.places import Places
    from autoresearch.loop.session import Session

_Known = dict[str, frozenset[str]]
"""Path -> the object ids that it may have in the index without being somebody's staged work."""


class Behind(Struct, frozen=True, kw_only=True):
    """The paths whose entries could not be set, each with the object ids that it may have."""

    schema: int
    paths: tuple[tuple[str, tuple[str, ...]], ...]


def bring(repo: GitRepo, places: Places, changes: Sequence[IndexChange]) -> tuple[str, ...]:
    """Set entries of the user's index now or at a later command; warnings.

    Args:
        repo: whose HEAD is the session's branch.
        places: of the session; its state folder is there.
        changes: each to what the incumbent has.

    Raises:
        AutoresearchError: as git or the disk refuses; repeat it then.
    """
    known = _remembered(places)
    wanted = [c._replace(expected=c.expected | known.get(c.path, frozenset())) for c in changes]
    synced = sync_index(repo, wanted)
    later = {path: ids for path, ids in known.items() if path not in {c.path for c in changes}}
    if synced.warning is not None:
        later |= {c.path: c.expected for c in wanted if c.path not in synced.left}
    _remember(places, later, known)
    warnings = [] if synced.warning is None else [f"{synced.warning}; a later command does it"]
    if synced.left:
        warnings.append(
            f"staged otherwise, left as it is: {clean_line(', '.join(synced.left[:5]))}"
        )
    return tuple(warnings)


def catch_up(session: Session) -> list[str]:
    """Set the entries that an earlier command could not set; what was done, in lines."""
    changes = _changes(session)
    if not changes:
        return []
    late = outdated(session.repo, changes).wanted
    warnings = bring(session.repo, session.places, changes)
    if warnings or not late:
        return [f"warning: {warning}" for warning in warnings]
    named = clean_line(", ".join(change.path for change in late[:5]))
    return [f"git's index was behind, for its lock was held; up to date now: {named}"]


def behind(session: Session) -> tuple[str, ...]:
    """The paths that are still staged as an earlier incumbent had them; nothing is changed."""
    return tuple(change.path for change in outdated(session.repo, _changes(session)).wanted)


def _changes(session: Session) -> list[IndexChange]:
    """What is remembered, as changes to the incumbent; none while HEAD is elsewhere."""
    known = _remembered(session.places)
    if not known:
        return []
    head, incumbent = gitrefs.head(session.repo), session.progress.incumbent_commit
    if (head.branch, head.commit) != (session.branch, incumbent):
        return []
    tree = session.tree(incumbent)
    return [IndexChange(path, ids, tree.get(path)) for path, ids in sorted(known.items())]


def _remembered(places: Places) -> _Known:
    try:
        found = Stored(places.index_behind, Behind).read()
    except (FileNotFoundError, ValueError):  # damaged from outside: nobody's entry is touched
        return {}
    except OSError as error:
        raise file_error(error, places.index_behind) from error
    return {path: frozenset(ids) for path, ids in found.paths}


def _remember(places: Places, known: _Known, before: Mapping[str, frozenset[str]]) -> None:
    path = places.index_behind
    if not known:
        with named_errors(path):
            path.unlink(missing_ok=True)
    elif known != before:
        paths = tuple((name, tuple(sorted(ids))) for name, ids in sorted(known.items()))
        Stored(path, Behind).save(Behind(schema=SCHEMA, paths=paths))
