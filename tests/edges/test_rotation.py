"""Captured output that may not grow for ever."""

from __future__ import annotations

import os

from autoresearch.edges.files import keep_newest


def test_oldest_output_goes_first(tmp_path):
    """A state folder that a month of experiments fills; a newest output that is removed."""
    for number in range(5):
        path = tmp_path / f"{number}.txt"
        path.write_bytes(b"x" * 10)
        os.utime(path, ns=(number, number))
    (tmp_path / "folder").mkdir()

    def names():
        return sorted(path.name for path in tmp_path.iterdir())

    assert keep_newest(tmp_path, files=4, size=1000) == 1
    assert names() == ["1.txt", "2.txt", "3.txt", "4.txt", "folder"]
    assert keep_newest(tmp_path, files=9, size=25) == 2
    assert names() == ["3.txt", "4.txt", "folder"]
    assert keep_newest(tmp_path, files=9, size=1) == 1
    assert names() == ["4.txt", "folder"]
    assert keep_newest(tmp_path / "missing") == 0
