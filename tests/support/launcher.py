"""The launcher in a checkout of its own, with scripted programs in place of Python and uv."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import venv
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ["cat", "cksum", "mkdir", "mv", "readlink", "rm", "sed", "sh", "sleep", "tail", "tr"]
STUB = """\
import sys
import click
import json
print("click", click.__file__)
print("json", json.__file__)
print("arguments", sys.argv[1:])
"""
FAKE_PYTHON = """\
#!/bin/sh
# Stands in for a Python of version $FAKE_VERSION: answers what the launcher asks, installs nothing.
case "$*" in
*sys.version_info*) echo "$FAKE_VERSION $0" ;;
*ensurepip*) exit "${FAKE_ENSUREPIP:-0}" ;;
*"-m venv"*)
    for folder; do :; done
    mkdir -p "$folder/bin" "$folder/site"
    cat "$0" >"$folder/bin/python"
    chmod +x "$folder/bin/python" ;;
*"-m pip"*)
    echo pip >>"$FAKE_CALLS"
    target="" last=""
    for word; do
        [ "$last" != --target ] || target=$word
        last=$word
    done
    [ -z "$target" ] || mkdir -p "$target"
    echo "pip: no index answers" >&2
    [ -z "${FAKE_GATE:-}" ] || cat "$FAKE_GATE" >/dev/null
    exit "${FAKE_PIP:-0}" ;;
*sysconfig*) echo "${0%/bin/python}/site" ;;
*"-m autoresearch"*) shift 3; printf 'ran'; printf ' <%s>' "$@"; echo ;;
esac
"""


class Place(NamedTuple):
    """A checkout with its launcher, a PATH of scripted programs, and the data folder."""

    launcher: Path
    tools: Path
    data: Path
    calls: Path

    def environment(self, **extra: str) -> dict[str, str]:
        """The current variables, PATH reduced to `tools`."""
        return {
            **os.environ,
            "PATH": str(self.tools),
            "AUTORESEARCH_DATA": str(self.data),
            "FAKE_VERSION": "3.11.9 True",
            "FAKE_CALLS": str(self.calls),
            **extra,
        }

    def call(
        self, *arguments: str, expected_exit_code: int = 0, **extra: str
    ) -> subprocess.CompletedProcess[str]:
        """One call of the launcher, run to its end."""
        done = subprocess.run(
            [str(self.launcher), *arguments],
            env=self.environment(**extra),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == expected_exit_code, done.stderr
        return done

    def start(self, **extra: str) -> subprocess.Popen[str]:
        """One call of the launcher, left running, in a process group of its own."""
        return subprocess.Popen(
            [str(self.launcher)],
            env=self.environment(**extra),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def installs(self) -> int:
        """How often pip was started."""
        return len(self.calls.read_text().splitlines()) if self.calls.exists() else 0

    def builds(self) -> list[Path]:
        """Every virtual environment below the data folder."""
        return sorted(self.data.glob("env-*/build-*"))


def copy_checkout(target: Path) -> Path:
    """The launcher and what it needs, with the package replaced by a stub; the launcher's path."""
    package = target / "helpers" / "autoresearch"
    package.mkdir(parents=True)
    (target / "bin").mkdir()
    shutil.copy(ROOT / "bin" / "autoresearch", target / "bin")
    shutil.copy(ROOT / "pyproject.toml", target)
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(STUB)
    return target / "bin" / "autoresearch"


def write_program(path: Path, text: str) -> None:
    """An executable script; a link at `path` is replaced, never written through."""
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@contextmanager
def held(gate: Path) -> Iterator[None]:
    """Waits until a reader holds the pipe `gate`; lets it go on at the end."""
    with gate.open("w"):
        yield


def prepare_offline(root: Path, data: Path) -> None:
    """What the launcher of the checkout `root` finds in `data` after a first call, without one.

    The packages are those that the tests run with, so nothing is downloaded. Were the launcher to
    look elsewhere, it would install, which a test without a way out notices.
    """
    text = (root / "pyproject.toml").read_bytes()
    summed = subprocess.run(
        ["cksum"], input=f"{root.resolve()}\n".encode() + text, capture_output=True, check=True
    )
    home = data / f"env-{'-'.join(summed.stdout.decode('ascii').split())}"
    build = home / "build-0"
    venv.create(build, symlinks=True)
    (site,) = build.glob("lib/python3*/site-packages")
    packages = sysconfig.get_path("purelib")
    (site / "autoresearch.pth").write_text(f"{root.resolve() / 'helpers'}\n{packages}\n", "utf-8")
    (home / ".ready").write_text("build-0\n", "ascii")
