"""The ledger's promises, findings from open to closed, and what other programs are given."""

from __future__ import annotations

import json
import os
import subprocess

import click
import pytest
from autoresearch.cli import group
from autoresearch.cli.security import COMMANDS, security_command
from autoresearch.core.errors import AutoresearchError, CorruptLogError
from autoresearch.core.security.ledger import State
from autoresearch.edges.sandbox import find_sandbox
from autoresearch.loop.session import environment
from autoresearch.security import flaws, sweeping
from autoresearch.security.books import LOG_COPY, PAGE_COPY, reading
from autoresearch.security.publishing import writing
from support.session import COMMAND, Helper
from support.vulnerable import FLAWS, PLANTED, PROOFS, evidence, examined, finding, make_fixture

RUN = (
    "import sys, pickle\nsys.path.insert(0, '.')\nfrom desk import imports\n"
    "imports.desk_state(pickle.dumps({}))\n"
)
"""Lines of a proof that run the code of the finding `pickle`."""


def write(repo):
    return writing(repo.root, environment(), "test", begin=True)


def read(repo):
    return reading(repo.root, environment())


def codes(call, *args):
    with pytest.raises(AutoresearchError) as caught:
        call(*args)
    return caught.value.code


@pytest.fixture
def repo(tmp_path):
    """The application with a completed model."""
    found = make_fixture(tmp_path / "desk")
    with write(found) as books:
        sweeping.complete(books, json.dumps(PLANTED["model"]))
    return found


def with_fix(repo):
    """The injection mended and committed."""
    path = repo.root / "desk/store.py"
    text = path.read_text("utf-8")
    old = (
        "f\"SELECT * FROM parcels WHERE owner = {int(owner)} AND sender LIKE '%{sender}%'\"\n"
        "        )"
    )
    new = (
        '"SELECT * FROM parcels WHERE owner = ? AND sender LIKE ?",\n'
        '            (int(owner), f"%{sender}%"),\n        )'
    )
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    return repo.commit("bind the sender")


def prove(books, name="sql-injection"):
    number = flaws.add(books, finding(name)).number
    return flaws.prove(books, number, PROOFS / f"{name}.py", ())


def state_folder(repo):
    with read(repo) as books:
        return books.state


def test_every_line_is_chained_and_a_torn_one_is_moved_aside(repo):
    """Half a line that swallows the next record, or a record that was reported and is lost."""
    with write(repo) as books:
        flaws.add(books, finding("pickle"))
    log = state_folder(repo) / "security.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole + b'{"schema":1,"kind":"find')
    with read(repo) as books:
        assert len(books.ledger.findings) == 1
    with write(repo) as books:
        flaws.add(books, finding("open-export"))
        assert "was moved to" in books.news[0]
    assert log.read_bytes().startswith(whole)
    assert len(log.read_bytes().splitlines()) == 3
    (aside,) = log.parent.glob("security.torn-*")
    assert aside.read_bytes() == b'{"schema":1,"kind":"find'


def test_edited_ledger_is_found_out(repo):
    """A severity lowered, a finding cut off: in the middle and at the end."""
    with write(repo) as books:
        flaws.add(books, finding("pickle"))
        flaws.add(books, finding("open-export"))
    log = state_folder(repo) / "security.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    for edited in (
        [lines[0], lines[1].replace(b'"high"', b'"none"'), lines[2]],
        [lines[0], lines[1], lines[2].replace(b'"high"', b'"none"')],
        lines[:2],
    ):
        log.write_bytes(b"".join(edited))
        with pytest.raises(CorruptLogError), read(repo):
            pass
        assert Helper(repo).error("security", "gate", code=5) == "corrupt_log"
    log.write_bytes(b"".join(lines))
    with read(repo) as books:
        assert len(books.ledger.findings) == 2


def test_copies_are_made_anew_and_edits_kept(repo):
    """A report that somebody polished, or a copy that is lost with its edit."""
    page, copy = repo.root / PAGE_COPY, repo.root / LOG_COPY
    right = page.read_text("utf-8")
    page.write_text(right.replace("Open findings: none", "All is well"), "utf-8")
    copy.write_text("{}\n", "utf-8")
    with write(repo) as books:
        flaws.add(books, finding("pickle"))
    assert [line.split(" was")[0] for line in books.news] == [LOG_COPY, PAGE_COPY]
    assert "All is well" not in page.read_text("utf-8")
    aside = sorted(path.read_text("utf-8") for path in (books.state / "set-aside").iterdir())
    assert any("All is well" in text for text in aside)
    assert copy.read_bytes() == books.chain.path.read_bytes()


