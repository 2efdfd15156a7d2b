"""`audit --replay` on a repository whose truth is known: share named right, coverage of intervals.

Ideas are gains, null edits and losses; a run of the benchmark varies by a chosen share. Run it as
`python -m benchmarks.audit [COMMITS] [NOISE]`.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

GAINS = (0.0, 0.0, 0.05, 0.08, 0.15, -0.06)
BENCH = """\
import random, sys
sys.path.insert(0, "src")
import work
print(f"METRIC cost={{work.cost() * (1 + random.SystemRandom().gauss(0, {noise})):.9f}}")
"""


def main(commits: int, noise: float) -> None:
    """Make the repository, audit it, and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        truth = make(root, commits, noise)
        call = [sys.executable, "-m", "autoresearch", "audit", ".", "--replay", "--json",
                "--verify", f"{sys.executable} -S bench.py"]  # fmt: skip
        answer = subprocess.run(call, cwd=root, check=True, stdout=subprocess.PIPE)
        raced = json.loads(answer.stdout)["logs"][0]["replayed"]
    right = covered = 0
    for one in raced:
        gain = truth[one["commit"]]
        expected = "real" if gain > 0 else "worse" if gain < 0 else "not shown"
        right += one["truth"] == expected
        covered += one["effect"]["low"] <= -gain <= one["effect"]["high"]
    print(
        f"| keeps | noise of a run | named right | intervals that hold the truth |\n|{'---|' * 4}"
    )
    print(f"| {len(raced)} | {noise:.1%} | {right / len(raced):.1%} | {covered / len(raced):.1%} |")


def make(root: Path, commits: int, noise: float) -> dict[str, float]:
    """A repository in which every idea was kept, and what each commit really gained."""

    def git(*words: str) -> str:
        named = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *words]
        done = subprocess.run(named, cwd=root, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    chance = random.Random(3)
    git("init", "-q", "-b", "main")
    (root / "src").mkdir()
    (root / "bench.py").write_text(BENCH.format(noise=noise))
    cost, truth, rows = 1000.0, {}, ["commit\tcost\tstatus\tdescription"]
    for number in range(commits + 1):
        gain = chance.choice(GAINS) if number else 0.0
        cost *= 1 - gain
        (root / "src/work.py").write_text(f"N = {number}\n\n\ndef cost():\n    return {cost!r}\n")
        git("add", "bench.py", "src")
        git("commit", "-qm", f"idea {number}")
        commit = git("rev-parse", "HEAD")
        truth[commit] = gain
        value = cost * (1 + chance.gauss(0, noise))
        rows.append(f"{commit[:7]}\t{value:.6f}\tkeep\tidea number {number}")
    (root / "results.tsv").write_text("\n".join(rows) + "\n")
    return truth


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 40, float(sys.argv[2]) if sys.argv[2:] else 0.02)
