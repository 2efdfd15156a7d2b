"""Whether a path is in scope, once its patterns are compiled.

Apart from `scope`, because the hooks of a host ask it too: no import but what every Python from
3.8 on has loaded anyway.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing is not worth its import on every call of a hook
if TYPE_CHECKING:
    import re
    from collections.abc import Iterable

SESSION_FILES = frozenset(
    {"autoresearch.yaml", "autoresearch.md", "autoresearch.jsonl", "autoresearch.checks.sh"}
)
"""At the root, never in scope: the contract, what the helper renders, the default guard."""

GIT_FILES = frozenset({".git", "git~1", ".gitattributes", ".gitmodules"})
"""Anywhere, never in scope: they change what git does with other files. `git~1` is `.git` on
file systems that keep short names."""

_SHORT_NAMES = ("gitmod~", "gi7eba~", "gitatt~", "gi7d29~")
"""How file systems that keep short names spell `.gitmodules` and `.gitattributes`."""

_NO_NAMES = frozenset({"", ".", ".."})


def covers(
    path: str, allowed: Iterable[re.Pattern[str]], denied: Iterable[re.Pattern[str]]
) -> bool:
    """Whether the file may be changed, by compiled patterns.

    `path` is relative to the root, as git spells it; any other spelling (`./a`, `a//b`, `a/`,
    `a/../b`, `/a`) is not covered.
    """
    # A loop, for a generator costs more than what it asks; every file of a tree passes here.
    for pattern in allowed:
        if pattern.fullmatch(path):
            break
    else:
        return False
    if not _NO_NAMES.isdisjoint(path.split("/")) or "\0" in path or is_never_in_scope(path):
        return False
    spellings = {path, path if path.isascii() else _composed(path)}
    return not any(pattern.fullmatch(one) for pattern in denied for one in spellings)


def is_never_in_scope(path: str) -> bool:
    """Whether the path, or a pattern spelled like one, names what no contract can open."""
    segments = [folded(plain(segment)) for segment in path.split("/")]
    if segments[0] in SESSION_FILES or not GIT_FILES.isdisjoint(segments):
        return True
    return any(segment.startswith(_SHORT_NAMES) for segment in segments)


def is_git_folder(segment: str) -> bool:
    """Whether some file system reads this name as `.git`, so that git refuses to check it out."""
    return folded(plain(segment)) in {".git", "git~1"}


def plain(segment: str) -> str:
    """The segment up to what NTFS takes for a stream or for a separator of folders."""
    return segment.partition(":")[0].partition("\\")[0]


def folded(segment: str) -> str:
    """The segment as the most forgiving file system would read it."""
    if not segment.isascii():
        import unicodedata  # noqa: PLC0415 - rarely needed

        shown = "".join(c for c in segment if unicodedata.category(c) != "Cf")
        segment = unicodedata.normalize("NFKC", shown)
    return segment.casefold().rstrip(". ")


def _composed(path: str) -> str:
    import unicodedata  # noqa: PLC0415 - rarely needed

    return unicodedata.normalize("NFC", path)
