"""Which folders and files outside the checkouts take part in measuring.

Linked folders, the programs that commands and their scripts name, the packages of interpreters,
the toolchains of the project's languages, search paths, and files named by absolute path. All is
found by reading; no program is run.
"""

# Paths come as the environment spells them; a Path would fold what is to be traced.
# ruff: noqa: PTH110, PTH111, PTH112, PTH113, PTH117, PTH118, PTH119, PTH120, PTH207

from __future__ import annotations

import os
import re
import shutil
from glob import escape, glob
from itertools import pairwise
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from autoresearch.edges.environment import trace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

_PYTHON = re.compile(r"(?:python|pypy)(?:[23](?:\.\d+)?)?t?")
_VERSION = re.compile(r"(\d\.\d+)t?$")
_SHARES = re.compile(r"(?mi)^include-system-site-packages\s*=\s*true")
_NO_SITE = re.compile(r"-[A-Za-z]*S[A-Za-z]*")
_WORDS = re.compile(r"[\w.+/:=@~-]+")
_SCRIPT_BYTES = 64 * 1024
_UNUSED = ("ensurepip", "idlelib", "test", "turtledemo")
"""Of Python's own library, what no benchmark imports."""

_PACKAGES = ("dist-packages", "site-packages")
_SYSTEM = ("/", "/usr", "/usr/local", "/opt/homebrew", "/opt/local", "/snap")
"""Their folders of programs belong to the whole machine, not to one installation."""

_NO_FILES = ("/dev/", "/proc/", "/run/", "/sys/")
_FLEETING = ("/tmp/", "/var/tmp/")  # noqa: S108 - folders there are outputs, as a rule
_SEARCHED = frozenset(
    {"CLASSPATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "NODE_PATH", "PERL5LIB", "PYTHONPATH", "RUBYLIB"}
)
"""Variables that say where code is looked for."""

# Variable of a toolchain -> words or files of the project that use it; what of its folder is code
# (empty: all); and what only grows, for lock files of the project choose from it.
_TOOLCHAINS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "CARGO_HOME": ("cargo Cargo.toml", ("config", "config.toml"), ("registry/src",)),
    "GEM_HOME": ("ruby bundle rake Gemfile", ("",), ()),
    "GOMODCACHE": ("go go.mod", (), ("",)),
    "GOROOT": ("go go.mod", ("bin", "src", "pkg/tool"), ()),
    "GRADLE_USER_HOME": (
        "gradle gradlew build.gradle build.gradle.kts",
        ("init.d", "init.gradle", "gradle.properties"),
        ("caches/modules-2/files-2.1",),
    ),
    "JAVA_HOME": ("java javac mvn gradle pom.xml build.gradle", ("bin", "lib"), ()),
    "JULIA_DEPOT_PATH": ("julia Project.toml", ("config",), ("packages",)),
    "NUGET_PACKAGES": ("dotnet", (), ("",)),
    "NVM_DIR": ("node npm npx package.json", ("alias",), ()),
    "RUSTUP_HOME": ("cargo rustc Cargo.toml", ("settings.toml",), ("toolchains",)),
}


class Root(Struct, frozen=True, kw_only=True):
    """A folder or file that takes part.

    Attributes:
        place: absolute; relative to the working tree's root for what it links.
        real: where that led, without links; relative likewise for what lies in it.
        grows: whether new files in it are nobody's business.
        hashed: whether its contents are worth knowing, not only its statuses.
        apart: whether only the holdout names it.
        skips: names of folders in it that are left out.
    """

    place: str
    real: str
    grows: bool = False
    hashed: bool = False
    apart: bool = False
    skips: tuple[str, ...] = ()


