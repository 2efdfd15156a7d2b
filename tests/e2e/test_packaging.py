"""The package as it is shipped: pinned, complete, and able to run without its tools."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def wanted() -> list[Requirement]:
    """Every dependency and every tool that the project asks for."""
    extras = PROJECT["optional-dependencies"].values()
    return [Requirement(line) for lines in (PROJECT["dependencies"], *extras) for line in lines]


def pinned() -> dict[str, list[Requirement]]:
    """The pins of the lock file, by normalised name."""
    pins: dict[str, list[Requirement]] = {}
    for line in (ROOT / "requirements.lock").read_text("utf-8").splitlines():
        pin = Requirement(line)
        pins.setdefault(normalised(pin.name), []).append(pin)
    return pins


def normalised(name: str) -> str:
    """A project's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("requirement", wanted(), ids=lambda requirement: requirement.name)
def test_every_requirement_is_pinned_within_its_range(requirement):
    """Catches a dependency that was added or moved without `make lock`."""
    pins = pinned()[normalised(requirement.name)]
    for pin in pins:
        (exact,) = pin.specifier
        assert exact.operator == "=="
        assert requirement.specifier.contains(exact.version), pin


IMPORT_ALL = """
import pkgutil, autoresearch
names = [module.name for module in pkgutil.walk_packages(autoresearch.__path__, "autoresearch.")]
skipped = ("autoresearch.__main__",)
print(len([__import__(name) for name in names if not name.startswith(skipped)]))
"""

TELL_A_STORY = """
from pathlib import Path
from autoresearch.trial.story import STORY, copy_project
copy_project(Path("project"))
print(STORY[0].apply(Path("project")))
"""


def names_below(folder):
    """Every file by its path in the folder."""
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


def test_installed_package_is_whole_and_needs_no_tools_of_development(tmp_path):
    """Catches a file missing in the wheel, or a tool of the tests that the program imports."""

    def run(*words):
        done = subprocess.run(
            list(map(str, words)), cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    run(sys.executable, "-m", "venv", "venv")
    python = tmp_path / "venv/bin/python"
    copy = shutil.copytree(ROOT, tmp_path / "source", ignore=shutil.ignore_patterns(".*", "build"))
    pip = (python, "-m", "pip", "--quiet", "--disable-pip-version-check")
    run(*pip, "install", "-c", ROOT / "requirements.lock", copy)
    shutil.rmtree(copy)
    assert PROJECT["version"] in run(tmp_path / "venv/bin/autoresearch", "--version")
    assert int(run(python, "-c", IMPORT_ALL)) > 100
    assert run(python, "-c", TELL_A_STORY) == "None"
    run("env", f"HOME={tmp_path}", tmp_path / "venv/bin/autoresearch", "install", "claude")
    for folder, source in (("skills", "skill"), ("commands", "commands")):
        found = tmp_path / ".claude" / folder / "autoresearch"
        assert names_below(found) == names_below(ROOT / source)
    text = (tmp_path / ".claude/skills/autoresearch/SKILL.md").read_text("utf-8")
    assert f"{tmp_path}/venv/bin/autoresearch" in text
