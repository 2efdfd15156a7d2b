"""An interrupted race goes on as the very race it was, or starts anew and says so."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from support.project import make_project, set_cost
from support.session import open_session

DIE = """\
import os, random, sys
import random
from autoresearch.loop import measure
from autoresearch.edges import clock
seed, after, machine, kind = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[5:]
if machine:
    import autoresearch.loop.measure as measure
    measure.machine_id = lambda: machine
random.SystemRandom = lambda: random.Random(seed)
real = measure.Tape._add
def add(self, entry):
    global after
    real(self, entry)
    after -= self.path.name.startswith(sys.argv[4])
    if after == 0:
        os._exit(9)
measure.Tape._add = add
from autoresearch.cli import main
main([*kind, "--json"])
"""
MEASURED = ("validation", "ablation")
TRY = ("try", "-m", "noisy")
LOGGED = """\
import os
from autoresearch.loop import logbook
real = logbook.record
def record(session, entry):
    real(session, entry)
    if type(entry).__name__ in {"Validation", "Undo"}:
        os._exit(9)
logbook.record = record
from autoresearch.cli import main
import sys
main(sys.argv[1:])
"""

WORK = """\
import os, random
SIZE = 1000
# a line
ANOTHER = 1
def cost():
    return 100 * SIZE / 1000 + random.Random(os.environ.get("AUTORESEARCH_SEED")).random()
def answer():
    return 42
