"""The plugin's life in the real Claude Code: valid, installed, updated, gone."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from autoresearch import __version__
from support.claude import Claude, rewrite
from support.counting import CONTRACT, QUICK, SLOWER, make_counting
from support.gitserver import served
from support.harness import Git
from support.hosts import ROOT
from support.launcher import prepare_offline
from support.model import Request, Script, bash, say, scripted
from support.session import Helper

COMMANDS = sorted(path.stem for path in (ROOT / "commands").glob("*.md"))
NEWER = "99.0.0"


def published(folder: Path) -> Git:
    """A repository with the files of this checkout, as somebody's copy of it on a forge."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    repo = Git.create(folder)
    for name in os.fsdecode(names.stdout).split("\0"):
        if (ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    repo.commit(__version__)
    return repo


def release(repo: Git, version: str) -> None:
    """The next version, in all three places that name it."""
    for name in (
        ".claude-plugin/plugin.json",
        "pyproject.toml",
        "helpers/autoresearch/__init__.py",
    ):
        text = (repo.root / name).read_text("utf-8")
        assert text.count(f'"{__version__}"') == 1, name
        repo.write(name, text.replace(f'"{__version__}"', f'"{version}"'))
    repo.commit(version)


def test_manifests_are_valid_without_a_warning(claude: Claude, tmp_path: Path) -> None:
    """Catches a manifest that the client refuses, and a skill or a command that it overlooks."""
    shown = claude.command("plugin", "validate", "--strict", ROOT, cwd=tmp_path)
    assert "skills: autoresearch:autoresearch" in shown
    for command in COMMANDS:
        assert f"commands: autoresearch:{command}\n" in shown
    assert "bin: autoresearch" in shown


def test_installed_from_a_url_updated_and_removed(
    claude: Claude, prepared: Path, tmp_path: Path
) -> None:
    """Catches an update that loses a session, and a removal that leaves a repository unusable."""
    source = published(tmp_path / "forge" / "autoresearch")
    repo = make_counting(tmp_path / "r")
    helper = Helper(repo)
    draft = tmp_path / "draft.yaml"
    draft.write_text(CONTRACT, "utf-8")
    words = repo.root / "src" / "words.py"

    def agent(asked: Request) -> Script:
        assert "Request: run 2" in asked.last
        seen = yield bash("autoresearch doctor")
        assert f"autoresearch {NEWER}, Python" in seen.last
        seen = yield bash("autoresearch run 2")
        assert "2 experiments" in seen.last
        yield rewrite(words, SLOWER)
        seen = yield bash("autoresearch try -m 'add to the set only what is new'")
        assert seen.last.startswith("experiment 2: discard (worse)")
        yield say("One experiment of this run is left.")

    with served(tmp_path / "forge") as url:
        claude.install(f"{url}/autoresearch/.git", cwd=repo.root)
        shown = claude.command("plugin", "list", cwd=repo.root)
        assert f"Version: {__version__}" in shown

        helper("init", str(draft))
        repo.write("src/words.py", QUICK)
        assert helper.verdict("remember seen words in a set") == ("keep", None)
        draft.unlink()

        release(source, NEWER)
        claude.command("plugin", "marketplace", "update", "autoresearch", cwd=repo.root)
        claude.command("plugin", "update", "autoresearch@autoresearch", cwd=repo.root)
    shown = claude.command("plugin", "list", cwd=repo.root)
    assert f"Version: {NEWER}" in shown
    (launcher,) = claude.home.glob(f".claude/plugins/cache/*/autoresearch/{NEWER}/bin/autoresearch")
    prepare_offline(launcher.parents[1], prepared)

    with scripted(agent) as model:
        talk = claude.talk(
            model,
            "/autoresearch run 2",
            cwd=repo.root,
            options=("--permission-mode", "acceptEdits"),
        )
    assert talk.denied == []
    assert helper.json("status")["ok"]

    claude.command("plugin", "uninstall", "autoresearch@autoresearch", cwd=repo.root)
    claude.command("plugin", "marketplace", "remove", "autoresearch", cwd=repo.root)
    assert repo("status", "--porcelain") == ""
    assert words.read_text("utf-8") == QUICK
    assert not (repo.root / ".claude").exists()
    repo("switch", "-q", "main")
    repo.write("bench.py", "print('METRIC lines=1')\n")
    repo.commit("the human's own work")
    repo("switch", "-q", "autoresearch/fewer-lines")
