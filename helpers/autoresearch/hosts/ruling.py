"""What a hook answers before a tool runs."""

from __future__ import annotations

TYPE_CHECKING = False  # typing is not worth its import on every call of a hook
if TYPE_CHECKING:
    from typing import Any

ALLOW, ASK, DENY = "allow", "ask", "deny"


class Ruling:
    """What to answer: `allow`, `ask` or `deny`, and why; or only a word of warning.

    Attributes:
        decision: one of them, or None.
        reason: in words.
        given: what the tool is to be given instead, None for what it was given.
        begins: the draft of a contract that the call begins to write, or None.
    """

    def __init__(
        self,
        decision: str | None,
        reason: str,
        given: dict[str, Any] | None = None,
        begins: str | None = None,
    ) -> None:
        self.decision = decision
        self.reason = reason
        self.given = given
        self.begins = begins
