"""How many tests a guard ran, read from what common runners print.

Skipped tests were not run. The number is only ever compared with the same guard's on another
program, so two runners in one guard are added up.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_ANSI = re.compile(r"\x1b\[[0-9;]*m")

_PYTEST = re.compile(r"^=* ?((?:\d+ [a-z]+, )*\d+ [a-z]+) in \d[\d.]*s\b", re.MULTILINE)
_PYTEST_RAN = re.compile(r"(\d+) (?:passed|failed|errors?|xfailed|xpassed)\b")
_UNITTEST = re.compile(r"^Ran (\d+) tests? in [\d.]+s", re.MULTILINE)
_UNITTEST_SKIPPED = re.compile(r"^(?:OK|FAILED) \(.*?\bskipped=(\d+)", re.MULTILINE)
_JEST = re.compile(r"^Tests:\s+(.*\d+ total)$", re.MULTILINE)
_VITEST = re.compile(r"^\s*Tests\s+(\d.*)\(\d+\)", re.MULTILINE)
_JS_RAN = re.compile(r"(\d+) (?:passed|failed)")
_MOCHA = re.compile(r"^\s+(\d+) (?:passing|failing)\b", re.MULTILINE)
_GO_CASE = re.compile(r"^\s*--- (?:PASS|FAIL): ", re.MULTILINE)
_GO_PACKAGE = re.compile(r"^ok  \t", re.MULTILINE)
_CARGO = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed;", re.MULTILINE)
_MAVEN = re.compile(
    r"^(?:\[\w+\] )*Tests run: (\d+), Failures: \d+, Errors: \d+, Skipped: (\d+)\s*$", re.MULTILINE
)
_RSPEC = re.compile(r"^(\d+) examples?, \d+ failures?(?:, (\d+) pending)?", re.MULTILINE)
_CTEST = re.compile(r"^\d+% tests passed, \d+ tests failed out of (\d+)", re.MULTILINE)
_TAP_PLAN = re.compile(r"^(?:TAP version \d+|1\.\.\d+\b)", re.MULTILINE)
_TAP_CASE = re.compile(r"^(?:not )?ok\b(?!.*# (?:SKIP|skip|TODO))", re.MULTILINE)


def count_tests(output: bytes) -> int | None:
    """Return how many tests the output says were run, None where it says nothing.

    Args:
        output: of the guard, both streams.
    """
    text = _ANSI.sub("", output.decode("utf-8", "replace")).replace("\r\n", "\n")
    counts = [count for count in (reader(text) for reader in _READERS) if count is not None]
    return sum(counts) if counts else None


def _pytest(text: str) -> int | None:
    return _summed(
        sum(int(n) for n in _PYTEST_RAN.findall(line[1])) for line in _PYTEST.finditer(text)
    )


def _unittest(text: str) -> int | None:
    ran = _summed(int(n) for n in _UNITTEST.findall(text))
    return None if ran is None else ran - sum(int(n) for n in _UNITTEST_SKIPPED.findall(text))


def _javascript(text: str) -> int | None:
    lines = [*_JEST.findall(text), *_VITEST.findall(text)]
    return _summed(sum(int(n) for n in _JS_RAN.findall(line)) for line in lines)


def _mocha(text: str) -> int | None:
    return _summed(int(n) for n in _MOCHA.findall(text))


def _go(text: str) -> int | None:
    return len(_GO_CASE.findall(text)) or len(_GO_PACKAGE.findall(text)) or None


def _cargo(text: str) -> int | None:
    return _summed(int(passed) + int(failed) for passed, failed in _CARGO.findall(text))


def _maven(text: str) -> int | None:
    return _summed(int(ran) - int(skipped) for ran, skipped in _MAVEN.findall(text))


def _rspec(text: str) -> int | None:
    return _summed(int(ran) - int(pending or 0) for ran, pending in _RSPEC.findall(text))


def _ctest(text: str) -> int | None:
    return _summed(int(n) for n in _CTEST.findall(text))


def _tap(text: str) -> int | None:
    return len(_TAP_CASE.findall(text)) if _TAP_PLAN.search(text) else None


_READERS = (
    _pytest,
    _unittest,
    _javascript,
    _mocha,
    _go,
    _cargo,
    _maven,
    _rspec,
    _ctest,
    _tap,
)


def _summed(counts: Iterable[int]) -> int | None:
    found = list(counts)
    return sum(found) if found else None
