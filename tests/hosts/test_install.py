"""`install` and `uninstall`: the right files in the right places, and nobody else's touched."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from autoresearch.core.errors import AutoresearchError
from autoresearch.hosts import install as actions
from autoresearch.hosts.install import (
    BESIDE,
    LAYOUTS,
    CommandForm,
    InstallPlace,
    command_text,
    find_bundle,
)
from support.harness import Git
from support.hosts import ROOT
from support.project import make_project
from support.session import Helper

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from autoresearch.hosts.install import Installed, Removed

COMMANDS = sorted(path.stem for path in (ROOT / "commands").glob("*.md"))
SKILL = sorted(
    path.relative_to(ROOT / "skill").as_posix()
    for path in (ROOT / "skill").rglob("*")
    if path.is_file()
)
PLACES = {
    "claude": (".claude/skills", ".claude/commands/autoresearch/{}.md"),
    "codex": (".agents/skills", ""),
    "opencode": (".agents/skills", ".config/opencode/commands/autoresearch:{}.md"),
    "gemini": (".agents/skills", ".gemini/commands/autoresearch/{}.toml"),
    "cursor": (".agents/skills", ""),
    "pi": (".agents/skills", ".pi/agent/prompts/autoresearch:{}.md"),
}
LEDGER = ".local/share/autoresearch/installed.json"
LINK = ".local/bin/autoresearch"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, with a PATH on which no autoresearch is."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("PATH", f"{home}/.local/bin:/usr/bin:/bin")
    return home


class Hand(NamedTuple):
    """Installs by calling the use case; the command line has tests of its own below."""

    home: Path
    root: Path

    def place(self, *, project: bool) -> InstallPlace:
        """The home, or the project."""
        return InstallPlace(self.root if project else self.home, project=project)

    def install(self, host: str, *, project: bool = False, set_aside: bool = False) -> Installed:
        """`autoresearch install`."""
        place = self.place(project=project)
        return actions.install(host, find_bundle(), place, os.environ, set_aside=set_aside)

    def uninstall(self, host: str, *, project: bool = False) -> Removed:
        """`autoresearch uninstall`."""
        return actions.uninstall(host, find_bundle(), self.place(project=project), os.environ)

    def refused(self, host: str) -> str:
        """The code of the error with which `install` ends."""
        with pytest.raises(AutoresearchError) as caught:
            self.install(host)
        return caught.value.code


@pytest.fixture
def hand(tmp_path: Path, home: Path) -> Hand:
    """Installations for the home, or for a project."""
    root = tmp_path / "r"
    root.mkdir()
    return Hand(home, root)


@pytest.fixture
def helper(tmp_path: Path, home: Path) -> Helper:
    """Calls of the command in a repository."""
    return Helper(make_project(tmp_path / "r"))


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file and link, but the list of what was installed."""
    found = {
        path.relative_to(folder).as_posix(): b"-> " + os.fsencode(path.readlink())
        if path.is_symlink()
        else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }
    found.pop(LEDGER, None)
    return found


def test_every_host_is_tested() -> None:
    """Catches a host for which nobody wrote down where its files belong."""
    assert set(PLACES) == set(LAYOUTS)


@pytest.mark.parametrize("host", PLACES)
def test_files_are_where_the_host_looks(host: str, hand: Hand) -> None:
    """Catches a file in a folder that the host never reads, or one that is left out."""
    skills, commands = PLACES[host]
    done = hand.install(host)
    expected = {f"{skills}/autoresearch/{name}" for name in SKILL}
    if commands:
        expected |= {commands.format(name) for name in COMMANDS}
    assert set(files_below(hand.home)) == {*expected, LINK}
    assert set(done.written) == {hand.home / name for name in expected}
    assert (hand.home / LINK).resolve() == ROOT / "bin" / "autoresearch"
    assert done.reach.fine


@pytest.mark.parametrize("host", PLACES)
def test_twice_changes_nothing_and_away_leaves_nothing(host: str, hand: Hand) -> None:
    """Catches an update that doubles something, and a removal that forgets something."""
    hand.install(host)
    before = {path: path.stat().st_mtime_ns for path in hand.home.rglob("*.md")}
    assert hand.install(host).written == []
    assert {path: path.stat().st_mtime_ns for path in hand.home.rglob("*.md")} == before
    hand.uninstall(host)
    assert files_below(hand.home) == {}
    assert [p for p in hand.home.rglob("autoresearch") if p.parent.name != "share"] == []
    assert not (hand.home / LEDGER).exists()
    assert hand.uninstall(host).removed == []