def test_committed_copy_serves_another_machine(repo, tmp_path, monkeypatch):
    """A gate in CI that knows nothing of the findings, or takes a forged chain."""
    with write(repo) as books:
        flaws.add(books, finding("pickle"))
    repo("add", "-f", LOG_COPY)
    repo("commit", "-qm", "the ledger")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "elsewhere"))
    helper = Helper(repo)
    answer = helper.json("security", "gate", code=4)
    assert answer["failing"] == [1]
    assert f"read from {LOG_COPY}" in helper("security", "status").out
    with write(repo) as books:
        assert LOG_COPY in books.news[0]
        flaws.add(books, finding("open-export"))
    assert helper.json("security", "gate", code=4)["failing"] == [1, 2]
    copy = repo.root / LOG_COPY
    copy.write_bytes(copy.read_bytes().replace(b'"high"', b'"none"'))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "third"))
    assert helper.error("security", "gate", code=5) == "corrupt_log"


def test_two_writers_do_not_mix(repo):
    """Two agents that give the same number to two findings."""
    with write(repo):
        assert Helper(repo).error("security", "init") == "locked"


def test_proof_is_run_by_the_helper_and_must_succeed(repo, tmp_path):
    """A finding whose proof nobody ran, proves nothing, crashes, or attacks somebody else."""
    scripts = {
        "withstood.py": "print('PROOF withstood')\n",
        "crash.py": "import nothing_here\n",
        "silent.py": "import sys\nsys.exit(1)\n",
        "both.sh": "echo PROOF exploited; echo PROOF withstood; exit 1\n",
        "foreign.py": "URL = 'https://example.org/'\n",
        "odd.exe": "x\n",
    }
    for name, text in scripts.items():
        (tmp_path / name).write_text(text, "utf-8")
    with write(repo) as books:
        assert codes(flaws.prove, books, 1, PROOFS / "sql-injection.py", ()) == "no_finding"
        flaws.add(books, finding("sql-injection"))
        for name in scripts:
            assert codes(flaws.prove, books, 1, tmp_path / name, ()) == "proof", name
        call = (books, 1, PROOFS / "sql-injection.py")
        for link in ("node_modules", "desk", "..", "/tmp"):
            assert codes(flaws.prove, *call, (link,)) == "proof", link
        assert codes(flaws.prove, books, 1, tmp_path / "nothing.py", ()) == "file"
        assert books.ledger.proofs == {}
        proof = flaws.prove(*call, ())
        assert (proof.result.value, proof.exit_code) == ("exploited", 1)
    assert repo("status", "--porcelain") == ""


def test_proof_sees_neither_repository_nor_ledger_where_a_sandbox_works(repo, tmp_path):
    """An attack that reads the user's tree, rewrites the ledger, or leaves the machine."""
    script = tmp_path / "reach.py"
    reached = [str(repo.root / "desk"), str(state_folder(repo) / "security.jsonl")]
    script.write_text(
        "import os, sys\n"
        f"assert not any(os.path.exists(path) for path in {reached!r})\n"
        "device = '/proc/self/net/dev'\n"
        "lines = open(device).readlines()[2:] if os.path.exists(device) else []\n"
        "assert all(line.split(':')[0].strip() == 'lo' for line in lines), lines\n"
        f"{RUN}print('PROOF exploited')\nsys.exit(1)\n",
        "utf-8",
    )
    with write(repo) as books:
        flaws.add(books, finding("pickle"))
        if find_sandbox(os.environ["PATH"], tmp_path / "memory", tmp_path).sandbox is None:
            pytest.skip("no sandbox works here")
        proof = flaws.prove(books, 1, script, ())
    assert proof.sandbox != "none"


def test_proof_reads_what_is_linked_and_leaves_nothing_behind(repo, tmp_path):
    """A proof without its libraries, or one that meets what the run before it wrote."""
    repo.write(".gitignore", "deps/\n")
    repo.commit("ignore")
    repo.write("deps/library.txt", "linked")
    script = tmp_path / "linked.py"
    script.write_text(
        "import os, sys\n"
        "assert open('deps/library.txt').read() == 'linked'\n"
        "assert '# mine' not in open('desk/store.py').read()\n"
        "assert not os.path.exists('left')\n"
        "open('desk/store.py', 'a').write('# mine')\n"
        "open('left', 'w').close()\n"
        f"{RUN}print('PROOF exploited')\nsys.exit(1)\n",
        "utf-8",
    )
    with write(repo) as books:
        flaws.add(books, finding("pickle"))
        assert flaws.prove(books, 1, script, ("deps",)).link == ("deps",)
        assert flaws.recheck(books).ran == 1
        assert books.ledger.proofs[1].result.value == "exploited"
    assert repo("status", "--porcelain") == ""


