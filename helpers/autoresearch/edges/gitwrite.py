"""What the helper writes into a repository: objects, commits, chosen entries of the user's index.

Commits are built in an index of our own, so nothing the user staged, no hook and no filter takes
part. The user's index is adjusted for named paths only, and never when somebody else holds it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.errors import GitError
from autoresearch.core.snapshot import Entry
from autoresearch.edges.files import atomic_write, named_errors, sync_folder
from autoresearch.edges.gitlocks import is_git_at_work
from autoresearch.edges.gitrepo import failure, object_id, to_bytes, to_text, was_killed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from autoresearch.edges.gitrepo import GitRepo

_PRIVATE = ("core.splitIndex=false", "core.sparseCheckout=false", "core.untrackedCache=false")
"""Settings that would tie an index of ours to the user's."""

_FALLBACK_NAME = "autoresearch"
_FALLBACK_EMAIL = "autoresearch@localhost"

_LOCK_WAIT_S = 1.0
_LOCK_STEP_S = 0.1
_PATHS_BY_ARGUMENT = 200  # beyond that the whole index is listed instead


def _sync_object(repo: GitRepo, oids: Sequence[str]) -> None:
    """Make the names of loose objects durable: git syncs what they hold, not their folders."""
    objects = repo.common_dir / "objects"
    for folder in sorted({objects / oid[:2] for oid in oids}):
        with suppress(FileNotFoundError):  # packed long since
            sync_folder(folder)


class Commit(NamedTuple):
    """A commit that was built, and its tree."""

    oid: str
    tree: str


class IndexChange(NamedTuple):
    """An entry for the user's index: set to `entry` (None: removed) where it is as expected.

    `expected` holds the object ids that the path may have now; an absent path is always fine.
    """

    path: str
    expected: frozenset[str]
    entry: Entry | None


class Outdated(NamedTuple):
    """Changes that are still to be made to the user's index, and paths staged otherwise."""

    wanted: tuple[IndexChange, ...]
    left: tuple[str, ...]


class IndexSync(NamedTuple):
    """What became of the user's index: paths set, paths left because they differ, a warning."""

    updated: tuple[str, ...]
    left: tuple[str, ...]
    warning: str | None


def write_blobs(repo: GitRepo, contents: Sequence[bytes]) -> list[str]:
    """Store each content as it is, without any filter; the ids, in order. One process.

    Raises:
        GitError: when the repository cannot be written.
    """
    if not contents:
        return []
    with tempfile.TemporaryDirectory(prefix="autoresearch-") as folder, named_errors(folder):
        names = [f"{folder}/{number}" for number in range(len(contents))]
        for name, content in zip(names, contents, strict=True):
            Path(name).write_bytes(content)
        listing = "".join(f"{name}\n" for name in names)
        done = repo.run(
            "hash-object", "-w", "--no-filters", "--stdin-paths", stdin=to_bytes(listing)
        )
    oids = to_text(done.out).split()
    _sync_object(repo, oids)
    if oids != [object_id(repo.object_format, content) for content in contents]:
        raise GitError("git stored different bytes than it was given", hint="Run `git fsck`.")
    return oids


def index_of(repo: GitRepo, tree: str, folder: Path) -> Path:
    """An index of ours that holds exactly `tree`; made below `folder` unless it is there.

    Raises:
        GitError: when there is no such tree.
        AutoresearchError: when `folder` cannot be written.
    """
    index = folder / f"index-{tree}"
    if not index.exists():
        with named_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for earlier in folder.glob("index-*"):
                earlier.unlink()
        repo.run("read-tree", tree, env={"GIT_INDEX_FILE": str(index)}, settings=_PRIVATE)
    return index


def untracked(repo: GitRepo, index: Path) -> list[str]:
    """Paths that are neither in `index` nor ignored, sorted; a nested repository ends in `/`."""
    done = repo.run(
        "ls-files",
        "-o",
        "--exclude-standard",
        "-z",
        env={"GIT_INDEX_FILE": str(index)},
        settings=_PRIVATE,
    )
    return sorted(to_text(done.out).split("\0")[:-1])