def test_hosts_that_moved_are_followed(
    hand: Hand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches files in the default folder of a host whose own variable names another."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "claude"))
    hand.install("opencode")
    hand.install("claude")
    assert (tmp_path / "config/opencode/commands/autoresearch:run.md").is_file()
    assert (tmp_path / "claude/skills/autoresearch/SKILL.md").is_file()
    assert (tmp_path / "claude/commands/autoresearch/run.md").is_file()


def test_installed_skill_names_the_program(hand: Hand) -> None:
    """Catches a copied skill that sends the agent to a program that is not beside it."""
    assert (ROOT / "skill" / "SKILL.md").read_text("utf-8").count(BESIDE) == 1
    hand.install("codex")
    text = (hand.home / ".agents/skills/autoresearch/SKILL.md").read_text("utf-8")
    assert f"else `{ROOT}/bin/autoresearch`" in text
    hand.install("codex", project=True)
    shared = (hand.root / ".agents/skills/autoresearch/SKILL.md").read_text("utf-8")
    assert str(ROOT) not in shared
    assert "else ask the human" in shared


def test_project_files_of_a_colleague_can_be_removed(hand: Hand) -> None:
    """Catches files that only the machine that wrote them can take away."""
    hand.install("pi", project=True)
    (hand.home / LEDGER).unlink()
    assert len(hand.uninstall("pi", project=True).removed) == len(SKILL) + len(COMMANDS)
    assert files_below(hand.root) == {}


def test_what_is_shared_stays_until_its_last_host_goes(hand: Hand) -> None:
    """Catches a removal for one host that takes the skill away from another."""
    hand.install("codex")
    hand.install("opencode")
    gone = hand.uninstall("codex")
    assert (gone.removed, len(gone.shared)) == ([], len(SKILL) + 1)
    assert (hand.home / ".agents/skills/autoresearch/SKILL.md").exists()
    hand.uninstall("opencode")
    assert files_below(hand.home) == {}


@pytest.mark.parametrize(
    "name",
    [".agents/skills/autoresearch/SKILL.md", ".config/opencode/commands/autoresearch:plan.md"],
)
def test_file_of_the_users_own_is_not_overwritten(name: str, hand: Hand) -> None:
    """Catches a user's skill or command that an installation swallows."""
    own = Git(hand.home).write(name, "mine\n")
    assert hand.refused("opencode") == "not_ours"
    assert files_below(hand.home) == {name: b"mine\n"}
    done = hand.install("opencode", set_aside=True)
    assert done.aside == {own: own.with_name(f"{own.name}.not-ours")}
    assert own.read_text() != "mine\n"
    own.write_text("mine again\n")
    hand.install("opencode", set_aside=True)
    hand.uninstall("opencode")
    assert files_below(hand.home) == {
        f"{name}.not-ours": b"mine\n",
        f"{name}.not-ours1": b"mine again\n",
    }


def test_edited_copy_is_neither_updated_nor_removed_unasked(hand: Hand) -> None:
    """Catches an update or a removal that loses what the user wrote into our file."""
    hand.install("codex")
    skill = hand.home / ".agents/skills/autoresearch/SKILL.md"
    skill.write_text("edited\n")
    assert hand.refused("codex") == "not_ours"
    assert hand.uninstall("codex").edited == [skill]
    assert files_below(hand.home) == {".agents/skills/autoresearch/SKILL.md": b"edited\n"}


def test_linked_folder_is_not_written_through(hand: Hand, tmp_path: Path) -> None:
    """Catches an installation that edits the clone to which a user's own link leads."""
    clone = tmp_path / "clone"
    Git(clone).write("SKILL.md", "of a clone\n")
    link = hand.home / ".agents/skills/autoresearch"
    link.parent.mkdir(parents=True)
    link.symlink_to(clone)
    assert hand.refused("codex") == "not_ours"
    hand.install("codex", set_aside=True)
    assert files_below(clone) == {"SKILL.md": b"of a clone\n"}
    assert link.with_name("autoresearch.not-ours").is_symlink()
    assert (link / "SKILL.md").is_file()


def test_update_replaces_ours_and_removes_what_is_gone(hand: Hand) -> None:
    """Catches a command of an earlier version that stays for ever, or an old text that does."""
    hand.install("pi")
    ledger = json.loads((hand.home / LEDGER).read_text())
    prompts = hand.home / ".pi/agent/prompts"
    old, gone = prompts / "autoresearch:plan.md", prompts / "autoresearch:gone.md"
    earlier = b"of an earlier version\n"
    for path in (old, gone):
        path.write_bytes(earlier)
        digest = hashlib.sha256(earlier).hexdigest()
        ledger["entries"][str(path)] = {"owners": ["pi"], "sha256": digest}
    (hand.home / LEDGER).write_text(json.dumps(ledger))
    done = hand.install("pi")
    assert (done.written, done.removed) == ([old], [gone])


def test_program_of_the_users_own_is_left_alone(hand: Hand) -> None:
    """Catches a program of another name's owner that a link of ours replaces."""
    own = Git(hand.home).write(LINK, "#!/bin/sh\n", mode=0o644)
    assert "is not ours and was left alone" in hand.install("codex").reach.text
    assert own.read_text() == "#!/bin/sh\n"
    own.chmod(0o755)
    assert "is a different copy" in hand.install("codex").reach.text


def test_unreadable_list_is_not_guessed_at(hand: Hand) -> None:
    """Catches a broken or newer list taken for an empty one, after which nothing is ours."""
    hand.install("codex")
    for text in ("{", "[]", '{"schema": 2, "entries": {}}', '{"schema": 1, "entries": {"a": {}}}'):
        (hand.home / LEDGER).write_text(text)
        assert hand.refused("codex") == "ledger"


def test_command_line_says_what_was_done(home: Path, helper: Helper) -> None:
    """Catches an answer that names other files than those that changed, or no way on."""
    done = helper("install", "opencode")
    assert done.out.splitlines()[-1] == (
        "next: in opencode, in a repository of yours: `/autoresearch run 5`"
    )
    assert len(helper.json("install", "opencode")["unchanged"]) == len(SKILL) + len(COMMANDS)
    skill = home / ".agents/skills/autoresearch/SKILL.md"
    skill.write_text("edited\n")
    assert helper.error("install", "opencode") == "not_ours"
    aside = helper.json("install", "opencode", "--set-aside")["set_aside"]
    assert aside == {str(skill): f"{skill}.not-ours"}
    skill.write_text("edited\n")
    assert helper.json("uninstall", "opencode")["edited"] == [str(skill)]


def test_command_line_installs_for_the_project(home: Path, helper: Helper) -> None:
    """Catches project files in the home, or in the folder that happens to be the current one."""
    helper("install", "opencode", "--project", cwd=helper.root / "src")
    found = files_below(helper.root)
    assert ".agents/skills/autoresearch/SKILL.md" in found
    assert ".opencode/commands/autoresearch:plan.md" in found
    assert set(files_below(home)) == {LINK}
    helper("uninstall", "opencode", "--project")
    assert helper.repo("status", "--porcelain") == ""


def test_folder_that_is_not_on_path_is_said(
    home: Path, helper: Helper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches an installation that looks complete and whose program no shell finds."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    done = helper("install", "codex")
    assert f"{home}/.local/bin is not on PATH" in done.out
    assert done.out.splitlines()[-1].startswith("next: put autoresearch on PATH")


@pytest.mark.parametrize("name", COMMANDS)
def test_generated_commands_say_what_the_source_says(name: str) -> None:
    """Catches a form that drops text, or carries over what the host does not know."""
    source = (ROOT / "commands" / f"{name}.md").read_text("utf-8")
    body = source.partition("\n---\n")[2]
    description = next(line for line in source.splitlines() if line.startswith("description: "))
    assert command_text(source, CommandForm.CLAUDE) == source
    shell = command_text(source, CommandForm.SHELL)
    assert shell == f"---\n{description}\n---\n{body}"
    plain = command_text(source, CommandForm.PLAIN)
    assert "!`" not in plain
    assert plain.rstrip().endswith(body.rstrip().splitlines()[-1])
    found = tomllib.loads(command_text(source, CommandForm.TOML))
    assert set(found) == {"description", "prompt"}
    assert f"description: {found['description']}" == description
    assert "$ARGUMENTS" not in found["prompt"]
    assert found["prompt"].replace("{{args}}", "$ARGUMENTS") == plain.partition("\n---\n")[2]


def test_awkward_text_survives_toml() -> None:
    """Catches a quote or a backslash that ends the string early."""
    source = '---\ndescription: says "x" \\ y\n---\na """ b \\n $ARGUMENTS\n'
    found = tomllib.loads(command_text(source, CommandForm.TOML))
    assert found == {"description": 'says "x" \\ y', "prompt": 'a """ b \\n {{args}}\n'}


def test_bundle_is_that_of_the_clone() -> None:
    """Catches an installation that copies the text of another version."""
    bundle = find_bundle()
    assert sorted(bundle.skill) == SKILL
    assert sorted(bundle.commands) == COMMANDS
    assert bundle.launcher == ROOT / "bin" / "autoresearch"


def test_installed_folder_passes_the_validator(hand: Hand) -> None:
    """Catches a copy that the standard's own validator refuses."""
    validator = Path(sys.executable).with_name("agentskills")
    if sys.version_info < (3, 11):
        pytest.skip("skills-ref needs Python 3.11")
    hand.install("codex")
    done = subprocess.run(
        [validator, "validate", hand.home / ".agents/skills/autoresearch"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
