"""The command `autoresearch` in the user's shell: found on PATH, or linked to from ~/.local/bin."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.edges.files import named_errors, replace_link
from autoresearch.hosts.install.ledger import Entry

if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAM = "autoresearch"


class Reach(NamedTuple):
    """How hosts will find the program.

    Attributes:
        text: one sentence for people.
        fine: whether a shell finds it by its name.
    """

    text: str
    fine: bool


def link_of(home: Path) -> Path:
    """Where the link is."""
    return home / ".local" / "bin" / PROGRAM


def make_reachable(
    launcher: Path, home: Path, environ: Mapping[str, str], entries: dict[str, Entry], owner: str
) -> Reach:
    """Link to the launcher from ~/.local/bin, unless PATH leads to the program already.

    Nothing that is not ours is replaced.
    """
    link = link_of(home)
    entry = entries.get(str(link))
    ours = entry is not None and link.is_symlink() and str(link.readlink()) == entry.digest
    found = shutil.which(PROGRAM, path=environ.get("PATH", ""))
    if found is not None and not (ours and Path(found) == link):
        if os.path.realpath(found) == os.path.realpath(launcher):
            return Reach(f"{PROGRAM} is on PATH: {found}", fine=True)
        return Reach(f"{PROGRAM} on PATH is another copy, {found}; left as it is", fine=True)
    if not ours and os.path.lexists(link):
        return Reach(f"{link} is not ours and was left as it is; call {launcher}", fine=False)
    with named_errors(link):
        link.parent.mkdir(parents=True, exist_ok=True)
        replace_link(str(link), os.fsencode(launcher))
    owners = {owner, *(entry.owners if entry is not None else ())}
    entries[str(link)] = Entry(owners=sorted(owners), digest=str(launcher), is_link=True)
    on_path = str(link.parent) in environ.get("PATH", "").split(os.pathsep)
    if on_path:
        return Reach(f"{link} leads to {launcher}", fine=True)
    return Reach(f"{link} leads to {launcher}, but {link.parent} is not on PATH", fine=False)
