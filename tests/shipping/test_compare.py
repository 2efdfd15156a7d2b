"""`compare`: a gate between two commits, whose exit code is its answer."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from random import Random

import pytest
import yaml
from autoresearch.core.decision import Policy
from autoresearch.core.model import Arm, Direction, Pair, Scale
from autoresearch.edges.whereabouts import cache_folder
from autoresearch.shipping.bisection import _by_chance
from autoresearch.shipping.gate import GateOutcome, Tolerance, judged
from support.harness import Git
from support.project import PYTHON, make_project, set_cost, write_draft
from support.session import COMMAND, Helper

VERIFY = ("--verify", f"{PYTHON} bench.py", "--metric", "cost")


def history(folder, costs):
    """A repository whose commits have these costs, oldest first, and the commits."""
    repo = make_project(folder / "r")
    commits = []
    for number, cost in enumerate(costs):
        set_cost(repo, cost, extra=f"# commit {number}\n")
        commits.append(repo.commit(f"commit {number}"))
    return Helper(repo), commits


def test_exit_codes_and_forms(tmp_path):
    """A loss that passes the gate, an equal program that does not, or an answer too long."""
    helper, (base, equal, slower, faster) = history(tmp_path, (100, 100, 105, 90))
    answer = helper.json("compare", base, equal, *VERIFY)
    assert (answer["outcome"], answer["effect"]["change"]) == ("no_loss", 0.0)
    report = tmp_path / "report.md"
    bad = helper.json("compare", base, slower, *VERIFY, "--markdown", str(report), code=1)
    assert (bad["outcome"], round(bad["effect"]["change"], 6)) == ("slower", 0.05)
    assert report.read_text("utf-8") == bad["markdown"]
    assert len(report.read_text("utf-8").splitlines()) <= 25
    assert "+5.0%" in report.read_text("utf-8")
    line = helper("compare", base, faster, *VERIFY, "--line").out
    assert line == "no loss beyond 2.0%: cost -10.0% (a gain) (2 pairs)\n"
    wide = ("--direction", "higher", "--equivalence", "11%")
    assert helper.json("compare", base, faster, *VERIFY, *wide)["outcome"] == "no_loss"
    assert helper.repo("status", "--porcelain") == ""


def test_what_cannot_be_measured_is_exit_code_four(tmp_path):
    """A broken benchmark that reads as slower, or as fine."""
    helper, (base, head) = history(tmp_path, (100, 100))
    helper.repo.write("src/work.py", "raise SystemExit(3)\n")
    broken = helper.repo.commit("broken")
    report = tmp_path / "report.md"
    calls = {
        "not_measured": (base, broken, *VERIFY, "--markdown", str(report)),
        "benchmark_broken": (broken, head, *VERIFY),
        "no_revision": (base, "nowhere", *VERIFY),
        "no_contract": (base, head),
        "contract": (base, head, "--verify", "true", "--metric", "a b"),
        "no_file": (base, head, *VERIFY, "--with", "gone.py"),
    }
    for code, words in calls.items():
        assert helper.error("compare", *words, code=4) == code
    assert "could not measure" in report.read_text("utf-8")
    for words in (
        (base,),
        (base, head, "--verify", "true", "--contract", "x"),
        (base, head, "--tolerate", "x"),
    ):
        assert helper("compare", *words, code=2).out == ""
    clone = Git(tmp_path / "shallow")
    helper.repo("clone", "-q", "--depth", "1", f"file://{helper.root}", str(clone.root))
    assert Helper(clone).error("compare", base, "HEAD", *VERIFY, code=4) == "shallow"


def test_contract_and_benchmark_come_from_the_base(tmp_path):
    """A head that makes its benchmark kinder, or a benchmark that the base did not have yet."""
    helper, (base, slower) = history(tmp_path, (100, 110))
    repo = helper.repo
    draft = write_draft(tmp_path)
    repo.write("bench.py", "print('METRIC cost=1')\n")
    kind = repo.commit("a kinder benchmark")
    answer = helper.json("compare", base, kind, "--contract", str(draft), code=1)
    assert answer["outcome"] == "slower"
    assert answer["notes"] == [
        "changed outside the scope, not measured as the head has it: bench.py"
    ]
    repo.write(
        "late.py",
        "import sys\nsys.path.insert(0, 'src')\nimport work\nprint('METRIC t=%d' % work.cost())\n",
    )
    late = ("--verify", f"{PYTHON} late.py", "--metric", "t")
    assert helper.error("compare", base, slower, *late, code=4) == "benchmark_broken"
    assert (
        helper.json("compare", base, slower, *late, "--with", "late.py", code=1)["outcome"]
        == "slower"
    )
    repo("update-index", "--add", "--cacheinfo", f"160000,{base},vendor")
    repo("commit", "-qm", "a submodule")
    aside = helper.json("compare", "HEAD", slower, *VERIFY, code=1)
    assert aside["notes"][0].endswith("changes in them are not measured: vendor")
    assert "the base is no ancestor" in aside["notes"][1]


def test_bisection_names_the_commit_and_its_odds(tmp_path):
    """The wrong commit, one that does not run taken for the culprit, or odds left untold."""
    helper, commits = history(tmp_path, (100, 100, 100, 108, 108))
    answer = helper.json("compare", "--bisect", commits[0], commits[-1], *VERIFY)
    assert answer["culprit"] == commits[3]
    assert round(answer["own"]["change"], 6) == 0.08
    assert (answer["odds"], {step["is_bad"] for step in answer["steps"]}) == (0.0, {True, False})


@pytest.mark.long
def test_bisection_steps_around_what_does_not_run(tmp_path):
    """A commit that does not run taken for the culprit, or passed over in silence."""
    helper, commits = history(tmp_path, (100, 100, 108))
    none = helper.json("compare", "--bisect", commits[0], commits[1], *VERIFY)
    assert none["culprit"] is None
    assert (
        helper.error("compare", "--bisect", commits[2], commits[0], *VERIFY, code=4)
        == "not_ancestor"
    )
    repo = helper.repo
    repo.write("src/work.py", "raise SystemExit(3)\n")
    broken = repo.commit("does not run")
    set_cost(repo, 120)
    end = repo.commit("runs again, slower")
    said = helper("compare", "--bisect", commits[2], end, *VERIFY).out
    assert f"first bad commit: {end[:12]} runs again, slower" in said
    assert "odds of a wrong turn: 0.0% at most" in said
    assert f"may be to blame too: {broken[:12]}" in said


def test_odds_of_a_step_are_those_of_the_label_swap():
    """Odds that are told for the wrong side, or that no coin would give."""
    pairs = [Pair(incumbent=100.0 + n, candidate=104.0 + n, first=Arm.INCUMBENT) for n in range(4)]
    assert _by_chance(pairs, Direction.LOWER, 0.01, is_bad=True) == 0.0625
    assert _by_chance(pairs, Direction.LOWER, 0.10, is_bad=False) == 0.0625
    assert _by_chance(pairs, Direction.LOWER, 0.10, is_bad=True) == 1.0


def simulated(seed, loss, noise, pairs=30, tolerated=0.02, busy=0.0):
    """One comparison on a machine of this noise, where a neighbour is busy in so many spells."""
    rng = Random(seed)
    policy = Policy(
        alpha=0.01, pairs=pairs, direction=Direction.LOWER, scale=Scale.RATIO, min_effect=0.0
    )
    seen, hit = [], False
    while True:
        values = []
        for _ in range(2):
            hit = rng.random() < (0.8 if hit else busy)
            values.append(100 * (1 + rng.gauss(0, noise)) * (1.3 if hit else 1.0))
        first = rng.choice((Arm.INCUMBENT, Arm.CANDIDATE))
        one, other = values if first is Arm.INCUMBENT else values[::-1]
        seen.append(Pair(incumbent=one, candidate=other * (1 + loss), first=first))
        found = judged(tuple(seen), policy, Tolerance(tolerated))
        if found is not None:
            return found.outcome


@pytest.mark.parametrize("rounds", [15, pytest.param(1000, marks=pytest.mark.long)])
def test_equal_programs_are_hardly_ever_called_slower(rounds):
    """A gate that cries wolf beside a busy neighbour."""
    found = [simulated(seed, 0.0, 0.02, busy=0.1) for seed in range(rounds)]
    assert found.count(GateOutcome.SLOWER) <= rounds // 100


def test_planted_loss_is_found_and_noise_is_admitted():
    """A gate that misses a loss of 5 %, or passes what it cannot see."""
    found = [simulated(seed, 0.05, 0.02) for seed in range(20)]
    assert found.count(GateOutcome.SLOWER) >= 19
    found = [simulated(seed, 0.0, 0.3) for seed in range(10)]
    assert found.count(GateOutcome.CANNOT_TELL) >= 8
    assert GateOutcome.SLOWER not in found
    quiet = [simulated(seed, 0.0, 0.001, tolerated=0.0) for seed in range(5)]
    assert GateOutcome.SLOWER not in quiet


def test_workflow_runs_step_by_step(tmp_path):
    """A workflow whose steps do not fit the command, or that hides its answer."""
    helper, (base, head, noisy) = history(tmp_path, (100, 110, 100))
    text = helper.json("compare", "--workflow")["workflow"]
    flow = yaml.safe_load(text)
    steps = flow["jobs"]["compare"]["steps"]
    assert [step.get("uses", step.get("name")) for step in steps] == [
        "actions/checkout@v4", "actions/setup-python@v5", "install", "actions/cache@v4",
        "compare", "comment", "gate",
    ]  # fmt: skip
    assert cache_folder({"HOME": "/h"}) == steps[3]["with"]["path"].replace("~", "/h")
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "gh").write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/said; cat compare.md >> {tmp_path}/said\n'
    )
    (tools / "autoresearch").write_text(f'#!/bin/sh\nexec {" ".join(COMMAND)} "$@"\n')
    (tools / "python").write_text("#!/bin/sh\nexit 0\n")  # what it installs is here already
    for tool in tools.iterdir():
        tool.chmod(0o755)
    helper.repo.write("autoresearch.yaml", write_draft(tmp_path).read_text("utf-8"))
    helper.repo.commit("contract")
    for there, code in ((head, 1), (noisy, 0)):
        given = {
            "github.event.pull_request.base.sha": base,
            "github.event.pull_request.head.sha": there,
            "github.event.pull_request.number": "7",
            "github.token": "none",
        }
        output = tmp_path / f"output-{code}"
        for step in (step for step in steps if "run" in step):
            known = {**given, "steps.compare.outputs.code": _outputs(output).get("code", "")}
            env = {
                key: re.sub(r"\$\{\{ (\S+) \}\}", lambda m, k=known: k[m[1]], value)
                for key, value in step.get("env", {}).items()
            }
            assert "${{" not in step["run"]
            done = subprocess.run(
                ["bash", "-e", "-c", step["run"]],
                cwd=helper.root,
                env={
                    **os.environ, **env, "PATH": f"{tools}:{os.environ['PATH']}",
                    "GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
                },
                capture_output=True,
                check=False,
            )  # fmt: skip
            assert done.returncode == (code if step["name"] == "gate" else 0), (step, done)
        said = Path(tmp_path / "said").read_text("utf-8")
        assert said.startswith("pr comment 7 ")
        assert ("worse: cost +10.0%" in said) is (code == 1)
        assert (tmp_path / "summary").read_text("utf-8").endswith(said.partition("\n")[2])


def _outputs(path):
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return dict(line.split("=", 1) for line in lines)
