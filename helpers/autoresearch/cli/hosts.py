"""Commands that put the skill where an agent finds it: install, uninstall."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autoresearch.cli.app import answers
from autoresearch.core import formatting
from autoresearch.core.answer import Answer
from autoresearch.hosts.install.layouts import LAYOUTS

if TYPE_CHECKING:
    from autoresearch.hosts.install.layouts import Place

_PROJECT = "Install for the project of the current folder, to be committed, instead of for you."


@click.command("install")
@click.argument("host", type=click.Choice(list(LAYOUTS)))
@click.option("--project", is_flag=True, help=_PROJECT)
@click.option("--set-aside", is_flag=True, help="Rename files that are in the way and not ours.")
@answers
def install_command(host: str, *, project: bool, set_aside: bool) -> Answer:
    """Install or update skill and slash commands for HOST.

    Files that are not ours, or that were edited since, are never overwritten.

    Example: autoresearch install codex
    """
    from autoresearch.hosts.install import actions  # noqa: PLC0415 - start fast
    from autoresearch.hosts.install.layouts import find_bundle  # noqa: PLC0415 - start fast

    environ = dict(os.environ)
    place = _place(environ, project=project)
    done = actions.install(host, find_bundle(), place, environ, set_aside=set_aside)
    aside = [f"set aside: {old} is now {new.name}" for old, new in done.aside.items()]
    counts = ", ".join(
        f"{len(paths)} {what}"
        for what, paths in (
            ("written", done.written),
            ("unchanged", done.unchanged),
            ("removed", done.removed),
        )
        if paths
    )
    return Answer(
        lines=(
            f"{host}: {formatting.count(len(done.written) + len(done.unchanged), 'file')} "
            f"below {place.base} ({counts})",
            *aside,
            done.reach.text,
        ),
        data={
            "host": host,
            "written": [str(path) for path in done.written],
            "unchanged": [str(path) for path in done.unchanged],
            "removed": [str(path) for path in done.removed],
            "set_aside": {str(old): str(new) for old, new in done.aside.items()},
            "on_path": done.reach.fine,
        },
        next_step=_next_step(host, reachable=done.reach.fine),
    )


@click.command("uninstall")
@click.argument("host", type=click.Choice(list(LAYOUTS)))
@click.option("--project", is_flag=True, help=_PROJECT)
@answers
def uninstall_command(host: str, *, project: bool) -> Answer:
    """Remove what `install HOST` wrote; sessions stay.

    Files that were edited since stay too.

    Example: autoresearch uninstall codex
    """
    from autoresearch.hosts.install import actions  # noqa: PLC0415 - start fast
    from autoresearch.hosts.install.layouts import find_bundle  # noqa: PLC0415 - start fast

    environ = dict(os.environ)
    place = _place(environ, project=project)
    done = actions.uninstall(host, find_bundle(), place, environ)
    shared = formatting.count(len(done.shared), "file")
    return Answer(
        lines=(
            f"{host}: {formatting.count(len(done.removed), 'file')} removed below {place.base}",
            *(f"left in place because it was edited: {path}" for path in done.edited),
            *((f"left in place because another host uses it: {shared}",) if done.shared else ()),
        ),
        data={
            "host": host,
            "removed": [str(path) for path in done.removed],
            "edited": [str(path) for path in done.edited],
            "shared": [str(path) for path in done.shared],
        },
        next_step="nothing; branches, logs and refs of sessions stay as they are",
    )


def _place(environ: dict[str, str], *, project: bool) -> Place:
    from autoresearch.edges.gitrepo import GitRepo  # noqa: PLC0415 - start fast
    from autoresearch.hosts.install.actions import home_of  # noqa: PLC0415 - start fast
    from autoresearch.hosts.install.layouts import Place  # noqa: PLC0415 - start fast

    if not project:
        return Place(home_of(environ), project=False)
    with GitRepo.open(Path.cwd()) as repo:
        return Place(Path(repo.toplevel), project=True)


def _next_step(host: str, *, reachable: bool) -> str:
    start = f"in {host}, in a repository of yours: `{LAYOUTS[host].start}`"
    return start if reachable else f"put autoresearch on PATH; then {start}"
