"""Near duplicates by their changed lines."""

from __future__ import annotations

from autoresearch.core.snapshot import SAMPLE, changed_lines

DIFF = b"""diff --git a/x.py b/x.py
--- a/x.py
+++ b/x.py
@@ -1,3 +1,3 @@
 same line here
-old = compute()
+new =  compute()
+}
diff --git a/y.py b/y.py
--- a/y.py
+++ b/y.py
@@ -0,0 +1 @@
+another line
"""


def test_only_changed_lines_that_say_something_count():
    """File names, context and braces that make strangers look alike."""
    assert len(changed_lines(DIFF)) == 3


def test_white_space_does_not_hide_a_duplicate():
    """The same idea, indented anew, raced as another."""
    assert changed_lines(DIFF) == changed_lines(DIFF.replace(b"+new =  ", b"+    new= "))


def test_added_is_not_removed():
    """A change and its reversal taken for duplicates."""
    plus = changed_lines(b"@@\n+some words\n")
    assert not plus & changed_lines(b"@@\n-some words\n")


def test_huge_change_is_sampled_and_still_like_itself():
    """A generated file that fills the index."""
    lines = b"".join(b"+line number %d\n" % number for number in range(5000))
    found = changed_lines(b"@@\n" + lines)
    assert len(found) == SAMPLE
    assert found == changed_lines(b"@@\n" + lines)
    assert all(-(2**63) <= value < 2**63 for value in found)


def test_empty_diff_has_no_lines():
    """An empty change that is near to everything."""
    assert changed_lines(b"") == frozenset()
