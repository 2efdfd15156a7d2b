"""The sandbox by what it holds back, the probe by what it finds out."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import pytest
from autoresearch.core.errors import AutoresearchError
from autoresearch.edges import sandbox as sandboxes
from autoresearch.edges.command import Limits, Outcome, run_command
from autoresearch.edges.environment import Visible
from autoresearch.edges.files import remove_tree
from autoresearch.edges.sandbox import Confiner, Overlay, Rules, find_sandbox, replaced
from support import confined
from support.confined import overlay_path, overlay_sandbox, working_sandbox
from support.programs import leaving_nothing


class Box:
    """A checkout with a locked file and a locked folder, in a machine with a secret."""

    def __init__(self, root: Path, *, overlaid: bool = False) -> None:
        self.sandbox = overlay_sandbox() if overlaid else working_sandbox()
        self.root = root.resolve()
        self.slot, self.home = self.root / "slot", self.root / "run"
        self.secrets = self.root / "secrets"
        for folder in (self.slot / "src", self.slot / "bench" / "cache", self.home, self.secrets):
            folder.mkdir(parents=True)
        for path in ("slot/check.sh", "slot/src/work", "slot/src/fixed", "slot/bench/run"):
            (self.root / path).write_text("as it was")
        (self.secrets / "key").write_text("as it was")
        (self.secrets / "tool").mkdir()
        (self.secrets / "tool" / "readable").write_text("a tool")
        (self.secrets / "tool" / "token").write_text("a token")
        (self.secrets / "tool" / "tokens").mkdir()
        (self.secrets / "tool" / "tokens" / "one").write_text("a token")
        self.overlay = Overlay(self.root / "written", self.root / "work") if overlaid else None
        for folder in self.overlay or ():
            folder.mkdir()

    def rules(self, *, network: bool = False) -> Rules:
        """What a command may see and change."""
        slot = str(self.slot)
        return Rules(
            slot=self.slot,
            pinned=(f"{slot}/src",),
            locked=(f"{slot}/bench", f"{slot}/check.sh", f"{slot}/src/fixed"),
            kept=() if self.overlay else (f"{slot}/bench/cache",),
            writable=(str(self.home),),
            visible=Visible(
                (str(self.secrets),),
                (f"{self.secrets}/tool",),
                ((f"{self.secrets}/link", "tool/readable"),),
                (f"{self.secrets}/tool/token", f"{self.secrets}/tool/tokens"),
            ),
            network=network,
            overlay=self.overlay,
        )

    def run(self, command: str, *, network: bool = False, timeout_s: float = 20) -> Outcome:
        """Run a command confined."""
        return run_command(
            command,
            cwd=self.slot,
            env={"PATH": os.environ["PATH"], "TMPDIR": str(self.home)},
            limits=Limits(timeout_s=timeout_s),
            prefix=self.sandbox.prefix(self.rules(network=network)),
        )

    def python(self, program: str, **kept: bool) -> Outcome:
        """Run a Python program confined."""
        (self.slot / "src" / "program.py").write_text(program)
        return self.run(f"{sys.executable} -S src/program.py", **kept)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """A box of its own."""
    return Box(tmp_path)


@pytest.fixture(params=[False, True], ids=["itself", "overlay"])
def either(tmp_path: Path, request: pytest.FixtureRequest) -> Box:
    """A box whose checkout is written to itself, and one whose checkout lies under an overlay."""
    return Box(tmp_path, overlaid=request.param)


@pytest.mark.parametrize(
    "command",
    [
        "echo x > check.sh",
        "echo x > bench/run",
        "echo x > bench/new",
        "rm check.sh",
        "rm -r bench",
        "mv check.sh other",
        "mv bench other && mkdir bench && echo x > bench/run",
        "mv src other",
        "chmod 777 check.sh",
        "ln -f src/work check.sh",
        "touch -t 200001010000 bench/run",
        "rm {secrets}/tool/readable",
        "echo x > /etc/autoresearch-was-here",
        "mount --bind src bench",
        "umount bench",
    ],
)
def test_nothing_protected_can_be_changed(either: Box, command: str) -> None:
    """The evaluator is rewritten, replaced, moved aside, or the machine beside it is changed."""
    outcome = either.run(command.format(secrets=either.secrets))
    assert outcome.exit_code != 0, outcome
    require_untouched(either)


def require_untouched(box: Box) -> None:
    """Everything that a program must leave alone is as it was."""
    files = ("check.sh", "bench/run", "src/work", "src/fixed")
    kept = ("secrets/key", *(f"slot/{file}" for file in files))
    assert {(box.root / path).read_text() for path in kept} == {"as it was"}
    assert (box.slot / "src").is_dir()
    assert not (box.root / "beside").exists()


@pytest.mark.parametrize("command", ["> ../beside", "> {secrets}/key", "> /tmp/autoresearch-x"])
def test_what_is_written_to_a_private_folder_is_gone(either: Box, command: str) -> None:
    """A note to the next sample, left where it is not looked for."""
    either.run(f"echo x {command.format(secrets=either.secrets)}")
    require_untouched(either)
    assert not Path("/tmp/autoresearch-x").exists()


def test_the_checkout_is_writable_elsewhere(box: Box) -> None:
    """Outputs, caches and temporary files of an honest program are refused."""
    outcome = box.run(
        "echo x > new && mkdir build && echo x > src/out && rm src/work"
        " && echo x > bench/cache/y && echo x > $TMPDIR/t"
        " && echo x > /tmp/.autoresearch-test-$$ && echo x > /dev/shm/t"
    )
    assert (outcome.exit_code, outcome.stderr) == (0, b"")
    assert (box.slot / "build").is_dir()
    assert (box.slot / "bench" / "cache" / "y").read_text() == "x\n"
    assert not list(Path("/tmp").glob(".autoresearch-test-*"))


def slot_bytes(box: Box) -> dict[str, bytes | None]:
    """All that lies in the checkout; folders hold None."""
    return {
        str(path.relative_to(box.slot)): path.read_bytes() if path.is_file() else None
        for path in sorted(box.slot.rglob("*"))
    }


@pytest.mark.parametrize(
    ("command", "seen"),
    [
        ("cat src/work check.sh", ""),
        ("echo x > new && mkdir -p build/deep src/more && echo x > src/more/file", ""),
        ("ln -s /etc/passwd src/link && mkfifo pipe", ""),
        ("echo x > src/work", "src/work"),
        (": >> src/work", "src/work"),
        ("rm src/work", "src/work"),
        ("mv src/work src/other", "src/work"),
        ("chmod 600 src/work", "src/work"),
        ("rm src/work && mkdir -p src/work/deep", "src/work"),
        ("rm -r free && mkdir free", "free/work"),
        ("rm -r free && echo x > free", "free/work"),
        ("rm -r free && ln -s bench free", "free/work"),
        ("echo x > src/work && chmod 0 src .", "src/work"),
    ],
)
def test_what_is_written_goes_over_the_checkout(tmp_path: Path, command: str, seen: str) -> None:
    """A note to the next sample in the checkout; or a changed file that nobody hears of."""
    box = Box(tmp_path, overlaid=True)
    (box.slot / "free").mkdir()
    (box.slot / "free" / "work").write_text("as it was")
    before = slot_bytes(box)
    outcome = box.run(command)
    assert (outcome.exit_code, outcome.stderr) == (0, b"")
    assert slot_bytes(box) == before
    assert box.overlay is not None
    files = {"check.sh", "src/work", "src/fixed", "bench/run", "free/work"}
    found = replaced(box.overlay.written, files, {"src", "bench", "bench/cache", "free"})
    assert found == ((seen,) if seen else ())
    remove_tree(box.overlay.written)
    remove_tree(box.overlay.work)


def test_no_file_of_the_overlay_is_in_reach(tmp_path: Path) -> None:
    """What tells of a change is removed by who made it."""
    box = Box(tmp_path, overlaid=True)
    assert box.overlay is not None
    rules = box.rules()._replace(visible=Visible((str(box.root),), (), (), ()))
    outcome = run_command(
        f"echo x > src/work; ls {box.root} {box.root}/*; echo y > {box.overlay.written}/src/work",
        cwd=box.slot,
        env={"PATH": os.environ["PATH"]},
        limits=Limits(timeout_s=20),
        prefix=box.sandbox.prefix(rules),
    )
    assert b"written" not in outcome.stdout
    assert (box.overlay.written / "src" / "work").read_text() == "x\n"


def test_what_is_hidden_and_what_stays_readable(box: Box) -> None:
    """The user's keys are read, or a toolchain in the home is gone."""
    outcome = box.run(f"ls {box.secrets}; cat {box.secrets}/link {box.secrets}/key")
    assert outcome.stdout == b"link\ntool\na tool"
    assert outcome.exit_code == 1
    outcome = box.run(f"cat {box.secrets}/tool/token; ls {box.secrets}/tool/tokens")
    assert (outcome.exit_code, outcome.stdout) == (0, b"")


