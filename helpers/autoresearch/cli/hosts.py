"""Commands for hosts: install and uninstall, and what hosts call: hook and statusline.

`autoresearch.__main__` answers `hook` and `statusline` before this is imported.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from autoresearch.cli.app import picked
from autoresearch.core import formatting
from autoresearch.core.formatting import Answer
from autoresearch.edges.gitrepo import GitRepo
from autoresearch.hosts import entry
from autoresearch.hosts.hook import EVENTS
from autoresearch.hosts.install import (
    LAYOUTS,
    InstallPlace,
    find_bundle,
    home_of,
    install,
    uninstall,
)

_PROJECT = "Install for the project of the current folder, to be committed, instead of for you."


@click.argument("host", type=click.Choice(list(LAYOUTS)))
@click.option("--project", is_flag=True, help=_PROJECT)
@click.option("--set-aside", is_flag=True, help="Rename files that are in the way and not ours.")
def install_command(host: str, *, project: bool, set_aside: bool) -> Answer:
    """Install or update skill and slash commands for HOST.

    Files that are not ours, or that were edited since, are never overwritten.

    Example: autoresearch install codex
    """
    environ = dict(os.environ)
    place = _place(environ, project=project)
    done = install(host, find_bundle(), place, environ, set_aside=set_aside)
    aside = [f"set aside: {old} is now {new.name}" for old, new in done.aside.items()]
    did = {"written": done.written, "unchanged": done.unchanged, "removed": done.removed}
    counts = ", ".join(f"{len(paths)} {what}" for what, paths in did.items() if paths)
    start = f"in {host}, in a repository of yours: `{LAYOUTS[host].start}`"
    return Answer(
        lines=(
            f"{host}: {formatting.count(len(done.written) + len(done.unchanged), 'file')} "
            f"below {place.base} ({counts})",
            *aside,
            done.reach.text,
        ),
        data={
            "host": host,
            **picked(done, "written unchanged removed"),
            "set_aside": {str(old): str(new) for old, new in done.aside.items()},
            "on_path": done.reach.fine,
        },
        next_step=start if done.reach.fine else f"put autoresearch on PATH; then {start}",
    )


@click.argument("host", type=click.Choice(list(LAYOUTS)))
@click.option("--project", is_flag=True, help=_PROJECT)
def uninstall_command(host: str, *, project: bool) -> Answer:
    """Remove what `install HOST` wrote; sessions stay.

    Files that were edited since stay too.

    Example: autoresearch uninstall codex
    """
    environ = dict(os.environ)
    place = _place(environ, project=project)
    done = uninstall(host, find_bundle(), place, environ)
    shared = formatting.count(len(done.shared), "file")
    return Answer(
        lines=(
            f"{host}: {formatting.count(len(done.removed), 'file')} removed below {place.base}",
            *(f"left in place because it was edited: {path}" for path in done.edited),
            *((f"left in place because another host uses it: {shared}",) if done.shared else ()),
        ),
        data={"host": host, **picked(done, "removed edited shared")},
        next_step="nothing; branches, logs and refs of sessions stay as they are",
    )


def _place(environ: dict[str, str], *, project: bool) -> InstallPlace:
    if not project:
        return InstallPlace(home_of(environ), project=False)
    with GitRepo.open(Path.cwd()) as repo:
        return InstallPlace(Path(repo.toplevel), project=True)


@click.command("hook")
@click.argument("event", type=click.Choice(EVENTS))
def hook_command(event: str) -> None:
    """Answer an event of a host (called by hosts).

    Reads JSON from stdin, prints JSON or nothing, and always exits with 0. Hosts call it through
    `hooks/hooks.json`; docs/hooks.md says what each event does and how to turn it off.
    AUTORESEARCH_HOOKS=off turns all of them off.

    Example: autoresearch hook Stop < event.json
    """
    sys.exit(entry.main(["hook", event]))


@click.command("statusline")
def statusline_command() -> None:
    """Print one line for a host's status line.

    Reads the host's JSON from stdin. Prints nothing if no session is open.

    Example: autoresearch statusline < status.json
    """
    sys.exit(entry.main(["statusline"]))
