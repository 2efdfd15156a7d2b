"""A contract that is not in order: each error names the line, the value and the remedy."""

from __future__ import annotations

import contextlib

import pytest
from autoresearch.core.contract import parse
from autoresearch.core.errors import ContractError
from hypothesis import given
from hypothesis import strategies as st

SMALL = """session: s
goal: g
metric: {name: m, direction: lower}
verify: ./v
scope: [src]
"""

WHOLE = [  # the text, line, fragment of the message, fragment of the remedy
    ("", 1, "the contract is empty", "at least session, goal, metric, verify and scope"),
    ("# nothing\n", 1, "the contract is empty", "at least session"),
    ("just words", 1, "the contract is 'just words', not a mapping", "`key: value` lines"),
    ("- a\n- b", 1, "the contract is a list, not a mapping", "`key: value` lines"),
    ("x" * 65537, 1, "65537 bytes, more than 65536", "into scripts"),
    ("é" * 32769, 1, "65538 bytes, more than 65536", "into scripts"),
    ("goal: a\n\tverify: b", 2, "not valid YAML: found character '\\t'", "spaces, not tabs"),
    ("goal: a\nverify: [b", 2, "not valid YAML: expected ',' or ']'", "Quote values"),
    ("goal: a\nverify: `b`", 2, "not valid YAML: found character '`'", "or a backtick"),
    ("goal: a\nverify: b\x07", 2, "character U+0007 is not allowed in YAML", "Remove it"),
    ("goal: \ud800", 1, "character U+D800 is not allowed in YAML", "Remove it"),
    ('goal: a\nverify: "\\UFFFFFFFF"', 2, "not valid YAML: ", "Remove the escape or directive"),
    ('goal: "\\U00110000"', 1, "not valid YAML: ", "Remove the escape or directive"),
    (f"%YAML {'1' * 5000}.1\n---\na: b", 1, "not valid YAML: ", "Remove the escape or directive"),
    ("%YAML 2.0\n---\na: b", 1, "not valid YAML: found incompatible YAML document", "Quote"),
    ("a: &x 1\nb: *x", 1, "YAML anchor or alias 'x'", "Write out the value"),
    ("a: 1\nb: *x", 2, "YAML anchor or alias 'x'", "Write out the value"),
    ("a: &x [1]", 1, "YAML anchor or alias 'x'", "Write out the value"),
    ("a: !!str 1", 1, "YAML tag 'tag:yaml.org,2002:str'", "Remove the tag"),
    ("a: !!python/object:os.system {}", 1, "YAML tag 'tag:yaml.org,2002:python/", "Remove the tag"),
    ("a: ! b", 1, "YAML tag '!'", "Remove the tag"),
    ("a: [[[1]]]", 1, "nested more than 3 deep", "docs/contract.md"),
    ("[" * 60_000, 1, "nested more than 3 deep", "docs/contract.md"),
    ("a: 1\n---\nb: 2", 2, "a second YAML document starts", "Keep one document"),
    (SMALL + "goal: again", 6, "contains 'goal' twice, first on line 2", "Remove one of the two"),
    ("? [a, b]\n: c", 1, "has a list where a key belongs", "Write plain words as keys"),
    ("~: c", 1, "has '~' where a key belongs", "Write plain words as keys"),
    ("<<: {a: b}", 1, "has the unknown key '<<'", "Known keys: session, goal, metric"),
    (SMALL.replace("session: s\n", ""), 1, "lacks the key `session`", "Add `session: ...`"),
    (SMALL.replace("goal: g\n", "\n"), 1, "lacks the key `goal`", "Add `goal: ...`"),
    (SMALL.replace("verify: ./v\n", ""), 1, "lacks the key `verify`", "Add `verify: ...`"),
    (SMALL.replace("scope: [src]\n", ""), 1, "lacks the key `scope`", "Add `scope: ...`"),
    ("session: s\ngoal: g\n", 1, "lacks the key `metric`", "Add `metric: ...`"),
]

