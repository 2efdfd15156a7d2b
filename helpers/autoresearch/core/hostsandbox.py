"""The setting of an agent's own sandbox that lets the helper write where it must."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def setting(environ: Mapping[str, str], folders: Sequence[str]) -> str:
    """What to write into which file of the host in which this process runs.

    Tried with Codex 0.169 and Claude Code 2.1.330; for Cursor and Gemini CLI their documentation
    is the source. The variables are those that they set for the commands of their agents.

    Args:
        environ: of the process.
        folders: absolute paths that cannot be written.
    """
    listed = json.dumps(list(folders), ensure_ascii=False)
    if any(name.startswith("CODEX_") for name in environ):
        where = "in ~/.codex/config.toml, below [sandbox_workspace_write]"
        what = f"Codex: {where}, writable_roots = {listed}"
    elif "CLAUDECODE" in environ:
        inner = f'{{"filesystem": {{"allowWrite": {listed}}}}}'
        what = f'Claude Code: in .claude/settings.local.json, {{"sandbox": {inner}}}'
    elif "CURSOR_AGENT" in environ:
        what = f'Cursor: in ~/.cursor/sandbox.json, {{"additionalReadwritePaths": {listed}}}'
    elif "GEMINI_CLI" in environ:
        mounts = ",".join(f"{folder}:{folder}:rw" for folder in folders)
        what = f"Gemini CLI: in its environment, SANDBOX_MOUNTS={mounts}"
    else:
        what = f"Allow writing to {listed} in the settings of your agent's sandbox"
    return f"{what}; then start it anew."