def find_roots(
    commands: Sequence[str],
    holdout: Sequence[str],
    scripts: Sequence[bytes],
    environment: Mapping[str, str],
    *,
    own: Iterable[str],
    links: Iterable[str],
    toplevel: Path,
    names: Iterable[str],
) -> tuple[Root, ...]:
    """What takes part in the commands of a contract, each once, in a fixed order.

    Args:
        commands: shell texts.
        holdout: that of the holdout; what it alone names is told apart.
        scripts: contents of tracked files that they name.
        environment: of every sample.
        own: names in it that the contract sets.
        links: linked folders, relative to the working tree's root.
        toplevel: that root.
        names: last names of all tracked files, which tell the project's languages.
    """
    finder = _Finder(environment, str(toplevel))
    for link in links:
        finder.add_link(link)
    words = [word for command in commands for word in _words_of(command, finder)]
    for content in scripts:
        text = content[:_SCRIPT_BYTES].decode("utf-8", "replace")
        words += [word for line in text.splitlines() for word in _words_of(line, finder)]
    for word in dict.fromkeys(words):
        finder.add_word(word)
    for name in sorted(_SEARCHED & environment.keys()):
        for folder in environment[name].split(os.pathsep):
            finder.add(folder, hashed=True)
    for name in own:
        finder.add_named(environment.get(name, ""))
    finder.add_toolchains({*words, *names})
    shared = len(finder.found)
    for word in dict.fromkeys(word for command in holdout for word in _words_of(command, finder)):
        finder.add_word(word)
    found = [*finder.found.values()]
    return (*found[:shared], *(replace(root, apart=True) for root in found[shared:]))


def _words_of(text: str, finder: _Finder) -> list[str]:
    """The words of a command; interpreters that import no packages are noted as such."""
    words = _WORDS.findall(text)
    for word, following in pairwise([*words, ""]):
        if _PYTHON.fullmatch(os.path.basename(word)) and not _NO_SITE.fullmatch(following):
            finder.with_packages.add(word)
    return [part for word in words for part in (word, *word.rpartition("=")[2].split(":"))]


