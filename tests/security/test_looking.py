"""What counts as having looked, what is asked of which code, and what a second mind says."""

from __future__ import annotations

import json

import pytest
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.security.ledger import PlaceKind
from autoresearch.loop.session import environment
from autoresearch.security import flaws, refuting, sweeping
from autoresearch.security.publishing import writing
from support.session import Helper
from support.vulnerable import SMALL_MODEL, make_small, small_examined, small_finding

# ruff: noqa: E501 - forms, a line each
LONG = "".join(f"VALUE_{n} = compute({n})\n" for n in range(1, 901))
PATTERNS = "import re\n\nA = re.compile('(a+)+$')\n\nB = re.compile('(b|b)*c')\n"


def write(repo):
    return writing(repo.root, environment(), "test", begin=True)


@pytest.fixture
def repo(tmp_path):
    """The small repository with a parser and a long file."""
    found = make_small(
        tmp_path / "small",
        **{"app/parse.py": PATTERNS, "app/long.py": LONG, "tests/test_x.py": "eval('1')\n"},
    )
    with write(found) as books:
        sweeping.complete(books, json.dumps(SMALL_MODEL))
    return found


def refusal(call, *args):
    with pytest.raises(AutoresearchError) as caught:
        call(*args)
    return caught.value.code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"evidence": [{"file": "app/run.py", "lines": "1-2", "quote": "import os\nimport sqlite3"}]}, "idle"),
        ({"reason": "everything goes through require_admin, which raises"}, "no_such_name"),
        ({"reason": "everything goes through `Guard` and stops there"}, "no_such_name"),
        ({"reason": "everything goes through checked() and stops there"}, "no_such_name"),
        ({"hypothesis": "acting as anonymous caller, one can change data, code or a query that is not theirs to change"}, "hypothesis"),
        ({"hypothesis": "one can show that two parts of the system read the same bytes differently: duplicates, blanks, case, encodings, line ends"}, "hypothesis"),
        ({"check": "no-such-check"}, "form"),
    ],
)  # fmt: skip
def test_what_shows_nothing_is_no_look(repo, changes, code):
    """Six cells covered by a pair of imports and a function that does not exist."""
    with write(repo) as books:
        assert refusal(sweeping.examine, books, small_examined("tampering", **changes)) == code
        assert books.ledger.examined == {}


@pytest.mark.parametrize(
    "reason",
    [
        "`os.system` gets a command that app/run.py fixes before",
        "run() is called with a constant, see old.py and sp()",
        "nothing here is JavaScript or GitHub's, and no caller reaches it",
    ],
)
def test_reason_that_names_what_is_there_is_taken(repo, reason):
    """An honest reason refused over an English word or a file's name."""
    with write(repo) as books:
        assert sweeping.examine(books, small_examined("tampering", reason=reason)).number == 1


def test_same_quote_and_reason_for_a_second_cell_is_refused(repo):
    """One look copied into every cell."""
    reason = "the command is a constant, so nothing that a caller sends gets here"
    with write(repo) as books:
        sweeping.examine(books, small_examined("tampering", reason=reason))
        again = small_examined("spoofing", reason=reason.upper() + ".")
        assert refusal(sweeping.examine, books, again) == "duplicate"
        sweeping.examine(books, small_examined("spoofing"))
    assert "2 of 2 cells that hold rest on the same lines" in Helper(repo)("security", "status").out


def test_places_count_when_a_quote_touches_them(repo):
    """Three patterns in a long file that count as looked at because one cell does."""
    with write(repo) as books:
        before = {one.kind: (one.touched, one.places) for one in books.places()}
        assert before[PlaceKind.REGEX] == (0, 2)
        assert before[PlaceKind.STRETCH] == (0, 5)
        assert before[PlaceKind.EVAL] == (0, 1)  # the tests' own is none
        quotes = [
            {"file": "app/parse.py", "quote": "B = re.compile('(b|b)*c')"},
            {"file": "app/long.py", "quote": "VALUE_300 = compute(300)"},
        ]
        sweeping.examine(books, small_examined("denial-of-service", evidence=quotes))
        after = {one.kind: (one.touched, one.places) for one in books.places()}
        assert after[PlaceKind.REGEX] == (1, 2)
        assert after[PlaceKind.STRETCH] == (1, 5)
    status = Helper(repo).json("security", "status")
    assert status["places"]["regular expression"] == [1, 2]


def test_next_comes_back_with_what_no_quote_touches(repo):
    """A sweep that is done with a cell while most of its places were never quoted."""
    with write(repo) as books:
        sweeping.open_sweep(books, 20, (), None)
        for stride in (
            "spoofing",
            "tampering",
            "repudiation",
            "information-disclosure",
            "elevation-of-privilege",
        ):
            sweeping.examine(books, small_examined(stride))
        one = {"file": "app/parse.py", "quote": "A = re.compile('(a+)+$')"}
        sweeping.examine(books, small_examined("denial-of-service", evidence=[one]))
        task = sweeping.next_task(books)
        assert task.stride.value == "denial-of-service"
        assert (task.sites[0].path, task.sites[0].line) != ("app/parse.py", 3)
        assert task.untouched == len(task.sites) - 1


