"""The ground a session stands on: its first commit, and what would keep it from starting."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from autoresearch.edges.gitrepo import UNDER_WAY, GitRepo
from autoresearch.planning.preconditions import (
    Draft,
    edits,
    obstacles,
    read_draft,
    starting_point,
    unfinished,
)
from support.project import make_project, write_draft
from support.untouched import untouched

if TYPE_CHECKING:
    from support.harness import Git


@pytest.fixture
def repo(tmp_path: Path) -> Git:
    """The tiny project."""
    return make_project(tmp_path / "r")


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    """Its contract."""
    return read_draft(write_draft(tmp_path))


def codes(repo: Git, draft: Draft, indexes: Path) -> list[str]:
    """Codes of all that would keep a session from being opened."""
    with GitRepo.open(repo.root) as opened:
        start = starting_point(opened, draft, indexes, "")
        return [error.code for error in obstacles(opened, start)]


def test_the_first_commit_adds_the_contract_and_nothing_else(
    repo: Git, draft: Draft, tmp_path: Path
) -> None:
    """It is the human's to review, and no ref may name it before the rehearsal has passed."""
    with untouched(repo), GitRepo.open(repo.root) as opened:
        start = starting_point(opened, draft, tmp_path / "i", "")
    assert repo("diff", "--name-status", start.base, start.first) == "A\tautoresearch.yaml"
    assert repo("log", "-1", "--format=%s|%P", start.first) == (
        f"autoresearch: contract of session cheaper|{start.base}"
    )
    assert repo("show", f"{start.first}:autoresearch.yaml").encode() + b"\n" == draft.content
    assert start.branch == "refs/heads/main"
    assert start.base_contract is None
    assert start.overrides == {}


def test_a_clean_tree_has_no_obstacles(repo: Git, draft: Draft, tmp_path: Path) -> None:
    """Untracked files outside the scope are the user's and no obstacle."""
    repo.write("notes.txt", "mine")
    assert codes(repo, draft, tmp_path / "i") == []


def test_all_obstacles_are_found_at_once(repo: Git, draft: Draft, tmp_path: Path) -> None:
    """A dry run names every one, not the first."""
    repo.write("check.py", "edited")
    repo.write("src/new.py", "")
    repo.write("autoresearch.yaml", "mine")
    (repo.root / ".git" / "MERGE_HEAD").write_text("")
    assert codes(repo, draft, tmp_path / "i") == [
        "operation_under_way", "dirty_tree", "contract_exists", "untracked_in_scope",
    ]  # fmt: skip


@pytest.mark.parametrize("name", sorted(UNDER_WAY))
def test_operations_under_way(repo: Git, name: str) -> None:
    """Each leaves its mark in git's folder."""
    mark = repo.root / ".git" / name
    mark.parent.mkdir(exist_ok=True)
    mark.write_text("")
    with GitRepo.open(repo.root) as opened:
        (error,) = unfinished(opened)
    assert UNDER_WAY[name] in error.message


@pytest.mark.parametrize("as_link", [False, True])
def test_a_link_in_the_contracts_place(
    repo: Git, draft: Draft, tmp_path: Path, *, as_link: bool
) -> None:
    """The same bytes are the draft itself; a link to them would be replaced by a file."""
    if as_link:
        (repo.root / "autoresearch.yaml").symlink_to(tmp_path / "draft.yaml")
    else:
        repo.write("autoresearch.yaml", draft.content)
    with GitRepo.open(repo.root) as opened:
        assert [error.code for error in edits(opened, draft)] == ["contract_exists"] * as_link
