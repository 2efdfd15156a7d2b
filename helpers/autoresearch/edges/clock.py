"""The time: a stamp for the log, and three clocks that disagree after the machine slept."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import time
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple, Protocol


class Instant(NamedTuple):
    """One reading of the three clocks, in seconds; only differences mean anything.

    Attributes:
        monotonic_s: never set, and stands still while the machine sleeps.
        boottime_s: never set, and goes on while the machine sleeps.
        realtime_s: the wall clock, which people and NTP may set.
    """

    monotonic_s: float
    boottime_s: float
    realtime_s: float


class Clock(Protocol):
    """Where the edges take the time from; tests hand in one that jumps."""

    def read(self) -> Instant:
        """The three clocks, read together."""
        ...


class SystemClock:
    """The clocks of this machine."""

    def read(self) -> Instant:
        """The three clocks, read together."""
        return Instant(time.monotonic(), _boottime(), time.time())


SYSTEM_CLOCK = SystemClock()


def time_lost(start: Instant, end: Instant) -> float:
    """Seconds between two readings that the wall or boot clock saw and the monotonic did not.

    Suspending the machine moves both against the monotonic clock by the same amount, setting the
    wall clock moves one: so the larger of the two, not their sum. Never negative.
    """
    elapsed = end.monotonic_s - start.monotonic_s
    asleep = end.boottime_s - start.boottime_s - elapsed
    jumped = end.realtime_s - start.realtime_s - elapsed
    return max(asleep, abs(jumped), 0.0)


def machine_id() -> str:
    """Which machine this is, since its last start: 12 hexadecimal digits.

    After a restart, or on another machine, noise may differ: what was measured before is then no
    guide. Without Linux's boot id a restart is not noticed.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        boot = ""
    return hashlib.sha256(f"{platform.node()}\0{boot}".encode()).hexdigest()[:12]


def machine_words() -> str:
    """This machine as people know it: processor, how many, system."""
    model = platform.machine()
    with suppress(OSError):  # no Linux
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"


def now_utc() -> str:
    """The time of day as the log writes it: ISO 8601, UTC, whole seconds (2026-01-02T03:04:05Z)."""
    return datetime.now(tz=timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_since(at: str) -> float:
    """How long ago `now_utc` gave this stamp; negative where the clock was set back since."""
    then = datetime.strptime(at, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    return (datetime.now(tz=timezone.utc) - then).total_seconds()


def _boottime() -> float:
    if sys.platform == "darwin":
        # There CLOCK_MONOTONIC counts sleep, and time.monotonic() does not.
        return time.clock_gettime(time.CLOCK_MONOTONIC)
    return time.clock_gettime(time.CLOCK_BOOTTIME)
