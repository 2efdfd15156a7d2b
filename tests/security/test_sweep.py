"""A scripted agent sweeps the application that was written to be wrong."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.security.catalog import is_idle
from autoresearch.loop.session import environment
from autoresearch.security import flaws, scanners, sweeping
from autoresearch.security.books import LOG_COPY, PAGE_COPY, reading
from autoresearch.security.publishing import writing
from support.session import Helper
from support.vulnerable import (
    FLAWS,
    PLANTED,
    evidence,
    examined,
    finding,
    line_of,
    make_fixture,
    score,
)


def write(repo, what="test"):
    return writing(repo.root, environment(), what, begin=True)


def read(repo):
    return reading(repo.root, environment())


def begin(repo):
    """A ledger with the completed model."""
    with write(repo) as books:
        sweeping.begin(books)
        sweeping.complete(books, json.dumps(PLANTED["model"]))


def refused(books, text):
    """The code of the refusal of a finding; nothing of it may be recorded."""
    before = (len(books.ledger.findings), books.chain.tail())
    with pytest.raises(AutoresearchError) as caught:
        flaws.add(books, text)
    assert (len(books.ledger.findings), books.chain.tail()) == before
    return caught.value.code


@pytest.fixture
def repo(tmp_path):
    return make_fixture(tmp_path / "desk")


def test_fixture_holds_what_it_should_and_names_none_of_it():
    """A list that no longer fits the application, or an application that gives the list away."""
    assert Counter(flaw["stride"] for flaw in FLAWS.values()) == {
        "spoofing": 3,
        "tampering": 5,
        "repudiation": 3,
        "information-disclosure": 3,
        "denial-of-service": 3,
        "elevation-of-privilege": 3,
    }
    assert len(PLANTED["decoys"]) == 10
    places = [(flaw["file"], line_of(flaw)) for flaw in (*FLAWS.values(), *PLANTED["decoys"])]
    assert len(set(places)) == 30
    source = "\n".join(
        path.read_text("utf-8")
        for path in (Path(__file__).parent / "fixture").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ).lower()
    telling = (
        "vulnerab",
        "insecure",
        "injection",
        "exploit",
        "cwe-",
        "traversal",
        "unsafe",
        "flaw",
    )
    assert [word for word in telling if word in source] == []


def test_inventory_sees_the_places_and_drafts_a_model(repo):
    """A sweep that starts from nothing, or a model that `security model` then refuses."""
    helper = Helper(repo)
    answer = helper.json("security", "init")
    places = answer["places"]
    for kind in ("route", "SQL", "subprocess", "deserialisation", "secret handling", "parser"):
        assert places[kind] >= 1, kind
    assert places["CI and containers"] == 2
    assert {"desk", "web", "callers", "database", "records", "supply"} <= set(answer["elements"])
    draft = Path(answer["draft"])
    assert helper.json("security", "model", str(draft))["elements"] == len(answer["elements"])
    assert helper.json("security", "init")["kept"] is True
    assert repo("status", "--porcelain") == ""


def test_every_planted_flaw_is_recorded_and_covers_its_cell(repo):
    """Honest evidence that is refused, or coverage that is not computed from it."""
    begin(repo)
    with write(repo) as books:
        sweeping.open_sweep(books, 25, (), None)
        for name in FLAWS:
            flaws.add(books, finding(name))
        found = books.overview()
        assert books.ledger.used(1) == 20
    cells = {(flaw["element"], flaw["stride"]) for flaw in FLAWS.values()}
    assert (found.coverage.covered, found.coverage.cells) == (len(cells), 33)
    assert len({one.finding.fingerprint for one in found.findings}) == 20
    assert {one.finding.severity.value for one in found.findings} == {"high"}
    log = (repo.root / LOG_COPY).read_text("utf-8")
    page = (repo.root / PAGE_COPY).read_text("utf-8")
    assert "pd-2019" not in log + page
    assert "TOKEN_KEY" in log


def test_score_tells_flaws_from_decoys():
    """A measurement of a stranger's sweep that flatters, or counts a decoy as a find."""
    place = {"title": "x", "finding": 1, "last": 0}

    def at(planted, cwe):
        line = line_of(planted)
        return {**place, "path": planted["file"], "first": line, "last": line, "cwe": cwe}

    every = [at(flaw, flaw["cwe"][:1]) for flaw in FLAWS.values()]
    decoys = [at(decoy, [1]) for decoy in PLANTED["decoys"]]
    said = score([*every, *decoys, {**decoys[0], "path": "README.md"}])
    assert [len(names) for names in said.values()] == [20, 0, 10, 1]
    wrong = score([at(FLAWS["pickle"], [79])])
    assert (wrong["found"], wrong["decoys"], len(wrong["others"])) == ([], [], 1)


