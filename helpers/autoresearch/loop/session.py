"""A session as a command sees it: repository, frozen contract, log, and where all of it lies."""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct, field, structs
from msgspec.structs import replace

from autoresearch.core.contract import Contract, parse
from autoresearch.core.errors import AutoresearchError, SessionBroken
from autoresearch.core.formatting import clean_line
from autoresearch.core.history import History, Progress
from autoresearch.core.model import SCHEMA
from autoresearch.core.pruning import Survey, survey
from autoresearch.core.records import Epoch
from autoresearch.core.scope import Scope, compile_scope
from autoresearch.core.snapshot import Entry, TreeMap
from autoresearch.core.steps import Action
from autoresearch.edges import dotgit, gitrefs, gitwrite, notices
from autoresearch.edges.clock import now_utc
from autoresearch.edges.files import file_error
from autoresearch.edges.gitrepo import GitRepo
from autoresearch.edges.gitwrite import Commit, commit_changes, require_writable
from autoresearch.edges.index import Index
from autoresearch.edges.journal import Journal
from autoresearch.edges.lock import Lock
from autoresearch.edges.log import Log
from autoresearch.edges.places import Places, places_for, sessions_of
from autoresearch.edges.stored import Stored
from autoresearch.edges.worktree import Walk
from autoresearch.loop.bench import Bench

_SHOWN = 3
_PLAN = "Plan one: `/autoresearch:plan` in your agent, or `autoresearch init --help`."
_LOST = (
    "There are refs of one: `autoresearch recover` brings its state along where the "
    "repository was moved, `recover --from-refs` makes it again."
)


def _no_session(
    repo: GitRepo, places: Mapping[str, Places], homes: Mapping[str, str], *, on_branch: bool
) -> AutoresearchError:
    """What is said in a working tree without a session, with the way to each other one."""
    nothing = f"no session in {clean_line(str(repo.toplevel))}"
    if on_branch or not places:
        lost = on_branch or gitrefs.refs(repo, "refs/autoresearch")
        return AutoresearchError(nothing, code="no_session", hint=_LOST if lost else _PLAN)
    refs = gitrefs.refs(repo, BRANCHES.rstrip("/"))
    ways = {
        name: _way_to(repo, refs, f"{BRANCHES}{name}", places[name], homes[name])
        for name in list(places)[:_SHOWN]
    }
    more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
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


SESSION_FILE = "session.json"
MENDING = frozenset({"amend", "recover", "stop"})
"""Commands that a human goes on with, whatever git's settings became."""

BRANCHES = "refs/heads/autoresearch/"
TREES_REMEMBERED = 4
CONTRACT_FILE = "autoresearch.yaml"
CHECKS_FILE = "autoresearch.checks.sh"
CHECKS_COMMAND = f"test -x {CHECKS_FILE} && exec ./{CHECKS_FILE}; exec sh {CHECKS_FILE}"
"""An executable script runs by its own first line, which may name another shell than sh."""


class Override(Struct, frozen=True, kw_only=True):
    """A path whose working-tree bytes rightly differ from git; no mode: nothing is checked out."""

    path: str
    mode: str | None
    oid: str | None


class SessionFile(Struct, frozen=True, kw_only=True):
    """What `init` fixed beside the log.

    Attributes:
        overrides: see `edges.worktree.Overrides`.
        redirections: see `dotgit.redirections`; None in older files.
        checks_guard: whether `autoresearch.checks.sh` is the guard, as the contract names none.
    """

    schema: int
    session: str
    toplevel: str
    branch: str
    checks_guard: bool
    environment: tuple[tuple[str, str], ...]
    overrides: tuple[Override, ...]
    redirections: tuple[str, ...] | None = None


