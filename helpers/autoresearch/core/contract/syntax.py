"""YAML text to its nodes; whatever YAML could hide or blow up is refused here."""

from __future__ import annotations

import yaml
from yaml.reader import ReaderError

from autoresearch.core.errors import ContractError

MAX_BYTES = 64 * 1024
MAX_DEPTH = 3
"""A mapping in a list in the file; PyYAML composes by recursion."""

_SHOWN = 60


def compose(text: str, file: str) -> yaml.Node:
    """The root of the document.

    Raises:
        ContractError: too large, not YAML, empty, more than one document, nested too deeply, or
            with anchors, aliases or tags.
    """
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        message = f"the contract has {size} bytes, more than {MAX_BYTES}"
        raise failure(file, 1, message, "Move long commands into scripts in the repository.")
    try:
        loader = yaml.SafeLoader(text)
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        message = f"character U+{ord(text[error.position]):04X} is not allowed in YAML"
        raise failure(file, line, message, "Remove it.") from error
    try:
        _refuse_hidden(loader, file)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, file) from error
    except (ValueError, OverflowError) as error:
        # PyYAML 6.0 hands escapes such as "\UFFFFFFFF" and long %YAML versions to chr() and int().
        message = f"not valid YAML: {quoted(str(error))}"
        raise failure(file, loader.line + 1, message, "Remove the escape or directive.") from error
    if node is None:
        remedy = "Write at least session, goal, metric, verify and scope."
        raise failure(file, 1, "the contract is empty", remedy)
    return node


def quoted(text: str) -> str:
    """Text of the file for a message: control characters escaped, cut at 60 characters."""
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")


def failure(file: str, line: int, message: str, hint: str) -> ContractError:
    """An error of the contract; every one is made here, so that every one names its file."""
    return ContractError(f"{message} (in {file})", line=line, hint=hint)


def _refuse_hidden(loader: yaml.SafeLoader, file: str) -> None:
    """Look at the events before anything recurses over them or expands."""
    depth = documents = 0
    while loader.check_event():
        event = loader.get_event()  # type: ignore[no-untyped-call]  # the stubs lack it
        line = event.start_mark.line + 1
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        documents += isinstance(event, yaml.DocumentStartEvent)
        if getattr(event, "anchor", None) is not None:
            message = f"YAML anchor or alias {quoted(event.anchor)}"
            raise failure(file, line, message, "Write out the value where it is used.")
        if getattr(event, "tag", None) is not None:
            raise failure(file, line, f"YAML tag {quoted(event.tag)}", "Remove the tag.")
        if depth > MAX_DEPTH:
            message = f"nested more than {MAX_DEPTH} deep"
            raise failure(file, line, message, "See docs/contract.md for the shape.")
        if documents > 1:
            raise failure(file, line, "a second YAML document starts", "Keep one document.")


def _syntax_error(error: yaml.MarkedYAMLError, file: str) -> ContractError:
    """PyYAML's complaint with our line, and the remedy for the usual causes."""
    problem = str(error.problem)
    hint = (
        "Quote values that contain `: ` or ` #`, or that start with one of `*&!%@[{` or a backtick."
    )
    if "'\\t'" in problem:
        hint = "Indent with spaces, not tabs."
    line = 1 if error.problem_mark is None else error.problem_mark.line + 1
    return failure(file, line, f"not valid YAML: {problem[:200]}", hint)
