"""`try` under other metrics and race rules; noise is scripted, so each verdict is certain."""

from __future__ import annotations

import sys

import pytest
from support.project import WORK, make_project, set_cost
from support.session import UNCONFINED, open_session

SCRIPTED = """\
import os, sys
sys.path.insert(0, "src")
import work
counter = os.environ["COUNTER"]
with open(counter, "a") as file:
    file.write(".")
run = os.stat(counter).st_size
# The warm-up and the calibration swing by a tenth, everything after them by a twentieth.
swing = 0.1 if run <= 9 else 0.05
print(f"METRIC cost={work.cost() * (1 + (swing if run % 2 else -swing)):.9f}")
print(f"METRIC size={work.SIZE}")
"""


def scripted(folder, **options):
    """A session whose samples swing from one to the next, and are never what they were."""
    repo = make_project(folder / "r")
    repo.write("bench.py", SCRIPTED)
    repo.commit("swing")
    extra = f"env: {{COUNTER: '{folder / 'counter'}'}}\n{UNCONFINED}"
    return open_session(folder, extra=extra, declared=False, repo=repo, **options)


def test_undecided_says_what_it_could_have_seen_and_again_is_stricter(tmp_path):
    """Chance called a loss; a retest at the full level, as if it were the first."""
    helper = scripted(tmp_path, replace={"max_runs: 40": "max_runs: 4"})
    set_cost(helper.repo, 100, extra="NOTHING = 1\n")
    done = helper("try", "-m", "no difference")
    undecided, given_up = (f"experiment 1: discard ({it})" for it in ("undecided", "not better"))
    assert done.out.startswith((undecided, given_up))
    # Which of the two is up to the coins; both name the smallest gain that could be seen.
    assert "could not tell after" in done.out or "stopped after" in done.out
    assert "a gain of" in done.out
    assert " p 0" not in done.out
    record = helper.log()[-1]
    assert (record["race"]["alpha"], record["retest"]) == (0.02, 0)
    for retest, alpha in ((1, 0.01), (2, 0.005)):
        set_cost(helper.repo, 100, extra="NOTHING = 1\n")
        record = helper.attempt("once more", "--again")
        assert (record["race"]["alpha"], record["retest"]) == (alpha, retest)
        assert record["verdict"] == "discard"
    assert helper.json("doctor")["ok"]


def test_landslide_in_a_race_is_kept_and_can_be_decided_again(tmp_path):
    """A clear gain under noise that is missed, or a record from which it cannot be recomputed."""
    helper = scripted(tmp_path)
    set_cost(helper.repo, 40)
    record = helper.attempt("far less")
    assert record["verdict"] == "keep"
    race = record["race"]
    assert not race["deterministic"]
    assert len(race["order"]) == len(race["values"]) == 2 * len(race["seeds"])
    assert {race["order"][i : i + 2] for i in range(0, len(race["order"]), 2)} <= {"ab", "ba"}
    assert race["pool"]
    set_cost(helper.repo, 60)
    record = helper.attempt("much more")
    assert (record["verdict"], record["reason"]) == ("discard", "worse")
    assert helper.json("doctor")["ok"]


def test_few_pairs_borrow_from_the_calibration(tmp_path):
    """A slow metric of which three pairs are affordable, decided by luck or never."""
    helper = scripted(tmp_path, replace={"max_runs: 40": "pairs: 3"})
    set_cost(helper.repo, 40)
    record = helper.attempt("far less")
    assert (record["verdict"], record["flags"]) == ("keep", [])
    assert record["race"]["pairs_planned"] == 3
    assert "more than runs of the same code" in record["detail"]


def test_single_pair_is_provisional(tmp_path):
    """One run a candidate whose keep looks as proven as any other."""
    helper = scripted(tmp_path, replace={"max_runs: 40": "pairs: 1"})
    set_cost(helper.repo, 40)
    record = helper.attempt("far less")
    assert (record["verdict"], record["flags"]) == ("keep", ["provisional"])
    assert "Autoresearch-Flags: provisional" in helper.repo("log", "-1", "--format=%B")
    assert "(provisional)" in helper("status").out


