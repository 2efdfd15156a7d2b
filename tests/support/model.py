"""A scripted model on loopback: real agent hosts talk to it as to their service.

The script of a conversation is a generator: it is given the first request, yields turns, and
receives for each the request that followed. So it reads like the agent's side of a dialogue, and
can look at what the host's tools gave back:

    def agent(asked: Request) -> Script:
        seen = yield bash("autoresearch run 1")
        assert "run 1 is open" in seen.last
        yield say("done")
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support.wire import Call, Event, Request, Turn, events, whole_message

Script = Generator[Turn, Request, None]
Agent = Callable[[Request], Script]

OVER = "The script is over."
SUMMARY = "<summary>An autoresearch session is under way.</summary>"
AGENT_HEADER = "x-claude-code-agent-id"
SUMMARISE = re.compile(r"Do NOT call any tools", re.IGNORECASE)


def say(text: str) -> Turn:
    """Words alone: the turn ends."""
    return Turn(text)


def use(tool: str, **arguments: object) -> Turn:
    """One tool."""
    return Turn("", (Call(tool=tool, arguments=arguments),))


def bash(command: str, **options: object) -> Turn:
    """One command in Claude Code's shell."""
    return use("Bash", command=command, description="as scripted", **options)


class Model:
    """Who answers: it keeps the conversations apart and goes on in the script of each.

    Args:
        agent: the script of the main conversation.
        helpers: those of sub-agents, in the order in which they appear.
        answers: regular expression -> answer to a side question whose text it matches.

    Attributes:
        url: where it listens.
        requests: those of the main conversation, in order.
        side: those without tools, and for summaries.
        helped: those of sub-agents.
        failure: what a script asserted in vain, or how it broke.
    """

    def __init__(self, agent: Agent, helpers: Sequence[Agent], answers: Mapping[str, str]) -> None:
        self.url = ""
        self.requests: list[Request] = []
        self.side: list[Request] = []
        self.helped: list[Request] = []
        self.failure: BaseException | None = None
        self._agent = agent
        self._helpers = list(helpers)
        self._answers = answers
        self._scripts: dict[str, Script] = {}
        self._count = 0
        self._lock = threading.Lock()

    def answer(self, request: Request) -> tuple[Turn, int]:
        """The next turn for a request, and its number."""
        with self._lock:
            self._count += 1
            return self._turn(request), self._count

    def _turn(self, request: Request) -> Turn:
        if SUMMARISE.search(request.last):
            self.side.append(request)
            return say(SUMMARY)
        if not request.has_tools:
            self.side.append(request)
            found = (text for like, text in self._answers.items() if re.search(like, request.said))
            return say(next(found, "fine"))
        who = request.headers.get(AGENT_HEADER, "")
        (self.helped if who else self.requests).append(request)
        if who in self._scripts:
            return self._go_on(lambda: self._scripts[who].send(request))
        agent = self._helpers.pop(0) if who and self._helpers else self._agent
        self._scripts[who] = agent(request)
        return self._go_on(lambda: next(self._scripts[who]))

    def _go_on(self, step: Callable[[], Turn]) -> Turn:
        try:
            return step()
        except StopIteration:
            return say(OVER)
        except BaseException as error:  # noqa: BLE001 - raised in the test, by `scripted`
            self.failure = self.failure or error
            return say(OVER)


@contextmanager
def scripted(
    agent: Agent, *helpers: Agent, answers: Mapping[str, str] | None = None
) -> Iterator[Model]:
    """A model that listens on loopback; what its scripts assert in vain is raised at the end."""
    model = Model(agent, helpers, answers or {})
    server = _Server(model)
    model.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield model
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        if model.failure is not None:
            raise model.failure


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, model: Model) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.model = model


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: object) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        """Lists of models and the like: there are none."""
        self._send_json({"data": [], "models": []})

    def do_HEAD(self) -> None:
        """A check whether the service is there."""
        self._send_json({})

    def do_POST(self) -> None:
        """The conversation."""
        content = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = self.path.partition("?")[0]
        if path.endswith("/count_tokens"):
            self._send_json({"input_tokens": 1})
        elif path.endswith(("/messages", "/responses", "/chat/completions")):
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._converse(Request(path=path, headers=headers, body=json.loads(content)))
        else:
            self._send_json({})

    def _converse(self, request: Request) -> None:
        assert isinstance(self.server, _Server)
        turn, number = self.server.model.answer(request)
        if request.body.get("stream"):
            self._send_events(list(events(request, turn, number)))
        else:
            self._send_json(whole_message(turn, number, str(request.body.get("model"))))

    def _send_json(self, answer: object) -> None:
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _send_events(self, sent: list[Event]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for name, data in sent:
            text = data if isinstance(data, str) else json.dumps(data)
            head = "" if name is None else f"event: {name}\n"
            self.wfile.write(f"{head}data: {text}\n\n".encode())
        self.close_connection = True
