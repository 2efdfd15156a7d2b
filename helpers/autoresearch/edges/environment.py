"""The environment of whatever the helper runs: an allow-list found once, and the contract's own.

Nothing is inherited at run time. Left out on purpose are PYTHON*, GIT_*, LD_*, BASH_ENV, exported
shell functions and every credential; a benchmark that needs one of them names it in `env.pass`.
PYTHONHASHSEED stays unset: a fixed seed would race one arbitrary order of sets against another,
while free ones average it out; a contract that wants it fixed sets it in `env`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from autoresearch.edges.files import is_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
    return os.path.isabs(path) and os.path.isdir(path)  # noqa: PTH112, PTH117


def _plain(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
