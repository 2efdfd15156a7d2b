"""Measures a candidate that runs in another process; for benchmarks, not for the helper itself.

This file needs nothing but Python's standard library: `autoresearch evaluator DIR` puts a copy
of it beside your benchmark, where it is protected like the benchmark. The benchmark asks the
candidate by a pipe, checks every answer, and keeps clock and metric on its own side; whatever the
candidate does to its own process (patched clocks, `print`, `exit`, frames) stays there. What
remains out of reach is said in docs/trust.md.

    with Candidate(python("src", "package.module:function")) as candidate:
        start = time.perf_counter()
        answer = candidate.ask(question)          # JSON in, JSON out
        elapsed_s = time.perf_counter() - start

Any program can be the candidate: it reads one JSON value a line from its standard input and
answers each with one line on its standard output.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

Own = TypeVar("Own", bound="Candidate")

_PR_SET_DUMPABLE = 4
_CHUNK = 1 << 16
_KEPT_VARIABLES = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ", "AUTORESEARCH_SEED")


class CandidateError(Exception):
    """Raised when the candidate gives no answer: it ended, hung, or wrote what is none."""


class Usage(NamedTuple):
    """What the candidate used, as the kernel counted it.

    Attributes:
        cpu_s: user and system seconds of the process and the children it waited for.
        peak_bytes: largest resident size of any of them.
        exit_code: its own status; minus the number of the signal that ended it.
    """

    cpu_s: float
    peak_bytes: int
    exit_code: int


def python(path: str, function: str) -> list[str]:
    """The command that serves a Python function of one argument.

    Args:
        path: folder that its module is imported from.
        function: `package.module:name`.
    """
    return [sys.executable, "-I", str(Path(__file__).resolve()), "serve", path, function]


def guard_process() -> None:
    """Close this process to its children: no ptrace, no look into memory or open files.

    Linux only, and not against root or another privileged user.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


class Candidate:
    """A candidate in a process of its own; a context manager.

    Args:
        command: program and arguments.
        cwd: where it runs; the current folder by default.
        env: all of its environment; a few harmless variables of this one by default.
        timeout_s: longest time for one answer.
        answer_bytes: longest answer.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
        answer_bytes: int = 64 << 20,
    ) -> None:
        guard_process()
        self.timeout_s = timeout_s
        self.answer_bytes = answer_bytes
        self.usage: Usage | None = None
        self._pending = b""
        kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        self._process = subprocess.Popen(
            list(command),
            cwd=cwd,
            env=dict(kept if env is None else env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        for pipe in (self._process.stdin, self._process.stdout):
            os.set_blocking(pipe.fileno(), False)  # type: ignore[union-attr]  # both are pipes

    def __enter__(self: Own) -> Own:  # noqa: PYI019 - typing.Self needs Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, question: Any) -> Any:  # noqa: ANN401 - JSON
        """The candidate's answer to one question.

        Raises:
            CandidateError: there is none, it came too late, or something was answered unasked.
        """
        if self._pending or self._has_spoken():
            raise CandidateError("the candidate answered before it was asked")
        deadline_s = time.monotonic() + self.timeout_s
        line = self._exchange(json.dumps(question).encode() + b"\n", deadline_s)
        try:
            return json.loads(line, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise CandidateError("the candidate's answer is not JSON") from error

    def close(self) -> Usage:
        """End the candidate and return what it used; repeating it is harmless."""
        if self.usage is None:
            self._process.stdin.close()  # type: ignore[union-attr]  # it is a pipe
            self._process.stdout.close()  # type: ignore[union-attr]  # likewise
            self.usage = self._reaped()
        return self.usage

    def _reaped(self) -> Usage:
        deadline_s = time.monotonic() + 1.0
        pid = self._process.pid
        while True:
            late = time.monotonic() > deadline_s
            if late:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, 9)
            found, status, spent = os.wait4(pid, 0 if late else os.WNOHANG)
            if found:
                break
            time.sleep(0.001)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, 9)  # what it left in its group
        code = os.waitstatus_to_exitcode(status)
        self._process.returncode = code
        unit = 1 if sys.platform == "darwin" else 1024
        return Usage(spent.ru_utime + spent.ru_stime, spent.ru_maxrss * unit, code)

    def _has_spoken(self) -> bool:
        """Whether something can be read that nobody asked for."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)  # type: ignore[arg-type]  # a pipe
            if not selector.select(0):
                return False
        return bool(self._read())

    def _read(self) -> bytes:
        try:
            chunk = os.read(self._process.stdout.fileno(), _CHUNK)  # type: ignore[union-attr]  # a pipe
        except BlockingIOError:
            return b""
        if not chunk:
            raise CandidateError("the candidate ended without an answer")
        return chunk

    def _exchange(self, question: bytes, deadline_s: float) -> bytes:
        """Write the question and read one line, both as fast as the other side allows."""
        left, parts, size = memoryview(question), list[bytes](), 0
        stdin, stdout = self._process.stdin, self._process.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)  # type: ignore[arg-type]  # a pipe
            selector.register(stdin, selectors.EVENT_WRITE)  # type: ignore[arg-type]  # a pipe
            while True:
                events = selector.select(max(0.0, deadline_s - time.monotonic()))
                if not events:
                    raise CandidateError(f"the candidate gave no answer in {self.timeout_s:g} s")
                for key, _ in events:
                    if key.fileobj is stdin:
                        left = self._written(left)
                        if not left:
                            selector.unregister(stdin)
                        continue
                    chunk = self._read()
                    parts.append(chunk)
                    size += len(chunk)
                    if size > self.answer_bytes:
                        raise CandidateError(f"the answer is longer than {self.answer_bytes} bytes")
                    if b"\n" in chunk:
                        line, _, self._pending = b"".join(parts).partition(b"\n")
                        if left:
                            raise CandidateError("the candidate answered before it was asked")
                        return line

    def _written(self, left: memoryview) -> memoryview:
        try:
            sent = os.write(self._process.stdin.fileno(), left[:_CHUNK])  # type: ignore[union-attr]  # a pipe
        except BlockingIOError:
            return left
        except BrokenPipeError as error:
            raise CandidateError("the candidate ended without an answer") from error
        return left[sent:]


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not a number")


# --- the candidate's side --------------------------------------------------------------------


def serve(path: str, function: str) -> None:
    """Answer questions with a function until the input ends; what it prints goes nowhere."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        call = _function(path, function)
        for question in _lines():
            answers.write(json.dumps(call(question)) + "\n")
            answers.flush()


def _lines() -> Iterator[Any]:
    with os.fdopen(os.dup(0), encoding="utf-8") as questions:
        for line in questions:
            yield json.loads(line)


def _function(path: str, name: str) -> Callable[[Any], Any]:
    module, _, attribute = name.partition(":")
    sys.path.insert(0, str(Path(path).resolve()))
    found = importlib.import_module(module)
    for part in attribute.split("."):
        found = getattr(found, part)
    return found  # type: ignore[return-value]  # the benchmark named a function


if __name__ == "__main__":
    _, command, *arguments = sys.argv
    if command == "serve":
        serve(*arguments)
