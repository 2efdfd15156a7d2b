"""How many tests ran, as each runner says it."""

from __future__ import annotations

import pytest
from autoresearch.core.suspicion import count_tests, failed_tests


@pytest.mark.parametrize(
    ("output", "count"),
    [
        ("=== 12 passed in 0.31s ===", 12),
        ("10 passed, 2 skipped, 1 warning in 1.20s", 10),
        ("====== 1 failed, 3 passed, 2 xfailed, 1 error in 0.1s ======", 7),
        ("\x1b[32m5 passed\x1b[0m\x1b[32m in 0.02s\x1b[0m", 5),
        ("===== 4 passed in 62.01s (0:01:02) =====", 4),
        ("Ran 7 tests in 0.003s\n\nOK (skipped=2)", 5),
        ("Ran 1 test in 0.003s\n\nFAILED (failures=1)", 1),
        ("Tests:       1 failed, 2 skipped, 10 passed, 13 total\nTime: 1 s", 11),
        (" Test Files  2 passed (2)\n      Tests  9 passed | 3 skipped (12)", 9),
        ("  12 passing (30ms)\n  1 pending\n  2 failing", 14),
        ("--- PASS: TestA (0.00s)\n    --- PASS: TestA/x (0.00s)\nok  \tpkg\t0.1s", 2),
        ("ok  \tpkg/a\t0.1s\nok  \tpkg/b\t(cached)\n?   \tpkg/c\t[no test files]", 2),
        ("test result: ok. 10 passed; 0 failed; 1 ignored; 0 measured\n" * 2, 20),
        (
            "[INFO] Tests run: 3, Failures: 0, Errors: 0, Skipped: 0, Time elapsed: 1 s - in A\n"
            "[INFO] Tests run: 5, Failures: 0, Errors: 0, Skipped: 1\n",
            4,
        ),
        ("12 examples, 0 failures, 2 pending", 10),
        ("1 example, 1 failure", 1),
        ("100% tests passed, 0 tests failed out of 8", 8),
        ("TAP version 13\nok 1 - a\nnot ok 2 - b\nok 3 # SKIP no net\n1..3", 2),
        ("all good", None),
        ("", None),
        ("it took 12 passed in the night", None),
        ("5 passed in 0.1s\nRan 2 tests in 0.1s", 7),
        (b"3 passed in 0.1s \xff", 3),
    ],
)
def test_counts(output, count):
    """A runner's summary that is missed, or skipped tests that count as run."""
    content = output if isinstance(output, bytes) else output.encode()
    assert count_tests(content) == count


@pytest.mark.parametrize(
    ("output", "names"),
    [
        ("FAILED tests/test_a.py::test_b[1] - assert 0", ("tests/test_a.py::test_b[1]",)),
        ("FAIL: test_b (a.Test)\nERROR: test_c\n", ("test_b (a.Test)", "test_c")),
        ("    --- FAIL: TestA/x (0.00s)", ("TestA/x",)),
        ("test a::b ... FAILED\ntest a::c ... ok", ("a::b",)),
        ("not ok 2 - it adds\nok 3 - it halves", ("it adds",)),
        ("  \N{MULTIPLICATION SIGN} adds two numbers", ("adds two numbers",)),
        ("rspec ./spec/a_spec.rb:3 # adds", ("./spec/a_spec.rb:3",)),
        ("[ERROR]   ATest.adds:12 expected 3", ("ATest.adds:12",)),
        (
            "\n".join(f"FAILED t.py::test_{n % 7}" for n in range(20)),
            tuple(f"t.py::test_{n}" for n in range(5)),
        ),
        ("12 passed in 0.31s", ()),
    ],
)
def test_failed_tests_are_named(output, names):
    """A flaky test that nobody can find again, as only its runner's name is kept."""
    assert failed_tests(output.encode()) == names
