"""`scan` by the installed command, in and outside a repository."""

from __future__ import annotations

import json
from pathlib import Path

from support.harness import Git
from support.project import make_project
from support.session import Helper
from support.untouched import left_behind, untouched


def python_project(root: Path, *, passes: bool = True) -> Helper:
    """A committed project with a unittest suite and a benchmark."""
    repo = Git.create(root)
    repo.write("setup.py", "")
    repo.write("pkg/__init__.py", "X = 1\n")
    want = 1 if passes else 2
    repo.write(
        "tests/test_x.py",
        "import unittest\nimport pkg\n\n\nclass T(unittest.TestCase):\n    def test_x(self):\n"
        f"        self.assertEqual(pkg.X, {want})\n",
    )
    repo.write("bench.py", "print('METRIC x=1')\n")
    repo.write(".gitignore", "__pycache__/\n")
    repo.commit()
    return Helper(repo)


def test_scan_changes_nothing_and_names_what_it_rests_on(tmp_path: Path) -> None:
    """A scan that writes into the project, or a claim without its line."""
    helper = python_project(tmp_path / "r")
    with untouched(helper.repo):
        done = helper("scan")
    assert done.err == ""
    assert "guard 1: python3 -m unittest discover -s tests (tests/test_x.py:1)" in done.out
    assert "python3 bench.py (bench.py)" in done.out
    assert done.out.splitlines()[-1].startswith("next: ")


def test_json_is_whole_in_the_file_and_cut_in_the_answer(tmp_path: Path) -> None:
    """More than 16 KB of JSON in the agent's context, or facts that are nowhere."""
    helper = python_project(tmp_path / "r")
    for number in range(400):
        helper.repo.write(f"sub/{'x' * 150}{number}/bench_{number}.py", "print(1)\n")
    helper.repo.commit()
    answer = helper.json("scan")
    assert len(json.dumps(answer)) <= 16 * 1024
    assert len(helper("scan").out.encode()) <= 8 * 1024
    whole = json.loads(Path(answer["report"]).read_text("utf-8"))
    assert len(whole["facts"]["benchmark"]) == 401
    assert len(answer["facts"]["benchmark"]) == 6
    assert answer["candidates"]["guard"][0]["evidence"] == ["tests/test_x.py:1"]


def test_time_runs_the_tests_in_a_checkout(tmp_path: Path) -> None:
    """Tests that run in the user's tree leave caches there; a failure must not be called a time."""
    helper = python_project(tmp_path / "r")
    with untouched(helper.repo):
        answer = helper.json("scan", "--time")
    timed = answer["timed"]
    assert (timed["command"], timed["passed"]) == ("python3 -m unittest discover -s tests", True)
    assert timed["duration_s"] > 0
    assert left_behind() == []
    broken = python_project(tmp_path / "b", passes=False)
    timed = broken.json("scan", "--time")["timed"]
    assert timed["passed"] is False
    assert "exit code 1" in timed["trouble"]


def test_time_names_what_is_missing_in_the_checkout(tmp_path: Path) -> None:
    """`exit code 1` for a module that the bench cannot see helps nobody."""
    helper = python_project(tmp_path / "r")
    helper.repo.write("tests/test_x.py", "import unittest\nimport nowhere_to_be_found\n")
    helper.repo.commit()
    timed = helper.json("scan", "--time")["timed"]
    assert "Missing there: Python module nowhere_to_be_found" in timed["trouble"]


def test_without_a_repository(tmp_path: Path) -> None:
    """A folder that git does not know is walked, installed packages left out."""
    folder = tmp_path / "plain"
    (folder / "node_modules/x").mkdir(parents=True)
    (folder / "node_modules/x/a.js").write_text("1")
    (folder / "package.json").write_text('{"scripts": {"test": "node t.js"}}')
    (folder / "a.js").write_text("1")
    helper = Helper(Git(folder))
    answer = helper.json("scan")
    assert (answer["tracked"], answer["files"]) == (False, 2)
    assert [one["command"] for one in answer["candidates"]["guard"]] == ["npm test"]
    assert [one["value"] for one in answer["candidates"]["link"]] == ["node_modules"]
    assert helper.error("scan", "--time") == "no_repository"
    assert helper.error("scan", "nowhere") == "not_a_folder"


def test_churn_and_odd_names(tmp_path: Path) -> None:
    """The most changed file comes first; control characters of a name do not reach the screen."""
    helper = Helper(make_project(tmp_path / "r"))
    for number in range(3):
        helper.repo.write("src/work.py", f"A = {number}\n")
        helper.repo.commit()
    helper.repo.write("src/\x1b[31mbench\n.py", "print(1)\n")
    helper.repo.commit()
    done = helper("scan")
    assert "changed most often: src/work.py (4)" in done.out
    assert "\x1b" not in done.out


def test_a_read_only_cache_costs_the_file_not_the_answer(tmp_path: Path) -> None:
    """A host's sandbox that forbids the cache must not forbid a look at the project."""
    helper = python_project(tmp_path / "r")
    (tmp_path / "file").write_text("")
    answer = helper.json("scan", env={"XDG_CACHE_HOME": str(tmp_path / "file" / "x")})
    assert answer["report"] is None
    assert "cannot be written" in answer["left_out"][0]
