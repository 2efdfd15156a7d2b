"""Findings of a linter, with every suppression counted as a finding.

Adapt: LINTER (its machine-readable output) and the words that suppress.
"""

import json
import pathlib
import re
import subprocess
import sys

SOURCE = pathlib.Path("src")
LINTER = ["python3", "-m", "ruff", "check", "--isolated", "--no-cache", "--output-format=json",
          "--select=E,F,B,SIM", "src"]  # fmt: skip
SUPPRESSION = re.compile(r"#\s*(noqa|type:\s*ignore|ruff:|pylint:\s*disable|fmt:\s*off)")


def main() -> None:
    """Count what the linter says and what was told to be silent."""
    done = subprocess.run(LINTER, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in {0, 1}:
        sys.exit(f"the linter did not run: exit {done.returncode}")
    texts = [path.read_text() for path in sorted(SOURCE.rglob("*.py"))]
    suppressed = sum(len(SUPPRESSION.findall(text)) for text in texts)
    print(f"METRIC findings={len(json.loads(done.stdout)) + suppressed}")
    print(f"METRIC lines={sum(text.count(chr(10)) for text in texts)}")


if __name__ == "__main__":
    main()
