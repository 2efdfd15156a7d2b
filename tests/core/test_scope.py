"""Patterns of the scope, against a matcher that tries every way, and against every disguise."""

from __future__ import annotations

import re
import time
import unicodedata

import pytest
from autoresearch.core.inscope import is_git_folder, is_never_in_scope
from autoresearch.core.scope import compile_scope, expression
from hypothesis import example, given
from hypothesis import strategies as st

COVERED = [
    ("src", "src"),
    ("src", "src/a"),
    ("src", "src/a/b.py"),
    ("src/", "src/a"),
    ("src/", "src/.hidden/b"),
    ("src/*", "src/a"),
    ("src/*", "src/.hidden"),
    ("src/**", "src/a"),
    ("src/**", "src/a/b/c"),
    ("src/**/*.py", "src/a.py"),
    ("src/**/*.py", "src/.a/.py"),
    ("**", "a"),
    ("**", "a/b"),
    ("**/tests", "tests"),
    ("**/tests", "a/b/tests/c"),
    ("**/**/a", "a"),
    ("a/**/b", "a/b"),
    ("a/**/b", "a/x/b/y"),
    ("a/**/b/**/c", "a/b/b/c"),
    ("*/x", "a/x/y"),
    ("*/", "a/b"),
    ("a*", "a"),
    ("a*b*c", "abbc"),
    ("a*ab", "aaab"),
    ("?", "é"),
    ("?", "\n"),
    ("[abc]x", "bx"),
    ("[a-c]x", "bx"),
    ("[!a-c]x", "dx"),
    ("[a-cx]y", "xy"),
    ("[!x]?", "ab"),
    ("[]]x", "]x"),
    ("[!]]x", "ax"),
    ("[[]x", "[x"),
    ("[-a]x", "-x"),
    ("[a-]x", "-x"),
    ("[+--]x", ",x"),
    ("[a^]x", "^x"),
    ("[*]", "*"),
    ("[{]a[}]/**", "{a}/b"),
    ("a.b+c(d)|e$", "a.b+c(d)|e$"),
    ("a b#c", "a b#c"),
    ("src/**", "src/a\nb"),
    ("src/*.py", "src/\n.py"),
    ("src/**", "src/\udcff"),
]
NOT_COVERED = [
    ("src", "srcs"),
    ("src", "lib/src"),
    ("src", "src\n"),
    ("src", "SRC/a"),
    ("src/", "src"),
    ("src/*", "src/a/b"),
    ("src/*", "src"),
    ("src/**", "src"),
    ("src/*.py", "src/a.pyc"),
    ("src/*.py", "src/a.py\n"),
    ("src/*.py", "src/a/b.py"),
    ("src/*.py", "src/a.py/b"),
    ("src/**/*.py", "src/a.py/b"),
    ("**/tests", "a/tests2"),
    ("**/tests", "atests"),
    ("a/**/b", "a/xb"),
    ("a/**/b/**/c", "a/c/b"),
    ("*/", "a"),
    ("*/x", "x"),
    ("a*b*c", "abb"),
    ("a*ab", "ab"),
    ("?", "ab"),
    ("a?b", "a/b"),
    ("a?b", "axc"),
    ("a[!x]b", "a/b"),
    ("a[.-0]b", "a/b"),
    ("[abc]x", "dx"),
    ("[!a-c]x", "bx"),
    ("[!]]x", "]x"),
    ("[a-c]x", "Bx"),
    ("a.b", "axb"),
    ("src/caf\u00e9", "src/cafe\u0301"),
    ("src/cafe\u0301", "src/caf\u00e9"),
]


def covers(pattern: str, path: str) -> bool:
    """Whether a scope of this pattern alone covers the path."""
    return compile_scope([pattern], []).covers(path)


@pytest.mark.parametrize(("pattern", "path"), COVERED)
def test_covered(pattern: str, path: str) -> None:
    """An honest edit that is refused."""
    assert covers(pattern, path)


@pytest.mark.parametrize(("pattern", "path"), NOT_COVERED)
def test_not_covered(pattern: str, path: str) -> None:
    """An edit outside the scope that is let in."""
    assert not covers(pattern, path)


