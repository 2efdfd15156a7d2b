"""What a command gets of the machine: variables, and what stays visible inside hidden folders.

Variables come from an allow-list found once, and from the contract; nothing is inherited at run
time. Left out on purpose are PYTHON*, GIT_*, LD_*, BASH_ENV, exported shell functions and every
credential; a benchmark that needs one of them names it in `env.pass`.
PYTHONHASHSEED stays unset: a fixed seed would race one arbitrary order of sets against another,
while free ones average it out; a contract that wants it fixed sets it in `env`.
"""

# Paths come as the environment spells them; a Path would fold what is to be traced.
# ruff: noqa: PTH110, PTH112, PTH114, PTH115, PTH117, PTH118, PTH119, PTH120

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from autoresearch.edges.files import is_folder

_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"

_FIXED = {
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",  # no .pyc that one sample leaves to the next
    "PYTHONNOUSERSITE": "1",  # no sitecustomize from a home folder
}

# Samples get a home of their own, so a toolchain that looks for itself below HOME must be told
# where it is. Name of the variable, and where below the home the toolchain lives by default.
_TOOLCHAINS = {
    "ASDF_DATA_DIR": ".asdf",
    "BUN_INSTALL": ".bun",
    "CABAL_DIR": ".cabal",
    "CARGO_HOME": ".cargo",
    "COREPACK_HOME": ".cache/node/corepack",
    "DENO_DIR": ".cache/deno",
    "ELAN_HOME": ".elan",
    "GOCACHE": ".cache/go-build",
    "GOMODCACHE": "go/pkg/mod",
    "GOPATH": "go",
    "GRADLE_USER_HOME": ".gradle",
    "HEX_HOME": ".hex",
    "JULIA_DEPOT_PATH": ".julia",
    "MISE_DATA_DIR": ".local/share/mise",
    "MIX_HOME": ".mix",
    "NUGET_PACKAGES": ".nuget/packages",
    "NVM_DIR": ".nvm",
    "OPAMROOT": ".opam",
    "PNPM_HOME": ".local/share/pnpm",
    "POETRY_CACHE_DIR": ".cache/pypoetry",
    "PYENV_ROOT": ".pyenv",
    "RBENV_ROOT": ".rbenv",
    "RUSTUP_HOME": ".rustup",
    "SDKMAN_DIR": ".sdkman",
    "STACK_ROOT": ".stack",
    "UV_CACHE_DIR": ".cache/uv",
    "UV_PYTHON_INSTALL_DIR": ".local/share/uv/python",
    "VOLTA_HOME": ".volta",
    "WORKON_HOME": ".local/share/virtualenvs",
    "npm_config_cache": ".npm",
}

# Where package managers put what they download: writable for `setup` alone. Empty: all of it.
_DOWNLOADS = {
    "CARGO_HOME": ("registry", "git"),
    "COREPACK_HOME": (),
    "DENO_DIR": (),
    "GOMODCACHE": (),
    "GRADLE_USER_HOME": ("caches", "wrapper"),
    "HEX_HOME": (),
    "NUGET_PACKAGES": (),
    "POETRY_CACHE_DIR": (),
    "UV_CACHE_DIR": (),
    "npm_config_cache": (),
}

# Folders that their toolchains write to while they build or run. Go does not work without.
_WRITTEN = (
    "CABAL_DIR", "CARGO_HOME", "DENO_DIR", "GOCACHE", "GOMODCACHE", "GRADLE_USER_HOME", "HEX_HOME",
    "JULIA_DEPOT_PATH", "MIX_HOME", "NUGET_PACKAGES", "STACK_ROOT", "UV_CACHE_DIR",
    "npm_config_cache",
)  # fmt: skip
USELESS_UNWRITTEN = frozenset({"GOCACHE"})
"""Variables that are better unset than set to a folder that cannot be written to: Go 1.19 stops at
the first package that is not in its cache. In the private home it builds one."""

UNTOLD = (".m2/repository",)
"""Libraries below the home that no variable tells of: Java takes the account's home, not HOME."""

# Kept where the user set them; there is no place to guess.
_KEPT_FOLDERS = (
    "ANDROID_HOME",
    "CONDA_PREFIX",
    "CUDA_HOME",
    "DOTNET_ROOT",
    "GEM_HOME",
    "GOROOT",
    "JAVA_HOME",
    "VIRTUAL_ENV",
)


