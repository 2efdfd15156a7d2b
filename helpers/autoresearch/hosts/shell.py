"""Shell commands, read just well enough: is it one plain call of ours, and what does it write?

Text can always hide what a shell does. So a call counts as plain only when every character of it
is understood, and what is found about writing is a hint: the lock is the check when `try` measures.
"""

from __future__ import annotations

import re

_SPECIAL = frozenset(";&|<>()$`\\\n\r{}*?[]~#!")
"""Unquoted, each of these can make a command more than its words."""

_OURS = re.compile(r"(?:^|[\s(/])autoresearch\s+(amend|stop|undo|finalize|init|gc)\b")
_REDIRECTED = re.compile(
    r"(?:^|[^<>&0-9=-])[0-9]?(?:&>>?|>>?\|?)\s*(?:\"([^\"]+)\"|'([^']+)'|([^\s;&|<>()]+))"
)
_PARTS = re.compile(r"&&|\|\||[;&|\n]")
_IN_PLACE = {"sed": ("-i", "--in-place"), "perl": ("-i", "-pi", "-p -i")}
_WRITERS = frozenset({"rm", "mv", "cp", "tee", "truncate", "touch", "chmod", "ln", "install", "dd"})


def plain_words(command: str) -> list[str] | None:
    """The words of one simple command without expansions; None for anything else.

    Quotes may hold anything that a shell takes literally, newlines included.
    """
    words: list[str] = []
    word: list[str] | None = None
    position, end = 0, len(command)
    while position < end:
        character = command[position]
        if character in "\"'":
            piece, position = _quoted(command, position)
            if piece is None:
                return None
            word = [*(word or []), piece]
            continue
        if character in " \t":
            if word is not None:
                words.append("".join(word))
            word = None
        elif character in _SPECIAL or not character.isprintable():
            return None
        else:
            word = [*(word or []), character]
        position += 1
    if word is not None:
        words.append("".join(word))
    return words


def asked_for(command: str) -> tuple[str, str] | None:
    """A command of the human's that some part of a longer command line calls, and its arguments."""
    for part in re.split(r"[;&|\n]", command):
        prunes_until = part.rfind("prune")
        for found in _OURS.finditer(part):
            if found[1] != "gc" or found.end() <= prunes_until:
                return found[1], part[found.end() :]
    return None


def written_paths(command: str) -> list[str]:
    """Words that a command line obviously writes to: redirections and a few programs."""
    found = [next(filter(None, match.groups())) for match in _REDIRECTED.finditer(command)]
    for part in _PARTS.split(command):
        words = [word.strip("\"'") for word in part.split()]
        if not words:
            continue
        in_place = _IN_PLACE.get(words[0])
        if words[0] in _WRITERS or (
            in_place is not None and any(word.startswith(in_place) for word in words[1:])
        ):
            found += [word.partition("of=")[2] or word for word in words[1:] if word[:1] != "-"]
    return found


def _quoted(command: str, start: int) -> tuple[str | None, int]:
    """What a quote that opens at `start` holds, and where it ends; None where it can expand."""
    quote = command[start]
    close = command.find(quote, start + 1)
    if quote == "'":
        return (None, start) if close < 0 else (command[start + 1 : close], close + 1)
    held: list[str] = []
    position = start + 1
    while position < len(command):
        character = command[position]
        if character == '"':
            return "".join(held), position + 1
        if character == "\\" and command[position + 1 : position + 2] in ('"', "\\"):
            position += 1
            character = command[position]
        elif character in "$`\\":
            break
        held.append(character)
        position += 1
    return None, start
