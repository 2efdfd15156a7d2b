"""A gate that a merge can trust: what was cut, how old it is, how much was looked at."""

from __future__ import annotations

import json

import pytest
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.security.ledger import Severity, Stride
from autoresearch.loop.session import environment
from autoresearch.security import flaws, gating, sweeping
from autoresearch.security.books import LOG_COPY, reading
from autoresearch.security.publishing import writing
from support.session import Helper
from support.vulnerable import SMALL_MODEL, make_small, small_examined, small_finding

TERMS = gating.GateTerms(Severity.HIGH, (), None, None, None, None, proven_only=False)


def write(repo):
    return writing(repo.root, environment(), "test", begin=True)


@pytest.fixture
def repo(tmp_path):
    """The small repository with a model, and no record."""
    found = make_small(tmp_path / "small")
    with write(found) as books:
        sweeping.complete(books, json.dumps(SMALL_MODEL))
    return found


def swept(repo, *strides):
    with write(repo) as books:
        sweeping.open_sweep(books, len(strides), (), None)
        for stride in strides:
            sweeping.examine(books, small_examined(stride))


def committed(repo):
    repo("add", "-f", LOG_COPY)
    repo("commit", "-qm", "ledger")
    return repo("rev-parse", "HEAD")


def rule(repo, **terms):
    with reading(repo.root, environment()) as books:
        return gating.rule(books, TERMS._replace(**terms))


def refusal(repo, **terms):
    with pytest.raises(AutoresearchError) as caught:
        rule(repo, **terms)
    return caught.value


def test_gate_does_not_pass_where_nobody_looked(tmp_path, repo):
    """`passed, 0 open findings` on the raw draft of a model, or on half a sweep."""
    raw = make_small(tmp_path / "raw")
    helper = Helper(raw)
    helper("security", "init")
    assert "nobody has looked yet" in helper("security", "gate", code=5).out
    with write(repo) as books:
        sweeping.open_sweep(books, 2, (), None)
        sweeping.examine(books, small_examined("tampering"))
    helper = Helper(repo)
    assert helper.json("security", "gate", code=5)["error"]["code"] == "not_looked"
    with write(repo) as books:
        sweeping.examine(books, small_examined("spoofing"))
    assert helper("security", "gate").out.startswith("gate: passed")


@pytest.mark.parametrize("last", [1, 2])
def test_ledger_whose_end_was_cut_is_an_error(repo, tmp_path, monkeypatch, last):
    """A finding that is cut off the committed copy, and a gate that passes."""
    swept(repo, "tampering")
    with write(repo) as books:
        flaws.add(books, small_finding())
    committed(repo)
    repo("branch", "base")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "ci"))
    helper = Helper(repo)
    assert "\ngate: no" in helper("security", "gate", code=4).out
    assert "\ngate: no" in helper("security", "gate", "--base", "base", code=4).out
    copy = repo.root / LOG_COPY
    copy.write_bytes(b"".join(copy.read_bytes().splitlines(keepends=True)[:-last]))
    assert helper.error("security", "gate", code=5) == "ledger_cut"  # not even committed
    committed(repo)
    repo.write("later.txt", "x\n")
    repo.commit("later")
    for words in ((), ("--base", "base"), ("--base", "base", "--diff", "HEAD~1")):
        error = helper.json("security", "gate", *words, code=5)["error"]
        assert error["code"] == "ledger_cut"
        assert "F1" in error["message"]
    helper("security", "gate", "--base", "HEAD", code=5)


def test_ledger_that_was_cut_and_grew_again_is_an_error(repo):
    """A finding that is cut off and covered by other records."""
    swept(repo, "tampering")
    short = (repo.root / LOG_COPY).read_bytes()
    with write(repo) as books:
        flaws.add(books, small_finding())
        state = books.state
    committed(repo)
    (repo.root / LOG_COPY).write_bytes(short)
    for file in state.iterdir():
        if file.is_file():
            file.unlink()
    swept(repo, *(stride.value for stride in Stride if stride is not Stride.TAMPERING))
    committed(repo)
    assert (repo.root / LOG_COPY).stat().st_size > len(short)
    assert refusal(repo).code == "ledger_cut"


def test_grown_ledger_and_base_without_one_pass(repo):
    """A gate that fails on every honest branch."""
    first = repo("rev-parse", "HEAD")
    swept(repo, "tampering")
    base = committed(repo)
    swept(repo, "spoofing", "repudiation")
    committed(repo)
    for rev in (first, base, None):
        assert not rule(repo, base=rev).gate.failing
    assert refusal(repo, base="no-such").code == "no_revision"


def test_coverage_and_age_have_limits(repo):
    """A pass on one look at one of six cells, fifty commits ago."""
    swept(repo, "tampering")
    assert rule(repo, min_coverage=16).problems == ()
    assert rule(repo, min_coverage=17).problems == ("coverage of cells is 17%, below 17%",)
    assert "coverage of places is 50%, below 51%" in rule(repo, min_coverage=51).problems
    for n in range(3):
        repo.write("other.txt", f"{n}\n")
        repo.commit(f"edit {n}")
    said = rule(repo, max_age="2")
    assert (said.commits, said.problems) == (3, ("the last look is 3 commits old, more than 2",))
    assert rule(repo, max_age="3 commits").problems == ()
    assert rule(repo, max_age="0d").problems == ()
    assert refusal(repo, max_age="soon").code == "max_age"
    helper = Helper(repo)
    assert "coverage of cells" in helper("security", "gate", "--min-coverage", "90", code=4).out
    assert helper.json("security", "gate", "--max-age", "1", code=4)["commits"] == 3


def test_gate_tells_what_changed_since_somebody_looked(repo):
    """A cell that was looked at before its file was rewritten."""
    swept(repo, "tampering")
    repo.write("app/old.py", "def sp(x):\n    return int(x)\n")
    repo.commit("edit")
    assert rule(repo).changed == ("app/old.py",)
    assert "changed since somebody looked: app/old.py" in Helper(repo)("security", "gate").out


def test_only_proven_findings_may_count(repo):
    """A gate that blocks on somebody's word, or one that hides what it leaves out."""
    swept(repo, "tampering")
    with write(repo) as books:
        flaws.add(books, small_finding())
    said = rule(repo, proven_only=True)
    assert ([], [one.label for one in said.gate.unproven]) == ([], ["F1"])
    assert "1 not proven" in Helper(repo)("security", "gate", "--proven-only").out


def test_change_that_matters_to_nothing_passes_with_that_word(repo):
    """`nothing_audited`, exit 1, for a pull request that edits a text."""
    base = repo("rev-parse", "HEAD")
    repo.write("README.md", "words\n")
    repo.commit("words")
    helper = Helper(repo)
    assert "no relevant change" in helper("security", "sweep", "5", "--diff", base).out
    assert helper.json("security", "sweep", "5", "--diff", base)["done"] is True
    assert "no relevant change" in helper("security", "gate", "--diff", base).out
    repo.write("app/run.py", "import os\n\nos.system('ls')\n")
    repo.commit("code")
    helper("security", "gate", "--diff", base, code=5)
    with write(repo) as books:
        flaws.add(books, small_finding())
    with reading(repo.root, environment()) as books:
        assert gating.rule(books, TERMS._replace(diff=base)).gate.failing == ()
        assert gating.rule(books, TERMS).gate.failing
