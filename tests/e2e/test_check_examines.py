"""What `check` asks beyond the rehearsal: what guard and metric notice, and who was asked."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.harness import Git
from support.project import PYTHON, make_project, write_draft
from support.session import Helper
from support.untouched import left_behind, untouched


@pytest.fixture
def helper(tmp_path: Path) -> Helper:
    """The tiny project, without a session."""
    return Helper(make_project(tmp_path / "r"))


def test_a_guard_that_notices_a_broken_function(helper: Helper, tmp_path: Path) -> None:
    """The mutants are tried one after the other, in the checkout only, until one is noticed."""
    with untouched(helper.repo):
        secondary = "[{name: size, unit: B, direction: lower, limit: 5%}]"
        draft = write_draft(tmp_path, secondary=secondary, profile="'false'")
        answer = helper.json("check", "--experiments", "200", str(draft))
    assert answer["forecast"]["experiments"] == 200
    assert answer["forecast"]["tokens"] == 3_000_000
    assert "default" in answer["forecast"]["tokens_from"]
    assert answer["mutants"] == [
        {"what": "src/work.py:5 cost() returns None", "noticed": False},
        {"what": "src/work.py:9 answer() returns None", "noticed": True},
    ]
    assert answer["places"] == 2
    assert answer["secondary"] == [{"name": "size", "values": [1000.0]}]
    assert (answer["profile_s"], answer["findings"]) == (
        None,
        ["`profile` fails with exit code 1 in a bench checkout, so it would not help the agent"],
    )
    assert left_behind() == []


def test_a_guard_that_notices_nothing(helper: Helper, tmp_path: Path) -> None:
    """`guard: true` passes every rehearsal and protects nothing."""
    answer = helper.json("check", str(write_draft(tmp_path, guard="'true'")))
    (finding,) = answer["findings"]
    assert finding.startswith("the guard passes although code in scope is broken (src/work.py:5")


def test_a_part_that_runs_from_elsewhere(helper: Helper, tmp_path: Path) -> None:
    """One package of two imported from outside the checkout: broken alone, nobody notices."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "second.py").write_text("SHARE = 1\n")
    helper.repo.write("src/second.py", "SHARE = 1\n")
    helper.repo.write(
        "bench.py",
        f"import sys\nsys.path[:0] = [{str(elsewhere)!r}, 'src']\nimport second, work\n"
        "print(work.cost() * second.SHARE)\n",
    )
    helper.repo.commit()
    answer = helper.json("check", str(write_draft(tmp_path, extra="sandbox: off\n")))
    assert answer["parts"] == [
        {"path": "src/second.py", "noticed": False},
        {"path": "src/work.py", "noticed": True},
    ]
    assert "breaking only src/second.py changed nothing" in answer["findings"][0]


@pytest.mark.parametrize(
    ("reads", "moved"), [("time.process_time() - start", True), ("5 + random.random()", False)]
)
def test_whether_a_time_moves_with_the_code(
    helper: Helper, tmp_path: Path, reads: str, moved: bool
) -> None:
    """A benchmark that runs the code and prints another number passes every other proof."""
    helper.repo.write(
        "bench.py",
        "import random, sys, time\nsys.path.insert(0, 'src')\nimport work\n"
        "start = time.process_time()\nfor _ in range(40):\n    work.cost()\n"
        f"print({reads})\n",
    )
    helper.repo.commit()
    metric = "{name: t, unit: s, direction: lower}"
    answer = helper.json("check", str(write_draft(tmp_path, metric=metric)))
    assert answer["slowed_noticed"] is moved
    assert any("did not get worse" in text for text in answer["findings"]) is not moved


def test_code_in_scope_that_imports_its_judge(helper: Helper, tmp_path: Path) -> None:
    """What imports the benchmark can change what it prints."""
    helper.repo.write("src/work.py", "import check\n" + (helper.root / "src/work.py").read_text())
    helper.repo.write("check.py", "ANSWER = 42\n")
    helper.repo.write(
        "bench.py", "import sys\nsys.path[:0] = ['src', '.']\nimport work\nprint(1)\n"
    )
    helper.repo.commit()
    draft = write_draft(tmp_path, guard=f"{PYTHON} -c 'import check'")
    answer = helper.json("check", str(draft), code=0)
    assert not any("imports check.py" in text for text in answer["findings"])
    draft = write_draft(tmp_path, guard=f"{PYTHON} check.py")
    answer = helper.json("check", str(draft))
    assert "src/work.py in scope imports check.py" in " ".join(answer["findings"])


def test_nothing_runs_before_a_human_agreed(helper: Helper, tmp_path: Path) -> None:
    """A draft that deletes or calls out must not be rehearsed to find that out."""
    mark = tmp_path / "ran"
    draft = write_draft(
        tmp_path,
        verify=f"|\n  touch {mark}; false && curl https://example.org; {PYTHON} bench.py",
        extra="sandbox: off\n",
    )
    for command in ("check", "init"):
        answer = helper.json(command, str(draft), code=4)
        assert answer["error"]["code"] == "reaches_outside"
        assert "curl https://example.org" in answer["error"]["message"]
        assert f"`autoresearch {command} --allow-outside" in answer["error"]["hint"]
        assert not mark.exists()
    assert helper.json("check", "--allow-outside", str(draft))["values"] == [100.0]
    assert mark.exists()


def test_a_missing_module_is_named_with_its_remedy(tmp_path: Path) -> None:
    """`exit code 1` for a package that lies below src tells nobody to set PYTHONPATH."""
    repo = Git.create(tmp_path / "r")
    repo.write("src/pkg/__init__.py", "X = 1\n")
    repo.write("bench.py", "import pkg\nprint(pkg.X)\n")
    repo.commit()
    draft = write_draft(tmp_path, verify=f"{sys.executable} bench.py", guard="")
    answer = Helper(repo).json("check", str(draft), code=4)
    assert "Missing there: Python module pkg." in answer["error"]["hint"]
    assert "PYTHONPATH: src" in answer["error"]["hint"]