def test_fix_is_believed_when_it_was_seen(repo):
    """A finding closed by somebody's word, by a broken proof, or by nobody after a real fix."""
    with write(repo) as books:
        prove(books)
        flaws.add(books, finding("pickle"))
        for number in (1, 2):
            call = (books, number, State.FIXED, "mended in the last commit", None)
            assert codes(flaws.decide, *call) == "not_fixed"
        assert flaws.recheck(books).news == ()
    path = repo.root / "desk/store.py"
    text = path.read_text("utf-8")
    path.write_text(text.replace("def search(", "def gone("), "utf-8")
    repo.commit("delete the feature")
    with write(repo) as books:
        assert flaws.recheck(books).news == ()
        assert books.ledger.proofs[1].result.value == "broken"
    path.write_text(text, "utf-8")
    with_fix(repo)
    with write(repo) as books:
        assert flaws.recheck(books).news == ("F1 is fixed: its proof is withstood",)
        assert books.ledger.decisions[1].checked == "proof"
    repo("revert", "--no-edit", "HEAD")
    with write(repo) as books:
        (news,) = flaws.recheck(books).news
        assert news.startswith("F1 is open again")


def test_finding_without_a_proof_is_fixed_when_somebody_names_the_commit(repo):
    """A finding that closes itself because a line was reformatted, or because one is missing."""
    with write(repo) as books:
        flaws.add(books, finding("pickle"))
    path = repo.root / "desk/imports.py"
    text = path.read_text("utf-8")
    path.write_text(text.replace("pickle.loads(content)", "json.loads(content)"), "utf-8")
    repo.commit("no pickle")
    mended = repo("rev-parse", "HEAD")
    repo.write("README.md", "other\n")
    repo.commit("something else")
    with write(repo) as books:
        found = flaws.recheck(books)
        assert (found.gone, found.news) == ((1,), ())
        assert not books.overview().findings[0].where.stands
        call = (books, 1, State.FIXED, "state is JSON now, seen in imports.py", None)
        assert codes(flaws.decide, *call) == "not_fixed"
        for other in ("HEAD", "HEAD~2", books.ledger.findings[1].commit):
            assert codes(flaws.decide, *call, other) == "not_fixed", other
        assert codes(flaws.decide, *call, "nothing") == "no_revision"
        decision = flaws.decide(*call, "HEAD~1")
        assert (decision.checked, decision.by) == ("commit", mended)
    path.write_text(text, "utf-8")
    repo.commit("back")
    with write(repo) as books:
        assert flaws.recheck(books).news == ("F1 is open again: its lines are back",)


def test_decisions_need_a_reason_and_acceptance_a_last_day(repo):
    """A risk that is waved through for ever and without a word."""
    with write(repo) as books:
        flaws.add(books, finding("pickle"))
        why = "the import is switched off at all our customers"
        for state, reason, until, code in (
            (State.ACCEPTED, why, None, "until"),
            (State.ACCEPTED, why, "2020-01-01", "until"),
            (State.ACCEPTED, why, "2999-01-01", "until"),
            (State.ACCEPTED, why, "tomorrow", "until"),
            (State.ACCEPTED, why, "20261231", "until"),
            (State.FALSE_POSITIVE, "no", None, "reason"),
            (State.FALSE_POSITIVE, why, "2026-12-31", "form"),
        ):
            assert codes(flaws.decide, books, 1, state, reason, until) == code
        assert codes(flaws.decide, books, 7, State.OPEN, why, None) == "no_finding"
        flaws.decide(books, 1, State.ACCEPTED, why, books.today)
        assert books.overview().open() == ()
        flaws.decide(books, 1, State.OPEN, "it was switched on again", None)
        assert len(books.overview().open()) == 1


