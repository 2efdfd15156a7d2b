"""The commands that random kills hit: what is prepared for each, and what may have come of it.

A deed is one command of a session. However often it is killed, and whatever command comes next,
either it is done once and whole, or it is not done and what it was to work on is still there.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

CONTRACT = "autoresearch.yaml"


class Deed(NamedTuple):
    """One command, and the judge of what the log got from it: the new lines -> what is wrong.

    Attributes:
        spare: the invariants that its own preparation breaks.
    """

    name: str
    command: tuple[str, ...]
    judge: Callable[[list], list[str]]
    spare: tuple[str, ...] = ()


class Stage:
    """A session at work, and what is known of it."""

    def __init__(self, rig, rng):
        self.rig, self.rng, self.number = rig, rng, 0
        self.kept = [(0, rig.work)]
        """(experiment, program) of each keep that stands, oldest first."""
        self.discarded = None
        """(experiment, program) of a discard on the present incumbent."""
        self.mending = False
        """Whether the last experiment waits for its rework."""
        self.begun = Counter()
        """How often each command was begun since the deed: each may log one line."""

    @property
    def incumbent(self):
        """The program that the session kept last."""
        return self.kept[-1][1]

    def edit(self, better, *, answer=42):
        """An edit that is proven better, or one that is worse; the program then."""
        self.number += 1
        if self.rig.noisy:
            best = self.rig.start_cost * 0.93 ** len(self.kept)
            cost = int(best if better else best * 1.3) + self.number
        else:
            cost = 100 - self.number / 1000 if better else 200 + self.number
        return self.rig.edit(cost, self.number, answer=answer)

    def next(self):
        """The next deed, prepared."""
        ready = [deed for deed, weight in DEEDS.items() for _ in range(weight)]
        while True:
            found = self.rng.choice(ready)(self)
            if found is not None:
                return found

    def settle(self):
        """Make the tree clean for the next deed, or sometimes leave the edit for it."""
        work = self.rig.work
        if work != self.incumbent and not self.mending and self.rng.random() < 0.7:
            said = self.rig.run("drop")
            return [] if said.code == 0 else [f"drop: exit {said.code}: {said.out}"]
        return []

    def lost(self, program):
        """Whether an edit is neither in the tree nor reachable from a ref."""
        if self.rig.work == program:
            return False
        content = program.encode()
        oid = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        return oid not in self.rig.repo("rev-list", "--objects", "--all")


def one(new, kind, most=1):
    """What is wrong with new lines of which so many may be of a kind, and none of another."""
    odd = [r["kind"] for r in new if r["kind"] not in {kind, "run", "note", "refusal", "runend"}]
    count = sum(r["kind"] == kind for r in new)
    return [f"unexpected lines: {odd}"] * bool(odd) + [f"{count} of {kind}"] * (count > most)


def of_kind(new, kind):
    """The first new line of a kind, or None."""
    return next((r for r in new if r["kind"] == kind), None)


def attempt(stage, *options, answer=42, better=None, allowed=None):
    """`try`: a keep, a discard, or an edit that is still in the tree."""
    better = stage.rng.random() < 0.5 if better is None else better
    before, mended = stage.incumbent, stage.mending
    if allowed is None:
        allowed = {"keep"} if better else {"discard"}
    allowed |= {"discard"} if stage.rig.noisy else set()
    edited = stage.edit(better, answer=answer)

    def judge(new):
        found = one(new, "experiment")
        record = of_kind(new, "experiment")
        work = stage.rig.work
        if record is None:
            stage.mending = mended
            return found + ["the edit is gone"] * (work != edited)
        verdict = record["verdict"]
        if verdict not in allowed:
            found.append(f"the verdict is {verdict}, not {allowed}: {record['detail']}")
        if work != (edited if verdict in {"keep", "rework"} else before):
            found.append(f"the tree is not as the {verdict} wants it")
        stage.mending = verdict == "rework"
        if verdict == "keep":
            stage.kept.append((record["number"], edited))
        stage.discarded = (record["number"], edited) if verdict == "discard" else None
        return found + ["the candidate is lost"] * stage.lost(edited)

    return Deed("try", ("try", "-m", "x", *options), judge)


def rework(stage):
    """A `try` whose guard fails, then the one that mends it, killed as well."""
    if stage.mending:
        return attempt(stage, "--rework", better=True)
    if stage.rng.random() < 0.2:
        return None
    return attempt(stage, answer=41, better=True, allowed={"rework"})


def drop(stage):
    """`drop`: the edit is in the tree, or kept under a ref."""
    edited = stage.edit(better=True)

    def judge(new):
        stage.mending = False
        found = one(new, "")
        if stage.rig.work not in {stage.incumbent, edited}:
            found.append("the tree is neither as before nor as edited")
        return found + ["the dropped edit is lost"] * stage.lost(edited)

    return Deed("drop", ("drop",), judge)


def drop_outside(stage):
    """`drop --outside`: a protected file is as it was, or still edited and kept."""
    work, edited = stage.rig.work, f"edited {stage.number}\n"
    data = stage.rig.root / "data.txt"
    data.write_text(edited)

    def judge(new):
        found = one(new, "")
        if stage.rig.work != work:
            found.append("the edit in scope was touched")
        if data.read_text() not in {edited, "protected\n"}:
            found.append("the protected file is neither as before nor as edited")
        if data.read_text() == edited:
            said = stage.rig.run("drop", "--outside")
            found += [f"drop --outside: exit {said.code}: {said.out}"] * (said.code != 0)
        return found + ["it is not put back"] * (data.read_text() == edited)

    return Deed("drop --outside", ("drop", "--outside"), judge, ("protected files",))


def note(stage):
    """`note`: at most the lines that were asked for."""
    work = stage.rig.work

    def judge(new):
        found = one(new, "note", stage.begun["note"])
        return found + ["the tree was touched"] * (stage.rig.work != work)

    return Deed("note", ("note", "y"), judge)


def clean(stage):
    """Whether the tree is the incumbent's, so that a command may change it."""
    return stage.rig.work == stage.incumbent and not stage.mending


