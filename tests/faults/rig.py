"""A session that is cheap to kill: shell programs for verify and guard, commands in forks.

A command runs in a fork of this process, which has everything imported already: exactly the code
of the console script, without the time Python takes to start. Faults come by plan: at the n-th
call that touches files, processes or locks the fork kills itself, or the call fails.
"""

from __future__ import annotations

import builtins
import contextlib
import errno
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from autoresearch.cli import group
from autoresearch.cli.app import run
from autoresearch.loop.integrity import invariants
from autoresearch.loop.session import loaded
from support.harness import Git
from support.session import Helper

WORK = "echo METRIC cost={cost}\n# answer 42\n# {note}\n"
CONTRACT = """\
session: cheaper
goal: Make the work cheaper
metric: {name: cost, direction: lower, deterministic: true}
verify: sh src/work.sh
guard: grep -q 'answer 42' src/work.sh
scope: ["src/**"]
budget: {experiments: 100000}
"""
NOISY_WORK = (
    "echo METRIC cost=$(({cost} + {cost} * (AUTORESEARCH_SEED % 100) / 10000))\n"
    "# answer 42\n# {note}\n"
)
NOISY = CONTRACT.replace(", deterministic: true", "") + "race: {max_runs: 16}\n"
"""A metric that follows its seed, by up to 1 %: its races take several samples."""
MINE = {"notes.txt": "mine\n", "src/scratch.ignored": "mine too\n"}
EVENTS = (
    "open", "os.", "subprocess.Popen", "shutil.", "tempfile.", "sqlite3.connect", "fcntl.",
)  # fmt: skip
LOOKS = {"os.listdir", "os.scandir", "os.unsetenv", "os.putenv"}
"""Events that leave everything as it is."""
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
PATCHED = ("write", "pwrite", "fsync")
"""Calls of `os` that make no event."""


class Call(NamedTuple):
    """A call that touches something: where in the helper it stands, and what it touches."""

    site: str
    changes: bool
    on_disk: bool

    def counts(self, error):
        """Whether a kill (no error) or a failure of this kind may be planned for it.

        A kill at a call that changes nothing is the kill at the next one that does.
        """
        if not error:
            return self.changes
        return self.on_disk and (self.changes or error == errno.EIO)


class Ended(NamedTuple):
    """How a command in a fork ended: its status as of `waitpid`, its output, its calls."""

    status: int
    out: str
    calls: tuple[Call, ...]

    @property
    def code(self):
        """Its exit code, or minus the signal that ended it."""
        return os.waitstatus_to_exitcode(self.status)

    def wrong(self, fine):
        """What is wrong with its exit, which may be one of these: nothing, or one line."""
        return [f"exit {self.code}: {self.out}"] * (self.code not in fine)

    def at(self, error=0):
        """The sites of the calls that a kill or a failure of this kind may be planned for."""
        return [call.site for call in self.calls if call.counts(error)]


def descendants(pid):
    """The processes that a process started, and those that these did."""
    found, todo = [], [pid]
    while todo:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            text = Path(f"/proc/{todo[-1]}/task/{todo.pop()}/children").read_text()
            found += map(int, text.split())
            todo += map(int, text.split())
    return found


class Plan:
    """What happens at which call: nothing, a kill, or a failure of a call on files."""

    def __init__(self, at=0, error=0, below=()):
        self.at, self.error, self.below = at, error, tuple(map(str, below))
        self.calls, self.made, self.busy = 0, [], False

    def step(self, name, *, changes, on_disk):
        """Count a call; at the planned one, die or fail."""
        if self.busy:
            return
        site = "" if self.at else f"{name} at {_site()}"
        call = Call(site, changes, on_disk)
        if not self.at:
            self.made.append(call)
        self.calls += call.counts(self.error)
        if self.calls != self.at or not call.counts(self.error):
            return
        self.busy = True
        if not self.error:
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(self.error, os.strerror(self.error))

    def install(self):
        """Listen to Python's own events, and to the calls that make none."""
        for name in PATCHED:
            setattr(os, name, self._wrapped(getattr(os, name), name))
        sys.addaudithook(self._heard)

    def _wrapped(self, real, name):
        def call(*args, **kwargs):
            self.step(name, changes=True, on_disk=True)
            return real(*args, **kwargs)

        return call

    def _heard(self, event, args):
        if not event.startswith(EVENTS):
            return
        path = args[0] if args and isinstance(args[0], str | bytes | os.PathLike) else None
        inside = path is not None and os.fsdecode(path).startswith(self.below)
        if event == "open" and not inside:
            return
        changes = event not in LOOKS and (event != "open" or bool(args[2] & WRITES))
        self.step(event, changes=changes, on_disk=inside and not event.startswith("subprocess"))


def _site():
    """The lines of the helper that led here."""
    frame, lines = sys._getframe(2), []
    while frame is not None:
        name = frame.f_code.co_filename
        if HELPERS in name:
            lines.append(f"{name.rpartition(HELPERS)[2]}:{frame.f_lineno}")
        frame = frame.f_back
    return " < ".join(lines)


HELPERS = "/helpers/autoresearch/"


