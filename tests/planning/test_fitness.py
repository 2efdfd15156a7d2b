"""A contract against a tree: what can be told without running anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from autoresearch.core.contract import Contract, parse
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.snapshot import Entry
from autoresearch.edges.gitrepo import GitRepo
from autoresearch.planning.preconditions import require_fitting, scoped_paths
from support.harness import Git

FILE = Entry("100644", "a" * 40)


def contract(extra: str = "", **terms: str) -> Contract:
    """A contract of these terms."""
    known = {"verify": "./bench", "scope": "[src]", **terms}
    lines = "".join(f"{key}: {value}\n" for key, value in known.items())
    return parse(f"session: s\ngoal: g\nmetric: {{name: m, direction: lower}}\n{lines}{extra}")


def code_of(contract: Contract, tree: dict[str, Entry], below: str = "") -> str:
    """The code that the scope is refused with."""
    with pytest.raises(AutoresearchError) as caught:
        scoped_paths(contract, tree, below)
    return caught.value.code


def test_the_scope() -> None:
    """Nothing in scope and everything in scope are both refused; the contract does not count."""
    tree = {"src/a.py": FILE, "bench": FILE, "autoresearch.yaml": FILE}
    assert scoped_paths(contract(), tree) == ("src/a.py",)
    assert code_of(contract(scope="[lib]"), tree) == "scope_empty"
    assert code_of(contract(scope="['**']"), tree) == "scope_all"
    assert scoped_paths(contract(scope="['**']", protect="[bench]"), tree) == ("src/a.py",)


def test_the_hint_knows_where_the_caller_is() -> None:
    """The offered patterns must match, else none are offered."""
    tree = {"pkg/src/a.py": FILE, "bench": FILE}
    for below, offered in (("pkg", True), ("other", False), ("", False)):
        with pytest.raises(AutoresearchError) as caught:
            scoped_paths(contract(), tree, below)
        assert ("pkg/src" in caught.value.hint) is offered


@pytest.mark.parametrize(
    ("verify", "refused"),
    [
        ("{root}/bench", True),
        ("cd {root}; ./bench", True),
        ("cd {root}", True),
        ("PATH={root}/src/:$PATH ./bench", True),
        ("'{root}//bench' --fast", True),
        ("{root}/.venv/bin/python bench", False),
        ("{root}2/bench", False),
        ("{root}-old/bench", False),
        ("ls /{root}x", False),
    ],
)
def test_absolute_paths(tmp_path: Path, verify: str, *, refused: bool) -> None:
    """Tracked files of the tree may not be named; its neighbours and ignored tools may."""
    repo = Git.create(tmp_path / "r")
    tree = {"src/a.py": FILE, "bench": FILE}
    text = verify.format(root=repo.root)
    made = contract(verify=f'"{text}"')
    with GitRepo.open(repo.root) as opened:
        if not refused:
            require_fitting(opened, made, tree, {})
            return
        with pytest.raises(AutoresearchError) as caught:
            require_fitting(opened, made, tree, {})
    assert caught.value.code == "absolute_path"