def undo(stage):
    """`undo` of the last keep that stands: the program before it, or all as it was."""
    if len(stage.kept) < 2 or not clean(stage):
        return None
    number, program = stage.kept[-1]

    def judge(new):
        found = one(new, "undo")
        if of_kind(new, "undo") is not None:
            stage.kept.pop()
            stage.discarded = None
        if stage.rig.work != stage.incumbent:
            found.append("the tree is not the incumbent's")
        return found + ["the undone experiment is lost"] * stage.lost(program)

    return Deed("undo", ("undo", str(number)), judge)


def validate(stage):
    """`validate`: at most a line in the log each time; nothing else."""
    if len(stage.kept) < 2 or not clean(stage):
        return None

    def judge(new):
        changed = stage.rig.work != stage.incumbent
        found = one(new, "validation", stage.begun["validate"])
        return found + ["the tree was touched"] * changed

    return Deed("validate", ("validate",), judge)


def amend(stage, *, measures=None):
    """`amend`: file, branch and frozen contract have the new one, or the edit is still there."""
    if not clean(stage):
        return None
    stage.number += 1
    path = stage.rig.root / CONTRACT
    lines = [t for t in path.read_text().splitlines() if not t.startswith(("goal:", "env:"))]
    goal = f"goal: Make the work cheaper, {stage.number}"
    measures = stage.rng.random() < 0.4 if measures is None else measures
    text = "\n".join([*lines, goal, *([f"env: {{N: '{stage.number}'}}"] * measures)]) + "\n"
    path.write_text(text)

    def judge(new):
        found = one(new, "epoch")
        if path.read_text() != text:
            found.append("the amended contract is gone")
        if of_kind(new, "epoch") is None:
            said = stage.rig.run(*stage.rng.choice((("amend", "--yes"), ("drop", "--outside"))))
            found += [f"after amend: exit {said.code}: {said.out}"] * (said.code != 0)
        adopted = path.read_text()
        stage.discarded = None
        if stage.rig.repo("show", f"HEAD:{CONTRACT}") + "\n" != adopted:
            found.append("the branch has another contract than the tree")
        if (stage.rig.state / CONTRACT).read_text() != adopted:
            found.append("the frozen contract is another than the tree's")
        return found

    return Deed("amend", ("amend", "--yes"), judge, ("protected files",))


def apply(stage):
    """`apply`: the change of an experiment is in the tree, or not."""
    if stage.discarded is None or not clean(stage):
        return None
    number, program = stage.discarded

    def judge(new):
        work = stage.rig.work
        wrong = work not in {stage.incumbent, program}
        return one(new, "") + ["the tree is neither"] * wrong

    return Deed("apply", ("apply", str(number)), judge)


DEEDS = {
    attempt: 10, rework: 4, drop: 2, drop_outside: 1, note: 1, undo: 4, validate: 3, amend: 3,
    apply: 1,
}  # fmt: skip
"""Deed -> how often it is drawn beside the others, where it can be done."""
