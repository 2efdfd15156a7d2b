"""The protocol of `git cat-file --batch`: many objects read through one process."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.errors import GitError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterable, Iterator

_HEADER = re.compile(rb"([0-9a-f]{40}|[0-9a-f]{64}) (commit|tree|blob|tag) ([0-9]+)\n")
_REQUESTS = 500  # ids sent ahead of reading; they fit into a pipe of 64 KiB, so nobody blocks


class GitObject(NamedTuple):
    """An object as it is stored."""

    oid: str
    type: str
    content: bytes


def object_id(object_format: str, content: bytes) -> str:
    """The id git gives to a blob of that content, unfiltered."""
    digest = hashlib.new(object_format, usedforsecurity=False)
    digest.update(b"blob %d\0" % len(content))
    digest.update(content)
    return digest.hexdigest()


class ObjectReader:
    """Reads objects by name; starts its process at the first read, and again after a failure."""

    def __init__(self, start: Callable[[], subprocess.Popen[bytes]]) -> None:
        self._start = start
        self._process: subprocess.Popen[bytes] | None = None
        self._owed = 0  # answers that it was or will be asked for, and nobody has taken

    def read(self, names: Iterable[str]) -> Iterator[GitObject | None]:
        """The object of each name, in order; None where there is none.

        A read that was not taken to its end is over when the next one begins.

        Raises:
            GitError: `no_revision` when a name holds a newline; `git` when the process fails.
        """
        asked = [name.encode("utf-8", "surrogateescape") for name in names]
        if any(b"\n" in name for name in asked):
            raise GitError("a revision holds a newline", code="no_revision", hint="Check the name.")
        if self._owed:
            self.close()  # an error may hold on to a read, whose answers would pass for ours
        if self._process is None:
            self._process = self._start()
        process, self._owed = self._process, len(asked)
        try:
            for start in range(0, len(asked), _REQUESTS):
                part = asked[start : start + _REQUESTS]
                if process.stdin is not None and process is self._process:
                    with suppress(BrokenPipeError):  # it ended: taking the answer reports that
                        process.stdin.write(b"".join(name + b"\n" for name in part))
                        process.stdin.flush()
                for name in part:
                    found = self._take(process, name)
                    self._owed -= 1
                    yield found
        finally:
            if self._owed and process is self._process:
                self.close()  # answers not taken would be read as those of the next question

    def close(self) -> None:
        """End the process."""
        process, self._process, self._owed = self._process, None, 0
        if process is None:
            return
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with suppress(BrokenPipeError):  # it ended before us
                    stream.close()
        process.wait()

    def _take(self, process: subprocess.Popen[bytes], name: bytes) -> GitObject | None:
        stream = process.stdout if process is self._process else None
        line = b"" if stream is None else stream.readline()
        if stream is not None and line.endswith(b"\n"):
            header = _HEADER.fullmatch(line)
            if header is None:
                return None  # "<name> missing" or "<name> ambiguous"
            oid, kind, size = header.groups()
            content = stream.read(int(size) + 1)
            if len(content) == int(size) + 1:
                return GitObject(oid.decode(), kind.decode(), content[:-1])
        if process is self._process:
            self.close()
        shown = name.decode("utf-8", "replace")
        raise GitError(f"git cat-file ended while it read {shown}", hint="Run `git fsck`.")