CHANGED = [  # the small contract with a key's value replaced; the rest as above
    ("session: s", "session: Parse-Speed", 1, "`session` is 'Parse-Speed'", "lower-case words"),
    ("session: s", "session: -s", 1, "`session` is '-s', which is not", "lower-case words"),
    ("session: s", "session: a.lock", 1, "`session` is 'a.lock', which is not", "lower-case words"),
    (
        "session: s",
        "session: a/b",
        1,
        "`session` is 'a/b', which is not a valid",
        "lower-case words",
    ),
    ("session: s", 'session: "s\\n"\nx: y', 2, "the unknown key 'x'", "Known keys: session"),
    ("session: s", f"session: {'s' * 42}", 1, "not a valid branch name", "lower-case words"),
    ("session: s", "session: 7", 1, "is '7', which YAML reads as int", "Put it in quotes"),
    ("session: s", "session: 2026-01-02", 1, "YAML reads as timestamp", "Put it in quotes"),
    ("goal: g", f"goal: {'g' * 401}", 2, "`goal` has 401 characters", "Shorten it"),
    ("goal: g", 'goal: "a\\eb"', 2, "the control character U+001B", "Remove it"),
    ("goal: g", 'goal: "\\ud800"', 2, "the control character U+D800", "Remove it"),
    ("goal: g", 'goal: " "', 2, "`goal` is blank", "or remove the line"),
    ("goal: g", "goal:", 2, "`goal` has no value", "Write text, or remove the line"),
    ("goal: g", "goal: ~", 2, "`goal` has no value", "Write text, or remove the line"),
    ("verify: ./v", "verify: yes", 4, "'yes', which YAML reads as bool", "Put it in quotes"),
    ("verify: ./v", "verify: [a, b]", 4, "`verify` is a list, not text", "Write text"),
    ("verify: ./v", "verify:\n  run: a", 5, "`verify` is a mapping, not text", "Write text"),
    ("[src]", "src", 5, "`scope` is 'src', not a list", "`scope: [first, second]`"),
    ("[src]", "[]", 5, "`scope` is empty", "List what may change"),
    ("[src]", "[1]", 5, "`scope` is '1', which YAML reads as int", "Put it in quotes"),
    ("[src]", "\n  - a\n  - /etc", 7, "contains '/etc', which has the segment ''", "wildcards in"),
    ("[src]", "[./src]", 5, "which has the segment '.'", "wildcards in docs"),
    ("[src]", "[src/../lib]", 5, "which has the segment '..'", "wildcards in docs"),
    ("[src]", "[autoresearch.yaml]", 5, "which is never in scope", "files and git's are protected"),
    ("[src]", "[a, .git/hooks]", 5, "'.git/hooks', which is never in scope", "Remove it"),
    (
        "[src]",
        f"[{'a, ' * 101}]",
        5,
        "`scope` lists 101 entries; at most 100 are allowed",
        "broader entries",
    ),
]

