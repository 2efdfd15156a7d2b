"""From a rehearsed contract to a session: the steps that change the repository, and the way back.

Each step can be taken back from the journal, by this command or, after a kill, by the next
`init`. The session is there once its log is; until then it is not.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from autoresearch.core.formatting import clean_line
from autoresearch.core.model import SCHEMA
from autoresearch.core.snapshot import PLAIN_MODE, Entry, TreeMap
from autoresearch.core.steps import Action
from autoresearch.edges import dotgit, gitdiff, gitrefs, gitwrite
from autoresearch.edges.clock import now_utc
from autoresearch.edges.files import OURS, atomic_write, named_errors, remove_tree
from autoresearch.edges.gitrepo import GitRepo, object_id
from autoresearch.edges.gitwrite import (
    IndexChange,
    add_worktree,
    exclude,
    sync_index,
    write_blobs,
)
from autoresearch.edges.journal import Journal
from autoresearch.edges.places import Places
from autoresearch.edges.worktree import Walk, find_overrides, untracked
from autoresearch.loop import logbook, settle
from autoresearch.loop.session import (
    BRANCHES,
    CONTRACT_FILE,
    SessionFile,
    as_overrides,
    write_session_file,
)
from autoresearch.planning.preconditions import StartingPoint, habits_left_out
from autoresearch.planning.remedies import refused
from autoresearch.planning.workspace import FrozenEnvironment, Workspace

INIT = "init"
_HALF = f"{OURS}{INIT}"
"""The contract's file while `init` writes it; whoever takes that back knows the name."""


class BeforeInit(Struct, frozen=True, kw_only=True):
    """What the steps change, as it was; objects are blobs in the repository, "" for nothing.

    Attributes:
        toplevel: the working tree that `init` was called in.
        worktree: the linked working tree to be made, "" without.
        base: the commit that was checked out.
        start: the branch that was checked out, "" when HEAD was detached.
        first: the commit that the session's branch starts with.
        draft: blob of the contract.
        file: blob of `autoresearch.yaml` in the working tree.
        staged: object id of its entry in the index, and its mode.
        exclude: blob of `info/exclude`.
        links: what is linked in the new working tree, a line each.
    """

    toplevel: str
    worktree: str
    base: str
    start: str
    first: str
    draft: str
    file: str
    staged: str
    staged_mode: str
    exclude: str
    links: str

    @classmethod
    def look(cls, repo: GitRepo, start: StartingPoint, worktree: Path | None) -> BeforeInit:
        """Write down what is there now."""
        entry = _staged(repo)
        return cls(
            toplevel=str(repo.toplevel),
            worktree="" if worktree is None else str(worktree),
            base=start.base,
            start=start.branch or "",
            first=start.first,
            draft=start.tree[CONTRACT_FILE].oid,
            file=_stored(repo, repo.toplevel / CONTRACT_FILE),
            staged="" if entry is None else entry.oid,
            staged_mode="" if entry is None else entry.mode,
            exclude=_stored(repo, _exclude_file(repo)),
            links="" if worktree is None else "\n".join(start.draft.contract.link),
        )

    def journal_values(self) -> tuple[tuple[str, str], ...]:
        """As the journal keeps it."""
        return tuple((name, getattr(self, name)) for name in self.__struct_fields__)

    @classmethod
    def from_journal(cls, action: Action) -> BeforeInit:
        """As the journal kept it."""
        return cls(**{name: action.value(name) or "" for name in cls.__struct_fields__})


def freeze(
    repo: GitRepo,
    start: StartingPoint,
    folders: Workspace,
    places: Places,
    environment: FrozenEnvironment,
    worktree: Path | None,
) -> tuple[Path, tuple[str, ...]]:
    """Take every step up to the log."""
    before = BeforeInit.look(repo, start, worktree)
    Journal(places.journal).begin(
        Action(command=INIT, stage="freezing", at=now_utc(), values=before.journal_values())
    )
    atomic_write(places.contract, start.draft.content, mode=0o600)
    _keep_findings(folders, places, worktree)
    session = start.draft.contract.session
    branch = BRANCHES + session
    gitrefs.update_ref(repo, branch, start.first, None, "autoresearch: init")
    exclude(repo, logbook.EXCLUDED)
    warnings: tuple[str, ...] = ()
    toplevel, overrides = repo.toplevel, start.overrides
    if worktree is not None:
        toplevel, overrides = _in_worktree(repo, start, places, worktree)
    else:
        warnings = _check_out(repo, branch, start, places)
    write_session_file(
        places,
        SessionFile(
            schema=SCHEMA,
            session=session,
            toplevel=str(toplevel),
            branch=branch,
            checks_guard=start.checks_guard,
            environment=environment,
            overrides=as_overrides(overrides),
            redirections=dotgit.redirections(repo, os.environ),
        ),
    )
    return toplevel, (*warnings, *habits_left_out(repo, start.first))


