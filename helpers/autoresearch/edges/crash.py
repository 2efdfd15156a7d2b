"""What the report of a bug tells about the machine beyond Python itself."""

from __future__ import annotations

import subprocess


def git_version() -> str:
    """The words of `git --version`; never raises, for it is asked when something broke."""
    try:
        done = subprocess.run(
            ["git", "--version"], capture_output=True, check=False, timeout=10, text=True
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError) as error:
        return f"git cannot be asked: {error}"
    return done.stdout.strip() or f"git --version failed with status {done.returncode}"