@pytest.mark.parametrize(
    "path",
    ["", "/", ".", "..", "./a", "a/", "a//b", "/a", "a/.", "a/./b", "a/../b", "../a", "a\0b"],
)
def test_other_spellings_of_paths_are_never_covered(path: str) -> None:
    """A path that reaches a protected file by a detour."""
    assert not covers("**", path)


@pytest.mark.parametrize(
    "path",
    [
        "autoresearch.yaml",
        "autoresearch.md",
        "autoresearch.jsonl",
        "autoresearch.checks.sh",
        "AutoResearch.YAML",
        "autoresearch.yaml/x",
        "autoresearch.yaml.",
        ".git",
        ".git/hooks/pre-commit",
        "src/.git/config",
        "src/.GIT",
        "src/.g\u200cit/config",
        "src/.git /config",
        "src/git~1/config",
        "src/\uff0egit",
        "src/.git:x",
        "src/.git::$INDEX_ALLOCATION/config",
        "src/GITMOD~1",
        "src/gi7eba~2",
        ".gitattributes",
        "src/.gitattributes",
        "src/.GitAttributes",
        ".gitmodules",
    ],
)
def test_never_in_scope(path: str) -> None:
    """The referee's own files, or git's, changed by an experiment."""
    assert is_never_in_scope(path)
    assert not covers("**", path)
    assert not covers(path, path)


@pytest.mark.parametrize(
    "path",
    [
        "src/autoresearch.yaml",
        ".gitignore",
        "git",
        "src/.github/x",
        "my.git",
        "autoresearch",
        "a:b",
        "gitmod",
    ],
)
def test_look_alikes_may_be_in_scope(path: str) -> None:
    """The project's own files taken for ours."""
    assert not is_never_in_scope(path)
    assert covers("**", path)


@pytest.mark.parametrize(
    ("protect", "path"),
    [
        ("src/tests", "src/tests/a"),
        ("src/**/tests/", "src/a/tests/b"),
        ("src/Tests", "src/tEsts/a"),
        ("src/caf\u00e9", "src/cafe\u0301"),
        ("src/cafe\u0301", "src/caf\u00e9"),
        ("src/??", "src/e\u0301"),
        ("src/?", "src/e\u0301"),
        ("src/[!a]", "src/A"),
        ("src/[!A]", "src/a"),
    ],
)
def test_protect_covers_every_spelling(protect: str, path: str) -> None:
    """A protected file reached by a name that some file systems take for its own."""
    assert covers("src/**", path)
    assert not compile_scope(["src/**"], [protect]).covers(path)


def test_protect_leaves_the_rest() -> None:
    """A protect pattern that closes more than it names."""
    scope = compile_scope(["src/**", "lib"], ["src/tests"])
    assert scope.patterns == ("src/**", "lib")
    assert scope.protect == ("src/tests",)
    assert scope.covers("src/tests2")
    assert scope.covers("src/a/tests")
    assert scope.covers("lib/x")
    assert not scope.covers("docs/x")


def test_empty_scope_covers_nothing() -> None:
    """No pattern taken for every file."""
    assert not compile_scope([], []).covers("a")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("", "has the segment ''"),
        ("/", "has the segment ''"),
        ("/a", "has the segment ''"),
        ("a//b", "has the segment ''"),
        ("a//", "has the segment ''"),
        ("./a", "has the segment '.'"),
        ("a/..", "has the segment '..'"),
        ("a**", "`**` must stand alone"),
        ("a/***", "`**` must stand alone"),
        ("!a", "starts with `!`"),
        (
            "a\\b",
            "contains \\, which is not a wildcard here: write `[\\]` for the character itself",
        ),
        ("{a,b}", "contains {, which is not a wildcard here: write `[{]` for the character itself"),
        ("a}", "contains }, which is not a wildcard here: write `[}]` for the character itself"),
        ("a\0", "contains a NUL character"),
        ("a[", "without closing bracket in 'a['"),
        ("a[]", "without closing bracket"),
        ("a[!]", "without closing bracket"),
        ("a[b/c]", "without closing bracket in 'a[b'"),
        ("[^a]", "write `[!...]` to negate"),
        ("[[:alpha:]]", "list characters or ranges"),
        ("[z-ab]", "the range 'z-a', which is backwards"),
        ("a" * 401, "has 401 characters, more than 400"),
    ],
)
def test_malformed_patterns(pattern: str, message: str) -> None:
    """A pattern that silently means something else than it seems to."""
    with pytest.raises(ValueError, match=re.escape(message)):
        expression(pattern)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a" * 100 + "b", "a" * 255),
        ("**/a/" * 60 + "b", "a/" * 1000 + "a"),
        ("**/" + "*a" * 60 + "/" + "**/*a*a*a/" * 8 + "z", ("a" * 100 + "/") * 30 + "y"),
    ],
)
def test_hostile_names_take_no_time(pattern: str, path: str) -> None:
    """A file name that keeps the scope check busy for ever."""
    scope = compile_scope([pattern], [])
    started = time.process_time()
    assert not scope.covers(path)
    assert time.process_time() - started < 2.0


