"""`watch`: what it shows, that a key ends it, and that it keeps still while short samples run."""

from __future__ import annotations

import os
import pty
import subprocess
import termios

import pytest
from autoresearch.core import wire
from autoresearch.core.contract import Metric
from autoresearch.core.decision import Policy
from autoresearch.core.history import tried_of
from autoresearch.core.model import Arm, Sample, Verdict
from autoresearch.core.question import Question
from autoresearch.reporting import scene as scenes
from autoresearch.reporting.watching import PLAIN, Frame, drawing
from rich.console import Console
from support.histories import contract, history
from support.project import set_cost
from support.records import effect, experiment, make
from support.session import COMMAND, UNCONFINED, Gate, Helper, open_session

LONG = "\x1b[2J<b>a long message</b> " + "x" * 300


def worked(helper: Helper) -> None:
    """Two keeps and a discard."""
    for cost in (90, 95, 80):
        set_cost(helper.repo, cost)
        helper("try", "-m", f"cost {cost} {LONG}")


@pytest.fixture
def helper(tmp_path) -> Helper:
    return open_session(tmp_path, worked=worked)


def test_without_a_terminal_it_is_one_picture(helper):
    """Escape sequences in an agent's context, or a command that hangs where nobody can press q."""
    done = helper("watch")
    assert "\x1b" not in done.out
    for words in (
        "3 experiments: 2 keep, 1 discard",
        "no command is at work",
        "+20.0 %",
        "cost 95",
    ):
        assert words in done.out, words
    assert done.out.isascii()
    assert max(map(len, done.out.splitlines()[:-1])) <= 80
    assert done.out.splitlines()[-1].startswith("next: ")


def test_session_without_experiments_is_shown(tmp_path):
    """A live view that needs an experiment before it shows that there is none."""
    assert "no experiment yet" in open_session(tmp_path)("watch").out


def test_q_ends_it_and_the_terminal_is_as_before(helper):
    """A view that only a kill ends, or a terminal that shows no typing any more."""
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    running = subprocess.Popen(
        [*COMMAND, "watch"],
        cwd=helper.root,
        env={**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8"},
        stdin=slave, stdout=slave, stderr=slave,
    )  # fmt: skip
    seen = b""
    while b"ends this view" not in seen:
        seen += os.read(master, 4096)
    assert b"2 keep" in seen
    assert b"\x1b[2J<b>" not in seen
    os.write(master, b"q")
    while running.poll() is None:
        try:
            seen += os.read(master, 4096)
        except OSError:
            break
        if b"\x1b[?1049l" in seen:
            running.wait()
    assert running.wait() == 0
    assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)


def test_race_is_read_from_its_tape(tmp_path):
    """A race of which only its own terminal tells how it stands."""
    helper = open_session(tmp_path, declared=False, extra=f"env: {{NOISE: '0.02'}}\n{UNCONFINED}")
    gate = Gate(tmp_path / "gate")
    set_cost(helper.repo, 90, extra=gate.code)
    running = helper.start("try", "-m", "held")
    gate.wait_inside()
    assert "`autoresearch try` (process" in helper("watch").out
    gate.open()
    running.communicate()
    assert "no command is at work" in helper("watch").out


def tape_with(folder, count: int):
    """The tape of a race of at most 10 pairs, the warm-up and so many samples on it."""
    policy = make(Policy, alpha=0.02, pairs=10, min_effect=0.0)
    entries = [{"schema": 1}, {"question": wire.to_object(Question(policy=policy, pool=()))}]
    for number in range(count + 1):
        arm = Arm.CANDIDATE if number % 2 == 0 else Arm.INCUMBENT
        value = 9.0 if arm is Arm.CANDIDATE else 10.0
        one = Sample(arm=arm, value=value, wall_s=2.0, cpu_s=2.0)
        entries.append({"sample": wire.to_object(one)})
    path = folder / "tape.jsonl"
    path.write_text("".join(f"{wire.dumps(entry)}\n" for entry in entries) + '{"half a li', "ascii")
    return path


