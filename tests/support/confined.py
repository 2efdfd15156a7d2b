"""Tests that need a sandbox: skipped where none works, but not by continuous integration."""

from __future__ import annotations

import functools
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


def path_without(program: str, folder: Path) -> str:
    """A PATH on which everything is found but one program."""
    folder.mkdir()
    for entry in dict.fromkeys(os.environ["PATH"].split(os.pathsep)):
        for item in Path(entry).iterdir() if Path(entry).is_dir() else ():
            place = folder / item.name
            if item.name != program and not place.is_symlink():
                place.symlink_to(item)
    return str(folder)
