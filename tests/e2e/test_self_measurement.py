"""A bench checkout that measures the user's tree instead of itself is refused, by cause."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import pytest
from support.harness import Git
from support.project import make_project, set_cost, write_draft
from support.session import Helper
from support.untouched import untouched

BACKEND = """\
import zipfile

NAME = "thing-1-py3-none-any.whl"
FILES = {{
    "__editable__.thing-1.pth": "{source}",
    "thing-1.dist-info/METADATA": "Metadata-Version: 2.1\\nName: thing\\nVersion: 1\\n",
    "thing-1.dist-info/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    "thing-1.dist-info/RECORD": "",
}}


def build_editable(folder, config_settings=None, metadata_directory=None):
    with zipfile.ZipFile(f"{{folder}}/{{NAME}}", "w") as wheel:
        for name, text in FILES.items():
            wheel.writestr(name, text)
    return NAME
"""
"""A build backend (PEP 660) of the project's own: pip needs no network and no setuptools."""

PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""

PACKAGE_BENCH = "import thing\nprint(thing.cost())\n"


def refused(helper: Helper, draft: Path, code: str = "not_measured", by: str = "check") -> str:
    """A command refuses and changes nothing; the remedy."""
    with untouched(helper.repo):
        answer = helper.json(by, str(draft), code=4)
    assert answer["error"]["code"] == code
    return str(answer["error"]["hint"])


@pytest.fixture
def package(tmp_path: Path) -> Helper:
    """A Python package with a src layout, and its benchmark."""
    repo = Git.create(tmp_path / "r")
    repo.write("src/thing/__init__.py", "def cost():\n    return 100\n")
    repo.write("pyproject.toml", PYPROJECT)
    repo.write("backend.py", BACKEND.format(source=repo.root / "src"))
    repo.write("bench.py", PACKAGE_BENCH)
    repo.write(".gitignore", ".venv/\n__pycache__/\n*.egg-info/\nbuild/\n")
    repo.commit()
    return Helper(repo)


