"""What a step relies on is on the disk before the step is recorded: the order of system calls."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.project import set_cost
from support.session import open_session

WORKS = shutil.which("strace") is not None and (
    subprocess.run(
        ["strace", "-f", "-o", "/dev/null", "true"], capture_output=True, check=False
    ).returncode
    == 0
)
needs_strace = pytest.mark.skipif(
    not WORKS and os.environ.get("AUTORESEARCH_REQUIRE_STRACE") != "1", reason="no strace here"
)
UNWATCHED = """\
import sys
from autoresearch.cli import main
from autoresearch.edges import processes
processes.interference = lambda _: processes.Interference(stopped=False, held_back=False)
main(sys.argv[1:])
"""
"""The helper, which else may see that strace, as a debugger would, stops what it measures."""

LINE = re.compile(r"^(\d+) +(\w+)\((.*)\) += (-?\d+)")
NAMED = re.compile(r'"((?:[^"\\]|\\.)*)"')
DESCRIPTOR = re.compile(r"^\d+<([^>]*)>")


def calls(trace):
    """(name, paths) of every call that worked: fsync by the file's name, renames by both."""
    found = []
    for line in trace.read_text("utf-8", "replace").splitlines():
        match = LINE.match(line)
        if match is None or match[4].startswith("-"):
            continue
        if match[2] in {"fsync", "fdatasync", "write"}:
            held = DESCRIPTOR.match(match[3])
            found.append((match[2], (held[1] if held else "",)))
        else:
            found.append((match[2], tuple(NAMED.findall(match[3]))))
    return found


@needs_strace
def test_order_of_a_kept_experiment(tmp_path):
    """A journal or log that speaks of an object, a ref or a file that a power loss takes."""
    helper = open_session(tmp_path)
    set_cost(helper.repo, 90)
    trace = tmp_path / "trace"
    kinds = "trace=fsync,fdatasync,rename,renameat,renameat2,link,linkat,write"
    done = subprocess.run(
        [
            "strace",
            "-f",
            "-y",
            "-s",
            "300",
            "-e",
            kinds,
            "-o",
            str(trace),
            sys.executable,
            "-c",
            UNWATCHED,
            "try",
            "-m",
            "x",
        ],
        cwd=helper.root,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made = calls(trace)
    log = str(helper.state / "log.jsonl")
    journals = [
        i for i, (name, paths) in enumerate(made)
        if name.startswith("rename") and paths[-1].endswith("/journal.json")
    ]  # fmt: skip
    assert len(journals) == 4  # begun, candidate, decided, settled
    begun, candidate, decided, settled = journals
    (logged,) = [i for i, (name, paths) in enumerate(made) if (name, paths) == ("write", (log,))]
    assert settled < logged

    def synced(what, after, before):
        """The places of syncs of a file so called."""
        return [
            i
            for i, (name, paths) in enumerate(made)
            if after < i < before and name in {"fsync", "fdatasync"} and re.search(what, paths[0])
        ]

    # The journal: file before it takes its name, folder after, before anything else goes on.
    state = re.escape(str(helper.state))
    for at in journals:
        assert synced(rf"^{state}/\.autoresearch-", at - 4, at), at
        assert synced(rf"^{state}$", at, at + 4), at
    # Blob, trees and commit before `begun`; the ref before `candidate`; folders of both.
    assert len(synced(r"/objects/.*tmp_obj_", -1, begun)) >= 4
    assert synced(r"/\.git/objects/[0-9a-f]{2}$", -1, begun)
    assert synced(r"/refs/autoresearch/cheaper/exp/0001\.lock$", begun, candidate)
    assert synced(r"/refs/autoresearch/cheaper/exp$", begun, candidate)
    # The kept commit before `decided`; branch and its folder before `settled`.
    assert synced(r"/objects/.*tmp_obj_", candidate, decided)
    assert synced(r"/objects/[0-9a-f]{2}$", candidate, decided)
    assert synced(r"/refs/heads/autoresearch/cheaper\.lock$", decided, settled)
    assert synced(r"/refs/heads/autoresearch$", decided, settled)
    # The log's line is synced before the journal forgets the experiment.
    assert synced(re.escape(log), logged, len(made))[0] == logged + 1
    assert Path(log).exists()
