"""`doctor`: what can be found wrong with the installation and the session, with the remedy."""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from autoresearch import __version__
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import WIDE_BYTES, Answer, clean_line
from autoresearch.core.model import RULE
from autoresearch.core.records import Experiment
from autoresearch.edges import gitrepo, whereabouts
from autoresearch.edges.files import file_error, is_writable
from autoresearch.edges.gitrepo import GitRepo
from autoresearch.edges.hostfiles import (
    NO_HOST,
    host_session,
    known,
    our_prices,
    price_trouble,
    prices_path,
    transcripts,
)
from autoresearch.edges.places import bases_of, shown_path
from autoresearch.edges.sandbox import Confiner, find_sandbox
from autoresearch.edges.whereabouts import FAILURES, state_folder
from autoresearch.loop.confinement import MEMORY
from autoresearch.loop.integrity import (
    Diagnosis,
    error_of,
    finding,
    good,
    invariants,
    is_reproduced,
)
from autoresearch.loop.session import Session, environment, loaded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


def doctor_command() -> Answer:
    """Check the installation and the session.

    Of the session it checks log, branch, refs, files and more, and changes nothing.

    Example: autoresearch doctor
    """
    found = examine()
    bad = [finding for finding in found if not finding.fine]
    told: list[object] = [{"ok": f.fine, "text": f.text, "remedy": f.remedy} for f in found]
    data: dict[str, object] = {"findings": told, **error_of(bad)}
    return Answer(
        lines=tuple(f"{'ok ' if one.fine else 'BAD'} {one.text}" for one in found),
        data=data,
        next_step=bad[0].remedy if bad else "all is well",
        exit_code=1 if bad else 0,
        max_bytes=WIDE_BYTES,
    )


def _host_findings(environ: Mapping[str, str]) -> Iterator[Diagnosis]:
    """What there is to say of the host; at most three lines."""
    yield from _failures(environ)
    host = host_session(environ)
    if host != NO_HOST:
        told = known(environ, host)
        hooks = "no hook has been called yet"
        if told is not None:
            hooks = f"hooks work, mode {told.mode or '?'}"
        found = "found" if transcripts(environ, host) else "not found, so costs are unknown"
        yield good(f"host: {clean_line(hooks)}; transcript {found}")
    trouble = price_trouble(environ)
    if trouble:
        found = f"prices: {clean_line(trouble)}"
        yield Diagnosis(fine=False, text=found, remedy="Mend the file or remove it.")
    elif prices_path(environ).is_file():
        ours = our_prices().as_of
        yield good(f"prices: {shown_path(prices_path(environ))}, then those of {ours}")


def _failures(environ: Mapping[str, str]) -> Iterator[Diagnosis]:
    state = state_folder(environ)
    if state is None:
        return
    path = Path(state) / FAILURES
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return
    except OSError as error:
        told = file_error(error, path)
        yield Diagnosis(fine=False, text=told.message, remedy=told.hint)
        return
    last = clean_line(lines[-1] if lines else "", 160)
    yield Diagnosis(
        fine=False,
        text=f"hooks: one failed, without stopping anything: {last}",
        remedy=f"Report it together with {shown_path(path)}, then remove the file.",
    )


def setting(environ: Mapping[str, str], folders: Sequence[str]) -> str:
    """What to write into which file of the host here, so that `folders` can be written.

    Tried with Codex 0.169 and Claude Code 2.1.330; for Cursor and Gemini CLI their documentation
    is the source. The variables are those that they set for the commands of their agents.
    """
    listed = json.dumps(list(folders), ensure_ascii=False)
    if any(name.startswith("CODEX_") for name in environ):
        where = "in ~/.codex/config.toml, below [sandbox_workspace_write]"
        what = f"Codex: {where}, writable_roots = {listed}"
    elif "CLAUDECODE" in environ:
        inner = f'{{"filesystem": {{"allowWrite": {listed}}}}}'
        what = f'Claude Code: in .claude/settings.local.json, {{"sandbox": {inner}}}'
    elif "CURSOR_AGENT" in environ:
        what = f'Cursor: in ~/.cursor/sandbox.json, {{"additionalReadwritePaths": {listed}}}'
    elif "GEMINI_CLI" in environ:
        mounts = ",".join(f"{folder}:{folder}:rw" for folder in folders)
        what = f"Gemini CLI: in its environment, SANDBOX_MOUNTS={mounts}"
    else:
        what = f"Allow writing to {listed} in the settings of your agent's sandbox"
    return f"{what}; then restart it."


