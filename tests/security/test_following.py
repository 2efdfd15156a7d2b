"""Findings follow their code, and forms are refused for nothing that the helper knows."""

from __future__ import annotations

import json

import pytest
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.security.ledger import State
from autoresearch.loop.session import environment
from autoresearch.security import flaws, sweeping
from autoresearch.security.publishing import writing
from support.session import Helper
from support.vulnerable import SMALL, SMALL_MODEL, make_small, small_finding

WHY = "recheck says that the lines are gone"


def write(repo):
    return writing(repo.root, environment(), "test", begin=True)


@pytest.fixture
def repo(tmp_path):
    """The small repository with its flaw recorded."""
    found = make_small(tmp_path / "small")
    with write(found) as books:
        sweeping.complete(books, json.dumps(SMALL_MODEL))
        flaws.add(books, small_finding())
    return found


def refusal(call, *args, **options):
    with pytest.raises(AutoresearchError) as caught:
        call(*args, **options)
    return caught.value


def renamed(repo):
    repo("mv", "app/old.py", "app/new.py")


def blanks(repo):
    repo.write("app/old.py", "def sp(x):\n    return eval( x )\n")


def split(repo):
    repo.write("app/old.py", "def sp(x):\n    return eval(\n        x,\n    )\n")


def moved_within(repo):
    repo.write("app/old.py", "import os\n\n\n\ndef other():\n    pass\n\n\n" + SMALL["app/old.py"])


def moved_across(repo):
    repo.write("app/old.py", "from app.run import sp\n")
    repo.write(
        "app/run.py",
        SMALL["app/run.py"] + "\n\nclass A:\n    " + SMALL["app/old.py"].replace("\n", "\n    "),
    )


def renamed_and_reformatted(repo):
    repo("rm", "-q", "app/old.py")
    repo.write("lib/deep/code.py", "def sp(x):\n  return eval (x)  # fast\n")


@pytest.mark.parametrize(
    ("edit", "place"),
    [
        (renamed, "app/new.py:2-2"),
        (blanks, "app/old.py:2-2"),
        (split, "app/old.py:2-4"),
        (moved_within, "app/old.py:10-10"),
        (moved_across, "app/run.py:13-13"),
        (renamed_and_reformatted, "lib/deep/code.py:2-2"),
    ],
)
def test_finding_follows_its_lines(repo, edit, place):
    """A live finding that a rename or a blank closes, and a gate that passes."""
    edit(repo)
    repo.commit("edit")
    with write(repo) as books:
        found = flaws.recheck(books)
        assert found.gone == ()
        assert found.moved == (() if place.startswith("app/old.py") else (1,))
        (one,) = books.overview().findings
        path, _, lines = place.partition(":")
        where = one.where
        assert (where.path, f"{where.first}-{where.last}", where.stands) == (path, lines, True)
        assert where.text == "\n".join(
            (repo.root / path).read_text().split("\n")[where.first - 1 : where.last]
        )
        for commit in (None, "HEAD"):
            error = refusal(flaws.decide, books, 1, State.FIXED, WHY, None, commit)
            assert error.code == "not_fixed"
            assert place in error.message
    assert "1 open finding" in Helper(repo)("security", "gate", code=4).out
    assert place.rpartition("-")[0] in Helper(repo)("security", "status").out


def test_moved_finding_says_so_wherever_it_is_shown(repo, tmp_path):
    """A report that points at a path which no longer exists."""
    renamed(repo)
    repo.commit("mv")
    helper = Helper(repo)
    assert "F1 moved: app/old.py -> app/new.py:2-2" in helper("security", "recheck").out
    assert "(moved from app/old.py)" in helper("security", "show", "1").out
    sarif = tmp_path / "s.sarif"
    helper("security", "report", "--sarif", str(sarif))
    assert "app/old.py" not in sarif.read_text()
    assert "app/new.py" in sarif.read_text()