def test_a_real_editable_install(package: Helper, tmp_path: Path) -> None:
    """`pip install -e .` imports the user's files wherever verify runs: named, with its remedy."""
    environment = package.root / ".venv"
    venv.create(environment, system_site_packages=True)
    pip = ["pip", "-q", "--disable-pip-version-check", "install", "-e", "."]
    offline = ["--no-build-isolation", "--no-deps", "--no-index"]  # pip comes with the base Python
    done = subprocess.run(
        [str(environment / "bin/python"), "-m", *pip, *offline],
        cwd=package.root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    terms = {"verify": ".venv/bin/python bench.py", "guard": "", "link": "[.venv]"}
    hint = refused(package, write_draft(tmp_path, **terms), by="init")
    assert f"{environment}/lib/python" in hint
    assert "an editable install of your working tree" in hint
    draft = write_draft(tmp_path, **terms, env="{PYTHONPATH: src}")  # the remedy
    package("init", str(draft))
    package.repo.write("src/thing/__init__.py", "def cost():\n    return 90\n")
    assert package.verdict()[0] == "keep"


@pytest.mark.parametrize("how", ["activated", "on the path", "by absolute path"])
def test_a_path_file_in_an_environment_that_is_not_linked(
    package: Helper, tmp_path: Path, how: str
) -> None:
    """The Python that PATH, VIRTUAL_ENV or the command names is looked into as well."""
    root = tmp_path / "env"
    site = root / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    venv.create(root, with_pip=False, symlinks=True)
    (site / "__editable__.thing-1.pth").write_text(f"{package.root}/src\n")
    python = str(root / "bin/python") if how == "by absolute path" else "python"
    draft = write_draft(tmp_path, verify=f"{python} bench.py", guard="")
    env = {"activated": {"VIRTUAL_ENV": str(root)}}.get(how, {})
    if how != "by absolute path":
        env |= {"PATH": f"{root}/bin:/usr/bin:/bin"}
    answer = package.json("check", str(draft), code=4, env=env)
    assert answer["error"]["code"] == "not_measured"
    assert str(site / "__editable__.thing-1.pth") in answer["error"]["hint"]


def test_an_npm_workspace_link(tmp_path: Path) -> None:
    """node_modules/foo -> ../packages/foo leads back once node_modules is linked."""
    repo = Git.create(tmp_path / "r")
    repo.write(
        "packages/foo/package.json", '{"name": "foo", "version": "1.0.0", "main": "index.js"}'
    )
    repo.write("packages/foo/index.js", "module.exports = () => 100\n")
    repo.write("package.json", '{"workspaces": ["packages/*"]}')
    repo.write("bench.js", "console.log(require('foo')())\n")
    repo.write(".gitignore", "node_modules/\n")
    repo.commit()
    (repo.root / "node_modules").mkdir()
    (repo.root / "node_modules" / "foo").symlink_to("../packages/foo")
    helper = Helper(repo)
    if subprocess.run(["sh", "-c", "command -v node"], capture_output=True, check=False).returncode:
        pytest.skip("no node here")
    terms = {"verify": "node bench.js", "guard": "", "scope": '["packages/**/*.js"]'}
    hint = refused(helper, write_draft(tmp_path, **terms, link="[node_modules]"))
    assert f"{repo.root}/node_modules/foo is a workspace link" in hint
    assert "`setup: npm ci`" in hint
    remedy = "mkdir node_modules && ln -s ../packages/foo node_modules/foo"
    helper("check", str(write_draft(tmp_path, **terms, setup=remedy)))


@pytest.mark.parametrize(
    ("terms", "remedy"),
    [
        ({"verify": "{python} {root}/bench.py"}, "`bench.py`"),
        ({"verify": "cd {root} && {python} bench.py"}, "`.`"),
        ({"guard": "{python} {root}/./check.py"}, "`check.py`"),
        ({"env": "{{PYTHONPATH: {root}/src}}"}, "`src`"),
    ],
)
def test_an_absolute_path_to_the_tree(tmp_path: Path, terms: dict[str, str], remedy: str) -> None:
    """Told without running anything, with the relative path to write instead."""
    helper = Helper(make_project(tmp_path / "r"))
    filled = {
        key: value.format(python=sys.executable, root=helper.root) for key, value in terms.items()
    }
    assert remedy in refused(helper, write_draft(tmp_path, **filled), "absolute_path")


def test_an_untracked_program_by_absolute_path_is_fine(tmp_path: Path) -> None:
    """An interpreter in an ignored folder of the tree is a tool, not what is measured."""
    helper = Helper(make_project(tmp_path / "r"))
    helper.repo.write(".gitignore", "__pycache__/\n/tools/\n")
    helper.repo.commit()
    (helper.root / "tools").mkdir()
    (helper.root / "tools" / "py").symlink_to(sys.executable)
    draft = write_draft(tmp_path, verify=f"{helper.root}/tools/py bench.py")
    helper("check", str(draft))


def test_a_verify_that_never_looks_at_the_scope(tmp_path: Path) -> None:
    """A constant is measured as well by a broken program."""
    helper = Helper(make_project(tmp_path / "r"))
    hint = refused(helper, write_draft(tmp_path, verify="echo 100"))
    assert "check that verify runs the code in scope" in hint


def test_a_noisy_leak_is_still_a_leak(tmp_path: Path) -> None:
    """One odd value of a noisy metric is no sign that the breaking was noticed."""
    helper = Helper(make_project(tmp_path / "r"))
    helper.repo.write("bench.py", "import random\nprint(random.choice([1, 5]) + random.random())\n")
    helper.repo.commit()
    metric = "{name: cost, direction: lower}"
    refused(helper, write_draft(tmp_path, metric=metric, verify=f"{sys.executable} -S bench.py"))


def test_a_verify_that_swallows_failures_but_takes_another_time(tmp_path: Path) -> None:
    """With `source: wall` no number is printed; a program that ends at once was noticed.

    It sleeps for longer than a busy machine may hold up a bare start of Python.
    """
    helper = Helper(make_project(tmp_path / "r"))
    helper.repo.write("src/work.py", "import time\ntime.sleep(1)\nSIZE = 1\n")
    helper.repo.commit()
    draft = write_draft(
        tmp_path,
        metric="{name: t, direction: lower, source: wall}",
        verify=f"PYTHONPATH=src {sys.executable} -S -c 'import work' || true",
        guard="",
        race="{seconds: 0.3}",
    )
    helper("check", str(draft))
    set_cost(helper.repo, 1)
