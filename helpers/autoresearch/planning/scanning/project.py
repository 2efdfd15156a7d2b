"""A project as a value: its paths and what they alone say, and the text of its manifests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from autoresearch.planning.scanning.candidates import Evidence

LANGUAGES = {
    "Python": "py pyi pyx",
    "JavaScript": "js mjs cjs jsx",
    "TypeScript": "ts tsx mts cts",
    "Go": "go",
    "Rust": "rs",
    "Java": "java",
    "Kotlin": "kt kts",
    "Ruby": "rb rake gemspec",
    "C": "c h",
    "C++": "cc cpp cxx c++ hh hpp hxx ipp",
    "C#": "cs",
    "Swift": "swift",
    "PHP": "php",
    "Scala": "scala",
    "Shell": "sh bash",
    "SQL": "sql",
    "Terraform": "tf",
    "HTML": "html htm",
    "CSS": "css scss sass less",
    "Markdown": "md markdown rst",
}
_LANGUAGE_OF = {ending: name for name, endings in LANGUAGES.items() for ending in endings.split()}
PROSE = frozenset({"Markdown", "HTML", "CSS"})

_TEST = re.compile(
    r"(^|/)(tests?|testing|specs?|__tests__|testdata|fixtures|e2e)/"
    r"|(^|/)test_[^/]*\.[a-z]+$|(^|/)conftest\.py$|_test\.(py|go|cc|cpp|rb|c|exs)$|_spec\.rb$"
    r"|\.(test|spec)\.[cm]?[jt]sx?$|(^|/)src/(test|androidTest)/|Tests?\.java$"
)
_BENCH = re.compile(r"(^|/)[^/]*bench[^/]*(/|$)|(^|/)perf/", re.IGNORECASE)
_VENDORED = re.compile(
    r"(^|/)(vendor|vendored|third[_-]?party|3rdparty|node_modules|bower_components|external"
    r"|\.venv|venv|site-packages|Godeps|Pods|extern|deps)/"
)
_GENERATED = re.compile(
    r"\.min\.(js|css)$|_pb2(_grpc)?\.pyi?$|\.pb\.(go|cc|h)$|\.g\.dart$|_generated\.[a-z]+$"
    r"|(^|/)(generated|__generated__|dist|\.next)/|\.(js|css)\.map$"
    r"|(^|/)(package-lock\.json|yarn\.lock|pnpm-lock\.yaml|Cargo\.lock|poetry\.lock|uv\.lock|go\.sum)$"
)
_ASIDE = re.compile(
    r"(^|/)(docs?|examples?|samples?|scripts?|tools?|ci|\.github|contrib|misc|benchlog|ossfuzz"
    r"|fuzz|website|site|\.[^/]+)/"
)


def name_of(path: str) -> str:
    """The last segment."""
    return path.rpartition("/")[2]


def stem_of(path: str) -> str:
    """The last segment without its ending."""
    return name_of(path).rpartition(".")[0] or name_of(path)


def depth_of(path: str) -> int:
    """How many folders lie above it."""
    return path.count("/")


def language_of(path: str) -> str:
    """By the ending; empty when it is none that we know."""
    name = name_of(path)
    return _LANGUAGE_OF.get(name.rpartition(".")[2].lower() if "." in name else "", "")


def is_test(path: str) -> bool:
    """Whether it belongs to the tests."""
    return _TEST.search(path) is not None


def is_bench(path: str) -> bool:
    """Whether it measures something, by its name."""
    return _BENCH.search(path) is not None


def is_vendored(path: str) -> bool:
    """Whether it was taken over from elsewhere."""
    return _VENDORED.search(path) is not None


def is_generated(path: str) -> bool:
    """Whether a program wrote it."""
    return _GENERATED.search(path) is not None


def is_foreign(path: str) -> bool:
    """Whether nobody of this project writes it by hand."""
    return is_vendored(path) or is_generated(path)


def is_source(path: str) -> bool:
    """Whether it is code of the product: no test, benchmark, documentation or foreign file."""
    return (
        language_of(path) not in {"", *PROSE}
        and not path.endswith((".d.ts", ".pyi"))
        and not is_foreign(path)
        and not is_test(path)
        and not is_bench(path)
        and _ASIDE.search(path) is None
    )


MAX_HOMES = 3
"""Folders of one ecosystem that are looked at: a monorepo of hundreds is told by its first."""

MAX_DEPTH = 3


class Project(msgspec.Struct, frozen=True, kw_only=True):
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

    def files(self) -> list[str]:
        """Paths below this folder, relative to it, in order."""
        start = f"{self.folder}/" if self.folder else ""
        size = len(start)
        return [path[size:] for path in self.project.sizes if path.startswith(start)]

    def command(self, text: str) -> str:
        """The command as it runs from the root."""
        return f"cd {self.folder} && {text}" if self.folder else text

    @property
    def penalty(self) -> int:
        """What its candidates lose against those of the root."""
        return 5 * _depth(self.folder)


def _depth(folder: str) -> int:
    return folder.count("/") + 1 if folder else 0