def _keep_findings(folders: Workspace, places: Places, worktree: Path | None) -> None:
    """Keep what commands printed, and the table of the user's tree: it saves reading it again."""
    with named_errors(places.state):
        remove_tree(places.output)
        if folders.output.exists():
            shutil.move(folders.output, places.output)
        places.output.mkdir(mode=0o700, exist_ok=True)
        table = folders.tables / "worktree.stat"
        if worktree is None and table.exists():
            shutil.copyfile(table, places.state / table.name)


def _check_out(repo: GitRepo, branch: str, start: StartingPoint, places: Places) -> tuple[str, ...]:
    """Switch the user's tree to the branch: only the contract's file differs."""
    path = repo.toplevel / CONTRACT_FILE
    if not _is_plain(path, start.draft.content):
        _write_contract(path, start.draft.content)
    gitrefs.set_head(repo, branch, "autoresearch: init")
    entry = start.tree[CONTRACT_FILE]
    expected = {entry.oid} | ({start.base_contract.oid} if start.base_contract else set())
    change = IndexChange(CONTRACT_FILE, frozenset(expected), entry)
    return settle.set_index(repo, places, [change])


def _write_contract(path: Path, content: bytes) -> None:
    atomic_write(path, content, temporary=path.with_name(_HALF))


def _is_plain(path: Path, content: bytes) -> bool:
    """Whether a file holds these bytes and cannot be executed."""
    return path.is_file() and not path.stat().st_mode & 0o100 and path.read_bytes() == content


def _in_worktree(
    repo: GitRepo, start: StartingPoint, places: Places, path: Path
) -> tuple[Path, dict[str, Entry | None]]:
    """Open the session in a linked working tree; its root and its overrides."""
    add_worktree(repo, path, f"autoresearch/{places.session}")
    bring_links(repo, path, start.draft.contract.link)
    with GitRepo.open(path) as there:
        walk = Walk(there, places.state / "worktree.stat")
        overrides = find_overrides(walk, there, start.tree)
        return there.toplevel, overrides


# --- the way back --------------------------------------------------------------------------


def take_back_interrupted(repo: GitRepo, places: Places) -> None:
    """Take back an `init` whose session never came to be; harmless where there is none."""
    if not places.state.is_dir() or places.log.exists():
        return
    published = places.copies.exists()
    found = None if published else Journal(places.journal).load().pending
    if found is not None and found.action is not None and found.action.command == INIT:
        locks = gitwrite.outlived_locks(repo, places.session, BRANCHES + places.session)
        gitwrite.set_locks_aside(repo, locks, places.state.with_name(".set-aside"))
        take_back(repo, BeforeInit.from_journal(found.action), places)
        return
    if published or places.index.exists():
        raise refused("lost_log", f"the session in {places.state} has lost its log")
    # A kill before the journal was begun left empty folders, a lock, half a journal; no others.
    for path in (places.lock, *places.state.glob(f"{OURS}*")):
        path.unlink(missing_ok=True)
    with suppress(OSError):
        for folder in (places.raw, places.output, places.state):
            folder.rmdir()


def take_back(repo: GitRepo, before: BeforeInit, places: Places) -> None:
    """Undo the steps of `freeze` in reverse; what somebody changed since then stays as it is."""
    (Path(before.toplevel) / _HALF).unlink(missing_ok=True)
    branch = BRANCHES + places.session
    there = gitrefs.refs(repo, branch).get(branch)
    untouched = there is not None and there.oid == before.first
    if before.worktree:
        links = before.links.split("\n") if before.links else []
        _remove_unfinished(repo, Path(before.worktree), repo.tree(before.first), links)
    elif untouched and Path(before.toplevel).is_dir():
        with GitRepo.open(Path(before.toplevel)) as main:
            _switch_back(main, branch, before)
    _restore_exclude(repo, before)
    if untouched:
        back = gitrefs.refs(repo, branch).get(branch)
        if back is not None and back.worktree is None:
            gitrefs.delete_ref(repo, branch, before.first)
    remove_tree(places.cache)
    remove_tree(places.manifests)
    remove_tree(places.state)


