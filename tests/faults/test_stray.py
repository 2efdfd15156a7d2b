"""A helper killed while its program runs: the next command ends the program."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from support.project import set_cost
from support.session import UNCONFINED, Gate, open_session


def is_running(pid: str) -> bool:
    """Whether a process lives; one that only waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("command", [("note", "next"), ("recover",)], ids=lambda c: c[0])
def test_program_of_a_killed_helper_is_ended(tmp_path, command):
    """A sample, and a daemon without its environment, that run on beside the next sample."""
    helper = open_session(tmp_path, extra=UNCONFINED)
    gate, pids = Gate(tmp_path / "gate"), tmp_path / "pids"
    daemon = (
        "import os, subprocess\n"
        "d = subprocess.Popen(['sleep', '600'], env={}, start_new_session=True, stdout=-3)\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{d.pid}}')\n"
    )
    set_cost(helper.repo, 90, extra=daemon + gate.code)
    running = helper.start("try", "-m", "raced")
    gate.wait_inside()
    running.send_signal(signal.SIGKILL)
    running.communicate()
    left = pids.read_text().split()
    assert all(is_running(pid) for pid in left)
    bad = [f["text"] for f in helper.json("doctor", code=1)["findings"] if not f["ok"]]
    assert any(text.startswith("processes: left running") for text in bad), bad
    assert any(text.startswith("folders of a run: left in ") for text in bad), bad
    assert "`autoresearch try` was killed; " in helper(*command).out
    assert not any(is_running(pid) for pid in left)
    assert helper.json("doctor")["ok"]
