"""`drop` copes with whatever an agent left: the tree is the incumbent's, and nothing is lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.harness import Git
from support.project import set_cost
from support.session import open_session

GIANT = 20 << 30


def refused_as(helper, words):
    """`try` refuses the tree, and says so in these words."""
    answer = helper.json("try", "-m", "odd", code=1)
    assert words in answer["error"]["message"], answer


def test_hard_link_of_the_evaluator(tmp_path):
    """A false benchmark that stays in the tree until somebody moves things by hand."""
    helper = open_session(tmp_path)
    bench, alias = helper.root / "bench.py", helper.root / "src" / "alias.py"
    true = bench.read_text()
    os.link(bench, alias)
    alias.write_text("print('METRIC cost=1')\n")
    refused_as(helper, "changed outside the scope")
    ref = helper.json("drop", "--outside")["ref"]
    assert bench.read_text() == true
    assert helper.repo("show", f"{ref}:bench.py") == "print('METRIC cost=1')"
    ref = helper.json("drop")["ref"]
    assert helper.repo("show", f"{ref}:src/alias.py") == "print('METRIC cost=1')"
    assert not alias.exists()
    assert bench.read_text() == true


@pytest.mark.parametrize("linked", [False, True])
def test_linked_program(tmp_path, linked):
    """A hard link in the program's own place, by itself or with its other name gone."""
    helper = open_session(tmp_path)
    work, other = helper.root / "src" / "work.py", tmp_path / "other.py"
    before = work.read_text()
    other.write_text("other = 1\n")
    work.unlink()
    os.link(other, work)
    if not linked:
        other.unlink()
    helper("drop")
    assert work.read_text() == before
    assert not linked or other.read_text() == "other = 1\n"


def test_nested_repository(tmp_path):
    """A repository in scope that neither `try` nor `drop` can do anything with."""
    helper = open_session(tmp_path)
    inner = Git.create(helper.root / "src" / "inner")
    inner.write("precious.py", "mine\n")
    refused_as(helper, "is a repository of its own")
    told = helper.json("drop")
    (news,) = [line for line in told["news"] if "moved to" in line]
    kept = Path(news.partition("moved to ")[2])
    assert (kept / "precious.py").read_text() == "mine\n"
    assert not inner.root.exists()
    set_cost(helper.repo, 90)
    assert helper.verdict() == ("keep", None)


@pytest.mark.parametrize("name", ["huge.bin", "work.py"])
def test_giant_file_is_refused_by_its_size(tmp_path, name):
    """20 GB of nothing, read to their end before anybody says a word."""
    helper = open_session(tmp_path)
    path = helper.root / "src" / name
    before = path.read_bytes() if path.exists() else None
    with path.open("ab") as file:
        file.truncate(GIANT)
    refused_as(helper, "is larger than a candidate's file may be")
    helper("drop")
    assert (path.read_bytes() if path.exists() else None) == before
    moved = [*helper.state.glob("set-aside/dropped/*"), *helper.root.glob(".git/set-aside/*/*")]
    assert [one.stat().st_size for one in moved] == [GIANT]


@pytest.mark.parametrize("kind", ["fifo", "closed"])
def test_file_that_nobody_can_read(tmp_path, kind):
    """A FIFO where the program was, or a file without any permission."""
    helper = open_session(tmp_path)
    work = helper.root / "src" / "work.py"
    before = work.read_text()
    if kind == "fifo":
        work.unlink()
        os.mkfifo(work)
    else:
        work.write_text("closed = 1\n")
        work.chmod(0)
    helper("drop")
    assert work.read_text() == before