def _switch_back(repo: GitRepo, branch: str, before: BeforeInit) -> None:
    """HEAD, index and the contract's file as they were."""
    staged = Entry(before.staged_mode, before.staged) if before.staged else None
    known = frozenset({before.draft, before.staged} - {""})
    head = gitrefs.head(repo)
    if head.branch == branch:
        sync_index(repo, [IndexChange(CONTRACT_FILE, known, staged)])
    path = repo.toplevel / CONTRACT_FILE
    if before.file != before.draft and _now(repo, path) == before.draft:
        if before.file:
            _write_contract(path, repo.blob(before.file))
        else:
            path.unlink()
    if head.branch == branch and before.start:
        gitrefs.set_head(repo, before.start, "autoresearch: init taken back")
    elif head.branch == branch:
        gitrefs.detach_head(repo, before.base, "autoresearch: init taken back")


def _restore_exclude(repo: GitRepo, before: BeforeInit) -> None:
    """The exclude file as it was, when it holds nothing but that and our lines."""
    path = _exclude_file(repo)
    content = repo.blob(before.exclude) if before.exclude else b""
    if not path.exists() or path.read_bytes() == content:
        return
    now = path.read_bytes()
    added = now.removeprefix(content).removeprefix(b"\n") if now.startswith(content) else b"?"
    ours = {pattern.encode() for pattern in logbook.EXCLUDED}
    ours |= {f"/{link}".encode("utf-8", "surrogateescape") for link in before.links.split("\n")}
    if not set(added.splitlines()) <= ours:
        return
    if before.exclude:
        atomic_write(path, content)
    else:
        path.unlink()


def _exclude_file(repo: GitRepo) -> Path:
    return (repo.common_dir / "info" / "exclude").resolve()


def _stored(repo: GitRepo, path: Path) -> str:
    """The file's bytes as a blob of the repository; "" when there is no file."""
    if not path.is_file():
        return ""
    (oid,) = write_blobs(repo, [path.read_bytes()])
    return oid


def _now(repo: GitRepo, path: Path) -> str:
    if not path.is_file():
        return ""
    return object_id(repo.object_format, path.read_bytes())


def _staged(repo: GitRepo) -> Entry | None:
    """The contract's entry in the user's index."""
    out = repo.run("ls-files", "-s", "-z", "--", CONTRACT_FILE).out
    if not out:
        return None
    mode, oid, _ = out.split(b"\t", 1)[0].decode("ascii").split(" ")
    return Entry(mode or PLAIN_MODE, oid)


# --- the linked working tree of `init --worktree` -------------------------------------------


def bring_links(repo: GitRepo, toplevel: Path, links: Iterable[str]) -> None:
    """Let the new working tree share the ignored folders that the contract links to.

    They hold what was installed, which git does not check out; without them neither the bench
    checkouts nor whoever works there would find it.
    """
    for link in links:
        target = toplevel / link
        with named_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(repo.toplevel / link, target_is_directory=True)
    with GitRepo.open(toplevel) as there:
        # `node_modules/` in .gitignore means a folder, which a link to one is not.
        exclude(
            there, [f"/{link}" for link in links if not gitdiff.is_ignored(there, toplevel / link)]
        )


def _remove_unfinished(repo: GitRepo, path: Path, tree: TreeMap, links: Iterable[str]) -> None:
    """Remove a linked working tree that an `init` began to make; it may be half written."""
    admin = [
        folder
        for folder in sorted((repo.common_dir / "worktrees").glob("*"))
        if _content(folder / "gitdir").strip() == str(path / ".git")
    ]
    if path.exists():
        foreign = _foreign(path, tree, set(links)) if admin else ()
        if foreign:
            raise refused(
                "worktree_used",
                f"{clean_line(str(path))} was left by an interrupted init and contains "
                f"{clean_line(foreign[0])}",
            )
        remove_tree(path)
    for folder in admin:
        remove_tree(folder)


def _foreign(path: Path, tree: TreeMap, links: set[str]) -> tuple[str, ...]:
    """Files that are neither as checked out nor missing."""
    if not (path / ".git").is_file() or len(list(path.iterdir())) == 1:
        return ()  # git had not begun to check out
    with GitRepo.open(path) as there:
        scratch = there.git_dir / "autoresearch"
        listed = untracked(there, there.tree("HEAD"))
        found = Walk(there, scratch / "stat").differing(tree, {})
        edited = [name for name, here in found.items() if here.entry is not None]
        return (*(name for name in listed if name not in links), *edited)


def _content(path: Path) -> str:
    return path.read_text("utf-8", "surrogateescape") if path.is_file() else ""
