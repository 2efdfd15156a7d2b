"""Evidence: what is quoted must stand in the file, and no secret of it may be stored."""

from __future__ import annotations

import pytest
from autoresearch.core.security.quotes import (
    MASK,
    Mismatch,
    Span,
    check,
    fingerprint,
    holds_secret,
    occurrence,
    redact,
    relocate,
)
from hypothesis import given
from hypothesis import strategies as st

FILE = b"""import db


def find(name):
    query = "SELECT * FROM t WHERE n = " + name
    return db.run(query)


def other(name):
    query = "SELECT * FROM t WHERE n = " + name
    return db.run(query)
"""


@pytest.mark.parametrize(
    ("first", "last", "quote"),
    [
        (6, 6, "return db.run(query)"),
        (5, 6, '    query = "SELECT * FROM t WHERE n = " + name\n    return db.run(query)\n'),
        (5, 6, '\nquery = "SELECT * FROM t WHERE n = " + name   \nreturn db.run(query)\n\n'),
        (4, 6, FILE.decode().split("\n\n\n")[1]),
    ],
)
def test_quote_that_stands_there_is_taken(first, last, quote):
    """Honest evidence refused over indentation or blank lines around it."""
    found = check(FILE, (first, last), quote)
    assert isinstance(found, Span)
    assert (found.first, found.last) == (first, last)
    assert found.text == "\n".join(FILE.decode().split("\n")[first - 1 : last])


@pytest.mark.parametrize(
    ("first", "last", "quote", "problem"),
    [
        (6, 6, "return db.run(query, name)", "do not read like the quote"),
        (5, 5, "return db.run(query)", "do not read like the quote"),
        (4, 6, "def find(name):\nreturn db.run(query)", "do not read like the quote"),
        (4, 5, 'def find(name):\nquery = "SELECT * FROM t WHERE n = " + name', "do not read"),
        (12, 12, "return db.run(query)", "has 11 lines, not 12"),
        (0, 1, "return db.run(query)", "no range"),
        (2, 1, "return db.run(query)", "no range"),
        (1, 41, "return db.run(query)", "has 11 lines"),
        (3, 3, "", "fewer than 8"),
        (1, 1, "import", "fewer than 8"),
    ],
)
def test_quote_that_does_not_stand_there_is_refused(first, last, quote, problem):
    """Invented evidence: changed code, wrong lines, lines past the end, a quote of nothing."""
    found = check(FILE, (first, last), quote)
    assert isinstance(found, Mismatch)
    assert problem in found.problem


@pytest.mark.parametrize("lines", [None, (1, 1), (3, 5), (0, 1), (2, 1), (1, 41), (99, 99)])
def test_quote_that_stands_once_needs_no_line_numbers(lines):
    """A form refused for what the tool knows better: a number that is a few lines off."""
    assert check(FILE, lines, "def find(name):") == Span(4, 4, "def find(name):")
    two = check(FILE, lines, 'def other(name):\n    query = "SELECT * FROM t WHERE n = " + name')
    assert isinstance(two, Span)
    assert (two.first, two.last) == (9, 10)


@pytest.mark.parametrize("lines", [None, (1, 1), (5, 5)])
def test_quote_that_stands_twice_is_asked_about(lines):
    """The wrong one of two places, taken without a word."""
    found = check(FILE, lines, "return db.run(query)")
    assert isinstance(found, Mismatch)
    assert found.hint == "Those lines stand at 6-6, 11-11. Say which with `lines`."
    assert check(FILE, (11, 11), "return db.run(query)") == Span(11, 11, "    return db.run(query)")


@pytest.mark.parametrize(
    "quote", ["return  db.run(query)", "return db.run( query )", "return db.run(\n    query)"]
)
def test_refusal_for_blanks_names_the_blanks(quote):
    """`Those lines stand at 6-6` of a quote that is refused for not standing there."""
    found = check(FILE, (6, 6), quote)
    assert isinstance(found, Mismatch)
    assert "blanks" in found.problem
    assert "6-6" in found.problem
    assert "blanks" in check(FILE, None, quote).problem


def test_short_quote_is_told_to_take_a_neighbour():
    """An agent that cannot quote a short line at all."""
    found = check(b"def f(x):\n    y = f(x)\n", None, "y = f(x)")
    assert isinstance(found, Mismatch)
    assert found.hint == "Add the line above or below it."
    assert isinstance(check(b"a = 12345678\n", None, "b = 12345678"), Mismatch)


def test_quote_is_bounded():
    """A whole file as evidence, or lines that fill the ledger."""
    many = b"".join(b"line number %d\n" % n for n in range(60))
    found = check(many, (1, 41), "\n".join(f"line number {n}" for n in range(41)))
    assert isinstance(found, Mismatch)
    assert "more than 40 lines" in found.problem
    long = "x" * 5_000
    found = check(long.encode(), (1, 1), long)
    assert isinstance(found, Mismatch)
    assert "4000 characters" in found.problem


