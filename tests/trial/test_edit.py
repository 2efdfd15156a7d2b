"""Whole definitions are replaced, wherever they stand."""

from __future__ import annotations

import ast

import pytest
from autoresearch.trial.edit import merge
from hypothesis import given
from hypothesis import strategies as st

MODULE = '''\
"""Words."""

import re

LIMIT = 3


# why this one exists
@cached
def first(text):
    return re.split(" ", text)[:LIMIT]


class Second:
    def first(self):
        return 2


if __name__ == "__main__":
    print(first("a b"))
'''


def test_replaces_a_function_with_its_decorators() -> None:
    """Breaks if a decorator stays behind, or the method of the same name is hit."""
    assert merge(MODULE, "def first(text):\n    return []\n") == MODULE.replace(
        '@cached\ndef first(text):\n    return re.split(" ", text)[:LIMIT]\n',
        "def first(text):\n    return []\n",
    )


def test_adds_what_is_new_before_what_is_replaced() -> None:
    """Breaks if a helper lands behind a module-level use of it, or an import among the code."""
    fragment = (
        "import sys\n\nTABLE = {}\n\n\ndef helper():\n    pass\n\n\nclass Second:\n    pass\n"
    )
    merged = merge(MODULE, fragment)
    assert merged == MODULE.replace("import re\n", "import re\nimport sys\n").replace(
        "class Second:\n    def first(self):\n        return 2\n",
        "TABLE = {}\n\n\ndef helper():\n    pass\n\n\nclass Second:\n    pass\n",
    )


def test_replaces_an_assignment_and_several_definitions() -> None:
    """Breaks if the first replacement shifts the place of the next."""
    merged = merge(MODULE, "class Second:\n    pass\n\n\nLIMIT = 1\n")
    assert "LIMIT = 1\n" in merged
    assert "LIMIT = 3" not in merged
    assert "class Second:\n    pass\n\n\nif __name__" in merged


def test_refuses_when_nothing_is_left_to_replace() -> None:
    """Breaks if an edit whose subject is gone silently adds dead code."""
    with pytest.raises(ValueError, match="no third to replace"):
        merge(MODULE, "def third():\n    pass\n")


@given(
    names=st.lists(
        st.sampled_from(["alpha", "beta", "gamma", "delta"]), min_size=1, max_size=4, unique=True
    )
)
def test_repeating_an_edit_changes_nothing(names: list[str]) -> None:
    """Breaks if an edit that was kept is applied again and doubles a definition."""
    text = "".join(f"def {name}():\n    return 1\n\n\n" for name in ["alpha", "omega"])
    fragment = "".join(f"def {name}():\n    return 2\n\n\n" for name in ["omega", *names])
    once = merge(text, fragment)
    assert merge(once, fragment) == once
    defined = [node.name for node in ast.parse(once).body if isinstance(node, ast.FunctionDef)]
    assert sorted(defined) == sorted({"alpha", "omega", *names})
