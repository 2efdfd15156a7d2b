"""What was installed: each file with its hash, so that only our own, unchanged, is ever removed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autoresearch.core.errors import AutoresearchError
from autoresearch.edges.files import atomic_write, named_errors

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = 1
"""1: {"schema": 1, "entries": {path: {"owners": [...], "sha256" or "link": "..."}}}."""


@dataclass(slots=True)
class Entry:
    """One file or link of ours.

    Attributes:
        owners: for which host, and which project, it is there.
        digest: SHA-256 of its content, or the target of a link.
        is_link: which of the two.
    """

    owners: list[str] = field(default_factory=list)
    digest: str = ""
    is_link: bool = False


def digest_of(content: bytes) -> str:
    """The hash by which a file of ours is known again."""
    return hashlib.sha256(content).hexdigest()


def load(path: Path) -> dict[str, Entry]:
    """Absolute path -> entry; empty when nothing was installed yet.

    Raises:
        AutoresearchError: `ledger` when the file is none of ours or of a newer version.
    """
    with named_errors(path):
        if not path.exists():
            return {}
        text = path.read_text("utf-8")
    try:
        return _entries(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AutoresearchError(
            f"{path} cannot be read as the list of installed files",
            code="ledger",
            hint="Move it away; `install` then takes what it would write itself for its own.",
        ) from error


def _entries(found: Any) -> dict[str, Entry]:  # noqa: ANN401 - whatever the file holds
    if found["schema"] != SCHEMA:
        raise ValueError(found["schema"])
    return {
        name: Entry(
            owners=list(entry["owners"]),
            digest=str(entry["link"] if "link" in entry else entry["sha256"]),
            is_link="link" in entry,
        )
        for name, entry in found["entries"].items()
    }


def save(path: Path, entries: dict[str, Entry]) -> None:
    """Write the list; no file stays for an empty one."""
    if not entries:
        with named_errors(path):
            path.unlink(missing_ok=True)
        return
    found = {
        name: {"owners": sorted(entry.owners), "link" if entry.is_link else "sha256": entry.digest}
        for name, entry in sorted(entries.items())
    }
    with named_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, (json.dumps({"schema": SCHEMA, "entries": found}, indent=1) + "\n").encode())