METRIC = [  # terms of the metric on a line of its own
    ("name: m", "`metric` lacks the key `direction`", "Add `direction: ...`"),
    ("direction: lower", "`metric` lacks the key `name`", "Add `name: ...`"),
    ("name: m, direction: lowr", "`metric.direction` is 'lowr'", "Write lower or higher."),
    ("name: m, direction: [lower]", "is a list, not lower or higher", "Write lower or higher."),
    ("name: m, direction: lower, goal: 3", "has the unknown key 'goal'", "Known keys: name, unit"),
    ("name: m, direction: lower, taget: 3", "unknown key 'taget'", "Did you mean `target`?"),
    (
        "name: '2m', direction: lower",
        "is '2m', which is not a valid name of a metric",
        "ASCII letters",
    ),
    ("name: 'größe', direction: lower", "not a valid name of a metric", "ASCII letters"),
    (
        "name: a-b, direction: lower",
        "is 'a-b', which is not a valid name of a metric",
        "ASCII letters",
    ),
    (f"name: {'a' * 41}, direction: lower", "not a valid name of a metric", "at most 40"),
    ("name: m, direction: lower, unit: %", "not valid YAML", "Quote values"),
    (
        f"name: m, direction: lower, unit: {'u' * 17}",
        "`metric.unit` has 17 characters, more than 16",
        "Shorten it",
    ),
    ('name: m, direction: lower, unit: "a\\tb"', "`metric.unit` is 'a\\tb'", "a unit such as ms"),
    ("name: m, direction: lower, target: .inf", "is '.inf', not a number", "decimal number"),
    ("name: m, direction: lower, target: .nan", "is '.nan', not a number", "decimal number"),
    ("name: m, direction: lower, target: 1e999", "is '1e999', not a number", "decimal number"),
    ("name: m, direction: lower, target: 0x10", "is '0x10', not a number", "decimal number"),
    ("name: m, direction: lower, target: 010", "is '010', not a number", "decimal number"),
    ("name: m, direction: lower, target: 1_0", "is '1_0', not a number", "decimal number"),
    ("name: m, direction: lower, target: yes", "is 'yes', not a number", "decimal number"),
    ("name: m, direction: lower, target: 5%", "is '5%', not a number", "decimal number"),
    (
        "name: m, direction: lower, target: '\N{ARABIC-INDIC DIGIT ONE}'",
        "is '\N{ARABIC-INDIC DIGIT ONE}', not a number",
        "decimal number",
    ),
    ("name: m, direction: lower, min_effect: -1%", "is '-1%', out of range", "below 100%"),
    ("name: m, direction: lower, min_effect: 100%", "is '100%', out of range", "below 100%"),
    ("name: m, direction: lower, min_effect: -2", "is '-2', out of range", "an amount >= 0"),
    ("name: m, direction: lower, min_effect: 1ms", "is '1ms', not a number", "decimal number"),
    ("name: m, direction: lower, deterministic: yes", "is 'yes'", "Write true or false"),
    ("name: m, direction: lower, source: gpu", "is 'gpu'", "Write output or cpu or wall."),
    (
        "name: m, direction: lower, source: cpu, deterministic: true",
        "cpu time never repeats exactly",
        "Remove it.",
    ),
    (
        "name: m, direction: lower, source: wall, pattern: '(a)'",
        "wall time is not read from the output",
        "Remove it.",
    ),
    (
        "name: m, direction: lower, source: wall, unit: ms",
        "is 'ms', but wall time is measured in seconds",
        "Write s, or remove the unit.",
    ),
    ("name: m, direction: lower, pattern: 'a'", "is 'a', with 0 groups", "one pair of parentheses"),
    ("name: m, direction: lower, pattern: '(a)(b)'", "with 2 groups", "one pair of parentheses"),
    ("name: m, direction: lower, pattern: '(a'", "not a regular expression: ", "in single quotes"),
    ("name: m, direction: lower, pattern: '([[a])'", "not a regular expression: ", "single quotes"),
    (
        "name: m, direction: lower, pattern: '(a{99999999999})'",
        "not a regular expression: ",
        "in single quotes",
    ),
    (f"name: m, direction: lower, pattern: '({'a' * 199})'", "has 201 characters", "Shorten it"),
]