def test_quote_is_found_again_after_lines_moved_and_lost_when_they_changed():
    """Coverage that survives a rewrite of the code, or is lost by a blank line above it."""
    text = 'query = "SELECT * FROM t WHERE n = " + name'
    assert relocate(b"\n\n" + FILE, text, 5) == Span(7, 7, text)
    assert relocate(b"\n\n" + FILE, text, 10) == Span(12, 12, text)
    assert relocate(FILE.replace(b"+ name", b"+ safe(name)"), text, 5) is None


@pytest.mark.parametrize(
    "other",
    [
        "    x = run( cmd,'a' )",
        "x = run(\n    cmd,\n    'a',\n)",
        '\tx=run(cmd, "a")  # why',
        "if y:\n        x = run(cmd,\n                'a')  // so",
    ],
)
def test_reformatted_lines_are_the_same_lines(other):
    """A finding that counts as gone because a formatter ran."""
    found = relocate(b"import os\n" + other.encode(), "x = run(cmd, 'a')", 1)
    assert found is not None
    assert found.first > 1


@pytest.mark.parametrize(
    "other", ["x = run(cmds, 'a')", "x = run(cmd, 'a')[:9]", "y = x = run(cmd, 'a')", "xy = run"]
)
def test_other_code_is_not_the_same_lines(other):
    """A fix that is not seen because a part of it reads like the flaw."""
    assert relocate(other.encode(), "x = run(cmd, 'a')", 1) is None


def test_other_words_are_nowhere():
    """A search of every file for what it cannot hold."""
    assert relocate(FILE, "something_else(entirely)", 1) is None


def test_redacted_line_is_found_again():
    """A finding about a secret that is gone as soon as its line moves."""
    assert relocate(b"\n\nAPI_KEY = 'abcdef12'\n", f"API_KEY = '{MASK}'", 1) == Span(
        3, 3, f"API_KEY = '{MASK}'"
    )


def test_two_flaws_of_the_same_text_differ_and_moved_ones_do_not():
    """One fingerprint for two places, or a new one after every edit above."""
    text = "return db.run(query)"
    first, second = occurrence(FILE, text, 6), occurrence(FILE, text, 11)
    assert (first, second) == (0, 1)
    assert fingerprint("a.py", text, 89, first) != fingerprint("a.py", text, 89, second)
    assert fingerprint("a.py", "  return  db.run(query)\n", 89, 0) == fingerprint(
        "a.py", text, 89, 0
    )
    assert fingerprint("a.py", text, 89, 0) != fingerprint("b.py", text, 89, 0)
    assert fingerprint("a.py", text, 89, 0) != fingerprint("a.py", text, 22, 0)


SECRETS = [
    ('PASSWORD = "hunter2-very"', "hunter2-very"),
    ("config['api_key'] = 'abcdef123'", "abcdef123"),
    ('{"client_secret": "s3cr3t-value"}', "s3cr3t-value"),
    ("TOKEN=abcdef1234567890", "abcdef1234567890"),
    ("  - DB_PASSWORD: swordfish99", "swordfish99"),
    ("export API_TOKEN=q1w2e3r4t5", "q1w2e3r4t5"),
    ("postgres://shop:hunter2@db/x", "hunter2"),
    ("AKIAABCDEFGHIJKLMNOP", "AKIAABCDEFGHIJKLMNOP"),
    ("ghp_abcdefghijklmnopqrstuvwx", "ghp_abcdefghijklmnopqrstuvwx"),
    ("sk-proj-abcdefghijklmnop", "sk-proj-abcdefghijklmnop"),
    (
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVPmB92K27u",
        "dBjftJeZ4CVPmB92K27u",
    ),
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAKC\n-----END RSA PRIVATE KEY-----", "IBAAKC"),
]


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_secret_is_replaced(text, secret):
    """A password that the security report itself publishes."""
    assert secret not in redact(text)
    assert MASK in redact(text)
    assert holds_secret(text)
    assert redact(text).count("\n") == text.count("\n")


@pytest.mark.parametrize(
    "text",
    [
        'password = request.form["password"]',
        "token = make_token(user)",
        "def login(password):",
        "password: str",
        "SECRET = os.environ['SECRET']",
        "https://example.org/a:b",
        "if not check(password): raise Wrong",
    ],
)
def test_code_that_handles_secrets_stays_readable(text):
    """Evidence that is blotted out where it shows no secret at all."""
    assert redact(text) == text


def test_line_inside_a_key_is_redacted_by_what_stands_around_it():
    """The middle of a private key, quoted alone."""
    lines = [b"KEY = '''-----BEGIN PRIVATE KEY-----", b"MIIEvQIBADANBgkqhkiG9w0B", b"'''"]
    found = check(b"\n".join(lines), (2, 2), "MIIEvQIBADANBgkqhkiG9w0B")
    assert isinstance(found, Span)
    assert found.text == MASK
    assert relocate(b"\n" + b"\n".join(lines), MASK, 2) == Span(3, 3, MASK)


@given(st.text(max_size=200))
def test_redaction_is_stable(text):
    """A stored quote that no longer equals the redacted file."""
    assert redact(redact(text)) == redact(text)
    assert redact(text).count("\n") == text.count("\n")
