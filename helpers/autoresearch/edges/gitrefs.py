"""HEAD and refs: read, and moved by compare-and-swap only."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from typing import NamedTuple

from autoresearch.core.errors import GitError
from autoresearch.edges.files import sync_folder
from autoresearch.edges.gitrepo import GitRepo, failure, to_bytes, to_text

_ON_BRANCH = re.compile(rb"ref: (refs/heads/(?!\.invalid\n)[^\n]+)\n")
"""What HEAD says on a branch; git names `.invalid` there where refs are no files."""

_ID_LENGTH = {"sha1": 40, "sha256": 64}


class Head(NamedTuple):
    """Where HEAD is: full name of the branch or None when detached, commit or None when unborn."""

    branch: str | None
    commit: str | None


class Ref(NamedTuple):
    """A ref's object id, and the working tree that has it checked out, if any."""

    oid: str
    worktree: str | None


class RefUpdate(NamedTuple):
    """One compare-and-swap: `old` None = must not exist, `new` None = delete."""

    ref: str
    new: str | None
    old: str | None


def head(repo: GitRepo) -> Head:
    """Where HEAD is."""
    branch = _branch_by_file(repo)
    if branch is None:
        done = repo.run("symbolic-ref", "-q", "HEAD", check=False)
        branch = to_text(done.out).removesuffix("\n") if done.code == 0 else None
    return Head(branch, repo.resolve("HEAD"))


def _branch_by_file(repo: GitRepo) -> str | None:
    """The branch as the file HEAD says, without a process; None where git has to be asked."""
    path = repo.git_dir / "HEAD"
    with contextlib.suppress(OSError):
        found = _ON_BRANCH.fullmatch(b"" if path.is_symlink() else path.read_bytes())
        if found is None:
            return None
        branch = to_text(found[1])
        loose = repo.common_dir / branch  # a branch that names another one is git's to follow
        return None if loose.is_file() and loose.read_bytes().startswith(b"ref:") else branch
    return None


def set_head(repo: GitRepo, branch: str, reason: str) -> None:
    """Point HEAD at the branch of that full name; index and files stay as they are."""
    repo.run("symbolic-ref", "-m", reason, "HEAD", branch)


def detach_head(repo: GitRepo, commit: str, reason: str) -> None:
    """Point HEAD at a commit itself; index and files stay as they are."""
    repo.run("update-ref", "--no-deref", "-m", reason, "HEAD", commit)


def refs(repo: GitRepo, prefix: str) -> dict[str, Ref]:
    """All refs below `prefix` (`refs/heads`, or one full name), by full name."""
    layout = "%(refname)%00%(objectname)%00%(worktreepath)%00"
    out = repo.run("for-each-ref", f"--format={layout}", prefix).out
    found: dict[str, Ref] = {}
    for record in to_text(out).split("\0\n")[:-1]:
        name, oid, worktree = record.split("\0", 2)
        found[name] = Ref(oid, worktree or None)
    return found


def at(repo: GitRepo, ref: str) -> str | None:
    """Object id of the ref of that full name, or None; no process of its own."""
    found = repo.object_at(ref)
    return None if found is None else found.oid


def update_refs(repo: GitRepo, updates: Sequence[RefUpdate], reason: str) -> None:
    """Move all refs or none, each only from its expected value. Symbolic refs are not followed.

    Raises GitError `ref_moved` when one holds another value, `git` when it cannot be written.
    """
    zero = "0" * _ID_LENGTH[repo.object_format]
    lines = [b"start\0"]
    for ref, new, old in updates:
        if new is None:
            order = f"delete {ref}\0{old or ''}\0"
        else:
            order = f"update {ref}\0{new}\0{old or zero}\0"
        lines.append(to_bytes(f"option no-deref\0{order}"))
    stdin = b"".join((*lines, b"prepare\0commit\0"))
    done = repo.run("update-ref", "-m", reason, "--stdin", "-z", stdin=stdin, check=False)
    if done.code == 0:
        _sync_folders(repo, [ref for ref, _, _ in updates])
        return
    for ref, _, old in updates:
        now = at(repo, ref)
        if now != old:
            raise GitError(
                f"{ref} is at {now or 'nothing'}, not at {old or 'nothing'}",
                code="ref_moved",
                hint="Somebody else moved it: examine it before you go on.",
            )
    raise failure("update-ref", done)


def _sync_folders(repo: GitRepo, names: Sequence[str]) -> None:
    """Make the names of loose refs durable, which git leaves to the file system."""
    folders = {repo.common_dir / name.rpartition("/")[0] for name in names}
    for folder in sorted(folders):
        with contextlib.suppress(FileNotFoundError):  # packed, or a store of another kind
            sync_folder(folder)


def update_ref(
    repo: GitRepo, ref: str, new: str, old: str | None, reason: str = "autoresearch"
) -> None:
    """Move `ref` from `old` (None: it must not exist) to `new`; raises as `update_refs`."""
    update_refs(repo, [RefUpdate(ref, new, old)], reason)


def delete_ref(repo: GitRepo, ref: str, old: str) -> None:
    """Delete `ref` if it is at `old`; raises as `update_refs`."""
    update_refs(repo, [RefUpdate(ref, None, old)], "autoresearch")