ADDED = [  # one line after the small contract
    ("gaurd: make", "has the unknown key 'gaurd'", "Did you mean `guard`?"),
    ("direction: lower", "has the unknown key 'direction'", "Known keys: session, goal"),
    (f"{'k' * 100}: a", f"the unknown key '{'k' * 57}...'", "Known keys"),
    ("protect: ['!src/a']", "which starts with `!`", "wildcards in docs"),
    ("protect: [src/**.py]", "`**` must stand alone between slashes", "wildcards in docs"),
    (
        "protect: ['src/{a,b}']",
        "contains {, which is not a wildcard here: write `[{]` for the character itself",
        "wildcards in docs",
    ),
    ("protect: ['src/[a']", "set without closing bracket", "wildcards in docs"),
    ("protect: [[a]]", "`protect` is a list, not text", "Write text"),
    ("secondary: {name: n}", "`secondary` is a mapping, not a list", "[first, second]"),
    ("secondary: [n]", "`secondary` is 'n', not a mapping", "`key: value` lines"),
    ("secondary: [{name: n}]", "`secondary` lacks the key `direction`", "Add `direction"),
    ("secondary: [{direction: lower}]", "`secondary` lacks the key `name`", "Add `name"),
    (
        "secondary: [{name: m, direction: lower}]",
        "names m, which is the metric already",
        "its own name",
    ),
    (
        "secondary: [{name: n, direction: lower}, {name: n, direction: higher}]",
        "names n, which is on line 6 already",
        "its own name",
    ),
    (
        "secondary: [{name: n, direction: lower, target: 3}]",
        "`secondary` has the unknown key 'target'",
        "Known keys: name",
    ),
    (
        "secondary: [{name: n, direction: lower, limit: -5%}]",
        "is '-5%', which is a gain where lower is better",
        "Write +5%: how much worse",
    ),
    (
        "secondary: [{name: n, direction: higher, limit: +3}]",
        "is '+3', which is a gain where higher is better",
        "Write -3: how much worse",
    ),
    ("secondary: [{name: n, direction: lower, limit: x%}]", "is 'x%', not a number", "decimal"),
    ("secondary: [{name: n, direction: lower, limit: +-5}]", "'+-5', not a number", "decimal"),
    ("transfer: ./large.sh", "`transfer` is './large.sh', not a mapping", "`key: value` lines"),
    ("transfer: {large: }", "`transfer.large` has no value", "remove the line"),
    ("transfer: {large: [x]}", "`transfer.large` is no command", "transfer: {large: ./large.sh}"),
    ("transfer: {a-b: x}", "`transfer.a-b` is no command under a name", "{large: ./large.sh}"),
    ("env: PATH=/bin", "`env` is 'PATH=/bin', not a mapping", "`key: value` lines"),
    ("env: {PATH: /bin}", "may not name PATH: the search path is recorded", "verify: env NAME="),
    ("env: {LD_PRELOAD: x.so}", "may not name LD_PRELOAD: it loads code", "verify: env NAME="),
    ("env: {GIT_DIR: x}", "may not name GIT_DIR: it redirects git", "verify: env NAME="),
    ("env: {pass: [BASH_ENV]}", "may not name BASH_ENV: shells run", "verify: env NAME="),
    ("env: {A-B: x}", "names 'A-B', which is not a valid name of a variable", "ASCII letters"),
    (
        "env: {pass: ['A=B']}",
        "names 'A=B', which is not a valid name of a variable",
        "ASCII letters",
    ),
    ("env: {pass: A}", "`env.pass` is 'A', not a list", "names of variables"),
    ("env: {A: x, pass: [A]}", "`env.pass` names A again", "once"),
    ("env: {pass: [A, A]}", "`env.pass` names A again", "once"),
    ("env: {A: no}", "`env.A` is 'no', which YAML reads as bool", "Put it in quotes"),
    ("env: {A: }", "`env.A` has no value", "Write text"),
    ("env: {A: [x]}", "`env.A` is a list, not text", "Write text"),
    ('env: {A: "x\\0y"}', "`env.A` is 'x\\x00y', not printable text", "one line of text"),
    ('env: {A: "x\\ny"}', "`env.A` is 'x\\ny', not printable text", "one line of text"),
    (
        "link: [/usr/lib]",
        "contains '/usr/lib', which may lie outside",
        "below the root of the repository",
    ),
    (
        "link: [~/lib]",
        "contains '~/lib', which may lie outside",
        "below the root of the repository",
    ),
    (
        "link: [a/../../b]",
        "which may lie outside the repository",
        "below the root of the repository",
    ),
    (
        "link: ['*/node_modules']",
        "contains '*/node_modules', which is a pattern",
        "by its name",
    ),
    ("cache: [.]", "contains '.', which is the repository itself", "dependencies or build outputs"),
    (
        "cache: [a/.GIT/b]",
        "contains 'a/.GIT/b', which is the repository itself",
        "dependencies or build",
    ),
    ("cache: [a, a/b]", "contains 'a/b', which overlaps 'a' on line 6", "Keep only one"),
    ("cache: [a/b, ./a]", "contains './a', which overlaps 'a/b' on line 6", "Keep only one"),
    (
        "link: [a]\ncache: [a]",
        "`cache` contains 'a', which overlaps 'a' on line 6",
        "Keep only one",
    ),
    ("timeout: 0", "`timeout` is '0', out of range", "more than 0 and at most 86400s"),
    ("timeout: 25h", "`timeout` is '25h', out of range", "at most 86400s"),
    (f"timeout: {'9' * 400}", "out of range", "at most 86400s"),
    ("timeout: -5s", "`timeout` is '-5s', not a duration", "120s, 15m or 2h"),
    ("timeout: 1:30", "`timeout` is '1:30', not a duration", "120s, 15m or 2h"),
    ("timeout: 2d", "`timeout` is '2d', not a duration", "120s, 15m or 2h"),
    ("timeout: {s: 3}", "`timeout` is a mapping, not a duration", "120s, 15m or 2h"),
    ("guard_timeout: never", "`guard_timeout` is 'never', not a duration", "120s, 15m or 2h"),
    ("timeout: 60s\ntime_budget: 60", "is '60', not below the timeout of 60s", "Raise `timeout`"),
    ("race: 60", "`race` is '60', not a mapping", "`key: value` lines"),
    ("race: {alpha: 0}", "`race.alpha` is '0', out of range", "at most 0.2"),
    ("race: {alpha: 21%}", "`race.alpha` is '21%', out of range", "more than 0 and at most 0.2"),
    ("race: {alpha: 2}", "`race.alpha` is '2', out of range", "more than 0 and at most 0.2"),
    ("race: {max_runs: 1}", "`race.max_runs` is '1'", "a whole number from 2 to 200"),
    ("race: {max_runs: 4.0}", "`race.max_runs` is '4.0'", "a whole number from 2 to 200"),
    ("race: {pairs: 0}", "`race.pairs` is '0'", "a whole number from 1 to 100"),
    ("race: {pairs: 101}", "`race.pairs` is '101'", "a whole number from 1 to 100"),
    ("race: {pairs: 3, max_runs: 9}", "together with `race.max_runs`", "Keep one of the two"),
    ("race: {warmup: 2}", "has the unknown key 'warmup'", "Known keys: alpha, seconds"),
    ("claim: render_ms", "is render_ms, which is no secondary metric", "under `secondary` too"),
    ("simplify_loss: 0.01", "is '0.01', not a percentage", "such as 1%"),
    ("simplify_loss: 51%", "is '51%', out of range", "a percentage from 0% to 50%"),
    ("simplify_loss: -1%", "is '-1%', out of range", "a percentage from 0% to 50%"),
    ("budget: {experiments: 0}", "`budget.experiments` is '0'", "whole number from 1 to 1000000"),
    ("budget: {experiments: 1e3}", "`budget.experiments` is '1e3'", "a whole number"),
    ("budget: {hours: 0}", "`budget.hours` is '0', out of range", "at most 8760"),
    ("budget: {hours: 8761}", "`budget.hours` is '8761', out of range", "at most 8760"),
    ("budget: {hours: 8h}", "`budget.hours` is '8h', not a number", "decimal number"),
    ("budget: {usd: 0}", "`budget.usd` is '0', out of range", "at most 1000000"),
    ("budget: {usd: $20}", "`budget.usd` is '$20', not a number", "decimal number"),
    ("budget: {tokens: 0}", "`budget.tokens` is '0'", "a whole number from 1"),
    ("budget: {tokens: 2M}", "`budget.tokens` is '2M'", "a whole number from 1"),
    ("stop_on_plateau: 'maybe'", "`stop_on_plateau` is 'maybe'", "Write true or false"),
    ("sandbox: on", "`sandbox` is 'on'", "Write auto or require or off"),
    ("holdout: {every: 2}", "`holdout` lacks the key `command`", "Add `command"),
    ("holdout: {command: ./h, every: 0}", "`holdout.every` is '0'", "a whole number from 1"),
    (
        "holdout: {command: ./h, limit: 100%}",
        "`holdout.limit` is '100%', out of range",
        "below 100%",
    ),
    ("holdout: {command: ./h, limit: -1}", "`holdout.limit` is '-1', out of range", "below 100%"),
    ("holdout: {command: ./h, reads: [data]}", "not an absolute path", "from the root"),
    (
        f"holdout: {{command: ./h, reads: [{', '.join(f'/d{n}' for n in range(21))}]}}",
        "lists 21 entries",
        "Name the folder",
    ),
    ("holdout: {command: ./h, reads: /a}", "`holdout.reads` is '/a', not a list", "Write a list"),
    ("holdout: [a]", "`holdout` is a list, not a mapping", "`key: value` lines"),
    ("holdout: {command: ./h, reads: [/]}", "not an absolute path", "from the root"),
    ("network: maybe", "`network` is 'maybe'", "Write true or false"),
    ("notify: [a]", "`notify` is a list", "Write"),
    ("stop_when: not_worth", "without `worth.percent`", "what one per cent of gain is worth"),
    ("stop_when: soon", "`stop_when` is 'soon'", "never or not_worth"),
    ("worth: {percent: 0}", "`worth.percent` is '0', out of range", ""),
]


