"""What must be so before a session starts or is amended: the draft, the repository, the scope.

Everything here looks and changes nothing of the user's. Each condition yields or raises the error
of what is wrong, with its remedy.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from autoresearch.core import formatting
from autoresearch.core.contract import Contract, commands_of, parse
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.core.scope import compile_scope
from autoresearch.core.snapshot import GITLINK_MODE, PLAIN_MODE, Entry, TreeMap
from autoresearch.edges import gitdiff, gitrefs, gitwrite
from autoresearch.edges.files import read_bytes_limited
from autoresearch.edges.gitrepo import GitRepo, object_id, to_text, under_way
from autoresearch.edges.gitwrite import commit_changes
from autoresearch.edges.places import Places
from autoresearch.edges.worktree import Walk, find_overrides, untracked, with_crlf
from autoresearch.loop.logbook import DOCUMENT, LOG_COPY, is_our_copy
from autoresearch.loop.session import BRANCHES, CHECKS_FILE, CONTRACT_FILE, with_checks
from autoresearch.planning.remedies import refused

MAX_CONTRACT_BYTES = 64 * 1024
SHOWN = 5
_PATH_CHARS = r"[^\s'\";|&<>()`$]*"


class Draft(NamedTuple):
    """A contract that was read: exactly these bytes are committed and frozen."""

    content: bytes
    contract: Contract


def read_draft(path: Path, digest: str | None = None) -> Draft:
    """The contract in a file, whose SHA-256 must begin with `digest` where one is given."""
    if not path.exists():
        raise refused("no_file", f"there is no file {clean_line(str(path))}")
    content = read_bytes_limited(path, MAX_CONTRACT_BYTES)
    found = hashlib.sha256(content).hexdigest()
    if digest is not None and (not digest or not found.startswith(digest)):
        raise refused(
            "other_contract",
            f"{clean_line(str(path))} is not the contract that was agreed to (its SHA-256 begins "
            f"with {found[:16]}, not {clean_line(digest, 64)})",
        )
    return Draft(content, parsed(content, path.name))


def parsed(content: bytes, name: str) -> Contract:
    """The contract in the bytes of a file of this name."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"{clean_line(name)} is not UTF-8 (byte {error.start})"
        raise refused("contract", message) from error
    return parse(text, name=name)


class StartingPoint(Struct, frozen=True, kw_only=True):
    """What a session starts from.

    Attributes:
        draft: its contract.
        base: the commit that is checked out.
        branch: full name of the branch that is, None when HEAD is detached.
        first: the commit that adds the contract to `base`; no ref names it yet.
        first_tree: its tree.
        tree: files of `first`.
        base_contract: `autoresearch.yaml` in `base`, None when it is not there.
        overrides: see `edges.worktree.Overrides`.
    """

    draft: Draft
    base: str
    branch: str | None
    first: str
    first_tree: str
    tree: dict[str, Entry]
    base_contract: Entry | None
    overrides: dict[str, Entry | None]

    @property
    def checks_guard(self) -> bool:
        """Whether `autoresearch.checks.sh` is the guard: it is there, the contract names none."""
        return has_checks_guard(self.draft.contract, self.tree)

    @property
    def contract(self) -> Contract:
        """The contract as it is measured, `autoresearch.checks.sh` as its guard included."""
        return with_checks(self.draft.contract, checks_guard=self.checks_guard)


def has_checks_guard(contract: Contract, tree: dict[str, Entry]) -> bool:
    """Whether `autoresearch.checks.sh` stands in for the guard that the contract does not name."""
    return contract.guard is None and CHECKS_FILE in tree


