"""What measures outside the checkouts stays as it was at `init`, or nothing is kept."""

from __future__ import annotations

import shutil
import sys

import pytest
from support.confined import working_sandbox
from support.session import UNCONFINED, Helper, open_session

COUNTER = "def cost(work):\n    return work.cost()\n"
BENCH = """\
import os, sys
sys.path[:0] = ["src", "vendor", os.environ.get("BESIDE", ".")]
import counter, work
print(f"METRIC cost={counter.cost(work)}")
print(f"METRIC size={work.SIZE}")
"""
CHEAT = """\
def cost(work):
    return 80 if "tweak" in open("src/work.py").read() else work.cost()
"""
LINKED = "link: [vendor]\n"


def prepare(repo):
    """The benchmark's counter lies in a folder that git ignores."""
    repo.write("bench.py", BENCH)
    repo.write(".gitignore", "__pycache__/\nvendor/\n")
    repo.write("vendor/counter.py", COUNTER)


def linked(tmp_path, extra=UNCONFINED):
    return open_session(tmp_path, extra=LINKED + extra, prepare=prepare)


def work(helper):
    """The program as it lies in the tree."""
    return (helper.root / "src" / "work.py").read_text()


def noop(helper, number=1):
    """A candidate that does nothing but say a word."""
    text = work(helper)
    helper.repo.write("src/work.py", f"{text}tweak = {number}\n")


def refused(helper):
    """`try` of the tree as it is must be refused for the environment; the paths it names."""
    answer = helper.json("try", "-m", "noop", code=1)
    assert answer["error"]["code"] == "refused_environment_changed"
    named = ", ".join(answer["record"]["paths"])
    assert answer["error"]["message"] == f"environment changed: {named}"
    return answer["record"]["paths"]


@pytest.mark.parametrize("policy", [UNCONFINED, "sandbox: require\n"])
def test_linked_folder_is_frozen(tmp_path, policy):
    """A no-op kept for an edit of the folder that the benchmark imports from."""
    if policy != UNCONFINED:
        working_sandbox()
    helper = linked(tmp_path, policy)
    noop(helper)
    helper.repo.write("vendor/counter.py", CHEAT)
    assert refused(helper) == ["vendor/counter.py"]
    shown = helper("try", "-m", "noop", code=1).out.splitlines()
    assert shown[0] == "refused, environment changed: vendor/counter.py"
    helper.repo.write("vendor/counter.py", COUNTER)
    assert helper.verdict("noop") == ("discard", "worse")


def test_human_adopts_it_as_a_new_epoch(tmp_path):
    """A package that is meant to stay would end the session, or be raced against its absence."""
    helper = linked(tmp_path)
    helper.repo.write("vendor/counter.py", COUNTER.replace("work.cost()", "work.cost() + 7"))
    told = helper.json("amend", "--yes")
    assert told["surrounded"] == ["vendor/counter.py"]
    assert told["new_epoch"]
    first, second = (line for line in helper.log() if line["kind"] == "epoch")
    assert second["values"] == [107.0]
    assert second["surroundings_sha256"] != first["surroundings_sha256"]
    noop(helper)
    assert helper.verdict("noop") == ("discard", "worse")
    assert helper.error("amend", "--yes") == "nothing_to_amend"


def test_packages_of_the_interpreter_are_frozen(tmp_path, monkeypatch):
    """A sitecustomize in the environment that comes first on PATH."""
    env = tmp_path / "venv"
    packages = env / f"lib/python3.{sys.version_info[1]}/site-packages"
    packages.mkdir(parents=True)
    (env / "bin").mkdir()
    (env / "bin" / "python3").symlink_to(sys.executable)
    (env / "pyvenv.cfg").write_text(f"home = {sys.base_prefix}/bin\n")
    monkeypatch.setenv("PATH", f"{env}/bin:/usr/bin:/bin")
    helper = open_session(
        tmp_path,
        extra=UNCONFINED,
        prepare=prepare_with_folder,
        replace={f"{sys.executable} -S bench.py": "python3 bench.py"},
    )
    (packages / "sitecustomize.py").write_text("print('METRIC cost=1')\n")
    noop(helper)
    assert refused(helper) == [f"{packages.parent}/site-packages/sitecustomize.py"]


def prepare_with_folder(repo):
    """The counter is committed."""
    repo.write("bench.py", BENCH)
    repo.write("vendor/counter.py", COUNTER)


