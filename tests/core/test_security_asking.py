"""What is asked of which kind of code, what shows nothing, and what counts as touched."""

from __future__ import annotations

import pytest
from autoresearch.core.security.catalog import (
    checks,
    depths,
    focuses,
    is_idle,
    is_test,
    kinds_of,
    lock_rules,
    threats,
    weakness,
)
from autoresearch.core.security.inventory import (
    LONG_FILE,
    STRETCH,
    Site,
    draft_elements,
    is_touched,
    sites_in,
)
from autoresearch.core.security.ledger import Opinion, PlaceKind, SecondLook, Severity, Stride
from autoresearch.core.security.overview import (
    Cell,
    PlaceCount,
    by_category,
    cautions,
    isolation,
    judge,
    next_cell,
    same_lines,
    second_mind,
    share_of,
)
from support.ledgers import element, examined, finding, matrix, model, overview, quote, read
from support.records import make


def test_checks_have_kinds_threats_and_weaknesses_of_their_own():
    """A check that no place leads to, or that asks the same as another."""
    known = {kind for place in PlaceKind for kind in kinds_of([place])}
    assert {check.kind for check in checks().values()} == known
    assert len({check.ask for check in checks().values()}) == len(checks()) >= 70
    assert all(check.cwe for check in checks().values())
    assert {check.stride for check in checks().values()} == set(Stride)
    for focus in focuses().values():
        assert focus.kinds <= known
        assert any(c.kind in focus.kinds and c.stride in focus.strides for c in checks().values())
    assert [depths()[word].checks for word in ("quick", "standard", "deep")] == [2, 4, 12]


def test_what_shows_most_is_asked_first():
    """A server's questions for a library of patterns."""
    places = [PlaceKind.REGEX, PlaceKind.PARSER, PlaceKind.ROUTE, PlaceKind.REGEX]
    assert kinds_of(places)[0] == "parser"
    assert "cryptography" not in kinds_of(places)
    assert kinds_of([]) == ()
    assert kinds_of([PlaceKind.STRETCH] * 9 + [PlaceKind.SQL]) == ("data", "long")


IDLE = [
    "", "  }", "import os", "from a.b import c, d", "  import x from 'y';", "# why", "  // why",
    "/* why", " * why", "const a = require('b');", "#include <stdio.h>", "using System;",
    "package main", "'use strict';", '    """What it does."""', "<!-- x -->", "export * from './a'",
]  # fmt: skip
WORK = [
    "os.system(cmd)", "return 1", "if not ok:", "raise Denied", "*args", "# define MAX 3",
    "const a = b(c);", "x = require_admin(user)", "imported = 1", "user.delete();",
]  # fmt: skip


@pytest.mark.parametrize("line", IDLE)
def test_idle_line_is_known(line):
    """Coverage by imports and comments."""
    assert is_idle(line)


@pytest.mark.parametrize("line", WORK)
def test_line_that_does_something_is_evidence(line):
    """A guard that is taken for a comment."""
    assert not is_idle(line)


def test_tests_are_no_part_of_the_system():
    """286 of 416 places that are the tests' own."""
    for path in ("tests/a.py", "src/x/test_a.py", "a/b_test.go", "web/a.spec.ts", "conftest.py"):
        assert is_test(path), path
        assert sites_in(path, b"eval(x)\n") == ()
    for path in ("app/testing_tools.py", "latest/a.py", "src/contest.py", "app/attest.py"):
        assert not is_test(path), path
        assert sites_in(path, b"eval(x)\n") == (Site(PlaceKind.EVAL, path, 1),)
    assert draft_elements([Site(PlaceKind.CI, "tests/Makefile", 0)])[0].name == "supply"
    assert draft_elements([Site(PlaceKind.SECRET, "tests/.env", 0)]) == ()


@pytest.mark.parametrize(
    "line",
    [
        "self.execute()",
        "requests.append(request)",
        "self.requests.pop(0)",
        "sock = socket.socket()",
        "queue.get(timeout=1)",
        "# UPDATE the docs",
    ],
)
def test_what_only_sounds_like_a_place_is_none(line):
    """A database for a web server, and an outgoing request for a list."""
    kinds = {site.kind for site in sites_in("a.py", line.encode())}
    assert not kinds & {PlaceKind.SQL, PlaceKind.NETWORK}


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("a.py", "X = re.compile('a+')"),
        ("a.py", "re.sub(r'a', b, c)"),
        ("a.py", '    (r"(NOT\\s+)?(IN)\\b", tokens.Operator),'),
        ("a.py", "QUOTED = br'\"(?:x|y)*\"'"),
        ("a.js", "const x = /^(a+)+$/.test(y)"),
        ("a.ts", "return /a{2,}/g, b"),
        ("a.go", 'regexp.MustCompile("a+")'),
    ],
)
def test_pattern_is_a_place_of_its_own(path, line):
    """Three regular expressions in a file that counts as one place."""
    assert PlaceKind.REGEX in {site.kind for site in sites_in(path, line.encode())}


