"""The separate evaluator's files, and who imports the scope into the benchmark's own process."""

from __future__ import annotations

import sys

import pytest
from autoresearch.core.errors import AutoresearchError
from autoresearch.planning.proof import in_scope, lay_out, own_modules, warning_about
from support.project import make_project, write_draft
from support.separate import VERIFY, prepare
from support.session import Helper


@pytest.mark.parametrize(
    ("modules", "expected"),
    [
        ([b"work"], ("src/work.py",)),
        ([b"pkg", b"pkg.deep"], ("src/pkg/__init__.py", "src/pkg/deep.py")),
        ([b"src.work"], ("src/work.py",)),
        ([b"os", b"workshop", b"deep"], ("src/pkg/deep.py",)),
        ([b"json.decoder"], ()),
    ],
)
def test_modules_are_found_in_scope(modules, expected):
    """A module that is missed, or one of the library taken for the project's."""
    scoped = ("src/work.py", "src/pkg/__init__.py", "src/pkg/deep.py", "src/data.txt")
    assert in_scope(modules, scoped) == expected


def test_workers_and_later_programs_are_told_apart():
    """A benchmark with a worker of its own that is warned of what only the worker imports."""
    head = b"import time: self [us] | cumulative | imported package\n"

    def line(name):
        return b"import time:       12 |         34 |   " + name + b"\n"

    one_after_the_other = head + line(b"prepare") + head + line(b"work")
    assert own_modules(one_after_the_other) == [b"prepare", b"work"]
    with_worker = head + line(b"_posixsubprocess") + line(b"json") + head + line(b"work")
    assert own_modules(b"noise\n" + with_worker) == [b"_posixsubprocess", b"json"]


def test_warning_names_the_file_and_the_remedy():
    """A warning that helps nobody, or one without cause."""
    assert warning_about(()) == ""
    assert "src/a.py" in warning_about(("src/a.py",))
    assert "autoresearch evaluator bench" in warning_about(("src/a.py",))


def test_files_are_laid_out_once(tmp_path):
    """A benchmark of somebody's that is overwritten."""
    folder = tmp_path / "bench"
    assert lay_out(folder).written == ("evaluator.py", "measure.py")
    assert lay_out(folder).there == ("evaluator.py", "measure.py")
    (folder / "measure.py").write_text("mine\n")
    with pytest.raises(AutoresearchError, match="a different file"):
        lay_out(folder)
    assert (folder / "measure.py").read_text() == "mine\n"


def test_template_measures_once_it_is_adapted(tmp_path):
    """A template that does not run, or takes wrong answers."""
    repo = make_project(tmp_path / "r")
    helper = Helper(repo)
    assert "verify: exec python3 -I bench/measure.py" in helper("evaluator", "bench").out
    template = repo.root / "bench/measure.py"
    template.write_text(template.read_text().replace("package.module:function", "work:run"))
    repo.write("src/work.py", "def run(numbers):\n    return sorted(numbers)\n")
    repo.commit("adapted")
    metric = "{name: answer_ms, unit: ms, direction: lower}"
    verify = f"exec {sys.executable} -I bench/measure.py"
    few = "{seconds: 100ms}"  # two samples calibrate it
    draft = write_draft(tmp_path, metric=metric, guard="'true'", verify=verify, race=few)
    found = helper.json("check", str(draft))
    assert not any("own process" in warning for warning in found["warnings"])
    repo.write("src/work.py", "def run(numbers):\n    return numbers\n")
    repo.commit("wrong answers")
    assert helper.error("check", str(draft), code=4) == "verify_failed"


def test_check_tells_the_two_kinds_of_benchmark_apart(tmp_path):
    """A benchmark that anybody can cheat, and nobody is told."""
    repo = make_project(tmp_path / "r")
    prepare(repo)
    repo.commit("both kinds")
    helper = Helper(repo)
    inside = helper.json("check", str(write_draft(tmp_path)))
    assert any("verify imports src/work.py into its own process" in w for w in inside["warnings"])
    ((_, separate),) = VERIFY.items()
    draft = write_draft(tmp_path, verify=separate.removeprefix("verify: "))
    outside = helper.json("check", str(draft))
    assert not any("own process" in warning for warning in outside["warnings"])
