"""The place is no part of the program: what a run sees of its place says nothing about its arm."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.project import contract_text, make_project
from support.session import UNCONFINED, Helper

if TYPE_CHECKING:
    from pathlib import Path

PATHS = """
import json, os
def seen():
    above = os.path.dirname(os.getcwd())
    return [os.getcwd(), os.environ["PWD"], __file__, os.environ["HOME"], os.environ["TMPDIR"],
            sorted(os.listdir(above)), open("built").read() if os.path.exists("built") else ""]
"""
FILES = """
    facts = [os.stat(path) for path in (".", "src", "bench.py", "check.py")]
    return [[st.st_ino, st.st_dev] for st in facts] + [st.st_mtime_ns for st in facts[2:]]
"""
BENCH = """\
import sys
sys.path.insert(0, "src")
import hashlib, work
from places import json, seen
cost = 100 + int.from_bytes(hashlib.sha256(json.dumps(seen()).encode()).digest()[:2], "big") / 1000
print(f"METRIC cost={cost:.9f}")
print(f"METRIC size={work.SIZE}")
"""
BUILD = 'build: "{ pwd; cat src/places.py | wc -c; } > built"\n'


def opened(folder: Path, look: str, extra: str = "") -> Helper:
    """A session made where it lies: others are moved, and then a place is another one."""
    helper = Helper(make_project(folder / "r"))
    helper.repo.write("src/places.py", look)
    helper.repo.write("bench.py", BENCH)
    helper.repo.write(".gitignore", "built\nmade/\n")
    helper.repo.commit("places")
    draft = folder / "draft.yaml"
    draft.write_text(contract_text(extra=extra))
    helper("init", str(draft))
    return helper


@pytest.mark.parametrize(
    ("look", "extra"),
    [
        pytest.param(PATHS, "", id="paths"),
        pytest.param(PATHS, BUILD, id="paths-built"),
        pytest.param(PATHS, f"{BUILD}cache: [made]\n", id="paths-cached"),
        pytest.param(PATHS.replace("return [", "[") + FILES, "", id="files"),
    ],
)
@pytest.mark.parametrize("sandbox", ["", UNCONFINED], ids=["auto", "off"])
def test_no_run_can_tell_its_arm_by_its_place(tmp_path: Path, look: str, extra: str, sandbox: str):
    """A metric 1 % worse in the other folder, or on another inode, that keeps worthless changes."""
    helper = opened(tmp_path, look, sandbox + extra)
    for number in (1, 2):
        helper.repo.write(
            "src/work.py", (helper.root / "src/work.py").read_text() + f"UNUSED = {number}\n"
        )
        helper.attempt(f"worthless {number}")
    races = [line["race"] for line in helper.log() if line["kind"] == "experiment"]
    assert all(len({*race["values"]}) == 1 for race in races), json.dumps(races)
    assert len({race["values"][0] for race in races}) == 1


def test_check_rehearses_where_the_session_will_be(tmp_path: Path):
    """A size that holds absolute paths, found exact in one folder and measured in another."""
    helper = opened(tmp_path, PATHS)
    draft = (helper.root / "autoresearch.yaml").read_text()
    helper.repo("switch", "-q", "main")
    (tmp_path / "long.yaml").write_text(draft.replace("session: cheaper", f"session: {'l' * 40}"))
    checked = helper.json("check", str(tmp_path / "long.yaml"))
    helper("init", str(tmp_path / "long.yaml"))
    helper.repo.write("src/work.py", (helper.root / "src/work.py").read_text() + "UNUSED = 1\n")
    race = helper.attempt("worthless")["race"]
    assert {*race["values"]} == {*checked["values"]}


def test_builds_that_differ_are_told(tmp_path: Path):
    """Same code, another build, and a number of its own: an effect of nothing, kept as a gain."""
    made = tmp_path / "made"
    build = f"build: echo x >> {made}; wc -l < {made} > built\n"
    look = PATHS.replace("return [", "return [1] if not os.path.exists('built') else [")
    repo = make_project(tmp_path / "r")
    repo.write("src/places.py", look)
    repo.write("bench.py", BENCH)
    repo.write(".gitignore", "built\n")
    repo.commit("places")
    text = contract_text(extra=f"{build}{UNCONFINED}")
    draft = tmp_path / "draft.yaml"
    draft.write_text(text)
    found = Helper(repo).json("check", str(draft))
    assert any("two checkouts of the same code measure exactly" in w for w in found["warnings"])
    assert found["deterministic"] is False
    draft.write_text(text.replace("direction: lower}", "direction: lower, deterministic: true}", 1))
    assert Helper(repo).error("check", str(draft), code=4) == "not_deterministic"