class Session(Struct):
    """An open session.

    Attributes:
        news: notices to print with whatever ends the command; see `edges.notices`.
        after_kill: whether the command before this one was killed.
    """

    repo: GitRepo
    places: Places
    file: SessionFile
    contract: Contract
    index: Index
    journal: Journal
    environ: Mapping[str, str]
    news: list[str] = field(default_factory=notices.current)
    trees: dict[str, TreeMap] = field(default_factory=dict)
    after_kill: bool = False
    _walk: Walk | None = None

    @property
    def name(self) -> str:
        """The session's name."""
        return self.file.session

    @property
    def branch(self) -> str:
        """Full name of the session's branch."""
        return self.file.branch

    @property
    def progress(self) -> Progress:
        """Where the session stands, without the lists of `history`."""
        return self.index.progress()

    @property
    def history(self) -> History:
        """What the log adds up to."""
        return self.index.history()

    @property
    def epoch(self) -> Epoch:
        """The epoch whose evaluator measures."""
        if self.progress.epoch is None:
            raise SessionBroken(
                "the session has no baseline", code="no_baseline", hint="Start it anew with `init`."
            )
        return self.progress.epoch

    @property
    def scope(self) -> Scope:
        """What an experiment may change."""
        return compile_scope(self.contract.scope, self.contract.protect)

    @property
    def overrides(self) -> dict[str, Entry | None]:
        """Where the working tree rightly differs from git."""
        return {
            o.path: Entry(o.mode, o.oid) if o.mode is not None and o.oid is not None else None
            for o in self.file.overrides
        }

    def walk(self) -> Walk:
        """The walk over the user's working tree, which remembers what it compared."""
        if self._walk is None:
            self._walk = Walk(self.repo, self.places.state / "worktree.stat")
        return self._walk

    def bench(self, contract: Contract | None = None) -> Bench:
        """The bench with this session's environment, of its contract or of one to come."""
        from autoresearch.loop.bench import Bench  # noqa: PLC0415 - readers need none

        bench = Bench(
            places=self.places,
            repo=self.repo,
            contract=contract or self.contract,
            frozen=self.file.environment,
            environ=self.environ,
        )
        if contract is None and self.progress.epoch is not None:
            bench.units.update(self.progress.epoch.units)
            if self.contract.cache:
                bench.caches.base = self.tree(self.progress.epoch.commit)
        return bench

    def begin(self, command: str, stage: str, **values: str) -> None:
        """Journal a step of a command other than `try`, with what finishing it needs."""
        facts = tuple(values.items())
        self.journal.begin(Action(command=command, stage=stage, at=now_utc(), values=facts))

    def commit(
        self,
        changes: Mapping[str, Entry | None],
        message: str,
        contents: Sequence[bytes] = (),
        *,
        sign: bool = False,
    ) -> Commit:
        """Commit changes on top of the incumbent, with blobs not stored yet; no ref leads there."""
        parent = self.progress.incumbent_commit
        return commit_changes(
            self.repo,
            parents=[parent],
            base=self.repo.tree_of(parent),
            changes=changes,
            contents=contents,
            message=message,
            sign=sign,
        )

    @property
    def incumbent_tree(self) -> TreeMap:
        """All files of the incumbent."""
        return self.tree(self.progress.incumbent_commit)

    @property
    def short_branch(self) -> str:
        """The branch as people call it."""
        return self.branch.removeprefix("refs/heads/")

    def survey(self) -> Survey:
        """What was tried and pruned, by the log."""
        return survey(entry.record for entry in self.index.log.records())

    def ref(self, number: int) -> str:
        """The ref that keeps experiment `number`."""
        return f"{self.refs_of('exp')}{number:04d}"

    def refs_of(self, what: str) -> str:
        """How the names of the session's refs of one sort begin."""
        return f"refs/autoresearch/{self.name}/{what}/"

    def tape(self, name: str) -> Path:
        """Where a race is kept until it ends."""
        return self.places.raw / f"{name}.jsonl"

    def tree(self, commit: str) -> TreeMap:
        """All files of a commit; the latest are remembered, for a command asks again and again."""
        oid = self.repo.tree_of(commit)
        if oid not in self.trees:
            self.remember_tree(oid, self.repo.tree(oid))
        return self.trees[oid]

    def remember_tree(self, oid: str, tree: TreeMap) -> None:
        """Remember the files of a tree that is known already; reading 30,000 takes 0.1 s."""
        if len(self.trees) >= TREES_REMEMBERED:
            del self.trees[next(iter(self.trees))]
        self.trees[oid] = tree

    def set_locks_aside(self) -> tuple[Path, ...]:
        """Move the locks of a killed git out of the way; see `gitwrite.set_locks_aside`."""
        locks = gitwrite.outlived_locks(self.repo, self.name, self.branch)
        return gitwrite.set_locks_aside(self.repo, locks, self.places.state / "set-aside" / "locks")

    def keep_overrides(self, changed: Mapping[str, Entry | None], now: Mapping[str, Entry]) -> None:
        """Remember how changed paths differ from git from now on, and forget those that do not."""
        overrides = {path: e for path, e in self.overrides.items() if path not in changed}
        overrides.update(now)
        if overrides != self.overrides:
            self.file = replace(self.file, overrides=as_overrides(overrides))
            write_session_file(self.places, self.file)


