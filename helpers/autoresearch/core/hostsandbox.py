"""The setting of an agent's own sandbox that lets the helper write where it must."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def setting(environ: Mapping[str, str], folders: Sequence[str]) -> str:
    """What to write into which file of the host in which this process runs.

    Tried with Codex 0.169 and Claude Code 2.1.330; the variables are those that they set for the
    commands of their agents.

    Args:
        environ: of the process.
        folders: absolute paths that cannot be written.
    """
    listed = json.dumps(list(folders), ensure_ascii=False)
    if any(name.startswith("CODEX_") for name in environ):
        return (
            "Codex: in ~/.codex/config.toml, below [sandbox_workspace_write], "
            f"writable_roots = {listed}; then start it anew."
        )
    if "CLAUDECODE" in environ:
        return (
            "Claude Code: in .claude/settings.local.json, "
            f'{{"sandbox": {{"filesystem": {{"allowWrite": {listed}}}}}}}; then start it anew.'
        )
    return (
        f"Allow writing to {listed} in the settings of your agent's sandbox, or check who owns it."
    )