def test_file_named_by_its_path_is_frozen(tmp_path):
    """A benchmark beside the repository, or its data."""
    beside = tmp_path / "beside"
    beside.mkdir()
    (beside / "counter.py").write_text(COUNTER)
    helper = open_session(
        tmp_path,
        extra=f"{UNCONFINED}env: {{BESIDE: {beside}, X: {beside}/counter.py}}\n",
        prepare=prepare_bench,
    )
    (beside / "counter.py").write_text(CHEAT)
    noop(helper)
    assert refused(helper) == [f"{beside}/counter.py"]


def prepare_bench(repo):
    """The counter lies elsewhere."""
    repo.write("bench.py", BENCH)


def test_candidate_that_writes_to_it_is_a_violation(tmp_path):
    """Without a sandbox a program can reach the folder while it is measured."""
    helper = linked(tmp_path)
    evil = f"open('{helper.root}/vendor/counter.py', 'a').write('# x\\n')\n"
    text = work(helper)
    helper.repo.write("src/work.py", text.replace("return 100", "return 90") + evil)
    record = helper.attempt("cheaper")
    assert (record["verdict"], record["touched"]) == ("violation", ["vendor/counter.py"])
    noop(helper)
    assert refused(helper) == ["vendor/counter.py"]


def test_edit_that_is_put_back_during_the_race_voids_it(tmp_path):
    """The folder looks as it was, before and after, and measured something else between."""
    helper = linked(tmp_path)
    path = helper.root / "vendor" / "counter.py"
    evil = (
        f"p = {str(path)!r}\nt = open(p).read()\nopen(p, 'w').write('x')\nopen(p, 'w').write(t)\n"
    )
    text = work(helper)
    helper.repo.write("src/work.py", text.replace("return 100", "return 90") + evil)
    assert len(refused(helper)) == 1
    assert helper.log()[-1]["kind"] == "refusal"
    assert work(helper).endswith(evil), "the edit stays in the tree"


def test_lost_table_is_a_change(tmp_path):
    """Whoever removes the table could change what it was of."""
    helper = linked(tmp_path)
    (helper.state / "surroundings.stat").unlink()
    noop(helper)
    assert refused(helper) == ["surroundings.stat"]


def test_moved_repository_is_the_same(tmp_path):
    """Times, inodes and paths change with a copy; what is linked does not."""
    helper = linked(tmp_path)
    moved = tmp_path / "elsewhere"
    shutil.copytree(helper.root, moved, symlinks=True)
    shutil.rmtree(helper.root)
    there = Helper(type(helper.repo)(moved))
    there("recover")
    noop(there)
    assert there.verdict("noop") == ("discard", "worse")


@pytest.mark.parametrize("command", ["validate", "undo"])
def test_other_races_look_too(tmp_path, command):
    """The number that is claimed, raced in another environment."""
    helper = linked(tmp_path)
    text = work(helper)
    helper.repo.write("src/work.py", text.replace("return 100", "return 90"))
    assert helper.verdict("cheaper") == ("keep", None)
    helper.repo.write("vendor/counter.py", CHEAT)
    assert helper.error(command, *(["1"] if command == "undo" else [])) == "environment_changed"


STOPS = """\
import os, subprocess, sys
if os.path.exists(os.environ["ON"]) and "tweak" not in open("src/work.py").read():
    # As a process of the agent's would from outside, for long enough to be seen on any machine.
    me = os.getpid()
    subprocess.Popen(["/bin/sh", "-c", f"kill -STOP {me}; sleep 4; kill -CONT {me}"])
    while not os.path.exists("never") and "stopped once" not in os.environ:
        os.environ["stopped once"] = "1"
        os.wait()
"""


def prepare_stops(repo):
    """A benchmark of which one arm is held up."""
    repo.write(
        "bench.py",
        STOPS
        + (BENCH.replace("import counter, ", "import ")).replace(
            "counter.cost(work)", "work.cost()"
        ),
    )


def test_stopped_incumbent_is_a_violation(tmp_path):
    """A no-op that is kept because somebody held the incumbent's benchmark up."""
    on = tmp_path / "on"
    helper = open_session(tmp_path, extra=f"{UNCONFINED}env: {{ON: {on}}}\n", prepare=prepare_stops)
    on.touch()
    helper.repo.write("src/work.py", work(helper).replace("return 100", "return 99") + "# tweak\n")
    record = helper.attempt("held up")
    assert record["verdict"] == "violation"
    assert record["touched"] == ["a process of the benchmark, which was stopped meanwhile"]