def commit_changes(
    repo: GitRepo,
    *,
    parents: Sequence[str],
    index: Path,
    changes: Mapping[str, Entry | None],
    message: str,
) -> Commit:
    """A commit of the tree in `index` with `changes` made to it; no ref is moved.

    Args:
        repo: where the objects of `changes` are already stored.
        parents: of the commit; none for a root commit.
        index: from `index_of`; it is left as it is.
        changes: new entry of each path, None to delete.
        message: written as it is, but for NUL.

    Raises:
        GitError: when git refuses an entry or cannot write.
    """
    scratch = index.with_name(f"scratch-{os.getpid()}")
    env = {"GIT_INDEX_FILE": str(scratch)}
    try:
        with named_errors(scratch):
            shutil.copyfile(index, scratch)
        if changes:
            repo.run(
                "update-index",
                "-z",
                "--index-info",
                stdin=_index_info(repo, changes),
                env=env,
                settings=_PRIVATE,
            )
        tree = to_text(repo.run("write-tree", env=env, settings=_PRIVATE).out).strip()
        _keep_index(scratch, index, tree)
    finally:
        scratch.unlink(missing_ok=True)
        scratch.with_name(f"{scratch.name}.lock").unlink(
            missing_ok=True
        )  # of a git that was killed
    return Commit(commit_tree(repo, tree, parents, message), tree)


def _keep_index(scratch: Path, base: Path, tree: str) -> None:
    """Keep the index of a new tree beside the one it came from: a kept change is built on next."""
    kept = base.with_name(f"index-{tree}")
    with named_errors(kept):
        scratch.replace(kept)
        for other in base.parent.glob("index-*"):
            if other not in {base, kept}:
                other.unlink(missing_ok=True)


def commit_tree(repo: GitRepo, tree: str, parents: Sequence[str], message: str) -> str:
    """A commit of `tree`, by whom git is set up for, or in our name where it is not.

    Raises:
        GitError: when git cannot write it.
    """
    args = [
        "commit-tree",
        tree,
        *(part for parent in parents for part in ("-p", parent)),
        "-F",
        "-",
    ]
    stdin = to_bytes(message.replace("\0", ""))
    done = repo.run(*args, stdin=stdin, check=False)
    if done.code != 0:
        # Asked only now: nearly everywhere an identity is set, and asking costs two processes.
        env = {
            variable: os.environ.get(variable) or value
            for role in ("AUTHOR", "COMMITTER")
            for variable, value in (
                (f"GIT_{role}_NAME", _FALLBACK_NAME),
                (f"GIT_{role}_EMAIL", _FALLBACK_EMAIL),
            )
        }
        done = repo.run(*args, stdin=stdin, env=env)
    oid = to_text(done.out).strip()
    _sync_object(repo, [oid, tree])
    return oid


def sync_index(repo: GitRepo, changes: Sequence[IndexChange]) -> IndexSync:
    """Set chosen entries of the user's index, where they are as expected; never raises for a lock.

    Entries that are staged otherwise, in conflict, or marked (assume-unchanged, skip-worktree) are
    left. A lock held for longer than a second, or left behind by a killed git, is not touched:
    the warning says so, and nothing depends on the index.

    Raises:
        GitError: when git fails for another reason.
    """
    wanted, left = outdated(repo, changes)
    if not wanted:
        return IndexSync((), left, None)
    warning = _update_index(
        repo, _index_info(repo, {change.path: change.entry for change in wanted})
    )
    updated = () if warning else tuple(sorted(change.path for change in wanted))
    return IndexSync(updated, left, warning)


def outdated(repo: GitRepo, changes: Sequence[IndexChange]) -> Outdated:
    """Which of the changes the user's index lacks, and where it is otherwise than expected."""
    if not changes:
        return Outdated((), ())
    present = _staged(repo, [change.path for change in changes])
    fits = [
        change
        for change in changes
        if change.path not in present or present[change.path].oid in change.expected
    ]
    left = {change.path for change in changes} - {change.path for change in fits}
    wanted = [change for change in fits if present.get(change.path) != change.entry]
    return Outdated(tuple(wanted), tuple(sorted(left)))