def find_environment(parent: Mapping[str, str], home: Path) -> tuple[tuple[str, str], ...]:
    """The variables every run of a session gets, sorted by name; found once and then frozen.

    Args:
        parent: the environment `init` was called in.
        home: the user's real home, where toolchains are looked for.

    Returns:
        PATH reduced to absolute folders that exist, UTF-8 locale, Python without user site and
        bytecode files, TZ where set, and the folders of the toolchains that are there.
    """
    found = {"PATH": _pinned_path(parent.get("PATH", "")), **_FIXED}
    if parent.get("TZ"):
        found["TZ"] = parent["TZ"]
    for name in _KEPT_FOLDERS:
        if _is_folder(parent.get(name, "")):
            found[name] = parent[name]
    for name, default in _TOOLCHAINS.items():
        folder = parent.get(name, "")
        if not _is_folder(folder):
            folder = str(home / default)
        if _is_folder(folder):
            found[name] = folder
    return tuple(sorted(found.items()))


def find_passed(parent: Mapping[str, str], names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """The variables the contract lets through by name, as they are now; unset ones are absent."""
    return tuple((name, parent[name]) for name in names if name in parent)


def sample_environment(
    frozen: Iterable[tuple[str, str]],
    contract_env: Iterable[tuple[str, str]],
    passed: Iterable[tuple[str, str]],
    *,
    home: Path,
    tmp: Path,
    seed: int | None,
    time_budget_s: float | None,
) -> dict[str, str]:
    """The exact environment of one run.

    Where a name stands twice the later wins: frozen, HOME and TMPDIR, passed, the contract's own,
    and last the AUTORESEARCH names, which nobody sets but the helper.
    """
    env = dict(frozen)
    env.update(HOME=str(home), TMPDIR=str(tmp))
    env.update(passed)
    env.update(contract_env)
    env["AUTORESEARCH"] = "1"
    for name, value in (("SEED", seed), ("TIME_BUDGET_S", time_budget_s)):
        env.pop(f"AUTORESEARCH_{name}", None)
        if value is not None:
            env[f"AUTORESEARCH_{name}"] = _plain(value)
    return env


def download_folders(environment: Mapping[str, str]) -> list[str]:
    """Folders that package managers download to, of the toolchains that are there."""
    found = []
    for name, inside in _DOWNLOADS.items():
        if name in environment:
            folder = Path(environment[name]).resolve()
            found += [folder / part for part in inside] or [folder]
    return [str(folder) for folder in found if is_folder(folder)]


def written_folders(environment: Mapping[str, str]) -> list[str]:
    """Folders of toolchains that builds write to, of those that are there."""
    found = [Path(environment[name]).resolve() for name in _WRITTEN if name in environment]
    return [str(folder) for folder in found if is_folder(folder)]


def _pinned_path(path: str) -> str:
    # An empty entry means the working directory: a candidate could place programs there.
    entries = [entry for entry in path.split(os.pathsep) if _is_folder(entry)]
    return os.pathsep.join(dict.fromkeys(entries)) or _DEFAULT_PATH


def _is_folder(path: str) -> bool:
    # os.path, for pathlib raises where a folder above may not be entered, as another user's home
    return os.path.isabs(path) and os.path.isdir(path)


def _plain(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


# --- what of the machine stays visible in a sandbox ------------------------------------------

_PROGRAMS = frozenset({"bin", "sbin", "shims", ".bin"})
"""Folders of programs whose parent folder is what they need to run."""

SCRATCH = ("/tmp", "/var/tmp")  # noqa: S108 - each sandbox has these for itself

_SYSTEM = frozenset({"/", "/usr"})
"""Their programs are not links to elsewhere, and there are thousands of them."""

_SOCKETS = "/run"
"""Services listen there, some of which would do anything for whoever reaches them."""

_MOST_LINKS = 40
"""As many symbolic links does Linux follow in a path."""


_CREDENTIALS = (
    "credentials", "credentials.toml", "gradle.properties", "hex.config", "servers", "upload",
)  # fmt: skip
"""What toolchains keep beside their libraries (cargo, gem, gradle, hex, julia, stack)."""


class Visible(NamedTuple):
    """Absolute paths without links, parents before what lies in them.

    Attributes:
        hidden: folders and files that are empty in the sandbox.
        readable: what of them is there nevertheless, read-only.
        links: (place, target) of symbolic links that lead to readable things.
        secrets: files and folders inside what is readable that are empty all the same.
    """

    hidden: tuple[str, ...]
    readable: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    secrets: tuple[str, ...]


NOTHING_HIDDEN = Visible((), (), (), ())


def find_visible(private: Iterable[Path], homes: Iterable[Path], wanted: Iterable[str]) -> Visible:
    """What is hidden and what of it stays readable.

    Args:
        private: the repository and the helper's own folders.
        homes: of the user, hidden with all that is not wanted.
        wanted: absolute paths of folders and programs; those that are nowhere are passed over.

    Returns:
        Programs with the installation they belong to, folders with those that their programs
        are links into. Nothing wanted uncovers a whole hidden folder, or the credentials in a
        toolchain's, but where it names just them.
    """
    own = [str(path.resolve()) for path in private]
    other = [str(home.resolve()) for home in homes]
    roots = (*own, *other, _SOCKETS, *SCRATCH)
    hidden = _outermost(path for path in (*own, *other, _SOCKETS) if os.path.exists(path))
    seen: dict[str, None] = {}
    links: dict[tuple[str, str], None] = {}
    named = [path for path in dict.fromkeys(wanted) if os.path.isabs(path)]
    waiting = list(named)
    while waiting:
        real, passed = trace(waiting.pop(0))
        links.update(dict.fromkeys(link for link in passed if _is_below(link[0], hidden)))
        for place in (real, *(place for place, _ in passed)):
            installed = _installation(place, roots)
            if installed is None or installed in seen or os.path.islink(installed):
                continue
            if os.path.exists(installed):
                seen[installed] = None
                waiting += [path for path in _programs(installed) if not _is_below(path, own)]
    readable = [path for path in seen if _is_below(path, roots)]
    outermost = _outermost(readable)
    kept = [link for link in links if not _is_below(link[0], outermost)]
    secrets = [
        path
        for folder in readable
        if not _is_below(folder, own)
        for path in (os.path.join(folder, name) for name in _CREDENTIALS)
        if os.path.exists(path) and path not in named
    ]
    return Visible(tuple(hidden), tuple(outermost), tuple(sorted(kept)), tuple(sorted(secrets)))


def seen_in(visible: Visible, folders: Iterable[str]) -> list[str]:
    """Those of some real folders that are seen whole, with nothing hidden in them; outermost."""
    return _outermost(
        folder
        for folder in folders
        if (not _is_below(folder, visible.hidden) or _is_below(folder, visible.readable))
        and not any(_is_below(path, (folder,)) for path in visible.hidden)
    )


def below(named: Iterable[str], hidden: Iterable[Path]) -> list[str]:
    """The absolute paths among those named that lie in a folder that is hidden."""
    roots = [os.path.realpath(folder) for folder in hidden]
    return [
        path
        for path in named
        if os.path.isabs(path)
        and (_is_below(os.path.realpath(path), roots) or _is_below(os.path.normpath(path), roots))
    ]


def wanted_paths(
    environment: Mapping[str, str], commands: Iterable[str | None], links: Iterable[Path]
) -> Iterator[str]:
    """Absolute paths that commands may need: of the environment, of their text, and links."""
    yield from map(str, links)
    for value in environment.values():
        yield from value.split(os.pathsep)
    for command in commands:
        yield from _words(command or "")


def _words(command: str) -> list[str]:
    """The words of a command, and what stands behind `=` and between `:` in them."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:  # a quote without its partner: the shell will say so
        words = command.split()
    return [part for word in words for part in word.rpartition("=")[2].split(":")]


def _installation(path: str, roots: Iterable[str]) -> str | None:
    """What a program needs to run: the folder that holds its `bin`, else just what it is."""
    candidates = [path]
    if not is_folder(path):
        folder = os.path.dirname(path)
        if os.path.basename(folder) in _PROGRAMS:
            candidates = [os.path.dirname(folder), folder, path]
    elif os.path.basename(path) in _PROGRAMS:
        candidates = [os.path.dirname(path), path]
    for candidate in candidates:
        if not candidate.endswith("/.local") and not any(
            _is_below(root, (candidate,)) for root in roots
        ):
            return candidate
    return None


def _programs(folder: str) -> Iterator[str]:
    """What links among the programs of an installation lead to outside it."""
    if folder in _SYSTEM:
        return
    inside = [folder] if os.path.basename(folder) in _PROGRAMS else []
    inside += [os.path.join(folder, name) for name in sorted(_PROGRAMS)]
    for programs in inside:
        if not is_folder(programs):
            continue
        with os.scandir(programs) as items:
            found = sorted(item.path for item in items if item.is_symlink())
        targets = dict.fromkeys(map(os.path.realpath, found))
        yield from (target for target in targets if not _is_below(target, (folder,)))


def trace(path: str) -> tuple[str, list[tuple[str, str]]]:
    """The real path, and each symbolic link on the way as (place, target)."""
    done, links = "", list[tuple[str, str]]()
    rest = path.split("/")
    while rest:
        part = rest.pop(0)
        if part in {"", "."}:
            continue
        if part == "..":
            done = os.path.dirname(done)
            continue
        here = f"{done.rstrip('/')}/{part}"
        if len(links) < _MOST_LINKS and os.path.islink(here):
            target = os.readlink(here)
            links.append((here, target))
            done = "" if target.startswith("/") else done
            rest = [*target.split("/"), *rest]
        else:
            done = here
    return done or "/", links


def _outermost(paths: Iterable[str]) -> list[str]:
    """The paths that lie in no other of them, sorted; the root is none."""
    found: list[str] = []
    for path in sorted(dict.fromkeys(paths), key=lambda path: path.split("/")):
        if path != "/" and not _is_below(path, found):
            found.append(path)
    return found


def _is_below(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)