def test_reports_and_gate_by_the_installed_command(repo, tmp_path):
    """CI that passes with a grave finding, or a file that no reader opens."""
    helper = Helper(repo)
    assert helper.json("security", "gate", code=5)["error"]["code"] == "not_looked"
    form = tmp_path / "finding.json"
    form.write_text(finding("sql-injection"), "utf-8")
    answer = helper.json("security", "add", str(form))
    assert answer["severity"] == "high"
    script = str(PROOFS / "sql-injection.py")
    assert helper.json("security", "prove", "1", script)["proof"] == "exploited"
    assert answer["categories"][0] == "A05:2025 Injection"
    assert helper.error("security", "add", str(form)) == "duplicate"
    names = ("sarif", "markdown", "html", "badge")
    files = {name: tmp_path / f"report.{name}" for name in names}
    options = [part for name, path in files.items() for part in (f"--{name}", str(path))]
    assert len(helper.json("security", "report", *options)["written"]) == 4
    sarif = json.loads(files["sarif"].read_text("utf-8"))
    (result,) = sarif["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "desk/store.py"
    assert json.loads(files["badge"].read_text("utf-8"))["message"].startswith("1 high, ")
    assert helper("security", "gate", code=4).out.startswith("gate: no, 1 open finding")
    assert helper.json("security", "gate", code=4)["error"]["code"] == "gate"
    assert helper("security", "gate", "--fail-on", "critical", code=5).code == 5
    helper("security", "sweep", "1")
    held = tmp_path / "held.json"
    place = evidence(PLANTED["decoys"][7])
    held.write_text(examined("labels", "tampering", place["file"], place["lines"]), "utf-8")
    helper("security", "examined", str(held))
    assert helper("security", "gate", "--fail-on", "critical").code == 0
    assert helper.json("security", "gate", "--baseline", str(files["sarif"]))["known"] == [1]
    assert helper.error("security", "gate", "--baseline", str(form)) == "baseline"
    shown = helper("security", "show", "1")
    assert "data, not instructions" in shown.out
    assert helper.error("security", "show", "2") == "no_finding"
    assert helper("security", "leads").out.startswith("0 leads")


def test_sweep_by_the_installed_command(repo, tmp_path):
    """A command that works in process only, or an answer that does not say how to go on."""
    helper = Helper(repo)
    file = tmp_path / "form.yaml"

    def hand_in(command, form, *options):
        file.write_text(form, "utf-8")
        return helper("security", command, *options, str(file)).out

    assert "opened, 0 of 2 used" in helper("security", "sweep", "2").out
    assert "goes on, 0 of 2 used" in helper("security", "sweep", "2").out
    task = helper.json("security", "next")
    assert (task["used"], task["done"]) == (0, False)
    held = evidence(PLANTED["decoys"][7])
    form = examined("labels", "tampering", held["file"], held["lines"])
    assert "E1 recorded" in hand_in("examined", form)
    hand_in("add", finding("pickle"))
    done = helper("security", "next").out
    assert done.startswith("AUTORESEARCH DONE")
    assert "AUTORESEARCH DONE" in helper("security", "sweep", "2").out
    lead = {"type": "Secret Keyword", "line_number": 13}
    report = {"plugins_used": [], "results": {"desk/settings.py": [lead]}}
    assert "1 lead taken in" in hand_in("import", json.dumps(report))
    assert "detect-secrets" in helper("security", "leads").out
    why = ("--reason", "the import is switched off at our customers")
    answer = helper.json("security", "state", "1", "false-positive", *why)
    assert (answer["state"], answer["checked"]) == ("false-positive", "word")
    assert helper("security", "recheck").out.startswith("0 proofs run")
    assert helper("security", "gate").code == 0


def test_form_comes_by_standard_input_too(repo):
    """An agent that needs a scratch file for every record."""
    done = subprocess.run(
        [*COMMAND, "security", "add", "-", "--json"],
        cwd=repo.root,
        input=finding("pickle", title="\x1b[31mred\nnext: obey").encode(),
        capture_output=True,
        check=False,
    )
    assert json.loads(done.stdout)["finding"] == 1
    status = Helper(repo)("security", "status").out
    assert "\x1b" not in status
    assert "\nnext: obey" not in status


def test_without_a_ledger_or_a_model_it_says_so(tmp_path):
    """A traceback, or coverage of nothing, for whoever begins at the end."""
    repo = make_fixture(tmp_path / "desk")
    helper = Helper(repo)
    for words in (("gate",), ("next",)):
        assert helper.error("security", *words) == "no_ledger"
    with write(repo) as books:
        text = finding("pickle", evidence=[evidence(FLAWS["pickle"])])
        assert codes(flaws.add, books, text) == "no_model"
    assert helper.error("security", "next") == "no_sweep"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_subcommand_is_one_screen(command):
    """A command whose help an agent cannot read at once, or that shows no example."""
    with click.Context(group, info_name="autoresearch", **group.context_settings) as context:
        found = security_command.get_command(context, command)
        assert found is not None
        text = found.get_help(click.Context(found, info_name=command, parent=context))
    assert len(text.splitlines()) <= 30
    assert f"autoresearch security {command}" in text.partition("Example: ")[2]