def test_metric_that_turns_out_to_vary_is_raced(tmp_path):
    """A metric declared exact whose second run differs, kept or discarded by a single value."""
    repo = make_project(tmp_path / "r")
    repo.write(
        "bench.py",
        SCRIPTED.replace("swing = 0.1 if", "swing = 0 if work.cost() == 100 else 0.1 if"),
    )
    repo.commit("swing")
    extra = f"env: {{COUNTER: '{tmp_path / 'counter'}'}}\n{UNCONFINED}"
    helper = open_session(tmp_path, extra=extra, repo=repo)
    set_cost(helper.repo, 40)
    record = helper.attempt("far less")
    assert not record["race"]["deterministic"]
    assert record["race"]["recorded"] is None
    assert len(record["race"]["order"]) >= 8
    assert record["verdict"] == "keep"
    set_cost(helper.repo, 80)
    assert not helper.attempt("more")["race"]["deterministic"]


@pytest.mark.parametrize(
    ("metric", "cost", "verdict", "effect"),
    [
        ("direction: lower, min_effect: 5%", 97, "discard", ("ratio", -0.03)),
        ("direction: lower, min_effect: 5%", 94, "keep", ("ratio", -0.06)),
        ("direction: higher", 110, "keep", ("ratio", 0.1)),
        ("direction: higher", 90, "discard", ("ratio", -0.1)),
        ("direction: lower", -5, "keep", ("difference", -105.0)),
        ("direction: lower", 0, "keep", ("difference", -100.0)),
        ("direction: lower, unit: '%'", 98, "keep", ("difference", -2.0)),
    ],
)
def test_direction_scale_and_smallest_effect(tmp_path, metric, cost, verdict, effect):
    """A sign turned the wrong way, a ratio of what has none, or a gain below what is asked for."""
    helper = open_session(
        tmp_path, replace={"direction: lower}\nverify": f"{metric}, deterministic: true}}\nverify"}
    )
    set_cost(helper.repo, cost)
    record = helper.attempt()
    assert record["verdict"] == verdict
    found = record["effect"]
    assert (found["scale"], round(found["change"], 9)) == effect
    if (metric, cost) == ("direction: lower", -5):  # and from there on no ratio exists
        set_cost(helper.repo, -6)
        assert helper.attempt()["effect"]["change"] == -1.0
        assert helper.json("doctor")["ok"]


def test_cpu_time_is_measured_by_the_helper(tmp_path):
    """A metric of the helper's own clock that is read from what the program claims."""
    repo = make_project(tmp_path / "r")
    burn = (
        "import time\nSTART = time.process_time()\nwhile time.process_time() - START < {}: pass\n"
    )
    repo.write("src/work.py", WORK + burn.format(0.12))
    repo.commit("burn")
    helper = open_session(
        tmp_path,
        declared=False,
        replace={
            "name: cost, direction: lower": "name: cpu, direction: lower, source: cpu",
            "max_runs: 40": "max_runs: 16",
        },
        repo=repo,
    )
    set_cost(helper.repo, 100, extra=burn.format(0))
    record = helper.attempt("burn nothing")
    assert record["verdict"] == "keep", record
    assert [round(value, 6) for value in record["race"]["values"]] == record["race"]["cpu_s"]
    assert record["effect"]["change"] < -0.5
    assert sys.executable in (helper.root / "autoresearch.yaml").read_text()


