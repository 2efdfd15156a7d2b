"""Which keeps are likely real: on logs whose truth is known, since they were made here."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest
from autoresearch.core.model import Direction
from autoresearch.edges.gitrepo import GitRepo
from autoresearch.importing.auditing import Likely, audit, threshold
from autoresearch.importing.foreign import ForeignExperiment, ForeignStatus, Segment
from autoresearch.importing.repository import look
from support.harness import Git
from support.project import PYTHON, make_project, set_cost
from support.session import Helper, contract_text

LOWER = Segment(line=1, number=0, metric="ms", direction=Direction.LOWER, told_by="the test")


def made(*rows, segment=LOWER):
    """A log: (status, metric) or (status, metric, description, commit, repeats)."""
    found = [segment]
    for number, row in enumerate(rows, 1):
        status, metric, *rest = row
        words, commit, repeats = [*rest, *(f"idea {number}", "", ())[len(rest) :]]
        found.append(
            ForeignExperiment(
                line=number + 1, number=number, segment=0, commit=commit,
                status=ForeignStatus(status), metric=metric, repeats=repeats, description=words,
            )
        )  # fmt: skip
    return audit(found)


def standings(found):
    return [keep.standing for stretch in found.stretches for keep in stretch.keeps]


def test_no_better_than_the_best_before():
    """A tie, a loss, and a win over a bar that had moved back: three keeps of nothing."""
    found = made(("keep", 100), ("keep", 90), ("keep", 90), ("keep", 95), ("keep", 91))
    assert standings(found)[2:] == [Likely.NO_BETTER] * 3
    (stretch,) = found.stretches
    assert stretch.claimed == pytest.approx(0.1)
    assert stretch.regained == pytest.approx(0.043, abs=0.001)  # from 95 to 91, never below 90


def test_luck_of_many_tries():
    """The same gain, once at the first try and once at the best of forty."""
    repeats = (100.0, 101.0, 99.0, 100.0, 101.5, 99.5)
    few = made(("baseline", 100, "base", "", repeats), ("keep", 97.2))
    assert standings(few) == [Likely.BASE, Likely.CLEAR]
    failed = [("discard", 100 + n / 7) for n in range(40)]
    many = made(("baseline", 100, "base", "", repeats), *failed, ("keep", 97.2))
    assert standings(many) == [Likely.BASE, Likely.NOISE]
    assert many.stretches[0].keeps[-1].tries == 41
    assert threshold(0.01, 41) > threshold(0.01, 1)


def test_what_nobody_can_tell():
    """Three values and no repeats: no noise is known, so the bound that would do is told."""
    found = made(("keep", 100), ("keep", 50), ("discard", 60))
    (base, keep) = found.stretches[0].keeps
    assert (base.standing, keep.standing) == (Likely.BASE, Likely.UNTOLD)
    assert 0.25 < keep.clear_below < 0.35
    assert found.stretches[0].surviving is None


@pytest.mark.parametrize(("direction", "values"), [("lower", (100, 80)), ("higher", (100, 125))])
def test_shares_in_the_good_direction(direction, values):
    """A gain of a quarter upwards is no fifth."""
    segment = Segment(line=1, number=0, direction=Direction(direction))
    exact = [("discard", values[0])] * 12
    found = made(("keep", values[0]), *exact, ("keep", values[1]), segment=segment)
    (stretch,) = found.stretches
    assert stretch.noise.spread == 0
    assert (
        stretch.claimed == stretch.surviving == pytest.approx(0.2 if direction == "lower" else 0.25)
    )


def test_direction_from_what_was_kept():
    """A metric whose name says nothing, in a log that says nothing."""
    unknown = Segment(line=1, number=0)
    assert (
        made(("keep", 5), ("keep", 6), ("keep", 7), segment=unknown).stretches[0].direction
        is Direction.HIGHER
    )
    undecided = made(("keep", 5), ("keep", 6), ("keep", 5), segment=unknown).stretches[0]
    assert (undecided.direction, undecided.keeps) == (None, ())


def test_reruns_and_repeated_ideas():
    """A rerun is noise of the same program; an idea that comes back until it is kept is told."""
    found = made(
        ("keep", 100, "base"), ("discard", 101, "Rerun to confirm"), ("discard", 99, "re-run"),
        ("discard", 100.5, "noise check"), ("discard", 104, "bigger cache"),
        ("keep", 99.5, "cache, bigger"),
    )  # fmt: skip
    assert found.stretches[0].noise.method == "repeats (3 differences)"
    assert standings(found)[-1] is Likely.NOISE
    (again,) = found.repeated
    assert (again.numbers, again.statuses) == ((5, 6), (ForeignStatus.DISCARD, ForeignStatus.KEEP))


def session_like_log(random_, gains, noise, base=1000.0):
    """A loop that keeps each single value below the best single value, as other tools do."""
    truth, best, rows, real = base, None, [], []
    repeats = tuple(base * (1 + random_.gauss(0, noise)) for _ in range(8))
    rows.append(("baseline", repeats[0], "base", "", repeats))
    best = repeats[0]
    for gain in gains:
        value = truth * (1 - gain) * (1 + random_.gauss(0, noise))
        kept = value < best
        rows.append(("keep" if kept else "discard", value))
        if kept:
            best, truth = value, truth * (1 - gain)
            real.append(gain > 0)
    return rows, real


def test_of_worthless_keeps_few_are_called_clear():
    """What another tool kept of ideas without any effect is luck, and not called clear."""
    random_ = random.Random(5)
    clear = kept = 0
    for _ in range(150):
        rows, real = session_like_log(random_, [0.0] * 30, 0.02)
        found = made(*rows)
        clear += found.standing(Likely.CLEAR)
        kept += len(real)
    assert kept > 150
    assert clear <= 0.12 * kept


def test_real_gains_are_called_clear():
    """Gains of six standard deviations among null ideas."""
    random_ = random.Random(7)
    right = told = 0
    for _ in range(60):
        rows, real = session_like_log(random_, [0.0] * 6 + [0.15] + [0.0] * 6 + [0.15], 0.015)
        found = made(*rows)
        later = standings(found)[1:]
        told += sum(real)
        right += sum(s is Likely.CLEAR for s, r in zip(later, real, strict=True) if r)
    assert right >= 0.95 * told


def test_what_git_says(tmp_path):
    """A keep that changed the benchmark, one that left the declared scope, and a lost commit."""
    repo = Git.create(tmp_path / "r")
    repo.write("src/a.py", "1\n")
    repo.write("bench/run.py", "1\n")
    repo.write(
        "autoresearch.md", "# Autoresearch: x\n## Files in Scope\n- `src`\n## Off Limits\n- `b`\n"
    )
    repo("add", "-A")
    repo("commit", "-qm", "base")
    kept = []
    for number, path in enumerate(("src/a.py", "bench/run.py", "setup.cfg"), 1):
        repo.write(path, f"{number + 1}\n")
        repo("add", "-A")
        repo("commit", "-qm", path)
        kept.append((number, repo("rev-parse", "--short=8", "HEAD")))
    with GitRepo.open(repo.root) as opened:
        found = look(opened, [*kept, (4, "0123456789")])
    assert found.scope == ("src/**",)
    assert (found.looked_at, found.missing) == (3, ("0123456789",))
    assert [(t.number, t.evaluator, t.outside) for t in found.touching] == [
        (2, ("bench/run.py",), ()),
        (3, (), ("setup.cfg",)),
    ]


def test_audit_and_import_on_the_command_line(tmp_path):
    """The three commands on a log with markup in it; nothing is overwritten."""
    helper = Helper(make_project(tmp_path / "r"))
    log = tmp_path / "autoresearch.jsonl"
    config = {"type": "config", "name": "g\x1b[31m", "metricName": "cost", "bestDirection": "lower"}
    runs = [
        {"run": n, "commit": "", "metric": m, "status": s, "description": f"<b>{s}</b>\x1b[2J"}
        for n, m, s in ((1, 100, "keep"), (2, 90, "keep"), (3, 95, "keep"))
    ]
    log.write_text("".join(json.dumps(line) + "\n" for line in (config, *runs)))
    told = helper.json("audit", str(log))["logs"][0]
    assert told["standings"] == {
        "baseline": 1, "no better": 1, "within noise": 0, "cannot tell": 1, "clear": 0,
    }  # fmt: skip
    assert "\x1b" not in helper("audit", str(log)).out
    draft = tmp_path / "draft.yaml"
    told = helper.json("import", str(log), "--draft", str(draft))["logs"][0]
    assert (told["experiments"], told["no_record"]) == (3, 0)
    assert "name: cost" in draft.read_text()
    assert "exists" in helper("import", str(log), code=1).err
    again = helper.json("audit", told["out"])["logs"][0]
    assert [s["claimed"] for s in again["stretches"]] == [pytest.approx(0.1)]


def test_a_session_goes_on_with_foreign_ideas(tmp_path):
    """An idea that another tool tried, with its commit here: told in the brief and at the try."""
    repo = make_project(tmp_path / "r")
    set_cost(repo, 101)
    repo("commit", "-qam", "dearer")
    tried = repo("rev-parse", "--short", "HEAD")
    repo("revert", "--no-edit", "HEAD")
    log = tmp_path / "results.tsv"
    log.write_text(
        "commit\tcost\tstatus\tdescription\n-\t100\tkeep\tbase\n"
        f"{tried}\t101\tdiscard\tmake it dear\n"
        "-\t99\tkeep\tunroll the loop\n"
    )
    helper = Helper(repo)
    draft = tmp_path / "draft.yaml"
    draft.write_text(contract_text())
    opened = helper.json("init", str(draft), "--from", str(log))
    assert any("1 dead end" in note for note in opened["notes"])
    brief = helper("brief").out
    assert "make it dear" in brief
    assert "unroll the loop" in brief
    set_cost(repo, 101)
    answer = helper.json("try", "-m", "something of mine")
    assert any("tried this very change, its experiment 2" in news for news in answer["news"])
    assert answer["verdict"] == "discard"


def test_keeps_are_raced_anew(tmp_path):
    """A real gain, a null edit, and a commit that breaks, which alone is raced again."""
    helper = Helper(make_project(tmp_path / "r"))
    repo, rows = helper.repo, ["commit\tcost\tstatus\tdescription\n-\t100\tkeep\tbase"]
    for cost, extra in ((80, ""), (80, "# null\n"), (80, "raise SystemExit(3)\n")):
        set_cost(repo, cost, extra=extra)
        repo("commit", "-qam", f"cost {cost} {extra}")
        rows.append(f"{repo('rev-parse', '--short', 'HEAD')}\t{cost}\tkeep\t{len(rows)}")
    (repo.root / "results.tsv").write_text("\n".join(rows))
    refs, head = repo("for-each-ref"), repo("rev-parse", "HEAD")
    verify = f"{PYTHON} bench.py"
    call = ("audit", ".", "--replay", "--verify", verify)
    assert "1 race to come, " in helper(*call, "--most", "1").err
    told = helper.json(*call)["logs"][0]["replayed"]
    assert [(one["number"], one["truth"]) for one in told] == [
        (2, "real"), (3, "not shown"), (4, "fails"),
    ]  # fmt: skip
    assert told[0]["effect"]["change"] == pytest.approx(-0.2)
    assert "code 3" in told[2]["detail"]
    done = helper(*call)
    assert "to come" not in done.err
    (known,) = Path(os.environ["XDG_STATE_HOME"]).glob("autoresearch/*/.replays/*.json")
    assert len(json.loads(known.read_text())) == 2  # what failed may have failed for once
    assert "raced anew: 1 real, 1 not shown, 1 fails" in done.out
    assert (repo("for-each-ref"), repo("rev-parse", "HEAD")) == (refs, head)
    outside = tmp_path / "results.tsv"
    outside.write_text("\n".join(rows))
    assert "no repository" in helper("audit", str(outside), "--replay", code=1).err


def test_a_log_that_tells_nothing_is_said_to(tmp_path):
    """A header alone; and keeps of a metric of which nobody knows which way is better."""
    helper = Helper(make_project(tmp_path / "r"))
    log = helper.root / "results.tsv"
    log.write_text("commit\tzeal\tstatus\tdescription\n")
    assert "0 experiments" in helper("audit", str(log), "--replay", "--verify", "true").out
    log.write_text(log.read_text() + "-\t5\tkeep\ta\n-\t6\tkeep\tb\n-\t5\tkeep\tc\n")
    shown = helper("audit", str(log)).out
    assert "not judged, for want of a metric or a direction: 3" in shown
    assert "0 kept after the first" in shown
    draft = tmp_path / "draft.yaml"
    helper("import", str(log), "--draft", str(draft), "--direction", "higher")
    assert "verify is missing" in draft.read_text()
    assert "verify" in helper.json("check", str(draft), code=1)["error"]["message"]