def exclude(repo: GitRepo, patterns: Sequence[str]) -> bool:
    """Add the missing ones of `patterns` to `info/exclude`; whether there were any.

    Raises:
        AutoresearchError: when it cannot be read or written.
    """
    path = repo.common_dir / "info" / "exclude"
    with named_errors(path):
        path.parent.mkdir(exist_ok=True)
        path = path.resolve()  # some keep it elsewhere, behind a link
        before = path.read_bytes() if path.exists() else b""
    lines = before.split(b"\n")
    missing = [to_bytes(pattern) for pattern in patterns if to_bytes(pattern) not in lines]
    if not missing:
        return False
    start = before if not before or before.endswith(b"\n") else before + b"\n"
    atomic_write(path, start + b"".join(line + b"\n" for line in missing))
    return True


def add_worktree(repo: GitRepo, path: Path, branch: str) -> None:
    """Check the branch (short name) out in a new linked working tree at `path`."""
    repo.run("worktree", "add", "--quiet", str(path), branch)


def require_writable(repo: GitRepo) -> None:
    """Make sure that objects, refs and this working tree's own files can be written.

    Raises:
        AutoresearchError: `read_only`, `no_permission` or `no_space`; names the folder.
    """
    for folder in {repo.git_dir, repo.common_dir, repo.common_dir / "objects"}:
        with named_errors(folder), tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"\0")


def _index_info(repo: GitRepo, changes: Mapping[str, Entry | None]) -> bytes:
    """Lines for `update-index --index-info`: deletions first, so a folder may become a file."""
    zero = "0" * (40 if repo.object_format == "sha1" else 64)
    gone = [f"0 {zero}\t{path}\0" for path, entry in changes.items() if entry is None]
    there = [f"{e.mode} {e.oid}\t{path}\0" for path, e in changes.items() if e is not None]
    return to_bytes("".join((*gone, *there)))


def _staged(repo: GitRepo, paths: list[str]) -> dict[str, Entry]:
    """Each of `paths` in the user's index; its object id is "" where it is not a plain entry."""
    chosen = ["--", *paths] if len(paths) <= _PATHS_BY_ARGUMENT else []
    out = repo.run("ls-files", "-v", "-s", "-z", *chosen).out
    wanted = set(paths)
    found: dict[str, Entry] = {}
    for line in to_text(out).split("\0")[:-1]:
        facts, path = line.split("\t", 1)
        if path in wanted:
            tag, mode, oid, stage = facts.split(" ")
            found[path] = Entry(mode, oid if tag == "H" and stage == "0" else "")
    return found


def _update_index(repo: GitRepo, stdin: bytes) -> str | None:
    lock = repo.git_dir / "index.lock"
    env = _filters_off(repo)
    deadline = time.monotonic() + _LOCK_WAIT_S
    while True:
        if not lock.exists():
            done = repo.run("update-index", "-z", "--index-info", stdin=stdin, env=env, check=False)
            if done.code == 0:
                return None
            if was_killed(done) and not is_git_at_work(repo):
                lock.unlink(missing_ok=True)  # our own git was killed and left it
            if not lock.exists():
                raise failure("update-index", done)
        if time.monotonic() > deadline:
            return f"{lock} is locked, so git's index was not brought up to date"
        time.sleep(_LOCK_STEP_S)


def _filters_off(repo: GitRepo) -> dict[str, str]:
    """Variables that switch every configured filter off.

    Writing an index, git (2.39) looks again at files as young as the index, through their filter.
    Without one it takes them for edited until the user's next `git status`, which is harmless.
    """
    listing = repo.run("config", "-z", "--name-only", "--get-regexp", r"^filter\.", check=False)
    names = to_text(listing.out).split("\0")[:-1]
    drivers = sorted({name.rpartition(".")[0] for name in names})
    keys = [
        (f"{driver}.{key}", value)
        for driver in drivers
        for key, value in (("clean", ""), ("process", ""), ("required", "false"))
    ]
    env = {"GIT_CONFIG_COUNT": str(len(keys))}
    for number, (key, value) in enumerate(keys):
        env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return env
