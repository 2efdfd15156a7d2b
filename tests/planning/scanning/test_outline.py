"""Lines quoted from manifests, well-formed or not."""

from __future__ import annotations

import pytest
from autoresearch.planning.scanning.outline import (
    ci_commands,
    first_line,
    json_object,
    settings,
    table_of,
    targets,
)


def test_settings_join_what_brackets_hold_together() -> None:
    """A list over several lines read as keys of its own would invent scripts and sections."""
    text = '[a]\nx = [\n  "k = 1",\n  "[b]",\n]\ny = 2\n["c"]\nz: 3\n'
    found = [(s.line, s.section, s.key, s.value) for s in settings(text)]
    assert found == [
        (1, "a", "", ""),
        (2, "a", "x", '[\n"k = 1",\n"[b]",\n]'),
        (6, "a", "y", "2"),
        (7, "c", "", ""),
        (8, "c", "z", "3"),
    ]


@pytest.mark.parametrize("text", ["", "[", "= 1", "\x00\x01", "[a\n]b", "x = [[[[", "[" * 9000])
def test_malformed_manifests_are_lived_with(text: str) -> None:
    """A template or a torn file must not end a scan."""
    assert isinstance(list(settings(text)), list)
    assert json_object(text) is None
    assert list(targets(text)) == []


def test_json_of_other_shapes() -> None:
    """`scripts` may be a list, a script a number, the whole a list."""
    assert json_object("[1]") is None
    held = json_object('{"scripts": {"a": 1, "b": "x"}, "bin": "p"}')
    assert held is not None
    assert table_of(held, "scripts") == {"b": "x"}
    assert table_of(held, "bin") == {}


def test_make_targets_are_no_assignments() -> None:
    """`CFLAGS := …`, `clean: CFLAGS = x` and `.PHONY` taken for something to run."""
    text = ".PHONY: all\nCC := gcc\nusan: CFLAGS = -O3\ntest check: lib\n\t@run $<\n\techo\nlib:\n"
    found = [(t.line, t.name, t.needs, t.recipe) for t in targets(text)]
    assert found == [
        (4, "test", "lib", ("@run $<", "echo")),
        (4, "check", "lib", ("@run $<", "echo")),
        (7, "lib", "", ()),
    ]


def test_ci_commands_of_blocks_lists_and_single_lines() -> None:
    """A command that CI runs and the scan does not see, or a key that it takes for a command."""
    text = (
        "jobs:\n  a:\n    steps:\n      - run: make test\n      - run: |\n          one\n"
        "          # no\n          two\n      - name: x\n        run: three\n        shell: sh\n"
        "script:\n  - four\n  - five\nafter: six\n"
    )
    found = [(c.line, c.text) for c in ci_commands(text)]
    assert found == [
        (4, "make test"),
        (6, "one"),
        (8, "two"),
        (10, "three"),
        (13, "four"),
        (14, "five"),
    ]


def test_first_line_counts_from_one() -> None:
    """Evidence that points at the line before or after."""
    assert first_line("a\nb\nb", "^b") == 2
    assert first_line("a", "z") == 0
