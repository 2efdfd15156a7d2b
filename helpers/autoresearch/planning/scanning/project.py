"""A project as a value: its paths, and the text of the files that say something of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from autoresearch.planning.scanning.findings import Evidence
from autoresearch.planning.scanning.paths import depth_of, is_foreign, name_of

MAX_HOMES = 3
"""Folders of one ecosystem that are looked at: a monorepo of hundreds is told by its first."""

MAX_DEPTH = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What was read.

    Attributes:
        sizes: bytes of each file, by path relative to the root, sorted.
        texts: the content of the files that were asked for and small enough.
        present: ignored folders that lie at the root, such as `node_modules`.
        churn: source files with the number of commits that changed them, most first.
    """

    sizes: Mapping[str, int]
    texts: Mapping[str, str]
    present: frozenset[str] = frozenset()
    churn: tuple[tuple[str, int], ...] = ()

    def text(self, path: str) -> str:
        """The content, empty where the file is not there or was not read."""
        return self.texts.get(path, "")

    def homes(self, *names: str) -> list[Home]:
        """Folders that hold one of the files named, the root first, then by depth.

        Only those as near to the root as the nearest are taken: deeper ones are its parts.
        """
        found = {
            path.rpartition("/")[0]
            for path in self.sizes
            if name_of(path) in names and not is_foreign(path) and depth_of(path) <= MAX_DEPTH
        }
        if not found:
            return []
        least = min(_depth(folder) for folder in found)
        nearest = sorted(folder for folder in found if _depth(folder) == least)
        return [Home(self, folder) for folder in nearest[:MAX_HOMES]]


class Home(NamedTuple):
    """A folder that one ecosystem's manifest makes a package of."""

    project: Project
    folder: str

    def path(self, name: str) -> str:
        """A path below this folder, relative to the root."""
        return f"{self.folder}/{name}" if self.folder else name

    def has(self, name: str) -> bool:
        """Whether the file is there."""
        return self.path(name) in self.project.sizes

    def text(self, name: str) -> str:
        """The content of a file of this folder, empty without."""
        return self.project.text(self.path(name))

    def at(self, name: str, line: int = 0) -> Evidence:
        """A place in a file of this folder."""
        return Evidence(self.path(name), line)

    def files(self) -> Iterator[str]:
        """Paths below this folder, relative to it, in order."""
        start = f"{self.folder}/" if self.folder else ""
        for path in self.project.sizes:
            if path.startswith(start):
                yield path.removeprefix(start)

    def command(self, text: str) -> str:
        """The command as it runs from the root."""
        return f"cd {self.folder} && {text}" if self.folder else text

    @property
    def penalty(self) -> int:
        """What its candidates lose against those of the root."""
        return 5 * _depth(self.folder)


def _depth(folder: str) -> int:
    return folder.count("/") + 1 if folder else 0