def refused(text: str) -> ContractError:
    """The error of a contract that must not be read."""
    with pytest.raises(ContractError) as caught:
        parse(text, name="draft.yaml")
    assert caught.value.exit_code == 1
    assert caught.value.code == "contract"
    return caught.value


def check(text: str, line: int, message: str, hint: str) -> None:
    """Fail unless the contract is refused with this line, message and remedy."""
    error = refused(text)
    assert error.line == line
    assert error.message.startswith(f"line {line}: ")
    assert message in error.message
    assert hint in error.hint
    assert error.message.endswith(" (in draft.yaml)")
    assert error.message.isprintable()
    assert len(error.message) < 400


@pytest.mark.parametrize(("text", "line", "message", "hint"), WHOLE)
def test_whole_files(text: str, line: int, message: str, hint: str) -> None:
    """A file that is no contract, accepted or refused without saying where."""
    check(text, line, message, hint)


@pytest.mark.parametrize(("old", "new", "line", "message", "hint"), CHANGED)
def test_required_keys(old: str, new: str, line: int, message: str, hint: str) -> None:
    """A required key with a value that cannot work."""
    check(SMALL.replace(old, new), line, message, hint)


@pytest.mark.parametrize(("terms", "message", "hint"), METRIC)
def test_metric(terms: str, message: str, hint: str) -> None:
    """A metric that would be measured or judged in another way than it was meant."""
    check(SMALL.replace("name: m, direction: lower", terms), 3, message, hint)