def examine() -> tuple[Diagnosis, ...]:
    """Everything that is looked at, in a fixed order; never raises for what it finds."""
    found = list(_installation())
    try:
        with loaded(Path.cwd(), environment(), command="doctor", write=False) as session:
            found += invariants(session)
            found += [_decisions(session), _confined(session)]
    except AutoresearchError as error:
        fine = error.code in {"no_session", "no_repository"}
        way = f": {error.hint}" if error.code == "no_session" else ""
        told = Diagnosis(fine, error.message + way, error.hint)
        found += [] if told in found else [told]
    return tuple(found)


def _installation() -> Iterator[Diagnosis]:
    python = platform.python_version()
    yield good(f"autoresearch {__version__}, Python {python} ({sys.platform})")
    try:
        with GitRepo.open(Path.cwd()) as repo:
            found = gitrepo.version()
            number = ".".join(map(str, found))
            yield finding(
                found >= gitrepo.OLDEST,
                f"git version {number}, {repo.object_format}, {clean_line(str(repo.toplevel))}",
                "Install git 2.25 or newer, on PATH.",
            )
            yield _access(Path(repo.common_dir))
    except AutoresearchError as error:
        yield Diagnosis(error.code == "no_repository", error.message, error.hint)
    yield from _host_findings(environment())
    yield from _sandbox()


def _sandbox() -> Iterator[Diagnosis]:
    """What confines commands here. None is no fault: a session may do without, and says so."""
    try:
        state, cache = bases_of(environment())
        found = find_sandbox(environment().get("PATH", ""), state / MEMORY, cache)
    except AutoresearchError as error:
        yield Diagnosis(fine=False, text=error.message, remedy=error.hint)
        return
    yield good(f"sandbox: {clean_line(_described(found))}")


def _described(found: Confiner) -> str:
    if found.sandbox is None:
        return f"none, {found.absence}"
    why = found.sandbox.no_overlay
    return f"{found.name}, {f'without overlays: {why}' if why else 'with overlays'}"


def _confined(session: Session) -> Diagnosis:
    try:
        in_force = session.bench().confinement.in_force
    except AutoresearchError as error:  # it requires one, and none works
        return Diagnosis(fine=False, text=error.message, remedy=error.hint)
    return good(f"sandbox of this session: {clean_line(in_force)}")


def _access(git_folder: Path) -> Diagnosis:
    """Whether the three places that every session writes to can be written."""
    environ = environment()
    ours = (whereabouts.state_folder(environ), whereabouts.cache_folder(environ))
    folders = [git_folder, *(Path(folder) for folder in ours if folder is not None)]
    closed = [str(folder) for folder in folders if not is_writable(folder)]
    return finding(
        not closed,
        f"not writable: {', '.join(closed)}" if closed else "writable: git, state and cache",
        setting(environ, closed),
    )


def _decisions(session: Session) -> Diagnosis:
    """Whether every recorded race leads to its recorded decision again."""
    count, wrong, older = session.progress.last_number, [], 0
    for entry in session.index.log.records():
        record = entry.record
        if not isinstance(record, Experiment):
            continue
        if record.race is not None and record.race.rule > RULE:
            older += 1
        elif not is_reproduced(record):
            wrong.append(record.number)
    return finding(
        not wrong,
        f"decisions: {count - older} experiments decided again from their samples"
        + (f"; these differ: {wrong[:5]}" if wrong else ", all the same")
        + (f"; {older} from a later version of the rule were not" if older else ""),
        "The log and this version disagree: report this together with the log.",
    )