"""
RACE = ("order", "seeds", "values", "alpha", "pairs_planned", "pool", "p_value")


@pytest.fixture
def helper(tmp_path):
    """A session whose metric follows its seed, and a candidate that changes nothing of it."""
    repo = make_project(tmp_path / "r")
    repo.write("src/work.py", WORK)
    repo.commit("noisy")
    helper = open_session(
        tmp_path, repo=repo, declared=False, replace={"max_runs: 40": "max_runs: 12"}
    )
    repo.write("src/work.py", WORK.replace("ANOTHER = 1\n", ""))
    return helper


def attempt(helper, seed, after, *options, machine="", tape="", code, command=TRY):
    """A race that dies after so many entries of its tape (0: never), of that name where given."""
    done = subprocess.run(
        [sys.executable, "-c", DIE, str(seed), str(after), machine, tape, *command, *options],
        cwd=helper.root,
        capture_output=True,
        check=False,
    )
    assert done.returncode == code, (done.stdout, done.stderr)
    return json.loads(done.stdout) if done.stdout else {}


def race_of(answer):
    """What a race rests on, times aside."""
    return {key: answer["record"]["race"][key] for key in RACE}


def test_resumed_race_is_the_race_that_was_interrupted(helper, tmp_path):
    """A coin tossed again, a sample taken twice or lost: a second chance at the same alpha."""
    entries = 0
    for after in (1, 2, 4, 5, 3):  # each time so many more than before
        attempt(helper, after, after, code=9)
        (tape,) = (helper.state / "raw").glob("*.jsonl")
        lines = tape.read_text().splitlines()
        assert len(lines) == 1 + entries + after  # the head comes first
        entries += after
        if after != 5:
            continue
        with tape.open("a") as file:  # half a line, as a kill in the middle of a write leaves it
            file.write('{"sample":{"arm"')
    written = [json.loads(line) for line in lines[1:]]
    answer = attempt(helper, 99, 0, code=0)
    race = answer["record"]["race"]
    # The first draw says which slot is whose, then comes the warm-up; neither is in the record.
    samples = [entry["sample"]["value"] for entry in written if "sample" in entry][1:]
    arms = [entry["sample"]["arm"] for entry in written if "sample" in entry][1:]
    seeds = [entry["draw"] for entry in written if entry.get("bits") == 31][1:]
    assert race["values"][: len(samples)] == samples
    assert race["order"][: len(arms)] == "".join(arms)
    assert race["seeds"][: len(seeds)] == seeds
    assert len(samples) == 5
    assert answer["record"]["retest"] == 0
    assert race["alpha"] == 0.02
    assert list((helper.state / "raw").iterdir()) == []
    resumed = [r for r in helper.log() if r["kind"] == "recovery" and r["action"] == "resumed"]
    assert "goes on from" in resumed[-1]["detail"]
    assert any("goes on from" in line for line in answer["news"])
    assert helper.json("doctor")["ok"]


def interrupted(helper, *command):
    """A race that is killed twice, each time later: its samples so far."""
    for after, entries in ((3, 3), (6, 9)):
        attempt(helper, after, after, command=command, code=9)
        (tape,) = (helper.state / "raw").glob("*.jsonl")
        lines = tape.read_text().splitlines()
        assert len(lines) == 1 + entries
    return [entry["sample"] for entry in map(json.loads, lines) if "sample" in entry]


def test_every_race_goes_on(helper):
    """An hour of `validate` lost to a restart of the host; its samples or its line taken twice."""
    set_cost(helper.repo, 50)
    assert helper.verdict("better by far")[0] == "keep"
    taken = interrupted(helper, "validate")
    race = attempt(helper, 99, 0, command=("validate",), code=0)["record"]["race"]
    kept = taken[2:]  # the first two are the warm-up of either arm
    assert len(kept) == 2
    assert race["values"][: len(kept)] == [sample["value"] for sample in kept]
    assert race["order"][: len(kept)] == "".join(sample["arm"] for sample in kept)
    assert len(race["order"]) == 40
    done = subprocess.run(
        [sys.executable, "-c", LOGGED, "validate"],
        cwd=helper.root,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 9, done
    helper("recover")
    interrupted(helper, "undo", "1")
    attempt(helper, 99, 0, command=("undo", "1"), code=0)
    log = helper.log()
    assert [line["kind"] for line in log].count("validation") == 2
    assert [line["detail"] for line in log if line.get("action") == "resumed"] == [
        "the validation goes on from 1 samples taken before",
        "the validation goes on from 4 samples taken before",
        "`undo-0001` goes on from 1 samples taken before",
        "`undo-0001` goes on from 4 samples taken before",
    ]
    assert list((helper.state / "raw").iterdir()) == []
    assert helper.json("doctor")["ok"]


@pytest.mark.long
def test_an_ablation_goes_on_where_it_was(helper):
    """Its validation measured anew, an answer told twice, or half of its samples thrown away."""
    first = WORK.replace("1000\n", "800\n")
    for work in (first, first.replace("100 *", "60 *")):  # lines apart: either can be left out
        helper.repo.write("src/work.py", work)
        assert helper.verdict("better")[0] == "keep"
    ablate = ("validate", "--ablate")
    attempt(helper, 1, 5, tape="without-0002", command=ablate, code=9)
    attempt(helper, 2, 5, tape="without-0001", command=ablate, code=9)
    answer = attempt(helper, 3, 0, command=ablate, code=0)
    log = helper.log()
    measured = [(r["kind"], r.get("experiment")) for r in log if r["kind"] in MEASURED]
    assert measured == [("validation", None), ("ablation", 2), ("ablation", 1)]
    (validation, *_) = (r for r in log if r["kind"] == "validation")
    told = f"continues what was interrupted: the validation is that of {validation['at']}"
    assert told in answer["news"]
    assert [record["experiment"] for record in answer["ablation"]] == [2, 1]
    attempt(helper, 4, 0, command=ablate, code=0)  # nothing was interrupted: all of it once more
    assert [r["kind"] for r in helper.log()].count("validation") == 2
    assert helper.json("doctor")["ok"]


def test_other_machine_starts_anew_and_says_so(helper):
    """Samples of two machines in one race."""
    attempt(helper, 1, 5, code=9)
    answer = attempt(helper, 2, 0, machine="abcdefabcdef", code=0)
    assert any("starts anew: the machine is another" in line for line in answer["news"])
    assert [path.name[-11:] for path in (helper.state / "raw").iterdir()] == ["set-aside-1"]


def test_other_environment_starts_anew(helper):
    """Samples of two environments in one race: the file that holds the first one was lost."""
    attempt(helper, 1, 5, code=9)
    (helper.state / "session.json").unlink()
    helper("recover", "--from-refs", env={"TZ": "Asia/Tokyo"})
    answer = attempt(helper, 2, 0, code=0)
    assert any("starts anew: the environment is another" in line for line in answer["news"])


@pytest.mark.long
def test_an_ablation_of_another_environment_starts_anew(helper):
    """A validation under one environment, answers under another, told as one."""
    set_cost(helper.repo, 50)
    assert helper.verdict("better by far")[0] == "keep"
    ablate = ("validate", "--ablate")
    attempt(helper, 1, 5, tape="without-0001", command=ablate, code=9)
    (helper.state / "session.json").unlink()
    helper("recover", "--from-refs", env={"TZ": "Asia/Tokyo"})
    attempt(helper, 2, 0, command=ablate, code=0)
    measured = [r["kind"] for r in helper.log() if r["kind"] in MEASURED]
    assert measured == ["validation", "validation", "ablation"]


def test_other_incumbent_starts_anew(helper):
    """Samples against an incumbent that is none any more."""
    edited = (helper.root / "src/work.py").read_text()
    attempt(helper, 1, 5, code=9)
    set_cost(helper.repo, 50)
    assert helper.verdict("better by far")[0] == "keep"
    helper.repo.write("src/work.py", edited)
    answer = attempt(helper, 2, 0, code=0)
    assert any("starts anew: the incumbent is another" in line for line in answer["news"])


def test_another_question_about_the_same_samples_is_refused(helper):
    """A race that looked bad, killed, and asked for as a simplification."""
    attempt(helper, 1, 5, code=9)
    assert helper.error("try", "-m", "x", "--simplify") == "race_interrupted"
    answer = attempt(helper, 1, 0, "--again", code=0)
    assert any("goes on from" in line for line in answer["news"])


def test_unreadable_tape_is_set_aside(helper):
    """A damaged file that stops every `try` of this tree."""
    attempt(helper, 1, 5, code=9)
    (tape,) = (helper.state / "raw").glob("*.jsonl")
    tape.write_bytes(b"\xff" + tape.read_bytes())
    answer = attempt(helper, 2, 0, code=0)
    assert any("starts anew: what was kept of it cannot be read" in line for line in answer["news"])
