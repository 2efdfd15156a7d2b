"""The agent hosts of the tests: where they are installed, and processes of theirs that always end.

`python -m support.hosts` installs them, at the versions of tests/hosts/package.json, into a folder
of the user's cache that is named after the lock file. Nothing else is needed to run them: they are
programs of their own.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
LOCKED = ROOT / "tests" / "hosts"
TOOLS = ROOT / "tests" / "tools"
"""A lock file of its own: a new host does not fetch the tools again."""
BINARIES = {
    "claude": "@anthropic-ai/claude-code-*/claude",
    "codex": "@openai/codex-*/vendor/*/bin/codex",
    "opencode": "opencode-*/bin/opencode",
}
"""Host -> its program below node_modules; only the package of this platform is installed."""

DEAD_END = "http://127.0.0.1:9"
"""A proxy that answers nobody: whatever is not on loopback fails at once."""

REQUIRED = os.environ.get("AUTORESEARCH_REQUIRE_HOSTS") == "1" or os.environ.get("CI") == "true"
"""Where a host that is not installed is a failure, not a skip."""

_SHARED = ("GIT_AUTHOR_", "GIT_COMMITTER_", "XDG_STATE_", "XDG_CACHE_")
"""What the test's own calls of the helper and those of the agent must agree on."""

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def folder(locked: Path = LOCKED) -> Path:
    """Where the programs of a lock file are, or will be."""
    lock = (locked / "package-lock.json").read_bytes()
    return _CACHE / "autoresearch-test-hosts" / hashlib.sha256(lock).hexdigest()[:16]


_INSTALLED = folder()


def binary(host: str) -> Path | None:
    """The host's program, or None where it is not installed."""
    found = sorted((_INSTALLED / "node_modules").glob(BINARIES[host]))
    return found[0] if found else None


def install(locked: Path = LOCKED) -> None:
    """Install what a lock file names, once; what is half done is never taken for done."""
    there = folder(locked)
    if there.exists():
        return
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("error: npm is needed to install the hosts (apt install npm, brew install node)")
    sys.stderr.write(f"installing what {locked} names in {there}, once\n")
    there.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=there.parent) as name:
        build = Path(name) / "build"
        build.mkdir()
        for file in ("package.json", "package-lock.json"):
            shutil.copy(locked / file, build)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        if subprocess.run(command, cwd=build, stdout=sys.stderr, check=False).returncode:
            sys.exit("error: npm could not install them; see above")
        if not there.exists():
            build.rename(there)
    missing = [host for host in BINARIES if binary(host) is None]
    if missing and locked == LOCKED:
        sys.stderr.write(f"the lock file has no {', '.join(missing)} for this platform\n")


def program(host: str) -> Path:
    """The host's program; without it the test is skipped, and fails where hosts are required."""
    found = binary(host)
    if found is None:
        cannot(f"{host} is not installed: `make hosts` does it, with npm")
    return found


def cannot(reason: str) -> NoReturn:
    """End a test of a host that cannot run here."""
    if REQUIRED:
        pytest.fail(reason)
    pytest.skip(reason)


def environment(home: Path, **more: str) -> dict[str, str]:
    """What a host gets: a home of its own, nothing of the machine's user, and no way out."""
    return {
        "HTTP_PROXY": DEAD_END,
        "HTTPS_PROXY": DEAD_END,
        "NO_PROXY": "127.0.0.1,localhost",
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "TZ": "UTC",
        "GIT_CONFIG_NOSYSTEM": "1",
        **{name: value for name, value in os.environ.items() if name.startswith(_SHARED)},
        **more,
    }


@contextmanager
def running(
    command: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str], errors: Path
) -> Iterator[subprocess.Popen[str]]:
    """A process with pipes for input and output; at the end it and all it started are gone."""
    with errors.open("w", encoding="utf-8") as sink:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=sink,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
    try:
        yield process
    finally:
        kill_tree(process)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def events_of(
    command: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str], errors: Path
) -> list[dict[str, Any]]:
    """All that a host printed, an event a line, until it ended well."""
    with running(command, cwd=cwd, env=env, errors=errors) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        events = [json.loads(line) for line in process.stdout]
        assert process.wait() == 0, errors.read_text("utf-8")
    return events


def kill_tree(process: subprocess.Popen[str]) -> None:
    """End a process and all that descends from it, at once and without a chance to tidy up."""
    for pid in (*_descendants(process.pid), process.pid):
        with suppress(ProcessLookupError):  # it ended meanwhile
            os.kill(pid, signal.SIGKILL)
    process.wait()


def _descendants(pid: int) -> list[int]:
    """Process numbers below `pid`, parents first."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    )
    children: dict[int, list[int]] = {}
    for line in listed.stdout.splitlines():
        child, parent = map(int, line.split())
        children.setdefault(parent, []).append(child)
    found: list[int] = []
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


if __name__ == "__main__":
    install()
    install(TOOLS)
