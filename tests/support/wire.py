"""How three model services speak: a request read into one form, a turn written in theirs.

Anthropic Messages (Claude Code), OpenAI Responses (Codex) and OpenAI Chat (OpenCode), as far as
these clients use them, always as a stream of server-sent events.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Event = tuple[str | None, object]
"""Name of a server-sent event (None where the format has none) and its data."""

USAGE = {"input": 100, "cache_write": 20, "cache_read": 1000, "output": 50}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One use of a tool."""

    tool: str
    arguments: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Turn:
    """What the model answers; without calls its turn ends."""

    text: str = ""
    calls: Sequence[Call] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client asked.

    Attributes:
        path: of the URL, without its query.
        headers: names in lower case.
        body: the JSON sent.
    """

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def messages(self) -> list[Mapping[str, Any]]:
        """The conversation so far."""
        found = self.body.get("messages", self.body.get("input", []))
        return [message for message in found if isinstance(message, dict)]

    @property
    def has_tools(self) -> bool:
        """False for a client's side questions: titles, summaries, the check of a goal."""
        return bool(self.body.get("tools"))

    @property
    def said(self) -> str:
        """All that the user and the client's hooks have said, system prompt included."""
        return "\n".join(
            [
                flat(self.body.get("system")),
                flat(self.body.get("instructions")),
                *(flat(message) for message in self.messages if message.get("role") != "assistant"),
            ]
        )

    @property
    def last(self) -> str:
        """The newest words that are not the model's: a prompt, or what its tools gave back."""
        texts: list[str] = []
        for message in reversed(self.messages):
            if message.get("role") == "assistant" or message.get("type") == "function_call":
                break
            texts.append(flat(message))
        return "\n".join(reversed(texts))


def flat(content: object) -> str:
    """The text within a message's content, whatever its nesting."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(flat(part) for part in content)
    if isinstance(content, dict):
        for key in ("text", "content", "output"):
            if key in content:
                return flat(content[key])
    return ""


def events(request: Request, turn: Turn, number: int) -> Iterator[Event]:
    """The turn in the format of the request's path; `number` makes its identifiers unique."""
    if request.path.endswith("/responses"):
        yield from _responses(turn, number)
    elif request.path.endswith("/chat/completions"):
        yield from _chat(turn, number)
    else:
        yield from _messages(turn, number, str(request.body.get("model")))


def whole_message(turn: Turn, number: int, model: str) -> dict[str, object]:
    """An answer of Anthropic Messages in one piece, for a client that does not stream."""
    blocks: list[dict[str, object]] = []
    if turn.text or not turn.calls:
        blocks.append({"type": "text", "text": turn.text or "."})
    blocks += [
        {
            "type": "tool_use",
            "id": f"toolu_{number:06}_{index}",
            "name": call.tool,
            "input": dict(call.arguments),
        }
        for index, call in enumerate(turn.calls)
    ]
    return {
        "id": f"msg_{number:06}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": blocks,
        "stop_reason": "tool_use" if turn.calls else "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": USAGE["input"],
            "cache_creation_input_tokens": USAGE["cache_write"],
            "cache_read_input_tokens": USAGE["cache_read"],
            "output_tokens": USAGE["output"],
        },
    }


def _messages(turn: Turn, number: int, model: str) -> Iterator[Event]:
    message = whole_message(turn, number, model)
    blocks = message["content"]
    assert isinstance(blocks, list)

    def event(kind: str, **data: object) -> Event:
        return kind, {"type": kind, **data}

    yield event("message_start", message={**message, "content": [], "stop_reason": None})
    for index, block in enumerate(blocks):
        if block["type"] == "text":
            empty = {**block, "text": ""}
            delta = {"type": "text_delta", "text": block["text"]}
        else:
            empty = {**block, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        yield event("content_block_start", index=index, content_block=empty)
        yield event("content_block_delta", index=index, delta=delta)
        yield event("content_block_stop", index=index)
    end = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    yield event("message_delta", delta=end, usage=message["usage"])
    yield event("message_stop")


def _responses(turn: Turn, number: int) -> Iterator[Event]:
    items: list[dict[str, object]] = []
    if turn.text or not turn.calls:
        text = {"type": "output_text", "text": turn.text or ".", "annotations": []}
        items.append(
            {"type": "message", "id": f"msg_{number}", "role": "assistant", "content": [text]}
        )
    for index, call in enumerate(turn.calls):
        items.append(
            {
                "type": "function_call",
                "id": f"fc_{number}_{index}",
                "call_id": f"call_{number}_{index}",
                "name": call.tool,
                "arguments": json.dumps(dict(call.arguments)),
            }
        )
    response = {"id": f"resp_{number}", "object": "response", "output": []}
    yield "response.created", {"type": "response.created", "response": response}
    for index, item in enumerate(items):
        for kind in ("response.output_item.added", "response.output_item.done"):
            yield kind, {"type": kind, "output_index": index, "item": item}
    prompt = USAGE["input"] + USAGE["cache_read"]
    usage = {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": USAGE["cache_read"]},
        "output_tokens": USAGE["output"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": prompt + USAGE["output"],
    }
    done = {**response, "status": "completed", "output": items, "usage": usage}
    yield "response.completed", {"type": "response.completed", "response": done}


def _chat(turn: Turn, number: int) -> Iterator[Event]:
    head = {"id": f"chat-{number}", "object": "chat.completion.chunk", "created": 0, "model": "m"}

    def chunk(delta: dict[str, object], finish: str | None = None) -> Event:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return None, {**head, "choices": [choice]}

    yield chunk({"role": "assistant", "content": turn.text or ("" if turn.calls else ".")})
    for index, call in enumerate(turn.calls):
        function = {"name": call.tool, "arguments": json.dumps(dict(call.arguments))}
        piece = {"index": index, "id": f"call_{number}_{index}", "type": "function"}
        yield chunk({"tool_calls": [{**piece, "function": function}]})
    yield chunk({}, "tool_calls" if turn.calls else "stop")
    prompt = USAGE["input"] + USAGE["cache_read"]
    usage = {"prompt_tokens": prompt, "completion_tokens": USAGE["output"]}
    total = {**usage, "total_tokens": prompt + USAGE["output"]}
    yield None, {**head, "choices": [], "usage": total}
    yield None, "[DONE]"
