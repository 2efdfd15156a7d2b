"""A tiny project under test: its cost is a number in the source, so an edit has a known effect."""

from __future__ import annotations

import sys
from pathlib import Path

from support.harness import Git

PYTHON = f"{sys.executable} -S"
"""Without site: it starts sooner, and the project needs nothing but the standard library."""

BENCH = """\
import os, random, sys
sys.path.insert(0, "src")
import work
noise = float(os.environ.get("NOISE", "0"))
factor = 1 + random.SystemRandom().gauss(0, noise) if noise else 1
print(f"METRIC cost={work.cost() * factor:.9f}")
print(f"METRIC size={work.SIZE}")
"""

WORK = """\
SIZE = 1000


def cost():
    return 100


def answer():
    return 42
"""

CHECK = """\
import sys
sys.path.insert(0, "src")
import work
assert work.answer() == 42, work.answer()
"""

CONTRACT = """\
session: {session}
goal: Make the work cheaper
metric: {{name: cost, direction: lower}}
verify: {python} bench.py
guard: {python} check.py
scope: ["src/**"]
secondary:
  - {{name: size, direction: lower, limit: +5%}}
race: {{seconds: 60, max_runs: 40}}
budget: {{experiments: 50}}
{extra}"""


def contract_text(*, session: str = "cheaper", extra: str = "", noise: float = 0.0) -> str:
    """The project's contract; `noise` is the standard deviation of a sample, as a fraction."""
    if noise:
        extra = f"env: {{NOISE: '{noise}'}}\n{extra}"
    return CONTRACT.format(session=session, python=sys.executable, extra=extra)


def make_project(root: Path) -> Git:
    """A repository with the program, its benchmark and its guard, committed."""
    repo = Git.create(root)
    repo.write("src/work.py", WORK)
    repo.write("bench.py", BENCH)
    repo.write("check.py", CHECK)
    repo.write(".gitignore", "__pycache__/\n")
    repo.commit("start")
    return repo


def set_cost(
    repo: Git, cost: float, *, size: int = 1000, answer: int = 42, extra: str = ""
) -> None:
    """Edit the program: its cost, its size (the secondary metric) and its answer (the guard)."""
    text = WORK.replace("return 100", f"return {cost}").replace("SIZE = 1000", f"SIZE = {size}")
    repo.write("src/work.py", text.replace("return 42", f"return {answer}") + extra)


def write_draft(folder: Path, *, extra: str = "", **terms: str) -> Path:
    """A contract of the project for a quick start: the metric is declared deterministic.

    Args:
        folder: where it is written, as `draft.yaml`.
        extra: further lines.
        terms: a key's line replaced: `verify="echo 1"`; "" takes the key out.
    """
    lines = []
    known = {
        "session": "cheaper",
        "goal": "Make the work cheaper",
        "metric": "{name: cost, direction: lower, deterministic: true}",
        "verify": f"{PYTHON} bench.py",
        "guard": f"{PYTHON} check.py",
        "scope": '["src/**"]',
        "race": "{seconds: 60, max_runs: 8}",
    }
    for key, value in {**known, **terms}.items():
        if value:
            lines.append(f"{key}: {value}\n")
    draft = folder / "draft.yaml"
    draft.write_text("".join(lines) + extra, "utf-8")
    return draft