def starting_point(repo: GitRepo, draft: Draft, tables: Path, below: str) -> StartingPoint:
    """The repository as it is, and the commit of a contract that fits it.

    Args:
        repo: where the session is to be.
        draft: its contract.
        tables: a folder of ours.
        below: the folder the caller is in, relative to the root; for hints.
    """
    head = gitrefs.head(repo)
    if head.commit is None:
        raise refused("no_commit", "the repository has no commit yet")
    base = repo.tree(head.commit)
    name = draft.contract.session
    first = commit_changes(
        repo,
        parents=[head.commit],
        base=repo.tree_of(head.commit),
        changes={CONTRACT_FILE: Entry(PLAIN_MODE, object_id(repo.object_format, draft.content))},
        contents=[draft.content],
        message=(
            f"autoresearch: contract of session {name}\n\n{clean_line(draft.contract.goal)}\n\n"
            f"Autoresearch-Session: {name}\n"
        ),
        sign=True,
    )
    tree = repo.tree(first.oid)
    overrides = find_overrides(Walk(repo, tables / "worktree.stat"), repo, base)
    overrides.pop(CONTRACT_FILE, None)
    require_fitting(repo, draft.contract, tree, overrides, below)
    return StartingPoint(
        draft=draft,
        base=head.commit,
        branch=head.branch,
        first=first.oid,
        first_tree=first.tree,
        tree=tree,
        base_contract=base.get(CONTRACT_FILE),
        overrides=overrides,
    )


HABITS = ("commit-msg", "pre-commit", "prepare-commit-msg")
"""Hooks that git runs at a commit, and that say what the project asks of one."""


def hooks_folder(repo: GitRepo) -> Path:
    """Where git looks for hooks when the user commits."""
    # Ours are pinned to nowhere, so that the user's own setting is read from the files.
    done = repo.run(
        "config", "--show-scope", "--type=path", "--get-all", "core.hooksPath", check=False
    )
    lines = to_text(done.out).splitlines()
    own = [line.partition("\t")[2] for line in lines if not line.startswith("command\t")]
    return repo.toplevel / own[-1] if own else repo.common_dir / "hooks"


def habits_left_out(repo: GitRepo, commit: str) -> Iterator[str]:
    """What the user's own commits get and a commit of ours does not, a sentence each."""
    hooks = hooks_folder(repo)
    there = [name for name in HABITS if os.access(hooks / name, os.X_OK)]
    if there:
        yield (
            f"your hooks ({', '.join(there)}) do not run for the session's commits; at its end, "
            "`finalize` says how they run on its branches"
        )
    if gitwrite.wants_signatures(repo) and not gitwrite.is_signed(repo, commit):
        yield (
            "commit.gpgSign is on, but signing needs an answer here (a passphrase, or a key that "
            "is not there): the session's commits are not signed"
        )


def raise_first(errors: Iterator[AutoresearchError]) -> None:
    """Raise the first of the errors, if there is one."""
    for error in errors:
        raise error


def at_once(
    repo: GitRepo, places: Places, draft: Draft, worktree: Path | None
) -> Iterator[AutoresearchError]:
    """What keeps a session from being opened and can be told before any work."""
    yield from taken(repo, places)
    if worktree is not None:
        yield from unusable(repo, worktree)
    yield from unfinished(repo)
    yield from edits(repo, draft)


def obstacles(repo: GitRepo, start: StartingPoint) -> Iterator[AutoresearchError]:
    """What keeps a session from being opened here now; a dry run only warns of it."""
    yield from foreign(repo)
    yield from unfinished(repo)
    yield from edits(repo, start.draft)
    yield from untracked_in_scope(repo, start.draft.contract, start.tree)


def taken(repo: GitRepo, places: Places) -> Iterator[AutoresearchError]:
    """A session of that name, or what is left of one."""
    name = places.session
    if places.log.exists():
        yield refused("session_exists", f"this repository already has a session {name}")
    # A branch `autoresearch`, or one below ours, leaves no room for it.
    above, own = BRANCHES.rstrip("/"), BRANCHES + name
    for ref in gitrefs.refs(repo, above):
        if ref in {above, own} or ref.startswith(f"{own}/"):
            short = ref.removeprefix("refs/heads/")
            yield refused("branch_exists", f"the branch {short} already exists", branch=short)
    kept = gitrefs.refs(repo, f"refs/autoresearch/{name}")
    if kept:
        yield refused(
            "refs_exist",
            f"the repository contains {len(kept)} refs of an earlier session {name}, such as "
            f"{next(iter(kept))}",
        )


