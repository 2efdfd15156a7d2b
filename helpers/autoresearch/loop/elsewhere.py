"""The answer where a command finds no session: where those of this repository are, if any."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.edges import gitrefs
from autoresearch.edges.index import Index
from autoresearch.edges.log import Log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autoresearch.edges.gitrepo import GitRepo
    from autoresearch.edges.places import Places

SHOWN = 3
PLAN = "Plan one: `/autoresearch:plan` in your agent, or `autoresearch init --help`."
LOST = (
    "There are refs of one: `autoresearch recover` brings its state along where the "
    "repository was moved, `recover --from-refs` makes it again."
)


def no_session(
    repo: GitRepo,
    places: Mapping[str, Places],
    homes: Mapping[str, str],
    branches: str,
    *,
    on_branch: bool,
) -> AutoresearchError:
    """What is said in a working tree without a session, with the way to each other one."""
    nothing = f"no session in {clean_line(str(repo.toplevel))}"
    if on_branch or not places:
        lost = on_branch or gitrefs.refs(repo, "refs/autoresearch")
        return AutoresearchError(nothing, code="no_session", hint=LOST if lost else PLAN)
    refs = gitrefs.refs(repo, branches.rstrip("/"))
    ways = {
        name: _way_to(repo, refs, f"{branches}{name}", places[name], homes[name])
        for name in list(places)[:SHOWN]
    }
    more = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
    where = "; ".join(f"session {name} {where}" for name, (where, _) in ways.items())
    return AutoresearchError(
        f"{nothing}, but {where}{more}",
        code="no_session",
        hint=" ".join(way for _, way in ways.values()),
    )


def _way_to(
    repo: GitRepo, refs: Mapping[str, gitrefs.Ref], branch: str, places: Places, home: str
) -> tuple[str, str]:
    """Where a session is, and the command that leads there, as a sentence."""
    short, ref = branch.removeprefix("refs/heads/"), refs.get(branch)
    out = None if ref is None else ref.worktree
    for folder in (out, home):
        if folder is not None and folder != str(repo.toplevel) and Path(folder, ".git").exists():
            return f"is in {clean_line(folder)}", f"`cd {clean_line(shlex.quote(folder))}`."
    was = f"has no working tree: {clean_line(out or home)} is gone"
    if ref is None:
        with Index(places.index, Log(places.log)) as index:
            tip = index.progress().incumbent_commit
        made = f"`git branch {short} {tip}`, then `git switch {short}`"
        return f"{was}, and so is the branch {short}", f"{made} brings it here."
    first = "`git worktree prune`, then " if out is not None else ""
    return was, f"{first}`git switch {short}` brings it here."
