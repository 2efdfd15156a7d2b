"""A small program whose cost is counted, not timed: how many lines Python executes in it.

The same code costs the same on every machine and at any load, so each verdict is certain.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from support.harness import Git
from support.session import Helper

if TYPE_CHECKING:
    from pathlib import Path

SLOW = '''\
def repeated(words):
    """The words that occur more than once, in the order of their first repetition."""
    found = []
    for index, word in enumerate(words):
        if word in words[:index] and word not in found:
            for other in words[:index]:
                if other == word:
                    found.append(word)
                    break
    return found
'''

QUICK = '''\
def repeated(words):
    """The words that occur more than once, in the order of their first repetition."""
    seen, found = set(), {}
    for word in words:
        if word in seen:
            found[word] = None
        seen.add(word)
    return list(found)
'''

SLOWER = QUICK.replace(
    "        seen.add(word)\n",
    "        known = word in seen\n        if not known:\n            seen.add(word)\n",
)

UNORDERED = '''\
def repeated(words):
    """The words that occur more than once, in the order of their first repetition."""
    seen = set()
    return sorted({word for word in words if word in seen or seen.add(word)})
'''

ORDERED = UNORDERED.replace(
    "sorted({word for word in words if word in seen or seen.add(word)})",
    "list(dict.fromkeys(word for word in words if word in seen or seen.add(word)))",
)

BENCH = """\
import sys

sys.path.insert(0, "src")
import words

text = [f"w{index * index % 97}" for index in range(400)]
lines = 0


def count(frame, event, argument):
    global lines
    lines += event == "line"
    return count


sys.settrace(count)
found = words.repeated(text)
sys.settrace(None)
assert len(found) == 49, found
print(f"METRIC lines={lines}")
"""

CHECK = """\
import sys

sys.path.insert(0, "src")
from words import repeated

assert repeated([]) == []
assert repeated(["b", "a", "b", "a", "b"]) == ["b", "a"], "the order of first repetition"
"""

CONTRACT = f"""\
session: fewer-lines
goal: Find repeated words with less work, without changing the answer
metric: {{name: lines, direction: lower, deterministic: true}}
verify: {sys.executable} -S bench.py
guard: {sys.executable} -S check.py
scope: ["src/**"]
budget: {{experiments: 20}}
"""


def make_counting(root: Path) -> Git:
    """The program with its benchmark and its check, committed."""
    repo = Git.create(root)
    repo.write("src/words.py", SLOW)
    repo.write("bench.py", BENCH)
    repo.write("check.py", CHECK)
    repo.write(".gitignore", "__pycache__/\n")
    repo.commit("start")
    return repo


def open_counting(folder: Path, *, extra: str = "") -> Helper:
    """The program in `folder/r` with a session on it; `extra` are further lines of the contract."""
    repo = make_counting(folder / "r")
    draft = folder / "draft.yaml"
    draft.write_text(CONTRACT + extra, "utf-8")
    helper = Helper(repo)
    helper("init", str(draft))
    return helper
