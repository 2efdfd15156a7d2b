"""Every command that may fail, what it starts from, and how a session goes on after a fault."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

from faults import deeds
from faults.rig import Plan, Rig

NEXT = (("recover",), ("note", "next"), ("run", "3"), None)
"""What comes next; None is the same command again."""


class Case(NamedTuple):
    """A command, and what it starts from.

    Attributes:
        line: the log line that it ends with; empty for none.
        after: the cases whose calls need not be taken again.
    """

    start: str
    deed: Callable[[deeds.Stage], deeds.Deed]
    line: str = ""
    after: tuple[str, ...] = ()


def opening(stage):
    """`init` in a repository that never had a session."""

    def judge(new):
        changed = stage.rig.work != stage.rig.start_work
        return ["the program was touched"] * changed + ["lines are missing"] * (len(new) < 2)

    return deeds.Deed("init", ("init", str(stage.rig.draft)), judge)


CASES = {
    "init": Case("fresh", opening, "opened"),
    "keep": Case("opened", lambda s: deeds.attempt(s, better=True), "experiment"),
    "discard": Case("opened", lambda s: deeds.attempt(s, better=False), "experiment", ("keep",)),
    "guard fails": Case(
        "opened",
        lambda s: deeds.attempt(s, answer=41, better=True, allowed={"rework"}),
        "experiment",
        ("keep", "discard"),
    ),
    "rework": Case(
        "mending",
        lambda s: deeds.attempt(s, "--rework", better=True),
        "experiment",
        ("keep", "discard", "guard fails"),
    ),
    "race": Case(
        "noisy", lambda s: deeds.attempt(s, better=True), "experiment", ("keep", "discard")
    ),
    "drop": Case("opened", deeds.drop),
    "drop outside": Case("opened", deeds.drop_outside, "", ("drop",)),
    "note": Case("opened", deeds.note, "note"),
    "apply": Case("discarded", deeds.apply),
    "undo": Case("kept", deeds.undo, "undo"),
    "validate": Case("kept", deeds.validate, "validation"),
    "amend": Case("kept", lambda s: deeds.amend(s, measures=True), "epoch"),
    "amend the goal": Case("kept", lambda s: deeds.amend(s, measures=False), "epoch", ("amend",)),
}


class Theatre:
    """Two sessions, exact and noisy, their starts, and the calls of each case, counted once."""

    def __init__(self, folder):
        self.exact, self.noisy = Rig(folder / "exact"), Rig(folder / "noisy", noisy=True)
        self.stages, self.calls = {}, {}
        self._save("kept", "opened", lambda s: deeds.attempt(s, better=True))
        self._save("discarded", "kept", lambda s: deeds.attempt(s, better=False))
        self._save(
            "mending",
            "kept",
            lambda s: deeds.attempt(s, answer=41, better=True, allowed={"rework"}),
        )

    def _save(self, name, start, deed):
        stage = self.stage(start)
        done = deed(stage)
        assert self.exact.run(*done.command).code == 0
        assert done.judge([self.exact.experiments()[-1]]) == []
        self.exact.save(name)
        self.stages[name] = (stage.kept, stage.discarded, stage.mending, stage.number)

    def rig(self, case, monkeypatch):
        """The session of a case, and its places in the environment of this test."""
        rig = self.noisy if case.start == "noisy" else self.exact
        rig.move_in(monkeypatch)
        return rig

    def stage(self, start):
        """The session put back to a start."""
        rig = self.noisy if start == "noisy" else self.exact
        rig.reset("opened" if start == "noisy" else start)
        stage = deeds.Stage(rig, random.Random(0))
        if start in self.stages:
            kept, stage.discarded, stage.mending, stage.number = self.stages[start]
            stage.kept = list(kept)
        return stage

    def ready(self, case):
        """(stage, deed): the session at the start of a case, and its command prepared."""
        stage = self.stage(case.start)
        deed = case.deed(stage)
        stage.begun.update({deed.command[0]: 2, "note": 3})  # again, and a note that comes next
        return stage, deed

    def sites(self, name, error):
        """The sites of the calls of a case that may fail so."""
        if name not in self.calls:
            stage, deed = self.ready(CASES[name])
            whole = stage.rig.run(*deed.command, plan=Plan())
            assert whole.code == 0, whole
            self.calls[name] = whole
        return self.calls[name].at(error)

    def known(self, name, error):
        """The sites that another case has already."""
        return {site for other in CASES[name].after for site in self.sites(other, error)}


def lines_of(rig):
    """The log's lines that are no news of a recovery."""
    return [record for record in rig.records() if record["kind"] != "recovery"]


def goes_on(rig, case, deed, before, fault):
    """What is wrong after a fault, once the next command was there, and then the same again."""
    then = NEXT[fault % len(NEXT)] or deed.command
    said = rig.run(*then)
    found = [f"{then}: exit {said.code}: {said.out}"] * (said.code not in {0, 1})
    if then == deed.command and case.line == "opened":
        rig.run("recover")  # where there is a session, `init` says so and does nothing for it
    found += rig.broken(spare=deed.spare) if rig.records() else []
    made = any(r["kind"] == case.line for r in lines_of(rig)[before:])
    if case.line and not made:
        said = rig.run(*deed.command)
        found += [f"repeated: exit {said.code}: {said.out}"] * (said.code != 0)
    new = lines_of(rig)[before:]
    found += [f"no {case.line} in the log"] * (
        bool(case.line) and all(r["kind"] != case.line for r in new)
    )
    return found + deed.judge(new) + rig.broken()
