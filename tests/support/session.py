"""A session driven through the installed command, in processes of their own."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from autoresearch.edges.places import repository_key

from support import spare
from support.harness import Git
from support.project import contract_text, make_project

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

COMMAND = (sys.executable, "-m", "autoresearch")

UNCONFINED = "sandbox: off\n"
"""For programs that a test meets outside their checkout: at a gate, or in what they touch."""


class Done(NamedTuple):
    """A command that ended."""

    code: int
    out: str
    err: str


class Helper:
    """Runs the console script in a repository; every call states the exit code it expects."""

    def __init__(self, repo: Git) -> None:
        self.repo = repo
        self._state: Path | None = None

    @property
    def root(self) -> Path:
        """The working tree."""
        return self.repo.root

    def __call__(
        self,
        *args: str,
        code: int = 0,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Done:
        """Run a command in text mode."""
        code_seen, out, err = spare.run(args, cwd or self.root, {**os.environ, **(env or {})})
        found = Done(
            code_seen,
            out.decode("utf-8", "surrogateescape"),
            err.decode("utf-8", "surrogateescape"),
        )
        assert found.code == code, (args, found)
        return found

    def json(
        self, *args: str, code: int = 0, env: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Run a command with `--json`: one object on one line of stdout, and nothing on stderr."""
        done = self(*args, "--json", code=code, env=env)
        assert done.out.count("\n") == 1, done
        assert done.err == "", done
        answer = json.loads(done.out)
        assert answer["ok"] is (code == 0), done
        return dict(answer)

    def error(self, *args: str, code: int = 1, env: Mapping[str, str] | None = None) -> str:
        """Run a command that fails; the error's code."""
        return str(self.json(*args, code=code, env=env)["error"]["code"])

    def attempt(self, message: str = "a change", *options: str, code: int = 0) -> dict[str, Any]:
        """`try` with the tree as it is; the record."""
        return dict(self.json("try", "-m", message, *options, code=code)["record"])

    def verdict(self, message: str = "a change", *options: str) -> tuple[str, str | None]:
        """`try` with the tree as it is; verdict and reason."""
        record = self.attempt(message, *options)
        return record["verdict"], record["reason"]

    def start(self, *args: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """A command that is still running."""
        return subprocess.Popen(
            [*COMMAND, *args],
            cwd=self.root,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    @property
    def state(self) -> Path:
        """The session's state folder, asked for once."""
        if self._state is None:
            self._state = Path(self.json("status")["state_folder"])
        return self._state

    def log(self) -> list[dict[str, Any]]:
        """The log's lines."""
        text = (self.state / "log.jsonl").read_text("ascii")
        return [json.loads(line) for line in text.splitlines()]

    def branch_log(self) -> list[str]:
        """Subjects of the branch's commits since the session's start, newest first."""
        base = next(line["base"] for line in self.log() if line["kind"] == "opened")
        return self.repo("log", "--format=%s", f"{base}..HEAD").splitlines()


def exact(text: str) -> str:
    """The contract with its metric declared deterministic, so that `init` need not find out."""
    return text.replace("direction: lower}", "direction: lower, deterministic: true}")


def open_session(
    folder: Path,
    *,
    extra: str = "",
    contract: str = "",
    declared: bool = True,
    replace: Mapping[str, str] | None = None,
    repo: Git | None = None,
    prepare: Callable[[Git], None] | None = None,
    worked: Callable[[Helper], None] | None = None,
) -> Helper:
    """The tiny project with a session on it.

    Args:
        folder: gets the repository `r` and the draft.
        extra: further lines of the contract.
        contract: another contract than that of the tiny project, taken as it is.
        declared: whether the contract says that the metric is deterministic; `init` finds out else.
        replace: texts of the contract and what stands for them.
        repo: a project that was made already.
        prepare: adds to the tiny project before it is committed; a function of a module.
        worked: what was done in the session already, once for all tests; a function of a module.
    """
    if contract:
        return Helper(_copied(folder / "r", contract, prepare, worked))
    text = contract_text(extra=extra).replace(
        sys.executable, f"{sys.executable} -S"
    )  # starts sooner
    for old, new in (replace or {}).items():
        assert old in text, old
        text = text.replace(old, new)
    text = exact(text) if declared else text
    if repo is None:
        return Helper(_copied(folder / "r", text, prepare, worked))
    return _initialised(folder, repo, text)


def _initialised(folder: Path, repo: Git, text: str) -> Helper:
    helper = Helper(repo)
    draft = folder / "draft.yaml"
    draft.write_text(text, "utf-8")
    helper("init", str(draft))
    return helper


_TEMPLATES: dict[tuple[object, ...], Path] = {}
"""Contract, preparation and work -> a folder with the tiny project, its state and cache then."""


def _copied(
    root: Path,
    text: str,
    prepare: Callable[[Git], None] | None,
    worked: Callable[[Helper], None] | None,
) -> Git:
    """The tiny project after `init`, which runs once for each contract in a process of tests."""
    key = (text, prepare, worked)
    if key not in _TEMPLATES:
        template = Path(tempfile.mkdtemp(prefix="autoresearch-test-"))
        atexit.register(shutil.rmtree, template, ignore_errors=True)
        repo = make_project(template / "r")
        if prepare is not None:
            prepare(repo)
            repo.commit("prepared")
        helper = _initialised(template, repo, text)
        if worked is not None:
            worked(helper)
        for kind, place in _places(template / "r").items():
            shutil.move(place, template / kind)
        _TEMPLATES[key] = template
    template = _TEMPLATES[key]
    shutil.copytree(template / "r", root, symlinks=True)
    for kind, place in _places(root).items():
        shutil.copytree(template / kind, place, symlinks=True)
    for name in ("session.json", "host.json"):
        (file,) = _places(root)["state"].glob(f"*/{name}")
        file.write_text(file.read_text().replace(str(template / "r"), str(root)))
    return Git(root)


def _places(root: Path) -> dict[str, Path]:
    key = repository_key(root, root / ".git")
    return {
        "state": Path(os.environ["XDG_STATE_HOME"]) / "autoresearch" / key,
        "cache": Path(os.environ["XDG_CACHE_HOME"]) / "autoresearch-bench" / key,
    }


class Gate:
    """Holds a program in the middle of its first run: two named pipes, and no clock.

    The program passes `wait_inside`, the test does what it likes, then calls `open`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "held").touch()
        for name in ("inside", "go"):
            os.mkfifo(folder / name)

    @property
    def code(self) -> str:
        """Python source that waits at the gate while it is held."""
        return (
            "import os\n"
            f"if os.path.exists({str(self.folder / 'held')!r}):\n"
            f"    open({str(self.folder / 'inside')!r}, 'w').close()\n"
            f"    open({str(self.folder / 'go')!r}).read()\n"
        )

    def wait_inside(self) -> None:
        """Return once the program is at the gate."""
        (self.folder / "inside").read_bytes()

    def open(self) -> None:
        """Let it go on, now and in later runs."""
        (self.folder / "held").unlink()
        (self.folder / "go").write_bytes(b"")
