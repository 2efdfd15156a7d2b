"""The evaluator of a security fix: adds up the findings whose proofs still succeed.

`autoresearch security fix` puts it into your repository beside the proofs; it needs only Python.
As verify it prints one number for all findings and one for each. It fails when a proof is broken:
if the attacked code is gone, nobody can say what the finding weighs. With `--guard` it runs the
proofs that the incumbent withstands, and fails when the candidate does not withstand one of them.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from proving import (  # type: ignore[import-not-found]  # it lies beside this file
    TIMEOUT_S,
    ProofResult,
    command_for,
    judge,
)

HERE = Path(__file__).resolve().parent
VARIABLE = "AUTORESEARCH_INCUMBENT_METRICS"


def main(arguments: list[str]) -> int:
    """Weigh or guard; the exit status."""
    frozen = json.loads((HERE / "frozen.json").read_text("ascii"))["findings"]
    if arguments == ["--guard"]:
        return guard(frozen, json.loads(os.environ.get(VARIABLE, "null")))
    if arguments:
        say(f"unknown arguments {arguments}")
        return 2
    results = [(finding, prove(finding)) for finding in frozen]
    broken = [finding["number"] for finding, result in results if result is ProofResult.BROKEN]
    if broken:
        say(f"broken, neither exploited nor withstood: the proofs of findings {broken}")
        return 1
    weights = [
        finding["weight"] if result is ProofResult.EXPLOITED else 0.0 for finding, result in results
    ]
    for finding, weight in zip(frozen, weights, strict=True):
        say(f"METRIC finding_{finding['number']}={weight:.1f}")
    say(f"METRIC open_weight={sum(weights):.1f}")
    return 0


def guard(frozen: list[dict[str, object]], incumbent: dict[str, float] | None) -> int:
    """Whether all that the incumbent withstands is withstood; without an incumbent all is well."""
    status = 0
    for finding in frozen if incumbent is not None else ():
        name = f"finding_{finding['number']}"
        held = (incumbent or {}).get(name)
        if held is None:
            say(f"the incumbent's {name} is not known")
            status = 1
        elif held == 0 and prove(finding) is not ProofResult.WITHSTOOD:
            say(f"the proof of finding {finding['number']} is no longer withstood")
            status = 1
    return status


def prove(finding: dict[str, object]) -> ProofResult:
    """Run one proof from the root of the checkout."""
    script = HERE / str(finding["script"])
    if hashlib.sha256(script.read_bytes()).hexdigest() != finding["sha256"]:
        return ProofResult.BROKEN
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "TMPDIR": folder, "PYTHONPATH": str(HERE.parent)}
        environment.pop(VARIABLE, None)
        try:
            done = subprocess.run(
                ["/bin/sh", "-c", command_for(script.suffix, str(script))],
                cwd=HERE.parent,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return ProofResult.BROKEN
    return judge(done.stdout, done.returncode)


def say(text: str) -> None:
    """One line on stdout."""
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
