"""Where the report of a bug goes: beside the sessions' state, or to a temporary folder."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from autoresearch.edges.clock import now_utc


def crash_report(text: str) -> Path:
    """Write a report in a Markdown fence, ready to be pasted into an issue; its path.

    Never raises for a state folder that cannot be written: a temporary folder takes its place.
    """
    base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    folder = base / "autoresearch" / "crashes"
    name = f"crash-{now_utc().replace(':', '')}-{os.getpid()}.md"
    content = f"```\n{text}\n```\n"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / name
        path.write_text(content, "utf-8", "backslashreplace")
    except OSError:
        path = Path(tempfile.mkdtemp(prefix="autoresearch-")) / name
        path.write_text(content, "utf-8", "backslashreplace")
    return path
