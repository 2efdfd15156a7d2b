"""Signals that end the helper: put off while a program runs, turned into an exception elsewhere."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP, raised where Ctrl-C would be: the same way out, the same cleaning up.

    Attributes:
        signal_number: which of them.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"ended by signal {signal_number}")
        self.signal_number = signal_number


class HeldSignals:
    """The signals that arrived while they were held.

    Attributes:
        descriptor: readable as soon as any signal arrives, also the end of a child.
        pending: numbers of the ending signals that arrived, in order.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.pending: list[int] = []

    def clear_wakeups(self) -> None:
        """Empty the descriptor."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self.descriptor, 4096):
                continue

    def note(self, number: int, _frame: FrameType | None) -> None:
        """Signal handler: remember an ending signal; the end of a child is for the descriptor."""
        if number != signal.SIGCHLD:
            self.pending.append(number)


@contextlib.contextmanager
def held_signals() -> Iterator[HeldSignals]:
    """Put off Ctrl-C, SIGTERM and SIGHUP until the block is left; then they take effect.

    So no line of the block can be interrupted half done, such as between starting a program and
    knowing its number; whoever waits in it looks at `pending`. A signal the helper was told to
    ignore (nohup) stays ignored. Only in the main thread.
    """
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    held = HeldSignals(reader)
    before = {number: signal.getsignal(number) for number in (*_ENDING, signal.SIGCHLD)}
    heeded = [number for number in _ENDING if before[number] != signal.SIG_IGN]
    taken = [*heeded, signal.SIGCHLD]
    wakeup_before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in taken:
        signal.signal(number, held.note)
    try:
        yield held
    finally:
        # Blocked meanwhile: Python tells of one that arrives between two handlers as of an error.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, taken)
        for number in taken:
            signal.signal(number, before[number])
        signal.set_wakeup_fd(wakeup_before)
        os.close(reader)
        os.close(writer)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for pending in dict.fromkeys(held.pending):
            signal.raise_signal(pending)


@contextlib.contextmanager
def termination_raises() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise Terminated in the block; for the command line's one entry."""

    def terminate(number: int, _frame: FrameType | None) -> None:
        raise Terminated(number)

    before = {
        number: signal.signal(number, terminate)
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
