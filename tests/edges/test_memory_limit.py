"""Memory that running processes hold together, and its limit."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from autoresearch.edges import processes
from autoresearch.edges.command import Limits
from autoresearch.edges.processes import children, is_over, memory_limit
from support.programs import leaving_nothing, run_shell

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")

MB = 1 << 20


@pytest.mark.parametrize("body", ["eat(200); hang()", "spread(4, lambda: eat(50))"])
def test_a_command_that_takes_too_much_is_ended(tmp_path: Path, body: str) -> None:
    """A machine that swaps for a night; or a limit that many small processes pass under."""
    with leaving_nothing(tmp_path / "programs") as programs:
        helpers = (
            "kept = []\n"
            "def eat(mb):\n    kept.append(b'x' * (mb << 20))\n"
            "def spread(n, body):\n"
            "    for _ in range(n):\n"
            "        if os.fork() == 0:\n            body()\n            hang()\n"
            "    hang()\n"
        )
        outcome = run_shell(
            programs.write(helpers + body), tmp_path, Limits(timeout_s=60, memory_bytes=120 * MB)
        )
        assert (outcome.out_of_memory, outcome.timed_out) == (True, False)
        assert outcome.exit_code == 137


def test_shared_memory_counts_once(tmp_path: Path) -> None:
    """A server that forks its workers is ended, for each of them holds the same pages."""
    with leaving_nothing(tmp_path / "programs") as programs:
        program = (
            "kept = b'x' * (100 << 20)\nreader, writer = os.pipe()\n"
            "for _ in range(4):\n    if os.fork() == 0:\n        os.read(reader, 1)\n"
            "        os._exit(0)\n"
            "say('ready')\nos.read(0, 1)\nos.write(writer, b'1234')\n"
            "for _ in range(4):\n    os.wait()\n"
        )
        import subprocess  # noqa: PLC0415

        with subprocess.Popen(
            ["sh", "-c", f"exec {programs.write(program)}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            assert process.stdout.read(5) == b"ready"
            assert process.pid in children()
            assert not is_over([process.pid], 300 * MB)
            assert is_over([process.pid], 90 * MB)
            process.communicate(b"x")


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Sets the limit of a control group."""
    monkeypatch.setattr(processes, "_CGROUP", tmp_path)
    path = Path("/proc/self/cgroup").read_text("ascii").strip().rpartition(":")[2].strip("/")

    def limit(where: str, text: str) -> None:
        folder = tmp_path / path if where == "own" else tmp_path
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "memory.max").write_text(text)

    return limit


def test_the_limit_is_what_the_machine_or_the_container_has(
    group: Callable[[str, str], None],
) -> None:
    """A container of 2 GB on a machine of 64 GB: the kernel ends the helper instead."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert memory_limit() == int(machine * 0.9)
    group("own", "max\n")
    assert memory_limit() == int(machine * 0.9)
    group("root", "1000000\n")
    assert memory_limit() == 900_000