def test_long_file_is_many_places():
    """A file of thousands of lines that one quote covers."""
    text = b"x = 1\n" * (LONG_FILE + 100)
    stretches = [s for s in sites_in("a.py", text) if s.kind is PlaceKind.STRETCH]
    assert [site.line for site in stretches] == [1, 201, 401, 601]
    assert sites_in("a.txt", text) == ()
    assert is_touched(stretches[1], "a.py", 400, 402)
    assert not is_touched(stretches[1], "a.py", 401, 402)
    assert not is_touched(stretches[1], "b.py", 300, 300)
    assert not is_touched(stretches[1], "a.py", 199, 200)
    assert STRETCH == 200


def test_quote_touches_its_lines_and_a_whole_file_by_any():
    """A place that counts as seen because another line of its file was quoted."""
    site = Site(PlaceKind.EVAL, "a.py", 5)
    assert [is_touched(site, "a.py", *span) for span in ((5, 5), (3, 9), (6, 9), (1, 4))] == [
        True,
        True,
        False,
        False,
    ]
    assert is_touched(Site(PlaceKind.CI, "a.py", 0), "a.py", 7, 7)
    assert share_of([PlaceCount(PlaceKind.EVAL, 1, 3), PlaceCount(PlaceKind.SQL, 1, 1)]) == 0.5
    assert share_of([]) is None


def test_cell_with_untouched_places_comes_back_before_a_second_look_at_others():
    """A sweep that never returns to what nobody quoted, or never leaves it."""
    one = model(element("db"))
    first = [examined(n, stride=stride) for n, stride in enumerate(Stride, 1)]
    heavy = {Cell("db", Stride.DENIAL): 3.0}
    cell, _ = next_cell(matrix(read([one, *first])), heavy) or (None, None)
    assert cell == Cell("db", Stride.DENIAL)
    more = [examined(n, stride=Stride.DENIAL) for n in range(7, 10)]
    cell, _ = next_cell(matrix(read([one, *first, *more])), heavy) or (None, None)
    assert cell != Cell("db", Stride.DENIAL)


def test_cells_on_the_same_lines_are_counted():
    """Six of six cells that rest on a pair of lines."""
    lines = (quote("app/a.py", 3, "guard(x)"),)
    found = overview(
        model(element("db")),
        examined(1, stride=Stride.SPOOFING, evidence=lines),
        examined(2, stride=Stride.TAMPERING, evidence=lines),
        examined(3, stride=Stride.DENIAL),
    )
    assert same_lines(found) == (2, 3)
    assert cautions(found._replace(cuts=("big.js: cut",))) == (
        "2 of 3 cells that hold rest on the same lines",
        "big.js: cut",
    )
    assert same_lines(overview()) == (0, 0)
    assert cautions(overview()) == ()


def test_owasp_categories_are_counted_by_records():
    """A list of ten categories that nobody can tell looked at from not looked at."""
    found = overview(
        model(element("db")),
        finding(1, cwe=(89,)),
        examined(1, check="files-path"),
        examined(2, check="no longer asked"),
    )
    counted = by_category(found)
    assert counted["A05:2025 Injection"] == (1, 0)
    assert counted["A01:2025 Broken Access Control"] == (0, 1)
    assert len(counted) == 10


def test_second_mind_is_unread_until_it_spoke():
    """A finding that looks confirmed because nobody read it."""
    review = make(SecondLook, finding=1, verdict=Opinion.CONTESTED)
    ledger = read([finding(1), review])
    found = overview(model(element("db")), finding(1), finding(2))._replace(reviews=ledger.reviews)
    said = {one.label: second_mind(found, one) for one in found.findings}
    assert said == {"F1": "contested", "F2": "unread"}
    assert (isolation("none"), isolation("bubblewrap 1")) == (
        "not isolated",
        "sandbox: bubblewrap 1",
    )


def test_closed_sweep_is_one_that_used_its_iterations():
    """A gate that passes on a sweep that was opened and left."""
    from autoresearch.core.security.ledger import Sweep  # noqa: PLC0415 - beside its use

    sweep = make(Sweep, number=1, iterations=2)
    assert read([sweep]).closed is None
    assert read([sweep, examined(1, sweep=1)]).closed is None
    last = finding(1, sweep=1)
    assert read([sweep, examined(1, sweep=1), last]).closed == last
    again = make(Sweep, number=2, iterations=2)
    assert read([sweep, examined(1, sweep=1), last, again]).closed == last


def test_unproven_findings_may_be_left_out():
    """A gate for proven findings that fails on a word, or hides it."""
    said = judge(overview(finding(1)), Severity.HIGH, (), proven_only=True)
    assert (said.failing, [one.label for one in said.unproven]) == ((), ["F1"])
    assert threats()[Stride.DENIAL].question


def test_lists_of_lock_files_and_weaknesses_are_read():
    """A table that no longer compiles, or a weakness without a page."""
    assert len(lock_rules()) >= 10
    for file, ecosystem, pattern in lock_rules():
        assert file.pattern
        assert ecosystem
        assert {"name", "version"} <= set(pattern.groupindex)
    assert weakness(89).page == "https://cwe.mitre.org/data/definitions/89.html"
