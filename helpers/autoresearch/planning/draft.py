"""A contract as a file that is not frozen yet: its bytes, and what they say."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from autoresearch.core.contract import parse
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.formatting import clean_line
from autoresearch.edges.files import read_bytes_limited

if TYPE_CHECKING:
    from pathlib import Path

    from autoresearch.core.contract import Contract

MAX_CONTRACT_BYTES = 64 * 1024


class Draft(NamedTuple):
    """A contract that was read: exactly these bytes are committed and frozen."""

    content: bytes
    contract: Contract


def read_draft(path: Path, digest: str | None = None) -> Draft:
    """The contract in a file.

    Args:
        path: of the file.
        digest: what its SHA-256 must begin with, None for anything.

    Raises:
        AutoresearchError: `no_file`, `too_large`, `not_a_file`, `other_contract`, or `contract` for
            other encodings.
        ContractError: it is malformed; names line, value and remedy.
    """
    if not path.exists():
        raise AutoresearchError(
            f"there is no file {clean_line(str(path))}",
            code="no_file",
            hint="Name the file that holds the contract; docs/contract.md has an example.",
        )
    content = read_bytes_limited(path, MAX_CONTRACT_BYTES)
    found = hashlib.sha256(content).hexdigest()
    if digest is not None and (not digest or not found.startswith(digest)):
        raise AutoresearchError(
            f"{clean_line(str(path))} is not the contract that was agreed to (its SHA-256 begins "
            f"with {found[:16]}, not {clean_line(digest, 64)})",
            code="other_contract",
            hint="Show the human its present content, and ask again.",
        )
    return Draft(content, parsed(content, path.name))


def parsed(content: bytes, name: str) -> Contract:
    """The contract in these bytes.

    Args:
        content: of the file.
        name: of the file, for errors.

    Raises:
        AutoresearchError: they are no UTF-8.
        ContractError: the contract is malformed.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise AutoresearchError(
            f"{clean_line(name)} is not UTF-8 (byte {error.start})",
            code="contract",
            hint="Save it as UTF-8.",
        ) from error
    return parse(text, name=name)
