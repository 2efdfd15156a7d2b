"""Where a session's files lie: state and cache folders by the XDG base directory rules."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.edges import whereabouts
from autoresearch.edges.clock import now_utc
from autoresearch.edges.files import as_owner, atomic_write, is_there, keep_newest, other_owner

_PRIVATE = 0o700
RUN, CHECKOUT, SLOTS = "run", "checkout", "slots"
"""Folders of a bench: what a run may write to, the checkout that runs, and the homes of all."""

MOST_REPORTS = 50
"""Crash reports that stay: a bug that comes again at every call fills no disk."""


class Places:
    """The folders of one session and the files in them.

    Attributes:
        state: the authority: what follows, unless said otherwise.
        cache: bench checkouts and what can be made again.
        session: its name.
        log, index: the log, and what is derived from it.
        journal: the step in progress.
        lock: of whoever writes.
        contract: the frozen one.
        copies: what was last published; there as soon as the session is.
        index_behind: what could not be brought up to date in git's index yet; there until it is.
        foreign: changes that another tool tried, by patch id; there where its log was taken over.
        git_setup: what git's set-up was before a candidate ran; there while one runs.
        raw: samples of the race in progress.
        output: captured output of commands.
        manifests: what the bench checkouts were left as, beside `state`; there before it is.
        run: in the cache, what a run of the contract's commands may write to; there while one runs.
        roots: the folders of all sessions of all repositories, state and cache; of a session that
            has its checkouts in the former cache, the repository's folder there.
    """

    def __init__(self, *, state: Path, cache: Path) -> None:
        self.state, self.cache = state, cache
        self.session = state.name
        self.log, self.index = state / "log.jsonl", state / "index.db"
        self.journal, self.lock = state / "journal.json", state / "lock"
        self.contract = state / "autoresearch.yaml"
        self.copies = state / "copies.json"
        self.index_behind = state / "index-behind.json"
        self.foreign = state / "foreign.json"
        self.git_setup = state / "git-setup.json"
        self.raw, self.output = state / "raw", state / "output"
        self.manifests = state.with_name(f".bench-{state.name}")
        self.run = cache / RUN
        root = cache.parent.parent
        # The root that was ours before holds folders of others: of it only the repository's counts.
        root = cache.parent if root.name == whereabouts.OURS else root
        self.roots = state.parent.parent, root

    @property
    def measure_lock(self) -> Path:
        """The lock of whoever measures on this machine, whatever the repository.

        One of the session's own where `AUTORESEARCH_MEASURE_TOGETHER=1` says that others may
        measure at the same time.
        """
        if os.environ.get("AUTORESEARCH_MEASURE_TOGETHER") == "1":
            return self.state.with_name(f".measure-{self.session}.lock")
        return self.state.parent.parent / "measure.lock"

    def is_half_opened(self) -> bool:
        """Whether an `init` began what it did not come to the end of, or is at it.

        What may not be looked at is no session of ours: False.
        """
        later = (self.copies, self.index, self.log)  # the log is what opens the session
        return is_there(self.journal) and not any(map(is_there, later))

    def require_opened(self) -> None:
        """Raise `half_opened` where there is only what an `init` began."""
        if self.is_half_opened():
            raise AutoresearchError(
                f"session {self.session} is not open yet: its `init` is still running or was "
                "interrupted",
                code="half_opened",
                hint="Repeat the `init`, or undo what it did with `autoresearch recover`.",
            )

    def create(self) -> None:
        """Make the folders, readable by their owner only.

        Raises `state_not_writable`, naming the folder and the variable that moves it.
        """
        for folder, variable in (
            (self.raw, "XDG_STATE_HOME"),
            (self.output, "XDG_STATE_HOME"),
            (self.cache, "XDG_CACHE_HOME"),
        ):
            _make_private(folder, variable)

    def prepare(self) -> None:
        """Make the folders that all sessions of a repository share; raises as `create`."""
        _make_private(self.state.parent, "XDG_STATE_HOME")
        _make_private(self.cache.parent, "XDG_CACHE_HOME")

    def require_writable(self) -> None:
        """Raise `state_not_writable` when the state cannot be changed, as in a host's sandbox.

        Folders in it that a copy or a cleaner left out, as empty ones are, are made again.
        """
        if not os.access(self.state, os.W_OK | os.X_OK):
            raise _not_writable(self.state, "XDG_STATE_HOME")
        for folder in (self.raw, self.output):
            if not folder.exists():
                _make_private(folder, "XDG_STATE_HOME")


def places_for(
    environ: Mapping[str, str], toplevel: Path, common_dir: Path, session: str
) -> Places:
    """The folders of a session; nothing is made. Raises as `state_base`."""
    key = repository_key(toplevel, common_dir)
    state, cache = bases_of(environ)
    former = cache.with_name(whereabouts.OURS)
    base = former if (former / key / session).is_dir() else cache
    return Places(state=state / key / session, cache=base / key / session)


def repository_key(toplevel: Path, common_dir: Path) -> str:
    """The folder's name for a repository, see `whereabouts.repository_key`."""
    return whereabouts.repository_key(str(toplevel.resolve()), str(common_dir.resolve()))


