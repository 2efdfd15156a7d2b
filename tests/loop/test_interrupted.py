"""A helper that dies right after any step of settling: the next command finishes the same step."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.project import set_cost
from support.session import UNCONFINED, open_session

STEPS = (
    "autoresearch.loop.experiment:record_decision",
    "autoresearch.loop.settle:_move_branch",
    "autoresearch.loop.settle:sync_index",
    "autoresearch.loop.settle:carry_out",
    "autoresearch.loop.logbook:record",
    "autoresearch.loop.logbook:publish",
)

DIE = """\
import importlib, os
module, name = {step!r}.split(":")
home = importlib.import_module(module)
real = getattr(home, name)

def die(*args, **kwargs):
    real(*args, **kwargs)
    os._exit(9)

setattr(home, name, die)
import autoresearch.loop.experiment as experiment
if hasattr(experiment, name):
    setattr(experiment, name, die)
from autoresearch.cli import main
main(["try", "-m", "dies"])
"""


def test_every_step_of_settling_can_be_repeated(tmp_path):
    """A step that a kill makes happen twice or never: a doubled line, a lost commit."""
    helper = open_session(tmp_path)
    cost, expected = 100, []
    for step in STEPS:
        for better in (True, False):
            if step.endswith("_move_branch" if not better else "carry_out"):
                continue
            wanted = cost - 1 if better else cost + 1
            # A new line each time, or the change would be one that was tried before.
            set_cost(helper.repo, wanted, extra=f"# {step} {better}\n")
            edited = (helper.root / "src/work.py").read_text()
            before = helper.repo("show", "HEAD:src/work.py") + "\n"
            done = subprocess.run(
                [sys.executable, "-c", DIE.format(step=step)],
                cwd=helper.root,
                capture_output=True,
                check=False,
            )
            assert done.returncode == 9, (step, better, done.stderr)
            verdict = "keep" if better else "discard"
            assert f"is now settled: {verdict}" in helper("note", "next").out, (step, better)
            expected.append(verdict)
            tried = [line for line in helper.log() if line["kind"] == "experiment"]
            assert [line["verdict"] for line in tried] == expected, (step, better)
            assert [line["number"] for line in tried] == list(range(1, len(expected) + 1))
            assert (helper.root / "src/work.py").read_text() == (edited if better else before)
            assert helper.repo("rev-parse", "HEAD") == next(
                line["commit"] for line in reversed(tried) if line["verdict"] == "keep"
            )
            assert helper.repo("status", "--porcelain") == ""
            cost = wanted if better else cost
    assert helper.json("doctor")["ok"]


@pytest.mark.parametrize("outside", [False, True])
def test_drop_that_died_is_finished(tmp_path, outside):
    """A drop that saved the edit and put only half of it back."""
    helper = open_session(tmp_path)
    helper.repo.write("check.py" if outside else "src/work.py", "# edited\n")
    helper.repo.write("bench.py" if outside else "src/new.py", "# edited\n")
    code = (
        "import os\nfrom autoresearch.edges import journal\n"
        "real = journal.Journal.begin\n"
        "def die(self, step):\n    real(self, step)\n    os._exit(9)\n"
        "journal.Journal.begin = die\n"
        "from autoresearch.cli import main\n"
        f"main(['drop'{', ' + repr('--outside') if outside else ''}])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=helper.root, capture_output=True, check=False
    )
    assert done.returncode == 9, done.stderr
    answer = helper("recover").out
    assert "a drop was interrupted and is now finished" in answer
    assert helper.repo("status", "--porcelain") == ""
    assert not (helper.root / "src/new.py").exists()
    assert helper.json("doctor")["ok"]


KILLED = """\
import os
import autoresearch.loop.integrity as unharmed

unharmed.put_back = lambda *_: os._exit(9)
from autoresearch.cli import main
main(["try", "-m", "dies"])
"""


def test_gits_setup_is_put_back_after_a_kill(tmp_path):
    """A hook that a candidate left, while the only memory of how it was died with the helper."""
    helper = open_session(tmp_path, extra=UNCONFINED)
    git = helper.root / ".git"
    before = (git / "config").read_bytes()
    aside = helper.state / "set-aside"
    touch = f"open({str(git / 'config')!r}, 'a').write('# touched\\n')\n"
    touch += f"open({str(git / 'info' / 'attributes')!r}, 'w').write('* filter=x\\n')\n"
    set_cost(helper.repo, 90, extra=touch)
    done = subprocess.run(
        [sys.executable, "-c", KILLED], cwd=helper.root, capture_output=True, check=False
    )
    assert done.returncode == 9, done.stderr
    assert (git / "config").read_bytes() != before
    (news, _) = helper.json("recover")["done"]
    assert ".git/config, .git/info/attributes" in news
    assert f"kept in {aside / 'git'}" in news
    assert (git / "config").read_bytes() == before
    assert not (git / "info" / "attributes").exists()
    kept = sorted((aside / "git").iterdir())
    assert [path.read_bytes() for path in kept] == [before + b"# touched\n" * 3, b"* filter=x\n"]
    assert not (helper.state / "git-setup.json").exists()


def test_a_damaged_memory_of_gits_setup_changes_nothing(tmp_path):
    """Half a file after a full disk empties `.git/config`, or keeps every command from running."""
    helper = open_session(tmp_path)
    before = (helper.root / ".git" / "config").read_bytes()
    for text in ("", "[]", '{"files": 1}', '{"files": {"2f": [1]}}', '{"files": {"x": [1, ""]}}'):
        (helper.state / "git-setup.json").write_text(text)
        helper("recover")
    assert (helper.root / ".git" / "config").read_bytes() == before