def test_no_network_but_loopback(box: Box) -> None:
    """A program that sends out what it read, or one that cannot talk to its own server."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        reach = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)\n"
        assert b"ConnectionRefusedError" in box.python(reach).stderr
        assert box.python(reach, network=True).exit_code == 0
    own = (
        "import socket\nserver = socket.create_server(('127.0.0.1', 0))\n"
        "socket.create_connection(server.getsockname())\n"
    )
    assert box.python(own).exit_code == 0


def test_strays_end_with_the_command(box: Box) -> None:
    """A daemon in a session of its own outlives its sample and writes into the next."""
    with leaving_nothing(box.slot / "programs") as programs:
        body = "daemon(hang, close=True); daemon(hang); say('done')"
        command = programs.write(body)
        outcome = box.run(command)
        assert (outcome.exit_code, outcome.stdout) == (0, b"done")
        hung = box.run(programs.write("daemon(hang); hang()", "other"), timeout_s=0.5)
        assert hung.timed_out


def test_other_processes_are_out_of_reach(box: Box) -> None:
    """The helper is killed, or looked into, by what it measures."""
    outcome = box.run(f"kill -9 {os.getpid()}; ls -d /proc/[0-9]* | wc -l")
    assert outcome.exit_code == 0
    assert int(outcome.stdout) < 10


def test_status_time_and_streams_are_the_commands_own(box: Box) -> None:
    """The sandbox's start counts as the program's, or its status, input or CPU time is lost."""
    assert box.run("exit 7").exit_code == 7
    assert box.run("kill -9 $$").exit_code == 137
    outcome = box.run("echo out; echo error >&2; cat; ls -l /proc/self/fd | wc -l")
    assert outcome.stdout.startswith(b"out\n")
    assert outcome.stderr == b"error\n"
    burnt = box.python(
        "import time\nwhile time.process_time() < 0.2:\n    pass\nprint(time.process_time())\n"
    )
    assert burnt.cpu_s >= float(burnt.stdout)


def test_the_mark_of_the_start_cannot_be_forged(box: Box) -> None:
    """A program that reaches the pipe which says when it started moves its own start."""
    outcome = box.run("for pid in 1 $PPID $$; do readlink /proc/$pid/fd/*; done | sort -u")
    assert b"/dev/null" in outcome.stdout
    pipes = [line for line in outcome.stdout.splitlines() if line.startswith(b"pipe:")]
    assert len(pipes) <= 3  # stdout, stderr, and the shell's own pipe to sort


def test_a_sandbox_that_does_not_start_is_no_result(box: Box, tmp_path: Path) -> None:
    """Bubblewrap's own failure is taken for the candidate's, which is then a crash."""
    rules = Rules(slot=box.slot, writable=(str(tmp_path / "missing"),))
    with pytest.raises(AutoresearchError, match="the sandbox did not start: bwrap: ") as caught:
        run_command(
            "echo never", cwd=box.slot, env={}, limits=Limits(timeout_s=20),
            prefix=box.sandbox.prefix(rules),
        )  # fmt: skip
    assert caught.value.code == "sandbox_failed"


# --- the probe -----------------------------------------------------------------------------


def fake(folder: Path, script: str) -> str:
    """A PATH whose first `bwrap` is this shell script."""
    folder.mkdir(exist_ok=True)
    program = folder / "bwrap"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


def probe(path: str, tmp_path: Path) -> Confiner:
    """What is found on that PATH."""
    return find_sandbox(path, tmp_path / "state" / "memory.json", tmp_path / "ground")


def test_nothing_installed_is_said_with_the_command(tmp_path: Path) -> None:
    """A machine without a sandbox, and nobody told how to get one."""
    empty = tmp_path / "bin"
    empty.mkdir()
    found = probe(str(empty), tmp_path)
    assert found == (
        None, "bubblewrap is not installed", "Install your system's package bubblewrap.",
    )  # fmt: skip
    assert found.name == "none"
    (empty / "dnf").write_text("")
    (empty / "dnf").chmod(0o755)
    remedy = "Install it: `sudo dnf install bubblewrap`."
    assert probe(str(empty), tmp_path).remedy == remedy


RUNS_IT = 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"'


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("echo 'No permissions to create new namespace' >&2; exit 1", "No permissions"),
        ("exit 0", "the sandbox did not start"),
        (RUNS_IT, "locked could be written"),
    ],
)
def test_a_sandbox_that_does_not_hold_is_none(tmp_path: Path, script: str, problem: str) -> None:
    """A kernel that forbids namespaces, or a program that only pretends to confine."""
    found = probe(fake(tmp_path / "bin", script), tmp_path)
    assert found.sandbox is None
    assert problem in found.why
    assert found.remedy
    assert not (tmp_path / "state" / "memory.json").exists()
    assert list((tmp_path / "ground").iterdir()) == []


def test_a_probe_that_passed_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command pays for a probe; or one that passed is believed for another program."""
    works = working_sandbox()
    memory = tmp_path / "state" / "memory.json"
    assert probe(os.environ["PATH"], tmp_path) == Confiner(works, "", "")
    assert json.loads(memory.read_text())["name"] == works.name
    with monkeypatch.context() as patch:
        patch.setattr(sandboxes, "problem_of", lambda *_, **__: pytest.fail("probed again"))
        assert probe(os.environ["PATH"], tmp_path).sandbox == works
    fakes = fake(tmp_path / "bin", RUNS_IT)
    assert probe(fakes, tmp_path).sandbox is None
    assert not memory.exists()
    memory.write_text("torn")
    assert probe(os.environ["PATH"], tmp_path).sandbox == works