def unusable(repo: GitRepo, path: Path) -> Iterator[AutoresearchError]:
    """Why no linked working tree can be made at an absolute path."""
    shown = clean_line(str(path))
    if path.exists() or path.is_symlink():
        yield refused("path_exists", f"{shown} already exists")
    if not path.parent.is_dir():
        message = f"the folder {clean_line(str(path.parent))} does not exist"
        yield refused("no_parent", message)
    real = path.parent.resolve() / path.name
    if real.is_relative_to(repo.toplevel.resolve()) and not gitdiff.is_ignored(repo, real):
        message = f"{shown} is inside the working tree {repo.toplevel} and not ignored there"
        yield refused("path_inside", message)


def foreign(repo: GitRepo) -> Iterator[AutoresearchError]:
    """Files of somebody else's where the session writes its own."""
    for name in (DOCUMENT, LOG_COPY):
        path = repo.toplevel / name
        if (path.is_symlink() or path.exists()) and not is_our_copy(path):
            yield refused("foreign_file", f"{name} exists and was not written by autoresearch")
    committed = repo.object_at(f"HEAD:{CONTRACT_FILE}")
    if committed is not None and not re.search(rb"(?m)^verify\s*:", committed.content):
        yield refused(
            "foreign_contract",
            f"the committed {CONTRACT_FILE} is not a contract of autoresearch, and the session's "
            "would replace it",
        )


def unfinished(repo: GitRepo) -> Iterator[AutoresearchError]:
    """An operation of git's that waits for its user."""
    what = under_way(repo)
    if what is not None:
        message = f"a {what} is under way in this working tree"
        yield refused("operation_under_way", message, what=what)


def edits(repo: GitRepo, draft: Draft) -> Iterator[AutoresearchError]:
    """Tracked files that are not as committed, and an autoresearch.yaml that would be lost."""
    edited = gitdiff.edited(repo)
    others = [path for path in edited if path != CONTRACT_FILE]
    if others:
        verb = "differs" if len(others) == 1 else "differ"
        yield refused(
            "dirty_tree",
            f"{formatting.count(len(others), 'file')} {verb} from the commit (edited, staged or "
            f"deleted): {shown_paths(others)}",
        )
    path = repo.toplevel / CONTRACT_FILE
    there = path.is_symlink() or path.exists()
    is_clean = CONTRACT_FILE not in edited and repo.object_at(f"HEAD:{CONTRACT_FILE}") is not None
    is_draft = path.is_file() and not path.is_symlink() and path.read_bytes() == draft.content
    if there and not is_clean and not is_draft:
        yield refused(
            "contract_exists",
            f"{CONTRACT_FILE} already exists, is not committed, and is not the contract that you "
            "named",
        )


def untracked_in_scope(
    repo: GitRepo, contract: Contract, tree: TreeMap
) -> Iterator[AutoresearchError]:
    """Untracked files that an experiment would take for its own."""
    scope = compile_scope(contract.scope, contract.protect)
    listed = untracked(repo, tree)
    found = [path for path in listed if scope.covers(path.rstrip("/"))]
    if found:
        verb = "is" if len(found) == 1 else "are"
        files = formatting.count(len(found), "untracked file")
        yield refused("untracked_in_scope", f"{files} {verb} in scope: {shown_paths(found)}")


def shown_paths(paths: list[str]) -> str:
    """The first of some paths, cleaned, and how many more there are."""
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return clean_line(", ".join(paths[:SHOWN])) + more


def require_fitting(
    repo: GitRepo,
    contract: Contract,
    tree: TreeMap,
    overrides: Mapping[str, Entry | None],
    below: str = "",
) -> None:
    """Make sure that the contract can be worked with in a commit's files.

    Args:
        repo: the repository.
        contract: to be judged.
        tree: the commit's files, the contract's own included.
        overrides: where the working tree rightly differs from it.
        below: the folder the caller is in, relative to the root; for hints.
    """
    for name in (DOCUMENT, LOG_COPY):
        if name in tree:
            message = f"{name} is tracked by git, but the session writes its own file there"
            raise refused("tracked_copy", message, name=name)
    _require_plain(repo, tree, overrides, scoped_paths(contract, tree, below))
    missing = [link for link in contract.link if not (repo.toplevel / link).is_dir()]
    if missing:
        named = f"`link` names {clean_line(missing[0])}"
        path = repo.toplevel / missing[0]
        is_file = "a file, " if path.is_file() else ""
        copied = f"`link` takes folders; for one file: `setup: cp {path} {missing[0]}`."
        raise refused(
            "link_missing",
            f"{named}, which is {is_file}not a folder in {repo.toplevel}",
            hint=is_file and copied,
        )
    _require_relative(repo.toplevel, contract, tree)