def test_equal_lines_that_were_there_before_are_no_move(repo):
    """A finding that can never be closed because other code reads the same."""
    repo.write("app/twin.py", SMALL["app/old.py"])
    repo.commit("a twin")
    with write(repo) as books:
        other = flaws.add(books, small_finding("app/twin.py"))
    repo.write("app/twin.py", "def sp(x):\n    return int(x)\n")
    repo.commit("mend the twin")
    with write(repo) as books:
        assert flaws.recheck(books).gone == (2,)
        done = flaws.decide(
            books, other.number, State.FIXED, "int takes no code at all", None, "HEAD"
        )
        assert done.checked == "commit"


def test_changed_file_asks_to_be_read_again(repo):
    """A finding whose surroundings changed, and nobody says so."""
    repo.write("app/old.py", "def sp(x):\n    check(x)\n    return eval(x)\n")
    repo.commit("a check")
    with write(repo) as books:
        assert flaws.recheck(books).changed == (1,)
    out = Helper(repo)("security", "recheck").out
    assert "F1: its file changed; read it again" in out
    assert "state 1 fixed" not in out


def test_all_bad_quotes_of_a_form_are_named_at_once(repo):
    """One round for each of five wrong quotes."""
    lies = [
        {"file": "app/run.py", "quote": "os.popen(command)"},
        {"file": "app/nowhere.py", "quote": "return eval(x)"},
        {"file": "app/run.py", "quote": "return 1"},
    ]
    with write(repo) as books:
        error = refusal(flaws.add, books, small_finding(evidence=lies))
    assert error.message.count("app/") == 3
    assert "Add the line above or below" in error.hint


def test_wrong_lines_are_corrected_and_told(repo):
    """12 of 25 forms refused for a number, in silence or with a word."""
    form = {"file": "./app/run.py", "lines": 2, "quote": "        os.system(cmd)"}
    with write(repo) as books:
        found = flaws.add(books, small_finding(evidence=[form], cwe=[78]))
        assert (found.evidence[0].first, found.evidence[0].path) == (7, "app/run.py")
        assert found.evidence[0].text == "        os.system(cmd)"
        assert books.news == ["app/run.py: lines corrected to 7-7"]


def test_link_is_named_as_one(repo):
    """`there is no such file` about a path that `git ls-files` lists."""
    (repo.root / "app/link.py").symlink_to("old.py")
    repo.commit("a link")
    with write(repo) as books:
        error = refusal(flaws.add, books, small_finding("app/link.py"))
    assert "symbolic link to old.py" in error.message


def test_same_lines_under_another_weakness_are_asked_about(repo):
    """One flaw counted twice as critical, or a second flaw that cannot be recorded."""
    with write(repo) as books:
        error = refusal(flaws.add, books, small_finding(cwe=[20]))
        assert error.code == "duplicate"
        assert "F1 stands in the same lines" in error.message
        assert "--distinct" in error.hint
        assert refusal(flaws.add, books, small_finding(), distinct=True).code == "duplicate"
        assert flaws.add(books, small_finding(cwe=[20]), distinct=True).number == 2


def test_vector_that_loses_nothing_is_refused(repo):
    """An iteration spent on a finding of severity none."""
    nothing = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:N/SI:N/SA:N"
    with write(repo) as books:
        error = refusal(
            flaws.add, books, small_finding("app/run.py", "os.system(cmd)", vector=nothing)
        )
    assert (error.code, "nothing is lost" in error.message) == ("vector", True)


def test_large_file_is_cut_and_said(repo):
    """A bundle of 22 MB that costs a minute, or that is left out without a word."""
    line = "x = compute(password, 'abcdefgh')\n"
    repo.write(
        "app/big.py", "def deep(y):\n    return exec(y)\n" + line * (22_000_000 // len(line))
    )
    repo.commit("a bundle")
    with write(repo) as books:
        flaws.add(books, small_finding("app/big.py", "return exec(y)"))
        assert books.news == ["app/big.py: only the first 2 MiB are read"]
