"""Runs a proof of concept and says whether it runs the lines that a finding quotes.

    python3 reach.py WORD FILE FIRST LAST COMMAND

Python is watched by a trace function (`trace/sitecustomize.py`), Node by its own coverage. After
the command ended a line on stderr begins with WORD, and then holds one of:

    yes       a quoted line ran; of a function, where one of its lines is quoted
    no        the file was loaded where we watch, and no quoted line ran
    unseen    no program that we watch loaded the file

Standard library only; it runs in the proof's sandbox.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit


def main(arguments: list[str]) -> int:
    """Run the command; its exit status."""
    word, path, first, last, command = arguments
    wanted = os.path.realpath(path)
    lines = range(int(first), int(last) + 1)
    with tempfile.TemporaryDirectory() as notes:
        environment = {
            **os.environ,
            "AUTORESEARCH_REACH_NOTES": notes,
            "AUTORESEARCH_REACH_FILE": wanted,
            "AUTORESEARCH_REACH_LINES": _ends(path, lines),
            "NODE_V8_COVERAGE": notes,
            "PYTHONPATH": os.pathsep.join(
                filter(None, [str(Path(__file__).parent / "trace"), os.environ.get("PYTHONPATH")])
            ),
        }
        done = subprocess.run(["/bin/sh", "-c", command], env=environment, check=False)
        said = python_said(Path(notes), wanted, lines) or node_said(Path(notes), wanted, lines)
    sys.stderr.write(f"\n{word} {said or 'unseen'}\n")
    code = done.returncode
    return 128 - code if code < 0 else code


def _ends(path: str, lines: range) -> str:
    """The first and the last line that the trace looks out for."""
    ours = path.endswith(".py") and os.path.exists(path)  # noqa: PTH110 - of the checkout
    wanted = statements(Path(path).read_bytes(), lines)[0] if ours else set(lines)
    return f"{min(wanted)} {max(wanted)}"


def python_said(notes: Path, path: str, lines: range) -> str:
    """What the trace says; empty when no Python ran the file."""
    file = notes / "python"
    hits = [line.split() for line in file.read_text().split("\n")] if file.is_file() else []
    ran = {(int(number), own == "1") for number, own in filter(None, hits)} - {(0, False)}
    if not ran:
        return ""
    wanted, in_function = statements(Path(path).read_bytes(), lines)
    numbers = {number for number, own in ran if own or not in_function}
    return "yes" if wanted & numbers else "no"


def statements(source: bytes, lines: range) -> tuple[set[int], bool]:
    """Every line of the statements that these lines belong to, and whether one is a function's.

    A statement that holds others counts by its head.
    """
    wanted, in_function = set(lines), False
    try:
        tree = ast.parse(source)
    except SyntaxError:  # of a newer Python than this one
        return wanted, in_function
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt):
            continue
        body = getattr(node, "body", None)
        last = body[0].lineno - 1 if body else (node.end_lineno or node.lineno)
        own = range(node.lineno, max(last, node.lineno) + 1)
        if set(own) & set(lines):
            wanted |= set(own)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            inside = range(node.body[0].lineno, (node.end_lineno or node.lineno) + 1)
            in_function = in_function or bool(set(inside) & set(lines))
    return wanted, in_function


def node_said(notes: Path, path: str, lines: range) -> str:
    """What V8's coverage says; empty when no Node that ended by itself loaded the file."""
    said = ""
    for file in notes.glob("coverage-*.json"):
        for script in json.loads(file.read_text("utf-8"))["result"]:
            url = urlsplit(script["url"])
            if url.scheme == "file" and os.path.realpath(unquote(url.path)) == path:
                said = "yes" if said == "yes" or _ran(script, path, lines) else "no"
    return said


def _ran(script: dict[str, list[dict[str, list[dict[str, int]]]]], path: str, lines: range) -> bool:
    """Whether a quoted line was run; of a function, where one of its lines is quoted."""
    # V8 counts UTF-16 units.
    text = Path(path).read_bytes().decode("utf-8", "replace").split("\n")
    offset, starts = 0, []
    for number, line in enumerate(text, 1):
        blanks = len(line) - len(line.lstrip())
        if number in lines and line.strip():
            starts.append(offset + blanks)
        offset += len(line.encode("utf-16-le")) // 2 + 1
    module: list[bool] = []
    inside: list[bool] = []
    for start in starts:
        around = [
            (block["endOffset"] - block["startOffset"], block["count"], number)
            for number, function in enumerate(script["functions"])
            for block in function["ranges"]
            # The head of a function belongs to what is around it.
            if block["startOffset"] < start < block["endOffset"]
            or (number == 0 and block is function["ranges"][0])
        ]
        _, count, number = min(around)
        (inside if number else module).append(count > 0)
    return any(inside or module)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