def test_an_incumbent_that_is_no_longer_what_it_was_judges_nobody(tmp_path):
    """Known as exactly 100 and measured as 55, for a tool is new: any candidate is a gain."""
    outside = tmp_path / "factor"
    outside.write_text("1")
    helper = open_session(
        tmp_path,
        extra=f"env: {{FACTOR: '{str(outside)[1:]}'}}\n{UNCONFINED}",  # a path that nobody sees
        prepare=lambda repo: repo.write(
            "bench.py",
            "import os, sys\nsys.path.insert(0, 'src')\nimport work\n"
            "factor = float(open('/' + os.environ['FACTOR']).read())\n"
            "print(f'METRIC cost={work.cost() * factor}')\nprint(f'METRIC size={work.SIZE}')\n",
        ),
    )
    outside.write_text("0.55")
    set_cost(helper.repo, 99)
    error = helper.json("try", "-m", "x", code=5)["error"]
    assert error["code"] == "incumbent_changed"
    assert (
        "the incumbent was measured as exactly 100, and now twice as exactly 55" in error["message"]
    )
    assert "return 99" in (helper.root / "src/work.py").read_text()
    assert [line["kind"] for line in helper.log()][-1] == "epoch"
    outside.write_text("1")
    assert helper.verdict() == ("keep", None)


def test_a_time_that_is_printed_in_another_unit_is_no_gain(tmp_path):
    """940 us that become 1.4 ms, kept and validated as -99.9 %."""
    helper = open_session(
        tmp_path,
        replace={"name: cost,": "name: cost, unit: us, pattern: 'time: ([0-9.]+)',"},
        prepare=lambda repo: repo.write(
            "bench.py",
            "import sys\nsys.path.insert(0, 'src')\nimport work\ncost = work.cost()\n"
            "print(f'METRIC size={work.SIZE}')\n"
            "print('time:', f'{cost} us' if cost < 1000 else f'{cost / 1000} ms')\n",
        ),
    )
    epoch = next(line for line in helper.log() if line["kind"] == "epoch")
    assert epoch["units"] == [["cost", "us"]]
    set_cost(helper.repo, 1400)
    record = helper.attempt("half as slow again")
    assert (record["verdict"], record["reason"]) == ("crash", "metric")
    assert "cost stands in ms, and stood in us before" in record["detail"]
    set_cost(helper.repo, 90)
    assert helper.verdict() == ("keep", None)


def test_a_quiet_metric_decides_and_the_wanted_one_is_claimed(tmp_path):
    """A count that decides exactly, and a validation that says nothing of the time asked for."""
    helper = open_session(
        tmp_path,
        declared=False,
        replace={
            "name: cost, direction: lower": "name: cost, direction: lower, deterministic: true",
            "direction: lower, limit: +5%}": "direction: lower}\n"
            "  - {name: render_ms, unit: ms, direction: lower}\nclaim: render_ms",
        },
        prepare=lambda repo: repo.write(
            "bench.py",
            "import os, sys\nsys.path.insert(0, 'src')\nimport work\n"
            "swing = 1 + int(os.environ['AUTORESEARCH_SEED']) % 100 / 1e4\n"
            "print(f'METRIC cost={work.cost()}')\nprint(f'METRIC size={work.SIZE}')\n"
            "print(f'METRIC render_ms={work.cost() * swing * 2}')\n",
        ),
    )
    set_cost(helper.repo, 90, size=1010)
    done = helper("try", "-m", "cheaper")
    assert "\nsize: +1%\nrender_ms: -10.0%\n" in done.out, done.out
    assert "\nrender_ms: -10.0%\n" in helper("show", "1").out
    assert "(size: +1%, render_ms: -10.0%)" in helper("log").out
    data = helper.json("show", "1")["secondary"]
    assert [one["name"] for one in data] == ["size", "render_ms"]
    done = helper("validate")
    assert done.out.startswith("validated: -10.0% [-10.0%, -10.0%]\nrender_ms, ")
    assert "20 pairs" in done.out
    assert "\ndecided by cost: -10.0% [-10.0%, -10.0%]\nsize: +1%\n" in done.out
    record = helper.log()[-1]
    assert (record["claimed"]["name"], record["claimed"]["proven"]) == ("render_ms", True)
    assert "gain: validated: -10.0% [-10.0%, -10.0%] (render_ms)" in helper("status").out