def sessions_of(environ: Mapping[str, str], toplevel: Path, common_dir: Path) -> tuple[str, ...]:
    """The names of a repository's sessions that have a log, sorted."""
    folder = places_for(environ, toplevel, common_dir, "x").state.parent
    try:
        found = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        return tuple(s.name for s in found if Places(state=s, cache=s).log.is_file())
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except PermissionError as error:
        raise _not_writable(folder, "XDG_STATE_HOME") from error


def crash_report(text: str) -> Path:
    """Keep the report of a bug in the state folder, else in the temporary one; where it lies."""
    stamp = now_utc().replace(":", "")
    try:
        folder = state_base(os.environ) / "crashes"
        _make_private(folder, "XDG_STATE_HOME")
    except AutoresearchError:
        folder = Path(tempfile.mkdtemp(prefix=f"{whereabouts.OURS}-"))
    path = folder / f"{stamp}-{os.getpid()}.txt"
    atomic_write(path, text.encode("utf-8", "replace"), mode=0o600)
    keep_newest(folder, files=MOST_REPORTS)
    return path


def git_version() -> str:
    """The words of `git --version`; never raises, for it is asked when something broke."""
    try:
        done = subprocess.run(
            ["git", "--version"], capture_output=True, check=False, timeout=10, text=True
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError) as error:
        return f"git cannot be asked: {error}"
    return done.stdout.strip() or f"git --version failed with status {done.returncode}"


def shown_path(path: Path) -> str:
    """A path as it is shown: below the home it starts with `~`."""
    home = Path(os.environ.get("HOME") or "/")
    if home != Path("/") and path.is_relative_to(home):
        return clean_line(f"~/{path.relative_to(home)}")
    return clean_line(str(path))


def state_base(environ: Mapping[str, str]) -> Path:
    """Our folder for state, which holds one folder a repository.

    Raises `no_home` when neither XDG variable nor HOME tells it.
    """
    return _known(whereabouts.state_folder(environ), "XDG_STATE_HOME")


def bases_of(environ: Mapping[str, str]) -> tuple[Path, Path]:
    """Our folders for state and for the cache; raises as `state_base`."""
    cache = _known(whereabouts.cache_folder(environ), "XDG_CACHE_HOME")
    return state_base(environ), cache


def _known(folder: str | None, variable: str) -> Path:
    if folder is None:
        raise AutoresearchError(
            f"no folder for the session's state: {variable} and HOME are not absolute paths",
            code="no_home",
            hint=f"Set {variable} to a folder that belongs to you.",
        )
    return Path(folder)


def _make_private(folder: Path, variable: str) -> None:
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        for path in reversed(missing):
            path.mkdir(mode=_PRIVATE, exist_ok=True)
    except OSError as error:
        raise _not_writable(folder, variable) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _not_writable(folder, variable)


def _not_writable(folder: Path, variable: str) -> AutoresearchError:
    if owner := other_owner(folder):
        return AutoresearchError(
            f"the folder {folder} belongs to {owner} and cannot be used",
            code="state_not_writable",
            hint=f"{as_owner(owner)} Or set {variable} to a folder that belongs to you.",
        )
    return AutoresearchError(
        f"the folder {folder} cannot be written",
        code="state_not_writable",
        hint="If your agent's sandbox forbids it, `autoresearch doctor` names the setting. Or set "
        f"{variable} to a writable folder outside the repository.",
    )