def test_checks_are_those_of_the_kind_of_code(repo):
    """One generic sentence for a parser, a server and a cipher."""
    with write(repo) as books:
        sweeping.open_sweep(books, 20, ("app/parse.py",), None)
        for stride in ("tampering", "spoofing", "repudiation", "information-disclosure"):
            sweeping.examine(books, small_examined(stride))
        task = sweeping.next_task(books)
        assert task.stride.value == "denial-of-service"
        first = task.checks[0]
        assert first.id == "parser-backtracking"
        assert first.ask in task.hypothesis
        quote = {"file": "app/parse.py", "quote": "A = re.compile('(a+)+$')"}
        form = small_examined("denial-of-service", evidence=[quote], check="parser-odd-values")
        sweeping.examine(books, form)
    owasp = Helper(repo).json("security", "status")["owasp"]
    assert sum(held for _, held in owasp.values()) == 2  # CWE-248 and CWE-20
    out = Helper(repo)("security", "next").out
    assert "check " in out


def test_focus_and_depth_shape_a_sweep(repo):
    """Options that are taken and change nothing."""
    with write(repo) as books:
        found = sweeping.open_sweep(books, None, (), None, focus="dos", depth="quick")
        assert found.sweep.iterations == 3
        task = sweeping.next_task(books)
        assert task.stride.value == "denial-of-service"
        assert len(task.checks) <= 2
        assert sweeping.open_sweep(books, None, (), None, depth="deep").sweep.iterations == 12
        for words in ({"focus": "speed"}, {"depth": "bottomless"}):
            with pytest.raises(AutoresearchError):
                sweeping.open_sweep(books, 5, (), None, **words)


def test_sweep_since_the_last_look_sees_what_changed(repo):
    """A nightly sweep that reads everything again, or nothing."""
    with write(repo) as books:
        with pytest.raises(AutoresearchError):
            sweeping.open_sweep(books, 1, (), None, since_last=True)
        sweeping.open_sweep(books, 1, (), None)
        sweeping.examine(books, small_examined("tampering"))
        assert sweeping.open_sweep(books, 2, (), None, since_last=True) is None
    repo.write("app/parse.py", PATTERNS + "\nC = re.compile('c*c*d')\n")
    repo.commit("a pattern")
    with write(repo) as books:
        found = sweeping.open_sweep(books, 2, (), None, since_last=True)
        assert found.sweep.paths == ("app/parse.py",)
        assert sweeping.open_sweep(books, None, (), None, since_last=True).opened is False


def test_every_third_record_looks_back(repo):
    """Twenty iterations without a word of what they bring."""
    with write(repo) as books:
        sweeping.open_sweep(books, 6, (), None)
        said = []
        for stride in ("tampering", "spoofing"):
            sweeping.examine(books, small_examined(stride))
            said.append(sweeping.checkpoint(books))
        flaws.add(books, small_finding())
        assert said == ["", ""]
        assert sweeping.checkpoint(books).startswith(
            "checkpoint 3 of 6: 0.33 findings per iteration"
        )


def test_second_mind_is_heard_under_the_same_checks(repo):
    """A finding waved away without a line, or a report that hides that it is contested."""
    with write(repo) as books:
        flaws.add(books, small_finding())
        form = {
            "verdict": "contested",
            "reason": "sp() is called by nobody, and no caller's text gets there",
            "evidence": [{"file": "app/old.py", "quote": "def sp(x):\n    return eval(x)"}],
        }
        lie = {**form, "evidence": [{"file": "app/old.py", "quote": "return int(x) or 0"}]}
        assert refusal(refuting.refute, books, 1, json.dumps(lie)) == "evidence"
        invented = {**form, "reason": "guarded_by_proxy() stands before it, always"}
        assert refusal(refuting.refute, books, 1, json.dumps(invented)) == "no_such_name"
        assert refusal(refuting.refute, books, 2, json.dumps(form)) == "no_finding"
        assert books.ledger.reviews == {}
        assert refuting.refute(books, 1, json.dumps(form)).verdict.value == "contested"
    helper = Helper(repo)
    assert "second mind: contested: sp()" in helper("security", "show", "1").out
    assert helper.json("security", "status")["reviews"] == {"F1": "contested"}
    assert "F1 claims" in helper("security", "refute", "1").out


def test_scanners_that_fit_are_named_and_draft_is_called_one(tmp_path):
    """`npm audit` for a project without a package.json, and a sweep of guesses without a word."""
    found = make_small(tmp_path / "py", **{"requirements.txt": "flask==0.5\n"})
    helper = Helper(found)
    out = helper("security", "init").out
    assert "npm audit" not in out
    assert "pip-audit" in out
    assert "bandit" in out
    assert "only drafted" in helper("security", "sweep", "5").out
    web = make_small(tmp_path / "js", **{"package.json": "{}\n"})
    assert "npm audit" in Helper(web)("security", "init").out


def test_library_without_sql_gets_no_database(tmp_path):
    """A store and a flow drafted from `self.execute()` and `requests.append(x)`."""
    code = "def go(self, requests):\n    self.execute()\n    requests.append(self)\n    self.requests.pop(0)\n"
    found = make_small(tmp_path / "lib", **{"app/task.py": code, "tests/test_go.py": "eval('1')\n"})
    answer = Helper(found).json("security", "init")
    assert "database" not in answer["elements"]
    assert "tests" not in answer["elements"]
    assert not {"SQL", "outgoing request"} & set(answer["places"])