class _Finder:
    """Collects roots; `with_packages`: interpreters as commands call them that import some."""

    def __init__(self, environment: Mapping[str, str], toplevel: str) -> None:
        self.found: dict[str, Root] = {}
        self.with_packages: set[str] = set()
        self._environment = environment
        self._toplevel = toplevel
        self._programs: set[str] = set()

    def add(
        self, place: str, *, grows: bool = False, hashed: bool = False, skips: Sequence[str] = ()
    ) -> None:
        """A folder or file, unless it is not there, known, or holds or lies in the tree."""
        real = os.path.realpath(place)
        if not os.path.isabs(place) or not os.path.exists(real) or place in self.found:
            return
        holds = f"{self._toplevel}/".startswith(f"{real.rstrip('/')}/")
        if holds or real.startswith((f"{self._toplevel}/", *_NO_FILES)):
            return
        if os.path.isdir(real) or os.path.isfile(real):
            self.found[place] = Root(
                place=place, real=real, grows=grows, hashed=hashed, skips=tuple(skips)
            )

    def add_link(self, link: str) -> None:
        """A linked folder, with the library of the interpreter that it may belong to."""
        full = os.path.join(self._toplevel, link)
        real = os.path.realpath(full)
        inside = real.startswith(f"{self._toplevel}/")
        shown = os.path.relpath(real, self._toplevel) if inside else real
        self.found[link] = Root(place=link, real=shown, hashed=True)
        for program in ("python3", "python"):
            self._add_python(os.path.join(full, "bin", program), packages=True)

    def add_word(self, word: str) -> None:
        """A word of a command: a program, or a file by its absolute path."""
        if os.path.isabs(word):
            self.add_named(word)
        path = os.path.join(self._toplevel, word) if "/" in word else word
        program = shutil.which(path, path=self._environment.get("PATH", ""))
        if program is not None:
            self._add_program(program, word)

    def add_named(self, path: str) -> None:
        """What the contract names by absolute path; folders that look like outputs are none."""
        real = os.path.realpath(path)
        whole = real in (*_SYSTEM, os.path.expanduser("~")) or real.startswith(_FLEETING)
        if os.path.isfile(real) or not whole:
            self.add(path, hashed=True)

    def add_toolchains(self, used: AbstractSet[str]) -> None:
        """Toolchains of the languages that the project uses, by the words and files it has."""
        for name, (users, code, stores) in _TOOLCHAINS.items():
            if name in self._environment and not used.isdisjoint(users.split()):
                home = self._environment[name]
                for part in code:
                    self.add(os.path.join(home, part).rstrip("/"))
                for part in stores:
                    self.add(os.path.join(home, part).rstrip("/"), grows=True, skips=("share",))

    def _add_program(self, program: str, word: str) -> None:
        """A program, the links to it, what runs it, and the installation it belongs to."""
        if program in self._programs:
            return
        self._programs.add(program)
        real, passed = trace(program)
        for place in (*(place for place, _ in passed), real):
            self.add(place)
        for path in (program, real):
            folder = os.path.dirname(path)
            if os.path.basename(folder) == "shims":
                self._add_shim(os.path.dirname(folder), os.path.basename(path))
        if _PYTHON.fullmatch(os.path.basename(program)):
            self._add_python(program, packages=word in self.with_packages)
            return
        for interpreter in _interpreter_of(real):
            found = shutil.which(interpreter, path=self._environment.get("PATH", ""))
            if found is not None:
                self.with_packages.add(interpreter)
                self._add_program(found, interpreter)
        prefix, folder = os.path.split(os.path.dirname(real))
        homes = (os.path.expanduser("~"), os.path.expanduser("~/.local"))
        if folder == "bin" and prefix not in (*_SYSTEM, *homes) and not _libraries(prefix, ""):
            self.add(os.path.join(prefix, "lib"))
            self.add(os.path.join(prefix, "libexec"))

    def _add_shim(self, home: str, name: str) -> None:
        """A stand-in of pyenv's or its kin: the versions chosen here, all where none is named."""
        chosen = self._environment.get("PYENV_VERSION", "").split(":")
        for file in (
            os.path.join(self._toplevel, ".python-version"),
            os.path.join(home, "version"),
        ):
            self.add(file, hashed=True)
            if os.path.isfile(file):
                with open(file, encoding="utf-8", errors="replace") as lines:  # noqa: PTH123
                    chosen += lines.read().split()
        found = sorted(glob(f"{escape(home)}/versions/*/bin/{escape(name)}"))
        named = [path for path in found if path.split("/")[-3] in chosen]
        for program in named or found:
            self._add_program(program, name)

    def _add_python(self, program: str, *, packages: bool) -> None:
        """Library and packages of an interpreter, and those of the one its environment is from."""
        if not os.path.isfile(program):
            return
        real = os.path.realpath(program)
        version = _VERSION.search(os.path.basename(real))
        own, base = (os.path.dirname(os.path.dirname(path)) for path in (program, real))
        shares = True
        settings = os.path.join(own, "pyvenv.cfg")
        if os.path.isfile(settings):
            with open(settings, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
                shares = bool(
                    re.search(r"(?mi)^include-system-site-packages\s*=\s*true", file.read())
                )
            self.add(settings, hashed=True)
            self._add_packages(own, version, packages=packages, skips=())
        elif own != base:
            self._add_packages(own, version, packages=packages, skips=_UNUSED)
        self._add_packages(base, version, packages=packages and shares, skips=_UNUSED)

    def _add_packages(
        self, prefix: str, version: re.Match[str] | None, *, packages: bool, skips: Sequence[str]
    ) -> None:
        for library in _libraries(prefix, version[1] if version else ""):
            left_out = skips if packages else (*skips, *_PACKAGES)
            if packages or skips or os.path.isdir(f"{library}/encodings"):
                self.add(library, skips=left_out)
            for folder in _PACKAGES if packages else ():
                for place in _listed_in(os.path.join(library, folder)):
                    self.add(place)


def _libraries(prefix: str, version: str) -> list[str]:
    """Folders of Python's library and packages below a prefix."""
    prefixes = (prefix, "/usr/local") if prefix == "/usr" else (prefix,)
    found = {
        os.path.realpath(path)
        for one in prefixes
        for path in glob(f"{escape(one)}/lib*/python3*")
        if os.path.basename(path).removesuffix("t") in {"python3", f"python{version}"}
        or not version
    }
    return sorted(path for path in found if os.path.isdir(path))


def _listed_in(folder: str) -> Iterator[str]:
    """Folders that the path files (`.pth`) of packages add."""
    for file in sorted(glob(f"{escape(folder)}/*.pth")):
        with open(file, encoding="utf-8", errors="replace") as lines:  # noqa: PTH123
            yield from (line.strip() for line in lines if line.startswith("/"))


def _interpreter_of(program: str) -> Iterator[str]:
    """What runs a script, by its first line."""
    try:
        with open(program, "rb") as file:  # noqa: PTH123
            first = file.readline(256)
    except OSError:
        return
    if first.startswith(b"#!"):
        yield from first[2:].decode("utf-8", "replace").split()
