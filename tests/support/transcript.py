"""A conversation with the real client as a page for people."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from support.claude import Talk

MOST_LINES = 12
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)*")


def page(
    talk: Talk, prompts: Sequence[str], files: Mapping[str, str], names: Mapping[str, str]
) -> str:
    """Prompts, the agent's words, its commands and edits, and what came back, as Markdown.

    Args:
        talk: the conversation.
        prompts: what was typed, a turn each.
        files: path -> content of files that are there from the start.
        names: text -> what stands for it on the page, such as a folder of this machine.
    """
    answers = _answers(talk.events)
    lines = [_asked(prompts[0])]
    known = dict(files)
    questions = {asked["tool_use_id"]: asked for asked in talk.asked}
    turn = 1
    for event in talk.events:
        if event["type"] == "result" and turn < len(prompts):
            lines.append(_asked(prompts[turn]))
            turn += 1
        if event["type"] != "assistant":
            continue
        for block in event["message"]["content"]:
            if block.get("id") in questions:
                lines.append(_question(questions[block["id"]]))
            lines += _block(block, answers, known)
    text = "\n".join(lines)
    for found, shown in names.items():
        text = text.replace(found, shown)
    return re.sub(r"\n{3,}", "\n\n", text)


def landmarks(text: str) -> list[str]:
    """What stays the same on every machine and in every run, numbers masked.

    Prompts, commands, edits, the first line of each answer and what it says to do next.
    """
    lines = text.splitlines()
    return [
        _NUMBER.sub("N", line)
        for before, line in zip(["", *lines], lines, strict=False)
        if line.startswith(("**", "*", "$ ", "+", "-    ", "next: ")) or before.startswith("$ ")
    ]


def _asked(prompt: str) -> str:
    return f"\n**You:** `{prompt}`\n"


def _question(asked: Mapping[str, Any]) -> str:
    """What the host asked its human; its reason is the text of a hook."""
    reason = str(asked["decision_reason"]).replace("\n", "\n> ")
    command = asked["input"]["command"]
    return f"**Claude Code asks:** may it run `{command}`?\n\n> {reason}\n\n**You:** yes\n"


def _answers(events: Sequence[dict[str, Any]]) -> dict[str, str]:
    """What each use of a tool gave back."""
    found = {}
    for event in events:
        if event["type"] != "user" or not isinstance(event["message"]["content"], list):
            continue
        for block in event["message"]["content"]:
            if block.get("type") == "tool_result":
                content = block["content"]
                texts = [content] if isinstance(content, str) else [p["text"] for p in content]
                found[block["tool_use_id"]] = "\n".join(texts)
    return found


def _block(
    block: dict[str, Any], answers: Mapping[str, str], files: dict[str, str]
) -> Iterator[str]:
    if block["type"] == "text":
        yield f"\n**Agent:** {block['text']}\n"
    elif block["name"] == "Bash":
        yield f"```console\n$ {block['input']['command']}"
        yield from _shortened(answers[block["id"]].splitlines())
        yield "```\n"
    elif block["name"] == "Write":
        path, text = block["input"]["file_path"], block["input"]["content"]
        before = files.get(path, "").splitlines()
        yield f"*writes {path}*\n"
        yield "```diff"
        changed = difflib.unified_diff(before, text.splitlines(), lineterm="", n=1)
        yield from (line for line in changed if not line.startswith(("---", "+++", "@@")))
        yield "```\n"
        files[path] = text
    elif block["name"] == "Skill":
        yield f"*loads the skill: {block['input']['args']}*\n"


def _shortened(lines: Sequence[str]) -> Iterator[str]:
    left_out = len(lines) - MOST_LINES - 1
    yield from lines if left_out < 1 else lines[:MOST_LINES]
    if left_out >= 1:
        yield f"… {left_out} more lines"
        yield lines[-1]