def scoped_paths(contract: Contract, tree: TreeMap, below: str = "") -> tuple[str, ...]:
    """The tracked files in scope; there must be some, and others beside them."""
    scope = compile_scope(contract.scope, contract.protect)
    scoped = tuple(path for path in tree if scope.covers(path))
    patterns = clean_line(", ".join(contract.scope))
    if not scoped:
        raise refused(
            "scope_empty",
            f"the scope ({patterns}) matches none of {len(tree)} tracked files",
            hint=_remedy_for_empty(contract, tree, below),
        )
    if all(scope.covers(path) or path == CONTRACT_FILE for path in tree):
        raise refused(
            "scope_all",
            f"the scope ({patterns}) covers all {len(scoped)} tracked files, including those that "
            "verify measures with",
        )
    return scoped


def _remedy_for_empty(contract: Contract, tree: TreeMap, below: str) -> str:
    from_root = "Patterns are relative to the repository's root"
    if below:
        moved = [f"{below}/{pattern}" for pattern in contract.scope]
        scope = compile_scope(moved, contract.protect)
        if any(scope.covers(path) for path in tree):
            return f"{from_root}, not to {clean_line(below)}: {clean_line(', '.join(moved))}."
    return f"{from_root}: name folders or globs, such as `src/**/*.py`. Is everything committed?"


def _require_plain(
    repo: GitRepo, tree: TreeMap, overrides: Mapping[str, Entry | None], scoped: tuple[str, ...]
) -> None:
    """Submodules and files behind a filter cannot be changed by an experiment."""
    odd = [path for path in scoped if tree[path].mode == GITLINK_MODE]
    if odd:
        inside = ", or run the session inside the submodule"
        message = f"a submodule is in scope: {clean_line(odd[0])}"
        raise refused("scope_odd", message, otherwise=inside)
    filtered = [p for p in scoped if p in overrides and _is_filtered(repo, tree[p], overrides[p])]
    if filtered:
        raise refused(
            "scope_odd",
            f"git stores {clean_line(filtered[0])} in another form than the checked-out one (a "
            "filter such as LFS, or a sparse checkout)",
            otherwise="",
        )


def _is_filtered(repo: GitRepo, stored: Entry, there: Entry | None) -> bool:
    """Whether the difference is more than line endings, which the helper converts itself."""
    if there is None:
        return True
    return object_id(repo.object_format, with_crlf(repo.blob(stored.oid))) != there.oid


def _require_relative(toplevel: Path, contract: Contract, tree: TreeMap) -> None:
    """No command may name a tracked file of the user's tree by an absolute path.

    It would be measured where it lies: outside the checkout, and not frozen. What git does not
    track there, such as the Python of a virtual environment, may be named. The holdout may read
    what it likes.
    """
    terms = dict(commands_of(contract)) | {f"env.{name}": value for name, value in contract.env}
    terms.pop("holdout", None)
    for key, text in terms.items():
        for path in _named_below(toplevel, text):
            if not path or path in tree or any(known.startswith(f"{path}/") for known in tree):
                raise refused(
                    "absolute_path",
                    f"`{key}` names {clean_line(str(toplevel / path))}: that is your working tree, "
                    "not the bench checkout that is measured",
                    relative=clean_line(path or "."),
                )


def _named_below(toplevel: Path, text: str) -> Iterator[str]:
    """The paths below `toplevel` that a text names, relative to it; "" for the folder itself."""
    for root in {str(toplevel), str(toplevel.resolve())}:
        for found in re.finditer(rf"{re.escape(root)}(?![\w.-])(/{_PATH_CHARS})?", text):
            path = (found[1] or "").split(":", 1)[0]
            yield "/".join(part for part in path.split("/") if part not in {"", "."})
