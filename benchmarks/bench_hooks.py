"""What a hook call and the status line cost, over the bare start of Python.

Medians of alternating runs within one call, so that ratios hold on a noisy machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench_overhead import Repository

PROGRAM = Path(__file__).resolve().parents[1] / "hooks" / "autoresearch.py"
BARE = [sys.executable, "-I", "-S", "-c", "pass"]
AGENT = "bench-agent"


def said(event: str, cwd: Path, *, agent: str = AGENT, **more: object) -> bytes:
    """What a host says on stdin."""
    fields = {"session_id": agent, "cwd": str(cwd), "hook_event_name": event}
    return json.dumps({**fields, "permission_mode": "default", **more}).encode()


def edit(cwd: Path, path: Path, agent: str = AGENT) -> bytes:
    """What a host says before an edit."""
    given = {"file_path": str(path), "old_string": "a", "new_string": "b"}
    return said("PreToolUse", cwd, agent=agent, tool_name="Edit", tool_input=given)


def calls(session: Path, quiet: Path) -> dict[str, tuple[list[str], bytes]]:
    """Name -> command line and stdin."""
    hook = [sys.executable, "-I", "-S", str(PROGRAM)]
    bash = {"tool_name": "Bash", "tool_input": {"command": "autoresearch status"}}
    return {
        "python -I -S -c pass": (BARE, b""),
        "edit without a session": ([*hook, "PreToolUse"], edit(quiet, quiet / "a.py", "other")),
        "end of a turn without one": ([*hook, "Stop"], said("Stop", quiet, agent="other")),
        "edit in scope": ([*hook, "PreToolUse"], edit(session, session / "src" / "new.py")),
        "edit of a protected file": (
            [*hook, "PreToolUse"],
            edit(session, session / "lib/0000/000000.txt"),
        ),
        "our own command": ([*hook, "PreToolUse"], said("PreToolUse", session, **bash)),
        "start of an agent session": ([*hook, "SessionStart"], said("SessionStart", session)),
        "end of a turn": ([*hook, "Stop"], said("Stop", session)),
        "status line": ([*hook, "statusline"], said("Status", session)),
    }


def timed(command: list[str], given: bytes, env: dict[str, str]) -> float:
    """Elapsed seconds of one call."""
    started = time.perf_counter()
    subprocess.run(command, input=given, env=env, capture_output=True, check=True)
    return time.perf_counter() - started


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--full", action="store_true", help="all of it (default)")
    rounds = 15 if parser.parse_args().quick else 60
    with tempfile.TemporaryDirectory(prefix="hooks-") as folder:
        repo = Repository(Path(folder), 100)
        env = {**os.environ, **repo.env, "CLAUDE_CODE_SESSION_ID": AGENT}
        run = [sys.executable, "-m", "autoresearch", "run", "5"]
        subprocess.run(run, cwd=repo.root, env=env, capture_output=True, check=True)
        quiet = Path(folder) / "quiet"
        subprocess.run(["git", "init", "-q", str(quiet)], env=env, check=True)
        times: dict[str, list[float]] = {name: [] for name in calls(repo.root, quiet)}
        for number in range(rounds + 1):
            for name, (command, given) in calls(repo.root, quiet).items():
                took = timed(command, given, env)
                if number:  # the first round warms up
                    times[name].append(took)
    medians = {name: statistics.median(found) for name, found in times.items()}
    base = medians["python -I -S -c pass"]
    print("| call | median | over the bare start |")
    print("|---|---|---|")
    for name, took in medians.items():
        print(f"| {name} | {took * 1e3:.0f} ms | {took / base:.1f} |")


if __name__ == "__main__":
    main()
