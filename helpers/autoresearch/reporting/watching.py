"""The live view of a session in a terminal: drawn seldom, and never inside a short sample."""

from __future__ import annotations

import contextlib
import io
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from autoresearch.core import budget, formatting
from autoresearch.core.budget import cost_line
from autoresearch.core.formatting import clean_line
from autoresearch.core.model import Scale, Verdict
from autoresearch.core.views import claim, counts
from autoresearch.reporting import scene as scenes
from autoresearch.reporting.scene import RaceSeen, Scene

TICK_S = 1.0
CLOCK_S = 10.0
"""Nothing new for so long: the clock and the machine's load are drawn anew."""

NARROW, LEAST_ROWS = 40, 12
CHART_ROWS = (4, 14)
STYLES = {
    Verdict.KEEP: "bold blue",
    Verdict.CRASH: "yellow",
    Verdict.REWORK: "magenta",
    Verdict.VIOLATION: "bold red",
}
PLAIN = {"●": "O", "·": ".", "░": ":", "━": "-", "…": "~", "│": "|"}


class Frame(NamedTuple):
    """What one drawing shows beside the scene."""

    doing: str
    race: RaceSeen | None
    held: bool
    clock: str


def watch(look: Callable[[], Scene]) -> None:
    """Show the session until `q` or Ctrl-C; `look` gathers it anew."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a message may hold what the terminal cannot show
    console = Console(highlight=False, emoji=False, markup=False)
    with _keys() as pressed, console.screen(hide_cursor=True) as screen:
        scene, seen, drawn_at, size = look(), _stamps(None), 0.0, console.size
        fresh = True
        while True:
            tape = scenes.tape_of(scene.places)
            doing = scenes.at_work(scene.places)
            stamps = _stamps(scene, tape, doing)
            if seen[:1] != stamps[:1]:
                scene, fresh = look(), True
            now = time.time()
            due = fresh or seen != stamps or size != console.size or now - drawn_at > CLOCK_S
            held = bool(doing) and scenes.is_sampling(scene, tape, now)
            if due and (not held or drawn_at == 0.0):
                race = scenes.race_on(tape, scene.sample_s) if doing and tape else None
                if size != console.size:
                    console.clear()  # what the terminal itself made of the lines
                size, drawn_at, fresh, seen = console.size, now, False, stamps
                frame = Frame(doing, race, held, time.strftime("%H:%M:%S"))
                screen.update(drawing(scene, frame, size.width, size.height, _marks(console)))
            if pressed(TICK_S) in {"q", "Q", "\x03"}:
                return


def frame_text(scene: Scene, width: int = 80, height: int = 40) -> str:
    """One frame as plain text, for whoever has no terminal."""
    tape, doing = scenes.tape_of(scene.places), scenes.at_work(scene.places)
    race = scenes.race_on(tape, scene.sample_s) if doing and tape else None
    made = io.StringIO()
    console = Console(
        file=made, width=width, height=height, color_system=None, highlight=False, emoji=False
    )
    console.print(drawing(scene, Frame(doing, race, False, ""), width, height, PLAIN))  # noqa: FBT003
    return "\n".join(line.rstrip() for line in made.getvalue().splitlines())


def drawing(scene: Scene, frame: Frame, width: int, height: int, marks: dict[str, str]) -> Group:
    """All that is shown, to fit a terminal of this size."""
    history, metric = scene.history, scene.contract.metric
    unit = clean_line(metric.unit, 12)
    top = [
        Text(f"{clean_line(scene.contract.session, 40)}: {counts(history)}", style="bold"),
        Text(clean_line(scene.contract.goal, 200), style="dim"),
        Text(f"gain: {claim(history, unit)}", style="bold blue" if history.validation else ""),
    ]
    below = [
        Text(f"budget: {budget.remaining(history, scene.contract.budget).described()}"),
        Text(f"outlook: {scene.outlook}"),
        *([Text(line)] if (line := cost_line(history)) else []),
        Text(scenes.load_line()),
        Text(f"q ends this view{', ' + frame.clock if frame.clock else ''}", style="dim"),
    ]
    race = Panel(
        Group(*_race_lines(scene, frame, unit)),
        box=box.ASCII if marks else box.ROUNDED,
        title="race",
        title_align="left",
        padding=(0, 1),
    )
    # Two of the lines above may wrap on a narrow terminal.
    room = height - len(top) - len(below) - 7
    rows = max(CHART_ROWS[0], min(CHART_ROWS[1], room // 2))
    chart = _chart(scene, max(NARROW, width) - 14, rows) if scene.charted else []
    latest = _latest(scene, max(1, min(10, room - len(chart) - 1)), unit, plain=bool(marks))
    parts: list[RenderableType] = [*top, *chart, race, latest, *below]
    for part in parts:
        if isinstance(part, Text):
            part.no_wrap, part.overflow = True, "crop" if marks else "ellipsis"
            for mark, plain in marks.items():
                part.plain = part.plain.replace(mark, plain) if mark in part.plain else part.plain
    return Group(*parts)


def _race_lines(scene: Scene, frame: Frame, unit: str) -> Iterator[Text]:
    if not frame.doing:
        yield Text("no command is at work")
        return
    yield Text(clean_line(frame.doing, 120))
    race = frame.race
    if frame.held:
        took = formatting.duration(scene.sample_s)
        yield Text(
            f"samples of {took}: this view stands still until the race ends, to disturb none"
        )
    if race is None:
        return
    left = formatting.duration(race.left_s)
    yield Text(f"pair {race.pairs} of at most {race.planned}, at most {left} left")
    if race.effect is not None:
        yield Text(f"so far {formatting.effect(race.effect, unit)}")


def _latest(scene: Scene, most: int, unit: str, *, plain: bool) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), show_header=False, expand=True)
    for options in (
        {"justify": "right", "no_wrap": True},
        {"no_wrap": True},
        {"justify": "right", "no_wrap": True},
        {"ratio": 1, "no_wrap": True, "overflow": "crop" if plain else "ellipsis"},
    ):
        table.add_column(**options)
    for one in scene.charted[: -most - 1 : -1]:
        moved = ""
        if one.effect is not None:
            moved = formatting.change(one.effect.change, one.effect.scale, unit)
        table.add_row(
            str(one.number),
            Text(formatting.verdict(one.verdict, one.reason), style=STYLES.get(one.verdict, "")),
            moved,
            Text(clean_line(one.message, 200)),
        )
    return table


def _chart(scene: Scene, columns: int, rows: int) -> list[Text]:
    """The gain so far as a line in its band of noise, experiments as points on it."""
    found = scenes.levels(scene)[-columns:]
    band = (scene.gain or 0.0) * (100.0 if scene.contract.metric.scale is Scale.RATIO else 1.0)
    best = [before for before, _, _ in found] + [own for _, own, kept in found if kept and own]
    low, high = min(best) - band, max(best) + band
    if high <= low:
        low, high = low - 1, high + 1
    step = (high - low) / (rows - 1)
    wide = max(1, columns // max(1, len(found)))

    def row_of(level: float) -> int:
        return max(0, min(rows - 1, round((high - level) / step)))

    cells = [[" "] * (len(found) * wide) for _ in range(rows)]
    for at, (before, own, kept) in enumerate(found):
        for column in range(at * wide, (at + 1) * wide):
            for row in range(row_of(before + band), row_of(before - band) + 1):
                cells[row][column] = "░" if band else " "
            cells[row_of(before)][column] = "━"
        if own is not None:
            cells[row_of(own)][at * wide] = "●" if kept else "·"
    unit = (
        "%"
        if scene.contract.metric.scale is Scale.RATIO
        else clean_line(scene.contract.metric.unit, 4)
    )
    lines = []
    for row, line in enumerate(cells):
        shown = row in {0, rows // 2, rows - 1}
        label = f"{high - row * step:+.1f} {unit}" if shown else ""
        text = Text(f"{label:>11} │", style="dim")
        for cell in line:
            text.append(cell, style={"●": "bold blue", "━": "blue"}.get(cell, "dim"))
        lines.append(text)
    first, last = scene.charted[-len(found)].number, scene.charted[-1].number
    title = f"{'':>11}  gain, joined from single races; experiments {first} to {last}"
    return [*lines, Text(title, style="dim")]


def _stamps(scene: Scene | None, tape: Path | None = None, doing: str = "") -> tuple[object, ...]:
    """What changes when there is something new; the first part when an experiment ended."""
    log = None
    if scene is not None:
        with contextlib.suppress(OSError):
            found = scene.places.log.stat()
            log = found.st_size, found.st_mtime_ns
    size = None
    if tape is not None:
        with contextlib.suppress(OSError):
            size = tape.stat().st_size
    return log, tape, size, doing


def _marks(console: Console) -> dict[str, str]:
    """What stands for characters that the terminal does not have."""
    return {} if console.encoding.lower().startswith("utf") else PLAIN


def _no_keys(seconds: float) -> str:
    time.sleep(seconds)
    return ""


@contextlib.contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """Waits for a key at most so long; the terminal is as before at the end."""
    if not sys.stdin.isatty():
        yield _no_keys
        return
    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)

    def pressed(seconds: float) -> str:
        ready: Sequence[object] = select.select([number], [], [], seconds)[0]
        return sys.stdin.read(1) if ready else ""

    try:
        tty.setcbreak(number)
        yield pressed
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)
