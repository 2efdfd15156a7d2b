"""The output of a running program: both streams read as they come, in bounded memory."""

from __future__ import annotations

import os

_CHUNK_BYTES = 1 << 16


class Capture:
    """The first and the last bytes of one stream, and the count of all.

    A program that prints without end costs twice `limit` bytes here, whatever it prints.
    """

    def __init__(self, limit: int) -> None:
        """Keep at most `limit` bytes: half from the start, half from the end."""
        self.total = 0
        self._head_bytes = limit - limit // 2
        self._tail_bytes = limit // 2
        self._head = bytearray()
        self._tail = bytearray()

    @property
    def truncated(self) -> bool:
        """Whether bytes in the middle were dropped."""
        return self.total > self._head_bytes + self._tail_bytes

    def add(self, chunk: bytes) -> None:
        """Take the next bytes of the stream."""
        self.total += len(chunk)
        room = self._head_bytes - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:]
        if len(self._tail) > 2 * self._tail_bytes + _CHUNK_BYTES:
            del self._tail[: len(self._tail) - self._tail_bytes]

    def content(self) -> bytes:
        """What was kept, with a line in the middle that counts what was not."""
        if not self.truncated:
            return bytes(self._head + self._tail)
        left_out = self.total - self._head_bytes - self._tail_bytes
        tail = self._tail[len(self._tail) - self._tail_bytes :]
        return bytes(self._head) + b"\n[%d bytes left out]\n" % left_out + bytes(tail)


def read_available(descriptor: int, capture: Capture) -> bool:
    """Read once from a non-blocking pipe; False when its last writer has closed it."""
    try:
        chunk = os.read(descriptor, _CHUNK_BYTES)
    except BlockingIOError:
        return True
    capture.add(chunk)
    return bool(chunk)
