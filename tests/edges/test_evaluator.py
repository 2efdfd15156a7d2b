"""The evaluator's library: a candidate that lies, hangs, floods or dies gives no answer."""

from __future__ import annotations

import os
import select
import sys

import pytest
from autoresearch.share.evaluator import Candidate, CandidateError, python


def program(code):
    """A candidate of any language: here Python, unbuffered."""
    return [sys.executable, "-S", "-c", code]


def served(tmp_path, code, name="f"):
    """A Python function, served."""
    (tmp_path / "mod.py").write_text(code)
    return python(str(tmp_path), f"mod:{name}")


def test_answers_come_back_as_json(tmp_path):
    """An answer that is cut, mixed with prints, or of another question."""
    code = "import sys\ndef f(x):\n    print('noise')\n    return {'got': x, 'n': len(x)}\n"
    with Candidate(served(tmp_path, code)) as candidate:
        for question in (["a", 1], "x" * 300_000, "line\nbreak \u2028 ü"):
            assert candidate.ask(question) == {"got": question, "n": len(question)}
    assert candidate.usage is not None
    assert candidate.usage.exit_code == 0
    assert candidate.usage.cpu_s > 0
    assert candidate.usage.peak_bytes > 1 << 20
    assert candidate.close() == candidate.usage


def test_methods_can_be_served(tmp_path):
    """A function below a class that cannot be named."""
    with Candidate(
        served(tmp_path, "class A:\n    @staticmethod\n    def f(x): return -x\n", "A.f")
    ) as a:
        assert a.ask(3) == -3


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise SystemExit(0)", "ended without an answer"),
        ("import os\nos.close(0)\nos.read(1, 1)", "ended without an answer"),
        ("input()\nprint('nonsense')", "not JSON"),
        ("input()\nprint('NaN')", "not JSON"),
        ("input()\nprint('[' * 100000)", "not JSON"),
        ("input()\nwhile True: print('x' * 65536, end='')", "longer than"),
        ("input()\nimport signal\nsignal.pause()", "gave no answer in 0.3 s"),
        ("import signal\nsignal.pause()", "gave no answer in 0.3 s"),
    ],
)
def test_no_answer(code, words):
    """A candidate that is taken at its word, or waited for without end."""
    timeout_s = 0.3 if "signal" in code else 20.0
    with Candidate(program(code), timeout_s=timeout_s, answer_bytes=1 << 20) as candidate:
        question = "x" * 200_000
        with pytest.raises(CandidateError, match=words):
            candidate.ask(question)


def test_answers_before_the_question_are_refused():
    """Answers that were ready before the clock started."""
    with Candidate(program("print(1)\nprint(2)\ninput()\nprint(3)")) as candidate:
        select.select([candidate._process.stdout], [], [])
        with pytest.raises(CandidateError, match="before it was asked"):
            candidate.ask(1)
    with Candidate(program("input()\nprint('1\\n2')\ninput()")) as candidate:
        assert candidate.ask(1) == 1
        with pytest.raises(CandidateError, match="before it was asked"):
            candidate.ask(2)


def test_nothing_of_the_environment_or_the_candidate_is_left(tmp_path, monkeypatch):
    """A secret handed to the candidate, or a child of it that lives on."""
    monkeypatch.setenv("SECRET", "x")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    alive = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    code = (
        f"import os, signal\nheld = open({str(pipe)!r}, 'w')\n"
        "if os.fork() == 0:\n    signal.pause()\n"
        "def f(x): return sorted(os.environ)\n"
    )
    with Candidate(served(tmp_path, code)) as candidate:
        assert "SECRET" not in candidate.ask(None)
    os.set_blocking(alive, True)
    assert os.read(alive, 1) == b""  # comes once the last who holds the pipe is gone
    os.close(alive)


def test_a_candidate_that_will_not_go_is_killed():
    """A close that waits for ever."""
    code = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    code += "input()\nprint(1, flush=True)\nsignal.pause()"
    with Candidate(program(code)) as candidate:
        assert candidate.ask(1) == 1
    assert candidate.usage.exit_code == -9
