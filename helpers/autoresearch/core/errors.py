"""Expected failures, one class per answer the caller can act on.

The command line maps them to exit codes (docs/schema.md): 1 for what the caller can mend,
4 for a gate that said no, 5 for a session that cannot go on.
"""

from __future__ import annotations


class AutoresearchError(Exception):
    """An expected failure: what happened, with the offending value, and what to do next.

    Attributes:
        code: stable identifier for `--json`, in snake case.
        hint: the remedy, one sentence; empty only where the message already names it.
        exit_code: what the process exits with.
    """

    exit_code = 1

    def __init__(self, message: str, *, code: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint


class ContractError(AutoresearchError):
    """Raised when a contract is malformed; names file, line, value and remedy."""

    def __init__(
        self, message: str, *, line: int | None = None, hint: str = "", code: str = "contract"
    ) -> None:
        where = "" if line is None else f"line {line}: "
        super().__init__(where + message, code=code, hint=hint)
        self.line = line


class MetricError(AutoresearchError):
    """Raised when the output of verify holds no metric, or none that can be trusted.

    Attributes:
        plain: the message without a word of the output, for a reader who must not take orders
            from the program measured.
    """

    def __init__(self, message: str, *, hint: str = "", plain: str = "") -> None:
        super().__init__(message, code="metric", hint=hint)
        self.plain = plain or message


class GitError(AutoresearchError):
    """Raised when git refuses or fails; holds git's own words."""

    def __init__(self, message: str, *, code: str = "git", hint: str = "") -> None:
        super().__init__(message, code=code, hint=hint)


class CorruptLogError(AutoresearchError):
    """Raised when a log line is not what was written: broken chain, number twice, newer schema."""

    exit_code = 5

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, code="corrupt_log", hint=hint)


class GateFailed(AutoresearchError):
    """Raised when a gate (`check`) said no."""

    exit_code = 4


class SessionBroken(AutoresearchError):
    """Raised when the session cannot go on: the incumbent fails, or its state is inconsistent."""

    exit_code = 5