def test_invented_evidence_is_refused(repo):
    """A finding or an examination whose quote nobody would find in the code."""
    begin(repo)
    true = evidence(FLAWS["pickle"])
    lies = [
        {**true, "quote": "state = pickle.loads(unchecked)"},
        {**true, "lines": "9000", "quote": "state = pickle.loads(unchecked)"},
        {"file": true["file"], "quote": "state = pickle . loads(content)"},
        {**true, "file": "desk/nowhere.py"},
        {**true, "file": "../outside.py"},
        {**true, "file": "/etc/passwd", "lines": 1, "quote": "root:x:0:0:root:/root:/bin/bash"},
    ]
    with write(repo) as books:
        for lie in lies:
            assert refused(books, finding("pickle", evidence=[lie])) == "evidence"
            assert refused(books, finding("pickle", evidence=[true, lie])) == "evidence"
            assert refused(books, finding("pickle", flow=[lie])) == "evidence"
        elsewhere = finding("pickle", evidence=[evidence(FLAWS["sql-injection"])])
        assert refused(books, elsewhere) == "elsewhere"
        assert refused(books, finding("pickle", element="database")) == "no_cell"
        assert refused(books, finding("pickle", element="cloud")) == "no_element"
        assert refused(books, finding("pickle", vector="9.8")) == "vector"
        assert refused(books, finding("pickle", lead=1)) == "no_lead"
        assert refused(books, finding("pickle", severity="critical")) == "form"
        with pytest.raises(AutoresearchError):
            sweeping.examine(books, examined("desk", "spoofing", "desk/auth.py", 1))
        assert books.covered().covered == 0


def test_no_secret_reaches_the_ledger_by_anybodys_words(repo):
    """A password that an agent copies into a note, a scenario or a title."""
    begin(repo)
    secret = "password: hunter2-very"
    quoted = {**evidence(FLAWS["pickle"]), "note": secret}
    words = ("title", "hypothesis", "scenario", "reproduction", "remedy")
    with write(repo) as books:
        form = finding("pickle", evidence=[quoted], flow=[quoted], **dict.fromkeys(words, secret))
        flaws.add(books, form)
        log = books.chain.path.read_text("utf-8")
    assert "hunter2" not in log
    assert log.count("[redacted]") == 7


def test_edit_of_the_working_tree_is_no_evidence(repo):
    """A flaw that somebody writes into the tree to have found it."""
    begin(repo)
    repo.write("desk/imports.py", "state = pickle.loads(content, mine)\n")
    with write(repo) as books:
        lie = {
            "file": "desk/imports.py",
            "lines": 1,
            "quote": "state = pickle.loads(content, mine)",
        }
        assert refused(books, finding("pickle", evidence=[lie])) == "evidence"
        flaws.add(books, finding("pickle"))


def test_same_flaw_is_recorded_once_whatever_lines_moved(repo):
    """A report that counts one flaw three times."""
    begin(repo)
    with write(repo) as books:
        first = flaws.add(books, finding("pickle"))
        assert refused(books, finding("pickle")) == "duplicate"
    path = repo.root / "desk/imports.py"
    path.write_text(path.read_text("utf-8").replace("import ast\n", "import ast\n\n\n"), "utf-8")
    repo.commit("two lines above")
    with write(repo) as books:
        moved = evidence(FLAWS["pickle"])
        number = moved["lines"] + 2
        again = finding("pickle", evidence=[{**moved, "lines": number}])
        assert refused(books, again) == "duplicate"
        wider = {"file": moved["file"], "lines": f"{number - 1}-{number}"}
        wider["quote"] = "\n".join(path.read_text("utf-8").split("\n")[number - 2 : number])
        assert refused(books, finding("pickle", evidence=[wider])) == "duplicate"
        (one,) = books.overview().findings
        assert (one.where.first, one.where.stands) == (number, True)
        assert one.finding.fingerprint == first.fingerprint


def test_coverage_is_lost_when_the_quoted_lines_change(repo):
    """A cell that stays green after the code under it was rewritten."""
    begin(repo)
    with write(repo) as books:
        line = line_of({"file": "desk/labels.py", "quote": "is_relative_to"})
        sweeping.examine(
            books, examined("labels", "information-disclosure", "desk/labels.py", line)
        )
        assert books.covered().covered == 1
    path = repo.root / "desk/labels.py"
    path.write_text(path.read_text("utf-8").replace("is_relative_to(root)", "exists()"), "utf-8")
    repo.commit("rewrite")
    with read(repo) as books:
        assert books.covered().covered == 0