def as_overrides(overrides: Mapping[str, Entry | None]) -> tuple[Override, ...]:
    """The stored form of overrides."""
    return tuple(
        Override(path=path, mode=e.mode if e else None, oid=e.oid if e else None)
        for path, e in sorted(overrides.items())
    )


def environment_hash(environment: tuple[tuple[str, str], ...]) -> str:
    """What the log remembers of the frozen environment."""
    return hashlib.sha256(repr(environment).encode("utf-8", "surrogateescape")).hexdigest()


def _file(places: Places) -> Stored[SessionFile]:
    return Stored(places.state / SESSION_FILE, SessionFile)


def write_session_file(places: Places, file: SessionFile) -> None:
    """Write what `init` fixed."""
    _file(places).save(file)


def read_session_file(places: Places) -> SessionFile:
    """Read what `init` fixed."""
    stored = _file(places)
    try:
        file = stored.read()
    except PermissionError as error:
        raise file_error(error, stored.path) from error
    except (OSError, ValueError) as error:
        raise SessionBroken(
            f"the session's file {stored.path} cannot be read: {error}",
            code="session_file",
            hint="`autoresearch recover --from-refs` makes it again; the log stays.",
        ) from error
    if file.schema > SCHEMA:
        raise SessionBroken(
            f"the session was made by a newer version (schema {file.schema})",
            code="newer_schema",
            hint="Update autoresearch.",
        )
    return file


def find_session(repo: GitRepo, environ: Mapping[str, str]) -> Places:
    """The session that a command in this working tree means.

    The one whose branch is checked out; else the only one of this working tree. Raises
    AutoresearchError: `no_session`, `half_opened` or `which_session`.
    """
    names = sessions_of(environ, repo.toplevel, repo.common_dir)
    places = {name: places_for(environ, repo.toplevel, repo.common_dir, name) for name in names}
    branch = gitrefs.head(repo).branch or ""
    current = branch.removeprefix(BRANCHES) if branch.startswith(BRANCHES) else None
    if current in places:
        return places[current]
    if current is not None:
        lost = places_for(environ, repo.toplevel, repo.common_dir, current)
        lost.require_opened()
        if (lost.state / SESSION_FILE).exists():
            return lost  # its log is missing: whoever reads it says so
    homes = {name: read_session_file(places[name]).toplevel for name in names}
    here = [name for name in names if Path(homes[name]) == repo.toplevel]
    if len(here) == 1:
        return places[here[0]]
    if not here:
        raise _no_session(repo, places, homes, on_branch=current is not None)
    raise AutoresearchError(
        f"{len(here)} sessions belong to this working tree: {', '.join(here)}",
        code="which_session",
        hint=f"Check one out: `git switch autoresearch/{here[0]}`.",
    )


@contextmanager
def loaded(
    cwd: Path, environ: Mapping[str, str], *, command: str, write: bool
) -> Iterator[Session]:
    """Open the session of a working tree; a writer holds its lock until the end.

    Raises as `find_session`, `locked` where another command works on it, and for damaged state.
    """
    with ExitStack() as stack:
        repo = stack.enter_context(GitRepo.open(cwd))
        places = find_session(repo, environ)
        news, after_kill, require_lock = notices.current(), False, None
        if write:
            places.require_writable()
            require_writable(repo)
            held = stack.enter_context(Lock(places.lock).acquire(command))
            news += [held.ended] if held.ended else []
            after_kill, require_lock = held.after_kill, held.require
        log = Log(places.log)
        if write:
            torn = log.repair()
            if torn is not None:
                news.append(f"half a log line ({torn.size} bytes) was moved to {torn.moved_to}")
        index = stack.enter_context(Index(_index_path(stack, places, write=write), log))
        file = read_session_file(places)
        if write and command not in MENDING:
            _require_direct(repo, environ, file)
        session = Session(
            repo=repo,
            places=places,
            file=file,
            contract=frozen_contract(places, checks_guard=file.checks_guard),
            index=index,
            journal=Journal(places.journal, require_lock),
            environ=environ,
            news=news,
            after_kill=after_kill,
        )
        try:
            yield session
        finally:
            if repo.lost_one and write:
                session.set_locks_aside()


