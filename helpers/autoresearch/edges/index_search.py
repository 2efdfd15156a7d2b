"""A search as SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoresearch.edges.index_tables import path_key, words_of

if TYPE_CHECKING:
    from autoresearch.core.history import Search


def conditions(search: Search) -> tuple[str, tuple[object, ...]]:
    """The WHERE clause of a search and its values."""
    asked: list[tuple[str, tuple[object, ...]]] = []
    if search.verdict is not None:
        asked.append(("verdict = ?", (search.verdict.value,)))
    if search.reason is not None:
        asked.append(("reason = ?", (search.reason.value,)))
    if search.first is not None:
        asked.append(("number >= ?", (search.first,)))
    if search.last is not None:
        asked.append(("number <= ?", (search.last,)))
    if search.text is not None:
        asked.append(("words LIKE ? ESCAPE '\\'", (f"%{_literal(search.text)}%",)))
    if search.path is not None:
        path = path_key(search.path.rstrip("/"))
        # "0" is the character after "/": everything below the folder, and nothing else.
        asked.append(
            (
                "number IN (SELECT number FROM paths WHERE path = ? OR (path > ? AND path < ?))",
                (path, path + b"/", path + b"0"),
            )
        )
    if not asked:
        return "", ()
    return "WHERE " + " AND ".join(sql for sql, _ in asked), tuple(
        value for _, values in asked for value in values
    )


def _literal(text: str) -> str:
    for special in ("\\", "%", "_"):
        text = text.replace(special, f"\\{special}")
    return words_of(text)