def test_overlays_are_believed_after_a_probe_only(tmp_path: Path) -> None:
    """Samples that fail where a kernel or bubblewrap has no overlays, or never get one."""
    works = overlay_sandbox()
    assert probe(overlay_path(), tmp_path) == Confiner(works, "", "")
    pretends = f'exec {sys.executable} -S {tmp_path / "pretend.py"} {works.program} "$@"'
    (tmp_path / "pretend.py").write_text(
        "import os, sys\n"
        "program, *words = sys.argv[1:]\n"
        "while '--overlay' in words:\n"
        "    at = words.index('--overlay')\n"
        "    slot = words[at + 3]\n"
        "    inner = slot + '/folder'\n"
        "    words[at - 2 : at + 4] = ['--bind', slot, slot, '--bind', inner, inner]\n"
        "os.execv(program, [program, *words])\n"
    )
    found = probe(fake(tmp_path / "bin", pretends), tmp_path)
    assert found.sandbox is not None
    assert found.sandbox.no_overlay == "what is written reaches the checkout"


def test_macos_is_told_that_it_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Mac is told to install bubblewrap, which it cannot, or believes itself confined."""
    monkeypatch.setattr(sandboxes.sys, "platform", "darwin")
    found = probe(os.environ["PATH"], tmp_path)
    assert found == (None, "there is no sandbox for macOS yet", "")
    assert found.absence == "there is no sandbox for macOS yet."


@pytest.mark.parametrize(
    ("required", "forbidden", "outcome"),
    [(True, "", "failed"), (True, "by the kernel", "skipped"), (False, "", "skipped")],
)
def test_a_sandbox_that_could_work_has_to_in_continuous_integration(
    monkeypatch: pytest.MonkeyPatch, *, required: bool, forbidden: str, outcome: str
) -> None:
    """All of this is skipped without a word on the one machine that would have told."""
    monkeypatch.setattr(confined, "REQUIRED", required)
    monkeypatch.setattr(confined, "forbidden_here", lambda: forbidden)
    monkeypatch.setattr(confined, "found_here", lambda: Confiner(None, "nothing works", "Mend it."))
    kind = pytest.fail.Exception if outcome == "failed" else pytest.skip.Exception
    with pytest.raises(kind, match=forbidden or "nothing works"):
        working_sandbox()


def test_what_the_kernel_allows_is_known() -> None:
    """A sandbox that works where it is said to be forbidden: then its absence would be excused."""
    working_sandbox()
    assert confined.forbidden_here() == ""