def test_repeated_examination_is_no_new_look(repo):
    """A sweep that is used up by the same record again and again."""
    begin(repo)
    with write(repo) as books:
        line = line_of({"file": "desk/labels.py", "quote": "is_relative_to"})
        form = examined("labels", "tampering", "desk/labels.py", line)
        sweeping.examine(books, form)
        with pytest.raises(AutoresearchError) as caught:
            sweeping.examine(books, form)
        assert caught.value.code == "duplicate"
        other = {**json.loads(form), "persona": "anonymous caller"}
        assert sweeping.examine(books, json.dumps(other)).number == 2


def test_next_leads_through_every_cell(repo):
    """A sweep that never reaches a cell, or ends before its number is used."""
    begin(repo)
    with write(repo) as books:
        sweeping.open_sweep(books, 33, (), None)
        seen = set()
        while isinstance(task := sweeping.next_task(books), sweeping.Task):
            path = next(p for p in task.files if p.endswith((".py", ".js")))
            lines = books.tree.content(path).decode().split("\n")
            line = next(
                n for n, text in enumerate(lines, 1) if len(text) > 30 and not is_idle(text)
            )
            seen.add((task.element.name, task.stride))
            form = examined(task.element.name, task.stride.value, path, line)
            sweeping.examine(
                books,
                json.dumps(
                    {
                        **json.loads(form),
                        "persona": task.persona.value,
                        "reason": f"{task.element.name} refuses {task.stride.value} in that line",
                    }
                ),
            )
        assert len(seen) == 33
        assert task.coverage.share == 1.0
        assert sweeping.open_sweep(books, 33, (), None).done
        assert not sweeping.open_sweep(books, 34, (), None).done


def test_sweep_of_a_change_looks_at_what_it_reaches(repo):
    """An audit of a change that reads everything, or misses who calls what was changed."""
    begin(repo)
    base = repo("rev-parse", "HEAD")
    repo.write("web/merge.js", (repo.root / "web/merge.js").read_text("utf-8") + "\n// more\n")
    repo.commit("a change")
    with write(repo) as books:
        found = sweeping.open_sweep(books, 3, (), base)
        assert found.sweep.paths == ("web/merge.js", "web/server.js")
        names = {row.element.name for row in found.coverage.rows}
        assert names == {"accounts", "pages"}
        task = sweeping.next_task(books)
        assert isinstance(task, sweeping.Task)
        assert set(task.files) <= {"web/merge.js", "web/server.js"}
        scoped = sweeping.open_sweep(books, 4, ("desk/store.py",), None)
        assert [row.element.name for row in scoped.coverage.rows] == ["database"]
        for scope, diff, code in (
            (("nowhere/**",), None, "nothing_audited"),
            (("/x",), None, "scope"),
            ((), "no-such-rev", "no_revision"),
            ((), "--all", "no_revision"),
        ):
            with pytest.raises(AutoresearchError) as caught:
                sweeping.open_sweep(books, 5, scope, diff)
            assert caught.value.code == code


def test_leads_are_hints_until_somebody_looked(repo, tmp_path):
    """A scanner's word that counts as a finding, or is dropped without anybody having looked."""
    begin(repo)
    report = {
        "metrics": {},
        "results": [
            {
                "test_id": f"B{n}",
                "issue_text": "look here",
                "issue_severity": "HIGH",
                "filename": str(repo.root / flaw["file"]),
                "line_number": line_of(flaw),
                "issue_cwe": {"id": 502},
            }
            for n, flaw in enumerate([FLAWS["pickle"], PLANTED["decoys"][0]], 1)
        ],
    }
    file = tmp_path / "bandit.json"
    file.write_text(json.dumps(report), "utf-8")
    with write(repo) as books:
        first = scanners.take_in(books, file)
        assert [lead.path for lead in first.fresh] == ["desk/imports.py", "desk/store.py"]
        assert (len(scanners.take_in(books, file).fresh), books.ledger.findings) == (0, {})
        flaws.add(books, finding("pickle", lead=1))
        decoy = PLANTED["decoys"][0]
        form = examined("database", "tampering", decoy["file"], line_of(decoy), lead=2)
        sweeping.examine(books, form)
        assert books.ledger.open_leads == ()
        assert refused(books, finding("shell-command", lead=1)) == "no_lead"
        file.write_text("{}", "utf-8")
        with pytest.raises(AutoresearchError) as caught:
            scanners.take_in(books, file)
        assert caught.value.code == "report"