def redirected(repo: GitRepo, environ: Mapping[str, str], file: SessionFile) -> tuple[str, ...]:
    """Settings that lead git elsewhere since `init`; none that stood there before."""
    known = file.redirections
    found = dotgit.redirections(repo, environ)
    return () if known is None else tuple(one for one in found if one not in known)


def _require_direct(repo: GitRepo, environ: Mapping[str, str], file: SessionFile) -> None:
    found = redirected(repo, environ, file)
    if found:
        raise AutoresearchError(
            f"git is led elsewhere since `init`: {clean_line(', '.join(found[:3]), 300)}",
            code="git_redirected",
            hint="Take the setting back (`git config --unset`, or the line in the file that is "
            "named); a human adopts it with `autoresearch amend`.",
        )


def _index_path(stack: ExitStack, places: Places, *, write: bool) -> Path:
    """Where the index lies; a reader that may not write there builds one for itself."""
    if write or os.access(places.state, os.W_OK):
        return places.index
    folder = stack.enter_context(TemporaryDirectory(prefix="autoresearch-"))
    return Path(folder) / places.index.name


def with_checks(contract: Contract, *, checks_guard: bool) -> Contract:
    """The contract with `autoresearch.checks.sh` as its guard where that applies."""
    return structs.replace(contract, guard=CHECKS_COMMAND) if checks_guard else contract


def frozen_contract(places: Places, *, checks_guard: bool) -> Contract:
    """The contract in force."""
    try:
        text = places.contract.read_text("utf-8")
    except PermissionError as error:
        raise file_error(error, places.contract) from error
    except OSError as error:
        raise SessionBroken(
            f"the frozen contract {places.contract} cannot be read: {error.strerror}",
            code="no_contract",
            hint="`autoresearch recover --from-refs` makes it again from the session's branch.",
        ) from error
    return with_checks(parse(text, name=str(places.contract)), checks_guard=checks_guard)


def require_on_branch(session: Session) -> None:
    """Make sure that HEAD is the session's branch and the branch is at the incumbent."""
    head = gitrefs.head(session.repo)
    short = session.short_branch
    if head.branch != session.branch:
        where = (head.branch or "a detached commit").removeprefix("refs/heads/")
        found = gitrefs.refs(session.repo, session.branch).get(session.branch)
        hint = f"Run `git switch {short}`."
        if found is None:
            hint = f"Run `autoresearch recover`, which makes it again, then `git switch {short}`."
        elif found.worktree:
            hint = f"It is checked out in {clean_line(found.worktree)}: work there, or free it."
        raise AutoresearchError(
            f"HEAD is on {where}, not on the session's branch {short}",
            code="wrong_branch",
            hint=hint,
        )
    incumbent = session.progress.incumbent_commit
    if head.commit is None:
        raise AutoresearchError(
            f"the branch {short} was deleted",
            code="branch_gone",
            hint="Run `autoresearch recover`: it is made again, the files stay as they are.",
        )
    if head.commit != incumbent:
        raise AutoresearchError(
            f"{short} is at {(head.commit or 'nothing')[:12]}, the incumbent is {incumbent[:12]}: "
            "somebody committed or reset outside the helper",
            code="branch_moved",
            hint=f"`git reset --soft {incumbent[:12]}` makes it an edit to be tried. Or a human "
            "adopts the commits, as a new epoch that is measured: `autoresearch amend --commits`.",
        )


@contextmanager
def reading(command: str) -> Iterator[Session]:
    """The session of the current folder, as its log tells it; another command may be at work."""
    with loaded(Path.cwd(), environment(), command=command, write=False) as session:
        yield session


def environment() -> dict[str, str]:
    """The process's environment, as a plain mapping."""
    return dict(os.environ)
