"""The setting of a host's sandbox: the right file, and a value that can be pasted."""

from __future__ import annotations

import pytest
from autoresearch.cli.doctor import setting

FOLDERS = ("/r/.git", '/home/a "b"/state')


@pytest.mark.parametrize(
    ("environ", "text"),
    [
        (
            {"CODEX_SESSION_ID": "1", "CLAUDECODE": "1"},
            "Codex: in ~/.codex/config.toml, below [sandbox_workspace_write], "
            r'writable_roots = ["/r/.git", "/home/a \"b\"/state"]; then restart it.',
        ),
        (
            {"CLAUDECODE": "1"},
            "Claude Code: in .claude/settings.local.json, "
            r'{"sandbox": {"filesystem": {"allowWrite": ["/r/.git", "/home/a \"b\"/state"]}}}; '
            "then restart it.",
        ),
        (
            {"CURSOR_AGENT": "1"},
            "Cursor: in ~/.cursor/sandbox.json, "
            r'{"additionalReadwritePaths": ["/r/.git", "/home/a \"b\"/state"]}; '
            "then restart it.",
        ),
        (
            {"GEMINI_CLI": "1"},
            "Gemini CLI: in its environment, SANDBOX_MOUNTS=/r/.git:/r/.git:rw,/home/a "
            '"b"/state:/home/a "b"/state:rw; then restart it.',
        ),
        (
            {"PATH": "/bin"},
            r'Allow writing to ["/r/.git", "/home/a \"b\"/state"] in the settings of your '
            "agent's sandbox; then restart it.",
        ),
    ],
)
def test_setting_is_the_hosts_own(environ, text):
    """Catches advice for another host, and a path that breaks the file it is pasted into."""
    assert setting(environ, FOLDERS) == text
