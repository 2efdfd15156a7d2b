"""A project whose benchmark keeps the candidate in another process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoresearch import share

from support.project import PYTHON

if TYPE_CHECKING:
    from support.harness import Git

MEASURE = """\
import os, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from evaluator import Candidate, python

QUESTIONS = ("aaaa", "abcabc", "")

with Candidate(python("src", "packer:pack"), timeout_s=20) as candidate:
    answers = [candidate.ask(text) for text in QUESTIONS]
for text, answer in zip(QUESTIONS, answers):
    if not isinstance(answer, list) or "".join(p * n for p, n in answer) != text:
        sys.exit(f"wrong answer to {text!r}")
print(f"METRIC cost={sum(len(str(answer)) for answer in answers)}")
print("METRIC size=1000")
"""
"""The metric is the length of answers that must be right: exact, and counted on this side."""

PACKER = """\
def pack(text):
    return [[char, 1] for char in text]
"""

BETTER = """\
def pack(text):
    return [[text, 1]] if text else []
"""

VERIFY = {f"verify: {PYTHON} bench.py": f"verify: exec {PYTHON} -I bench/measure.py"}
"""What stands in the tiny project's contract for the separate benchmark."""


def prepare(repo: Git) -> None:
    """Put benchmark, library and candidate into the tiny project."""
    library = (share.FOLDER / "evaluator.py").read_text("utf-8")
    repo.write("bench/evaluator.py", library)
    repo.write("bench/measure.py", MEASURE)
    repo.write("src/packer.py", PACKER)