def reference(pattern: str, path: str) -> bool:
    """The documented meaning, written down without a thought for speed."""
    parts = pattern.removesuffix("/").split("/")
    names = path.split("/")
    if not pattern.endswith("/") and segments_match(parts, names):
        return True
    literal = not any(character in parts[-1] for character in "*?[")
    if not literal and not pattern.endswith("/"):
        return False
    return any(segments_match(parts, names[:count]) for count in range(1, len(names)))


def segments_match(parts: list[str], names: list[str]) -> bool:
    """Whether pattern segments match exactly these names."""
    if not parts:
        return not names
    if parts[0] == "**":
        least = 1 if len(parts) == 1 else 0
        return any(segments_match(parts[1:], names[n:]) for n in range(least, len(names) + 1))
    return (
        bool(names)
        and characters_match(parts[0], names[0])
        and segments_match(parts[1:], names[1:])
    )


def characters_match(part: str, name: str) -> bool:
    """Whether a pattern segment matches exactly this name."""
    if not part:
        return not name
    if part[0] == "*":
        return any(characters_match(part[1:], name[n:]) for n in range(len(name) + 1))
    if not name:
        return False
    if part[0] == "[":
        end = part.index("]", 2)
        negated, members = part[1] == "!", part[1:end].removeprefix("!")
        return (name[0] in members) != negated and characters_match(part[end + 1 :], name[1:])
    return part[0] in ("?", name[0]) and characters_match(part[1:], name[1:])


PARTS = st.lists(
    st.sampled_from(["a", "b", "ab", ".", "*", "?", "[ab]", "[!a]"]), min_size=1, max_size=4
).map("".join)
PATTERNS = st.tuples(
    st.lists(PARTS | st.just("**"), min_size=1, max_size=5).map("/".join),
    st.sampled_from(["", "/"]),
).map("".join)
NAMES = st.text(st.sampled_from("ab.\n"), min_size=1, max_size=4)
PATHS = st.lists(NAMES, min_size=1, max_size=6).map("/".join)


@given(PATTERNS, PATHS)
@example("**/a/**/b", "a/a/b")
@example("**/", "a")
def test_agrees_with_the_plain_matcher(pattern: str, path: str) -> None:
    """A shortcut of the compiled expression that gains or loses a match."""
    parts = pattern.removesuffix("/").split("/")
    if any(part in {".", ".."} or ("**" in part and part != "**") for part in parts):
        with pytest.raises(ValueError, match="has the segment"):
            expression(pattern)
        return
    proper = not any(name in {".", ".."} for name in path.split("/"))
    assert covers(pattern, path) is (proper and reference(pattern, path))


@given(st.text(max_size=12))
def test_any_pattern_compiles_or_is_refused(pattern: str) -> None:
    """A pattern that ends in an error of the expression compiler."""
    try:
        scope = compile_scope([pattern], [pattern])
    except ValueError:
        return
    assert not scope.covers(unicodedata.normalize("NFC", pattern))


@pytest.mark.parametrize("name", [".git", ".GIT", ".git ", "git~1", ".git:x", ".git\\x"])
def test_names_that_some_file_system_reads_as_gits_folder(name: str) -> None:
    """A file that is kept, and for which nobody can check the branch out."""
    assert is_git_folder(name)
    assert not is_git_folder(f"a{name}")
