"""Signals to the helper: none is lost, none interrupts a line that must be finished."""

from __future__ import annotations

import contextlib
import select
import signal

import pytest
from autoresearch.edges.interruption import Terminated, held_signals, termination_raises


def test_ctrl_c_waits_for_the_end_of_the_block():
    """An interrupt strikes between starting a program and knowing it, or is forgotten."""
    seen: list[int] = []

    def interrupt_twice() -> None:
        with held_signals() as held:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            seen.extend(held.pending)

    with pytest.raises(KeyboardInterrupt):
        interrupt_twice()
    assert seen == [signal.SIGINT, signal.SIGINT]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_signal_wakes_whoever_waits():
    """A wait for output sleeps through Ctrl-C."""
    with contextlib.suppress(KeyboardInterrupt), held_signals() as held:
        signal.raise_signal(signal.SIGINT)
        assert select.select([held.descriptor], [], [], 20.0)[0] == [held.descriptor]
        held.clear_wakeups()
        assert select.select([held.descriptor], [], [], 0.0)[0] == []


def test_the_end_of_a_child_is_no_interrupt():
    """A program that ends is taken for Ctrl-C."""
    with held_signals() as held:
        signal.raise_signal(signal.SIGCHLD)
        assert select.select([held.descriptor], [], [], 20.0)[0] == [held.descriptor]
        assert held.pending == []


def test_no_signal_comes_between_two_handlers(monkeypatch):
    """The end of a child just then, told on stderr as an error of Python's."""
    real, came = signal.signal, []

    def spied(number, handler):
        if number == signal.SIGCHLD:
            signal.raise_signal(number)
            came.append(number in signal.sigpending())
        return real(number, handler)

    with held_signals():
        monkeypatch.setattr(signal, "signal", spied)
    assert came == [True]
    assert signal.SIGCHLD not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_termination_is_an_interrupt_with_a_number(number):
    """`kill` ends the helper without the cleaning up that Ctrl-C gets."""
    with pytest.raises(Terminated) as caught, termination_raises():
        signal.raise_signal(number)
    assert caught.value.signal_number == number
    assert isinstance(caught.value, KeyboardInterrupt)
    assert signal.getsignal(number) is signal.SIG_DFL


def test_ignored_signals_stay_ignored(monkeypatch):
    """`nohup` has no effect on the helper."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with termination_raises(), held_signals() as held:
            signal.raise_signal(signal.SIGHUP)
            assert held.pending == []
    finally:
        signal.signal(signal.SIGHUP, before)
