"""The real Claude Code, without a terminal, with a scripted model and a home of its own."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.hosts import environment, running
from support.model import Model, Script, say, scripted
from support.wire import Call, Request, Turn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

QUIET = {
    "DISABLE_TELEMETRY": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
}
SPEAK = ("-p", "--verbose", "--include-hook-events")
HUMAN = ("--permission-prompt-tool", "stdio")
"""Somebody sits there: what the host asks comes as an event, and `Session` says yes."""

STREAM = ("--input-format", "stream-json", "--output-format", "stream-json")


@dataclass(slots=True)
class Talk:
    """What a conversation printed, event by event."""

    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def session(self) -> str:
        """The host's own name for the session."""
        return str(next(event["session_id"] for event in self.events if "session_id" in event))

    @property
    def results(self) -> list[dict[str, Any]]:
        """One for each prompt."""
        return [event for event in self.events if event["type"] == "result"]

    @property
    def hooks(self) -> list[dict[str, Any]]:
        """Every run of a hook, with its output."""
        return [event for event in self.events if event.get("subtype") == "hook_response"]

    def hooks_of(self, event: str) -> list[dict[str, Any]]:
        """The runs of the hooks of one event."""
        return [hook for hook in self.hooks if hook["hook_event"] == event]

    @property
    def asked(self) -> list[dict[str, Any]]:
        """The questions that the host put to its human, who can be asked: `Human`."""
        return [
            event["request"]
            for event in self.events
            if event["type"] == "control_request" and event["request"]["subtype"] == "can_use_tool"
        ]

    @property
    def denied(self) -> list[str]:
        """Tools that would have asked a human, in a session where nobody can be asked."""
        return [
            str(found["tool_name"])
            for result in self.results
            for found in result.get("permission_denials", [])
        ]


class Claude:
    """One installation: binary, home, plugin.

    Args:
        program: the binary.
        home: everything that it writes lies below.
        data: where the plugin's launcher keeps its Python environment.
    """

    def __init__(self, program: Path, home: Path, data: Path) -> None:
        self.program = program
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        self._environment = environment(
            home, AUTORESEARCH_DATA=str(data), ANTHROPIC_API_KEY="none", **QUIET
        )

    def command(self, *arguments: str | Path, cwd: Path, code: int = 0) -> str:
        """A command that needs no model, such as `plugin install`; what it printed."""
        with scripted(_nobody) as model:  # it asks the service a few things even here
            done = subprocess.run(
                [self.program, *arguments],
                cwd=cwd,
                env={**self._environment, "ANTHROPIC_BASE_URL": model.url},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
        assert done.returncode == code, (arguments, done)
        return done.stdout + done.stderr

    def install(self, source: Path | str, *, cwd: Path) -> None:
        """Install the plugin from a clone or from a URL."""
        self.command("plugin", "marketplace", "add", source, cwd=cwd)
        self.command("plugin", "install", "autoresearch@autoresearch", cwd=cwd)

    def talk(self, model: Model, *prompts: str, cwd: Path, options: Sequence[str] = ()) -> Talk:
        """A session of one turn for each prompt, to its end."""
        with self.session(model, cwd=cwd, options=options) as session:
            for prompt in prompts:
                session.ask(prompt)
            return session.end()

    @contextmanager
    def session(self, model: Model, *, cwd: Path, options: Sequence[str] = ()) -> Iterator[Session]:
        """A session that is open; it is killed at the end of the block if it still is."""
        env = {**self._environment, "ANTHROPIC_BASE_URL": model.url}
        command: list[str | Path] = [self.program, *SPEAK, *STREAM, *options]
        errors = self.home / "stderr.txt"
        with running(command, cwd=cwd, env=env, errors=errors) as process:
            yield Session(process, errors)


class Session:
    """A session of Claude Code that waits for a prompt."""

    def __init__(self, process: subprocess.Popen[str], errors: Path) -> None:
        self.process = process
        self._errors = errors
        self._talk = Talk()

    def say(self, prompt: str) -> None:
        """Send a prompt and do not wait."""
        self._write({"type": "user", "message": {"role": "user", "content": prompt}})

    def ask(self, prompt: str) -> dict[str, Any]:
        """Send a prompt and wait for the end of its turn; the result's event."""
        self.say(prompt)
        for event in self._read():
            if event["type"] == "result":
                return event
        raise AssertionError(self._errors.read_text("utf-8"))

    def follow_to(self, words: str) -> None:
        """Wait until the agent says or calls something with these words; its turn must go on."""
        for event in self._read():
            assert event["type"] != "result", event
            if event["type"] == "assistant" and words in json.dumps(event):
                return
        raise AssertionError(self._errors.read_text("utf-8"))

    def end(self) -> Talk:
        """Close the session; all that happened in it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        for _ in self._read():
            pass
        code = self.process.wait()
        assert code == 0, (code, self._errors.read_text("utf-8"))
        return self._talk

    def _read(self) -> Iterator[dict[str, Any]]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event = json.loads(line)
            self._talk.events.append(event)
            if event["type"] == "control_request":
                self._agree(event)
            yield event

    def _agree(self, event: dict[str, Any]) -> None:
        """Say yes to a question of the host's."""
        allowed = {"behavior": "allow", "updatedInput": event["request"]["input"]}
        answer = {"subtype": "success", "request_id": event["request_id"], "response": allowed}
        self._write({"type": "control_response", "response": answer})

    def _write(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{json.dumps(message)}\n")
        self.process.stdin.flush()


def rewrite(path: Path, text: str) -> Turn:
    """Read a file and give it another content, as the client's own tools want it."""
    return Turn(
        "",
        (
            Call(tool="Read", arguments={"file_path": str(path)}),
            Call(tool="Write", arguments={"file_path": str(path), "content": text}),
        ),
    )


def _nobody(_asked: Request) -> Script:
    yield say("Nobody is here.")
