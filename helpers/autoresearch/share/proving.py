"""How a proof of concept is started and what its ending means.

Standard library only: `autoresearch security fix` puts this file beside the proofs it freezes.
"""

from __future__ import annotations

import re
import shlex
from enum import Enum


class ProofResult(str, Enum):
    """What a proof of concept showed."""

    EXPLOITED = "exploited"
    WITHSTOOD = "withstood"
    BROKEN = "broken"


TIMEOUT_S = 60
"""For one proof."""

_VERDICT = re.compile(rb"^[ \t]*PROOF\b[^\n]*", re.MULTILINE)
_EXPLOITED = b"PROOF exploited"
_WITHSTOOD = b"PROOF withstood"

_COMMANDS = {
    ".py": "if [ -x .venv/bin/python ]; then exec .venv/bin/python {0}; else exec python3 {0}; fi",
    ".js": "exec node {0}",
    ".sh": "exec sh {0}",
}


def command_for(ending: str, path: str) -> str:
    """The shell command that runs a script from the root of a checkout.

    Raises:
        KeyError: for a language that is not run.
    """
    return _COMMANDS[ending].format(shlex.quote(path))


def judge(stdout: bytes, exit_code: int) -> ProofResult:
    """What a run that ended by itself showed.

    Exactly one line may start with PROOF, and status and line must agree: a second line, as the
    attacked code might print it, makes the run worthless.
    """
    lines = [line.strip() for line in _VERDICT.findall(stdout)]
    if lines == [_WITHSTOOD] and exit_code == 0:
        return ProofResult.WITHSTOOD
    if lines == [_EXPLOITED] and exit_code != 0:
        return ProofResult.EXPLOITED
    return ProofResult.BROKEN
