"""What stays visible of hidden folders: toolchains, links, and what they are links into."""

from __future__ import annotations

from pathlib import Path

import pytest
from autoresearch.edges.environment import Visible, find_visible, wanted_paths


class Home:
    """A home and a repository in it, with a few programs."""

    def __init__(self, root: Path) -> None:
        self.root = root / "home"
        self.repo = self.root / "code" / "repo"
        self.repo.mkdir(parents=True)

    def program(self, path: str) -> str:
        """A file that stands for a program; its path."""
        full = self.root / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.touch()
        return str(full)

    def link(self, path: str, target: str) -> str:
        """A symbolic link; its path."""
        full = self.root / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.symlink_to(target)
        return str(full)

    def view(self, *wanted: str) -> Visible:
        """What is seen when these are wanted, without what every machine hides."""
        found = find_visible([self.repo], [self.root], wanted)
        return found._replace(hidden=tuple(path for path in found.hidden if path != "/run"))

    def readable(self, *wanted: str) -> list[str]:
        """What stays readable, relative to the home."""
        return [str(Path(path).relative_to(self.root)) for path in self.view(*wanted).readable]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home in a folder of its own."""
    return Home(tmp_path.resolve())


def test_the_repository_in_the_home_needs_no_folder_of_its_own(home: Home) -> None:
    """Every hidden folder costs a mount a sample."""
    assert home.view() == Visible((str(home.root),), (), (), ())


def test_programs_come_with_their_installation(home: Home) -> None:
    """An interpreter without its library does not start."""
    home.program(".pyenv/bin/pyenv")
    home.program(".pyenv/versions/3.11/bin/python")
    assert home.readable(f"{home.root}/.pyenv/bin") == [".pyenv"]
    assert home.readable(f"{home.root}/.pyenv/versions/3.11/bin/python") == [".pyenv/versions/3.11"]


@pytest.mark.parametrize("folder", ["bin", ".local/bin"])
def test_no_folder_of_programs_uncovers_the_home(home: Home, folder: str) -> None:
    """`~/bin` on PATH makes every key and token of the home readable."""
    home.program(f"{folder}/tool")
    assert home.readable(f"{home.root}/{folder}") == [folder]
    assert home.readable(f"{home.root}/{folder}/tool") == [folder]


def test_an_environment_in_the_repository(home: Home) -> None:
    """`.venv` in the working tree, its interpreter a link to one that is installed elsewhere."""
    home.program("tools/py/bin/python3.11")
    home.link("code/repo/.venv/bin/python", f"{home.root}/tools/py/bin/python3.11")
    found = home.readable(f"{home.repo}/.venv/bin")
    assert found == ["code/repo/.venv", "tools/py"]
    assert home.readable(f"{home.repo}/.venv") == found


def test_a_program_of_the_repository_does_not_uncover_it(home: Home) -> None:
    """`repo/bin` on PATH, or a link into the working tree: the tree would be measured instead."""
    home.program("code/repo/bin/tool")
    home.link(".local/bin/mine", f"{home.repo}/src/mine.py")
    home.program("code/repo/src/mine.py")
    assert home.readable(f"{home.repo}/bin") == ["code/repo/bin"]
    assert home.readable(f"{home.root}/.local/bin") == [".local/bin"]


@pytest.mark.parametrize("wanted", ["", "code", "code/repo"])
def test_nothing_uncovers_a_hidden_folder(home: Home, wanted: str) -> None:
    """A variable that names the home or the repository, such as `ROOT=$PWD`."""
    assert home.readable(f"{home.root}/{wanted}") == []


def test_links_inside_the_home_are_there_too(home: Home, tmp_path: Path) -> None:
    """`~/.rustup` that is a link to another disk leads nowhere in an empty home."""
    elsewhere = tmp_path.resolve() / "disk" / "rustup"
    elsewhere.mkdir(parents=True)
    place = home.link(".rustup", str(elsewhere))
    found = home.view(place)
    assert found.links == ((place, str(elsewhere)),)
    assert str(elsewhere) in (*found.readable, str(elsewhere))


def test_a_link_inside_something_readable_is_no_link_of_its_own(home: Home) -> None:
    """A symbolic link is made where the real one already is, and the sandbox does not start."""
    home.program("node/v20/bin/node")
    home.link("node/current", "v20")
    found = home.view(f"{home.root}/node", f"{home.root}/node/current/bin")
    assert found.links == ()
    assert found.readable == (f"{home.root}/node",)


def test_what_is_nowhere_is_passed_over(home: Home) -> None:
    """A variable that names a folder which was removed keeps the sandbox from starting."""
    assert home.readable(f"{home.root}/.cargo", "relative/bin", "/nonexistent") == []


def test_a_loop_of_links_ends(home: Home) -> None:
    """Two links that lead to each other hang the helper."""
    home.link("a", "b")
    home.link("b", "a")
    assert home.readable(f"{home.root}/a") == []


def test_what_commands_may_need() -> None:
    """A program that a command names by its path, or data that a variable leads to."""
    found = wanted_paths(
        {"PATH": "/x/bin:/y/bin", "LANG": "C.UTF-8"},
        ["'/opt/a b/py' bench.py # /not/this", None, "echo 'open /z", "A=/a:/b cat </c;(/d)"],
        [Path("/repo/node_modules")],
    )
    assert [path for path in found if path.startswith("/")] == [
        "/repo/node_modules", "/x/bin", "/y/bin", "/opt/a b/py", "/z", "/a", "/b", "/c", "/d",
    ]  # fmt: skip


def test_an_interpreter_by_its_path_comes_with_its_environment(home: Home) -> None:
    """`~/env/bin/python bench.py`: the link is followed, and the packages beside it are gone."""
    home.program("tools/py/bin/python3.11")
    python = home.link("env/bin/python", f"{home.root}/tools/py/bin/python3.11")
    assert home.readable(python) == ["env", "tools/py"]


def test_a_link_to_a_program_is_made_again(home: Home) -> None:
    """`tools/py` in the working tree, a link to the interpreter that all use."""
    home.program("tools/py/bin/python3.11")
    link = home.link("code/repo/tools/py", f"{home.root}/tools/py/bin/python3.11")
    found = home.view(link)
    assert found.readable == (f"{home.root}/tools/py",)
    assert found.links == ((link, f"{home.root}/tools/py/bin/python3.11"),)


def test_credentials_inside_a_toolchain(home: Home) -> None:
    """A token that cargo, gradle or gem keep beside their libraries is read by a program."""
    cargo, gem = f"{home.root}/.cargo", f"{home.root}/.gem"
    home.program(".cargo/bin/cargo")
    token = home.program(".cargo/credentials.toml")
    home.program(".cargo/registry/credentials")  # a crate's own file of that name
    other = home.program(".gem/credentials")
    assert home.view(cargo, gem).secrets == (token, other)
    assert home.view(f"{cargo}/bin", gem, token).secrets == (other,)
    data = home.program("code/repo/data/credentials")
    assert home.view(str(Path(data).parent)).secrets == ()