@pytest.mark.parametrize(("added", "message", "hint"), ADDED)
def test_optional_keys(added: str, message: str, hint: str) -> None:
    """An optional key with a value that cannot work."""
    check(SMALL + added, 6 + added.count("\n"), message, hint)


def test_expansion_is_refused_before_it_happens() -> None:
    """Aliases that multiply until memory is gone."""
    levels = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert "YAML anchor or alias 'l0'" in refused("\n".join(["l0: &l0 [a]", *levels])).message


def test_lines_are_counted_through_comments_and_blocks() -> None:
    """A line number that points at another key."""
    text = "# one\n\nsession: s\ngoal: >\n  four\n  five\n\nmetric:\n  name: m\n  direction: down\n"
    check(text, 10, "`metric.direction` is 'down'", "Write lower or higher")


FRAGMENTS = st.sampled_from(
    [*"ab: \n\t-[]{},#&*!|>'\"%@`?\\=~0.5\x00\x85\u2028é\ud800", "<<", "...", "---", "!!", "\\U"]
)
NOISE = st.lists(FRAGMENTS, max_size=60).map("".join)
LINES = st.sampled_from(
    [
        "session: s",
        "goal: g",
        "metric: {name: m, direction: lower}",
        "verify: ./v",
        "scope: [src]",
        *(row[0] for row in ADDED),
    ]
)


@given(NOISE | st.text(max_size=60))
def test_arbitrary_text_is_refused_in_order(text: str) -> None:
    """Text that ends in another exception than the one the command line shows."""
    assert refused(text).line is not None


@given(st.lists(LINES, max_size=9), st.integers(0, 300), NOISE)
def test_damaged_contracts_are_read_or_refused(lines: list[str], at: int, noise: str) -> None:
    """A draft with a slip of the keyboard that ends in a crash report."""
    text = "\n".join([*SMALL.splitlines(), *lines])
    with contextlib.suppress(ContractError):  # either answer is in order, a crash is not
        parse(text[:at] + noise + text[at:])


@given(
    st.sampled_from(["session", "verify", "goal", "timeout", "simplify_loss", "sandbox"]),
    st.text(max_size=20),
)
def test_any_quoted_value_is_read_or_refused(key: str, value: str) -> None:
    """A value that passes YAML but breaks a reader of ours."""
    quoted = "'" + value.replace("'", "''") + "'"
    others = [line for line in SMALL.splitlines() if not line.startswith(key)]
    with contextlib.suppress(ContractError):  # either answer is in order, a crash is not
        parse("\n".join([*others, f"{key}: {quoted}"]))
