"""What leads back to the user's tree is found by reading, and described with its remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from autoresearch.core.contract import parse
from autoresearch.planning.proof import Leak, describe_leaks, find_leaks

CONTRACT = """\
session: s
goal: g
metric: {{name: m, direction: lower}}
verify: {verify}
scope: [src]
{extra}"""

SITE = "lib/python3.11/site-packages"


def found(root: Path, *, verify: str = "python bench.py", extra: str = "", **env: str) -> list[str]:
    """The places found, relative to `root`."""
    contract = parse(CONTRACT.format(verify=verify, extra=extra))
    return [leak.where.replace(f"{root}/", "") for leak in find_leaks(root / "r", contract, env)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with the user's tree `r` and an environment `env` beside it."""
    (tmp_path / "r" / "src").mkdir(parents=True)
    (tmp_path / "env" / SITE).mkdir(parents=True)
    (tmp_path / "env" / "bin").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    "name",
    [
        "thing.pth",
        "__editable___thing_finder.py",
        "thing.egg-link",
        "x-1.dist-info/direct_url.json",
    ],
)
def test_every_form_of_an_editable_install(root: Path, name: str) -> None:
    """pip, setuptools and poetry each write the path down in another file."""
    file = root / "env" / SITE / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(f'"{root}/r/src"\n')
    assert found(root, VIRTUAL_ENV=f"{root}/env") == [f"env/{SITE}/{name}"]


def test_where_pythons_are_looked_for(root: Path) -> None:
    """VIRTUAL_ENV, PATH, a linked folder and the command itself each name an installation."""
    (root / "env" / SITE / "a.pth").write_text(f"{root}/r/src")
    (root / "r" / ".venv").symlink_to(root / "env")
    place = [f"env/{SITE}/a.pth"]
    assert found(root) == []
    assert found(root, PATH=f"/usr/bin:{root}/env/bin") == place
    assert found(root, verify=f"{root}/env/bin/python bench.py") == place
    assert found(root, verify=".venv/bin/python bench.py") == place
    assert found(root, extra="link: [.venv]") == place
    assert found(root, VIRTUAL_ENV=f"{root}/env", PATH=f"{root}/env/bin") == place


def test_paths_of_others_are_no_leak(root: Path) -> None:
    """Other projects may be installed from their own trees."""
    (root / "env" / SITE / "a.pth").write_text("/somewhere/else\n")
    (root / "env" / SITE / "big.pth").write_bytes(b"#" * (2 << 20) + str(root / "r").encode())
    assert found(root, VIRTUAL_ENV=f"{root}/env") == []


def test_workspace_links(root: Path) -> None:
    """A link out of node_modules into the tree leads back; one inside, or elsewhere, does not."""
    modules = root / "r" / "node_modules"
    (modules / "@scope").mkdir(parents=True)
    (modules / "real").mkdir()
    (root / "r" / "packages" / "foo").mkdir(parents=True)
    (modules / "foo").symlink_to("../packages/foo")
    (modules / "@scope" / "foo").symlink_to("../../packages/foo")
    (modules / "alias").symlink_to("real")
    (modules / "global").symlink_to("/usr")
    assert found(root, extra="link: [node_modules]") == [
        "r/node_modules/@scope/foo",
        "r/node_modules/foo",
    ]
    assert found(root) == []


def test_search_paths(root: Path) -> None:
    """An absolute PYTHONPATH is inherited by whatever verify starts."""
    assert found(root, PYTHONPATH=f"/x:{root}/r/src", NODE_PATH="lib") == ["$PYTHONPATH"]


def test_a_command_with_an_open_quote(root: Path) -> None:
    """It is the shell that says so, not a crash of the search."""
    assert found(root, verify="'echo \"1'") == []


def test_what_the_error_says() -> None:
    """The first cause with its remedy; without one the general advice."""
    assert describe_leaks((Leak("/a.pth", "an install: do that"), Leak("/b", "no"))) == (
        "/a.pth is an install: do that"
    )
    assert "(`env`, `setup` and `link` help)" in describe_leaks(())