class Rig:
    """One session, put back to its start as often as asked."""

    def __init__(self, folder, *, noisy=False):
        self.folder, self.noisy = Path(folder), noisy
        self.folder.mkdir(exist_ok=True)
        self.root = self.folder / "r"
        self.state_home = Path(os.environ["XDG_STATE_HOME"])
        self.cache_home = Path(os.environ["XDG_CACHE_HOME"])
        self.repo = Git.create(self.root)
        self.start_cost = 1_000_000 if noisy else 100
        self.start_work = self.edit(self.start_cost)
        self.repo.write("data.txt", "protected\n")
        self.repo.write(".gitignore", "*.ignored\n")
        self.repo.commit("start")
        self.draft = self.folder / "draft.yaml"
        self.draft.write_text(NOISY if noisy else CONTRACT)
        self.helper = Helper(self.repo)
        for path, text in MINE.items():
            self.repo.write(path, text)
        self.places = (self.root, self.state_home, self.cache_home)
        self.save("fresh")
        self.helper("init", str(self.draft))
        self.state = self.helper.state
        self.save()

    def save(self, name="opened"):
        """Take what is there for a start: `fresh` is before `init`, `opened` after it."""
        kept = self.folder / name
        shutil.rmtree(kept, ignore_errors=True)
        for number, place in enumerate(self.places):
            if place.exists():
                shutil.copytree(place, kept / str(number), symlinks=True)

    def reset(self, name="opened"):
        """Put everything back to a start that was saved."""
        for number, place in enumerate(self.places):
            shutil.rmtree(place, ignore_errors=True)
            if (kept := self.folder / name / str(number)).exists():
                shutil.copytree(kept, place, symlinks=True)

    def move_in(self, monkeypatch):
        """Name its places in the environment of this test, which begins with others."""
        monkeypatch.setenv("XDG_STATE_HOME", str(self.state_home))
        monkeypatch.setenv("XDG_CACHE_HOME", str(self.cache_home))

    def edit(self, cost, note=0, *, answer=42):
        """Edit the program; what it is then."""
        work = NOISY_WORK if self.noisy else WORK
        text = work.format(cost=cost, note=note).replace("42", str(answer))
        self.repo.write("src/work.sh", text)
        return text

    @property
    def work(self):
        """The program as it is in the tree."""
        return (self.root / "src/work.sh").read_text()

    def start(self, *command, plan=None, environ=None):
        """Begin a command in a fork; its process number and the file it prints to."""
        out = tempfile.NamedTemporaryFile(dir=self.folder, delete=False)  # noqa: SIM115 - read later
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            os.environ.update(environ or {})
            self._child(command, out.fileno(), plan)
        return pid, out

    def _child(self, command, descriptor, plan):
        code = 70
        try:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(
                    number,
                    signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL,
                )
            os.dup2(descriptor, 1)
            os.dup2(descriptor, 2)
            sys.stdout = builtins.open(1, "w", closefd=False)  # noqa: SIM115 - the fork ends
            sys.stderr = builtins.open(2, "w", closefd=False)  # noqa: SIM115 - as above
            os.chdir(self.root)
            if plan is not None:
                plan.below = tuple(map(str, (*self.places, *plan.below)))
                plan.install()
            code = run(group, list(command))
            if plan is not None:
                plan.busy = True
                sys.stdout.write(json.dumps({"calls": plan.made}) + "\n")
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)

    def end(self, pid, out):
        """Wait for a command that was begun."""
        _, status = os.waitpid(pid, 0)
        text = Path(out.name).read_text("utf-8", "replace")
        out.close()
        Path(out.name).unlink()
        last = text.rstrip().rpartition("\n")[2]
        calls = json.loads(last)["calls"] if last.startswith('{"calls"') else ()
        return Ended(status, text, tuple(Call(*call) for call in calls))

    def run(self, *command, plan=None, environ=None):
        """A command, to its end."""
        return self.end(*self.start(*command, plan=plan, environ=environ))

    def killed(self, after_s, *command, whole=False):
        """A command, killed after so many seconds if it still runs.

        With `whole` all that it started dies with it, as where a machine stops; else only the
        helper dies, and its programs live on.
        """
        pid, out = self.start(*command)
        time.sleep(after_s)
        below = descendants(pid) if whole else ()
        os.kill(pid, signal.SIGKILL)  # a zombie until it is waited for: the number is still its own
        for child in below:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        return self.end(pid, out)

    def records(self):
        """The lines of the log; none before there is one."""
        path = self.state / "log.jsonl"
        lines = path.read_text("ascii").splitlines() if path.exists() else ()
        return [json.loads(line) for line in lines]

    def experiments(self):
        """The experiments in the log."""
        return [record for record in self.records() if record["kind"] == "experiment"]

    def broken(self, *, spare=()):
        """What does not hold: the invariants but those to spare, and the user's own files."""
        here = Path.cwd()
        os.chdir(self.root)
        try:
            with loaded(self.root, dict(os.environ), command="doctor", write=False) as session:
                found = [f.text for f in invariants(session) if not f.fine]
                found = [text for text in found if not text.startswith(tuple(spare))]
        finally:
            os.chdir(here)
        for path, text in MINE.items():
            if (self.root / path).read_text() != text:
                found.append(f"{path} of the user's was touched")
        names = {str(p.relative_to(self.root)) for p in self.root.rglob("*") if p.is_file()}
        ours = {n for n in names if not n.startswith(".git/")} - {*MINE, *KNOWN}
        if ours:
            found.append(f"left in the tree: {sorted(ours)}")
        return found


KNOWN = {
    ".gitignore", "data.txt", "src/work.sh", "autoresearch.yaml", "autoresearch.md",
    "autoresearch.jsonl",
}  # fmt: skip
ERRORS = (errno.ENOSPC, errno.EIO)
