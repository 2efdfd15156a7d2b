"""Set-up that installs outside its checkout: found, put right, refused with what to do instead."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from autoresearch.core.errors import GateFailed
from autoresearch.planning.outside import left_alone
from support.project import make_project, write_draft
from support.session import UNCONFINED, Helper

if TYPE_CHECKING:
    from support.harness import Git

PLACES = {
    "VIRTUAL_ENV": "lib/python3.11/site-packages",
    "CONDA_PREFIX": "lib/node_modules",
    "GEM_HOME": "gems",
    "CARGO_HOME": "bin",
    "PATH": "lib/python3.12/dist-packages",
}


def state(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("variable", PLACES)
def test_what_an_install_changed_is_as_before(tmp_path: Path, variable: str) -> None:
    """The user's own environment that imports from a bench checkout from now on."""
    own = tmp_path / "own"
    place = own / PLACES[variable]
    place.mkdir(parents=True)
    (place / "tool").write_text("old")
    (place / "pkg.dist-info").mkdir()
    (place / "pkg.dist-info/RECORD").write_text("old")
    (place / "other.pth").write_text("/elsewhere")
    before = state(own)
    value = str(own / "bin") if variable == "PATH" else str(own)
    kept = left_alone({variable: value, "HOME": "/nowhere"}, tmp_path / "scratch")
    with pytest.raises(GateFailed, match="installs outside its checkout") as caught, kept:  # noqa: PT012 - what an install does
        shutil.rmtree(place / "pkg.dist-info")
        (place / "other.pth").unlink()
        (place / "__editable__.pkg.pth").write_text("/bench/a/src")
        (place / "new").mkdir()
        (place / "tool").unlink()
        (place / "tool").write_text("new")
    assert state(own) == before
    assert caught.value.code == "setup_outside"
    assert "`setup: " in caught.value.hint
    with left_alone({variable: value}, tmp_path / "scratch"):
        (place / "__pycache__").mkdir()  # whoever runs Python leaves some


def test_a_folder_that_is_not_ours_is_not_watched(tmp_path: Path) -> None:
    """Variables that lead nowhere, which every other machine has."""
    with left_alone({"VIRTUAL_ENV": str(tmp_path / "gone"), "PATH": ""}, tmp_path / "scratch"):
        pass
    assert not (tmp_path / "scratch").exists()


def checked(repo: Git, draft: Path) -> str:
    return str(Helper(repo).json("check", str(draft), code=4)["error"]["message"])


def test_check_puts_the_users_environment_right(tmp_path: Path, monkeypatch) -> None:
    """`proven`, while both checkouts and the user run what was installed last."""
    place = tmp_path / "venv/lib/python3.11/site-packages"
    place.mkdir(parents=True)
    (place / "mine.pth").write_text("/work/mine")
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "venv"))
    install = 'pwd >"$VIRTUAL_ENV"/lib/python3.11/site-packages/mine.pth'
    draft = write_draft(tmp_path, setup=install, extra=UNCONFINED)
    assert "set-up installs outside its checkout" in checked(make_project(tmp_path / "r"), draft)
    assert state(place) == {"mine.pth": b"/work/mine"}


def test_a_whole_checkout_measures_itself_beside_a_broken_one(tmp_path: Path) -> None:
    """A shared place that nobody watches: the last build decides what every checkout runs."""
    shared = tmp_path / "shared"
    shared.mkdir()
    draft = write_draft(
        tmp_path,
        build=f"cp -r bench.py src {shared}/",
        verify=f"cd {shared} && python3 -S bench.py",
        extra=UNCONFINED,
    )
    assert "while another one is broken" in checked(make_project(tmp_path / "r"), draft)