@pytest.mark.parametrize(("samples", "pairs", "left_s"), [(0, 0, 40), (3, 1, 34), (8, 4, 24)])
def test_standing_of_a_race(tmp_path, samples, pairs, left_s):
    """A warm-up that is counted, half a pair that is compared, a time left that is too short."""
    found = scenes.race_on(tape_with(tmp_path, samples), 2.0)
    assert (found.runs, found.pairs, found.planned, found.left_s) == (samples, pairs, 10, left_s)
    assert (found.effect is None) == (pairs == 0)
    if pairs:
        assert found.effect.change == pytest.approx(-0.1)


def test_tape_that_cannot_be_read_is_no_race(tmp_path):
    """A view that ends because a tape is being written."""
    path = tmp_path / "tape.jsonl"
    for content in (b"", b"{", b'{"schema": 1}\n', b'{"question": 3}\n'):
        path.write_bytes(content)
        assert scenes.race_on(path, 1.0) is None
    assert scenes.race_on(tmp_path / "gone", 1.0) is None


@pytest.mark.parametrize(
    ("sample_s", "age_s", "still"),
    [(0.2, 0.1, True), (0.2, 4.9, True), (0.2, 5.1, False), (1.0, 0.1, False), (30.0, 1.0, False)],
)
def test_nothing_is_drawn_inside_a_short_sample(tmp_path, sample_s, age_s, still):
    """A drawing that takes part of a sample of less than a second, and so of what is measured."""
    tape = tape_with(tmp_path, 2)
    os.utime(tape, (1000.0, 1000.0))
    scene = make_scene(sample_s=sample_s)
    assert scenes.is_sampling(scene, tape, 1000.0 + age_s) is still
    assert not scenes.is_sampling(scene, None, 1000.0)


def make_scene(*, sample_s: float = 2.0, experiments=()):
    """A scene of these experiments, in a session that has a baseline."""
    return scenes.Scene(
        places=None,
        history=history(*experiments),
        contract=contract(metric=make(Metric, name="parse_ms", min_effect_relative=True)),
        charted=tuple(tried_of(one) for one in experiments),
        sample_s=sample_s,
        gain=0.01,
        outlook="",
    )


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (120, 40), (200, 60)])
@pytest.mark.parametrize("marks", [{}, PLAIN])
def test_it_fits_the_terminal(size, marks):
    """A line that wraps or a screen that scrolls, so that the top is gone."""
    kinds = [Verdict.KEEP, Verdict.DISCARD, Verdict.DISCARD]
    made = [
        experiment(n, kinds[n % 3], effect=effect(-0.01 * (n % 5)), message=LONG)
        for n in range(1, 120)
    ]
    scene = make_scene(experiments=made)
    width, height = size
    console = Console(width=width, height=height, color_system=None, highlight=False)
    with console.capture() as captured:
        race = scenes.RaceSeen(3, 1, 10, effect(-0.1), 34.0)
        frame = Frame("`autoresearch try` is at work", race, held=True, clock="03:04:05")
        console.print(drawing(scene, frame, width, height, marks))
    lines = captured.get().splitlines()
    assert max(map(len, lines)) <= width
    assert "pair 1 of at most 10" in captured.get() or width < 60
    if height >= 24:
        assert len(lines) <= height
    if marks:
        assert captured.get().isascii()


def test_levels_join_the_gains():
    """A gain that is added where it is a share, or a discard that moves the line."""
    made = [
        experiment(1, Verdict.KEEP, effect=effect(-0.5)),
        experiment(2, effect=effect(-0.5)),
        experiment(3, Verdict.KEEP, effect=effect(-0.5)),
        experiment(4, Verdict.CRASH),
    ]
    found = scenes.levels(make_scene(experiments=made))
    assert found == [(0, 50, True), (50, 75, False), (50, 75, True), (75, None, False)]
    assert "1 to 4" in frame_text_of(make_scene(experiments=made))


def frame_text_of(scene) -> str:
    console = Console(width=80, height=40, color_system=None)
    with console.capture() as captured:
        console.print(drawing(scene, Frame("", None, held=False, clock=""), 80, 40, PLAIN))
    return captured.get()
