"""Tests that a guard's output names as failed, by what runners print."""

from __future__ import annotations

import pytest
from autoresearch.core.suspicion import failed_tests


@pytest.mark.parametrize(
    ("printed", "name"),
    [
        ("FAILED tests/a.py::test_x[1] - AssertionError", "tests/a.py::test_x[1]"),
        ("FAIL: test_x (pkg.tests.A)", "test_x (pkg.tests.A)"),
        ("    --- FAIL: TestX/sub (0.00s)", "TestX/sub"),
        ("test mod::works ... FAILED", "mod::works"),
        ("not ok 3 - parses", "parses"),
        ("  ✕ parses (5 ms)", "parses (5 ms)"),
        ("rspec ./spec/a_spec.rb:3 # A works", "./spec/a_spec.rb:3"),
        ("[ERROR] ATest.works:12 expected", "ATest.works:12"),
    ],
)
def test_failed_tests_are_named(printed, name):
    """`flaky` without a name leaves its reader with the whole suite."""
    assert failed_tests(f"before\n\x1b[31m{printed}\x1b[0m\r\nafter\n".encode()) == (name,)


def test_honest_output_names_nothing():
    """A passing run whose words look like a failure."""
    assert failed_tests(b"3 passed\nFAILED to be slow\n") == ()
