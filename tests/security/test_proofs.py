"""A proof runs the lines that its finding quotes, and nothing runs it unconfined by accident."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from autoresearch.core.errors import AutoresearchError
from autoresearch.edges.sandbox import find_sandbox
from autoresearch.loop.session import environment
from autoresearch.security import fixing, flaws, sweeping
from autoresearch.security.publishing import writing
from support.session import Helper
from support.vulnerable import SMALL_MODEL, make_small, small_finding

SAY = "print('PROOF exploited')\nraise SystemExit(1)\n"
START = "import sys\nsys.path.insert(0, '.')\n"
FILES = {
    "app/limit.py": "import re\n\nBAD = re.compile('(a+)+$')\n\n\ndef check(x):\n    return BAD.match(x)\n",
    "app/calc.js": (
        "const one = 1;\nfunction calc(text) {\n  return eval(text);\n}\n"
        "function other(text) {\n  return Number(text);\n}\nmodule.exports = { calc, other };\n"
    ),
    "app/shout.sh": '#!/bin/sh\neval "$1 and more"\n',
}
OLD = ("app/old.py", "return eval(x)")
LIMIT = ("app/limit.py", "BAD = re.compile('(a+)+$')")
CALC = ("app/calc.js", "return eval(text);")
SHOUT = ("app/shout.sh", 'eval "$1 and more"')
# ruff: noqa: E501 - programs, a line each
NODE = "if (require(process.cwd() + '/app/calc.js').{0}('1+1') == 2) {{ console.log('PROOF exploited'); process.exit(1); }}\n"
SERVED = (
    "import subprocess, sys\n"
    'code = \'import sys; sys.path.insert(0, "."); from app import old; print(old.sp("1+1"))\'\n'
    "out = subprocess.run([sys.executable, {0}'-c', code], capture_output=True, text=True{1}).stdout\n"
    "assert out.strip() == '2', out\n"
)


def write(repo):
    return writing(repo.root, environment(), "test", begin=True)


@pytest.fixture
def repo(tmp_path):
    """The small repository and some files more."""
    found = make_small(tmp_path / "small", **FILES)
    with write(found) as books:
        sweeping.complete(books, json.dumps(SMALL_MODEL))
    return found


def prove(repo, tmp_path, at, script, name="p.py"):
    (tmp_path / name).write_text(script, "utf-8")
    with write(repo) as books:
        number = flaws.add(books, small_finding(*at)).number
        books.unconfined = True
        return flaws.prove(books, number, tmp_path / name, ())


@pytest.mark.parametrize(
    ("at", "script", "name", "runs"),
    [
        (OLD, f"{START}from app import old\nassert old.sp('1+1') == 2\n{SAY}", "p.py", "yes"),
        (OLD, SERVED.format("", "") + SAY, "p.py", "yes"),
        (OLD, SERVED.format("'-I', ", "") + SAY, "p.py", "not known"),
        pytest.param(OLD, SERVED.format("", ", env={'PATH': '/nothing'}") + SAY, "p.py", "not known", marks=pytest.mark.long),
        (LIMIT, f"{START}from app import limit\n{SAY}", "p.py", "yes"),
        (CALC, NODE.format("calc"), "p.js", "yes"),
        (SHOUT, "[ \"$(sh app/shout.sh 'echo 1')\" = '1 and more' ] && echo PROOF exploited\nexit 1\n", "p.sh", "yes"),
    ],
    ids=["python", "subprocess", "python -I", "clean environment", "module level", "node", "shell"],
)  # fmt: skip
def test_proof_that_runs_the_quoted_lines_is_kept(repo, tmp_path, at, script, name, runs):
    """An honest proof refused, or one whose lines nobody saw running called proven."""
    if name.endswith(".js") and shutil.which("node") is None:
        pytest.skip("no Node here")
    proof = prove(repo, tmp_path, at, script, name)
    assert (proof.result.value, proof.runs.value) == ("exploited", runs)
    with write(repo) as books:
        (one,) = books.overview().findings
        assert one.standing.is_proven is (runs == "yes")
        books.unconfined = True
        if runs == "yes":
            assert [f.number for f in fixing.prepare(books, "fix", "true", ("app/**",)).findings]
        else:
            with pytest.raises(AutoresearchError, match="runs the lines"):
                fixing.prepare(books, "fix", "true", ("app/**",))
    assert f"runs the quoted lines: {runs}" in Helper(repo)("security", "show", "1").out


@pytest.mark.parametrize(
    ("at", "script", "name"),
    [
        (OLD, SAY, "p.py"),
        (OLD, f"{START}from app import old\n{SAY}", "p.py"),
        pytest.param(
            OLD,
            f"{START}from app import limit\nlimit.check('a')\n{SAY}",
            "p.py",
            marks=pytest.mark.long,
        ),
        (("app/limit.py", "return BAD.match(x)"), f"{START}from app import limit\n{SAY}", "p.py"),
        pytest.param(OLD, "echo PROOF exploited; exit 1\n", "p.sh", marks=pytest.mark.long),
        (CALC, NODE.format("other").replace("1+1", "2"), "p.js"),
        pytest.param(
            CALC,
            "console.log('PROOF exploited'); process.exit(1);\n",
            "p.js",
            marks=pytest.mark.long,
        ),
        (SHOUT, "echo PROOF exploited; exit 1\n", "p.sh"),
    ],
)
def test_proof_that_touches_no_quoted_line_is_refused(repo, tmp_path, at, script, name):
    """`print("PROOF exploited")` that counts as a proof, which no fix can ever withstand."""
    if name.endswith(".js") and shutil.which("node") is None:
        pytest.skip("no Node here")
    with pytest.raises(AutoresearchError, match="never runs app/") as caught:
        prove(repo, tmp_path, at, script, name)
    assert caught.value.code == "proof"
    with write(repo) as books:
        assert books.ledger.proofs == {}


def test_proof_that_hangs_is_said_to_have_been_stopped(repo, tmp_path, monkeypatch):
    """`broken (exit 137)` and an empty line for a script that waits."""
    monkeypatch.setattr(flaws, "TIMEOUT_S", 1)
    with pytest.raises(AutoresearchError, match="stopped after 1 s"):
        prove(repo, tmp_path, OLD, "import time\ntime.sleep(600)\n")
    assert "stopped after 60 s" in Helper(repo)("security", "prove", "--help").out


def test_without_a_sandbox_a_human_has_to_say_so(repo, tmp_path, monkeypatch):
    """A script that reaches the network and the disk because bubblewrap is not installed."""
    script = f"{START}from app import old\nassert old.sp('1+1') == 2\n{SAY}"
    (tmp_path / "p.py").write_text(script, "utf-8")
    none = find_sandbox("/nothing", tmp_path / "memory", tmp_path)
    monkeypatch.setattr("autoresearch.loop.confinement.find_sandbox", lambda *_: none)
    with write(repo) as books:
        flaws.add(books, small_finding())
        for ci, unconfined in (("", False), ("true", False), ("true", True)):
            books.environ = {**os.environ, "CI": ci}
            books.unconfined = unconfined
            with pytest.raises(AutoresearchError) as caught:
                flaws.prove(books, 1, tmp_path / "p.py", ())
            assert caught.value.code == "no_sandbox"
            assert ("--unconfined" in caught.value.hint) is not (ci == "true")
        books.environ = {**os.environ, "CI": ""}
        books.unconfined = True
        assert flaws.prove(books, 1, tmp_path / "p.py", ()).sandbox == "none"
    assert "not isolated" in Helper(repo)("security", "show", "1").out
