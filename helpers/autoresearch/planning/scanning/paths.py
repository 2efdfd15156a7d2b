"""What a path alone says, by patterns: language, test, benchmark, vendored, generated."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

TABLES = Path(__file__).parent / "ecosystems"


class _PathTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ecosystems/paths.yaml holds."""

    languages: dict[str, str]
    prose: frozenset[str]
    test: re.Pattern[str]
    bench: re.Pattern[str]
    vendored: re.Pattern[str]
    generated: re.Pattern[str]
    aside: re.Pattern[str]
    settings: frozenset[str]
    subtrees: frozenset[str]


TOLD = msgspec.yaml.decode(
    (TABLES / "paths.yaml").read_bytes(), type=_PathTable, dec_hook=lambda _, text: re.compile(text)
)
_LANGUAGE_OF = {end: name for name, ends in TOLD.languages.items() for end in ends.split()}


def name_of(path: str) -> str:
    """The last segment."""
    return path.rpartition("/")[2]


def stem_of(path: str) -> str:
    """The last segment without its ending."""
    return name_of(path).rpartition(".")[0] or name_of(path)


def depth_of(path: str) -> int:
    """How many folders lie above it."""
    return path.count("/")


def language_of(path: str) -> str:
    """By the ending; empty when it is none that we know."""
    name = name_of(path)
    return _LANGUAGE_OF.get(name.rpartition(".")[2].lower() if "." in name else "", "")


def is_test(path: str) -> bool:
    """Whether it belongs to the tests."""
    return TOLD.test.search(path) is not None


def is_bench(path: str) -> bool:
    """Whether it measures something, by its name."""
    return TOLD.bench.search(path) is not None


def is_vendored(path: str) -> bool:
    """Whether it was taken over from elsewhere."""
    return TOLD.vendored.search(path) is not None


def is_generated(path: str) -> bool:
    """Whether a program wrote it."""
    return TOLD.generated.search(path) is not None


def is_foreign(path: str) -> bool:
    """Whether nobody of this project writes it by hand."""
    return is_vendored(path) or is_generated(path)


def is_source(path: str) -> bool:
    """Whether it is code of the product: no test, benchmark, documentation or foreign file."""
    return (
        language_of(path) not in {"", *TOLD.prose}
        and not path.endswith((".d.ts", ".pyi"))
        and not is_foreign(path)
        and not is_test(path)
        and not is_bench(path)
        and TOLD.aside.search(path) is None
    )
