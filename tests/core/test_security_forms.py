"""What an agent hands in: strict, and every complaint names the key."""

from __future__ import annotations

import json

import pytest
from autoresearch.core.security.forms import (
    MAX_BYTES,
    Claim,
    FormError,
    foreign_hosts,
    read_examined,
    read_finding,
    read_model,
    read_review,
)
from autoresearch.core.security.ledger import ElementKind, Persona, Stride

EVIDENCE = [{"file": "app/db.py", "lines": "6-7", "quote": "a = 1\nb = 2\n"}]
CELL = {
    "element": "db",
    "stride": "tampering",
    "persona": "anonymous caller",
    "hypothesis": "somebody changes the query by their name",
    "evidence": EVIDENCE,
}
EXAMINED = {**CELL, "reason": "every value is bound, see the lines"}
FINDING = {
    **CELL,
    "title": "SQL injection",
    "cwe": ["CWE-89", 564, 89],
    "vector": "CVSS:4.0/…",
    "scenario": "a quote ends the literal in the query",
    "reproduction": "call find with a quote in its name",
    "remedy": "bind the name as a parameter",
}
MODEL = {
    "elements": [
        {"name": "web", "kind": "process", "files": ["app/**"], "description": "serves"},
        {"name": "db", "kind": "store", "files": ["app/db.py"], "description": "rows"},
        {
            "name": "queries",
            "kind": "flow",
            "from": "web",
            "to": "db",
            "files": ["app/db.py"],
            "description": "SQL",
        },
    ],
    "boundaries": [{"name": "inside", "inside": ["db"], "description": "the host"}],
    "assets": [{"name": "orders", "where": ["db"], "description": "of customers"}],
}


def text(form, **changes):
    """The form as JSON, which is YAML; keys replaced, or left out by `...`."""
    merged = {**form, **changes}
    return json.dumps({key: value for key, value in merged.items() if value is not ...})


def test_examined_cell_is_read():
    """A form that the help shows and the helper refuses."""
    form = read_examined(text(EXAMINED, stride="T", lead=3))
    assert form.reason == "every value is bound, see the lines"
    assert form.stride is Stride.TAMPERING
    assert form.persona is Persona.ANONYMOUS
    assert form.lead == 3
    assert form.evidence == (Claim(file="app/db.py", lines="6-7", quote="a = 1\nb = 2\n"),)
    assert form.evidence[0].span == (6, 7)
    assert read_examined(text(EXAMINED, lead=None)).lead is None
    (bare,) = read_examined(text(EXAMINED, evidence=[{"file": "a.py", "quote": "x = 1"}])).evidence
    assert bare.span is None


def test_finding_is_read():
    """Weaknesses counted twice, an optional key that is demanded."""
    form = read_finding(text(FINDING))
    assert form.cwe == (89, 564)
    assert (form.lists, form.flow) == ((), ())
    step = {"file": "app/web.py", "lines": 3, "quote": "name = arg", "note": "the source"}
    form = read_finding(
        text(
            FINDING,
            cwe=22,
            lists=["API1", "LLM06", "API1"],
            flow=[step],
        )
    )
    assert (form.cwe, form.lists) == ((22,), ("API1", "LLM06"))
    assert form.flow == (Claim(**step),)
    assert form.flow[0].span == (3, 3)


def test_model_is_read():
    """A flow without ends, or an element that is lost."""
    form = read_model(text(MODEL))
    assert [element.name for element in form.elements] == ["web", "db", "queries"]
    assert form.elements[2].kind is ElementKind.FLOW
    assert (form.elements[2].source, form.elements[2].target) == ("web", "db")
    assert form.elements[0].source == ""
    assert form.boundaries[0].inside == ("db",)
    assert form.assets[0].where == ("db",)
    assert read_model(text(MODEL, boundaries=..., assets=...)).assets == ()
    for name in ("WSGI environ", "readers' sessions", "db (replica)"):
        form = read_model(text(MODEL, assets=[{**MODEL["assets"][0], "name": name}]))
        assert form.assets[0].name == name


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"reason": ...}, "lacks the key 'reason'"),
        ({"reason": "it is fine"}, "holds 'it is fine' where text of at least 20 characters"),
        ({"reason": ["x"]}, "holds ['x'] where text belongs"),
        ({"reason": "x" * 4_001}, "text of at most 4000 characters"),
        ({"severity": "high"}, "unknown key 'severity'"),
        ({"stride": "spying"}, "holds 'spying' where one of spoofing"),
        ({"persona": "me"}, "one of anonymous caller"),
        ({"evidence": []}, "a list of at least 1"),
        ({"evidence": ...}, "lacks the key 'evidence'"),
        ({"evidence": {"file": "a"}}, "key 'evidence' holds {'file': 'a'} where a list"),
        ({"evidence": ["app/db.py"]}, "holds 'app/db.py' where an object"),
        ({"evidence": [{"file": "a.py", "lines": "6+", "quote": "x"}]}, "no line or range"),
        ({"evidence": [{"file": "a.py", "lines": [6], "quote": "x"}]}, "holds [6]"),
        ({"evidence": [{"file": "a.py", "lines": 6, "quote": " "}]}, "evidence[0].quote"),
        ({"evidence": [{"file": "a.py", "lines": 6, "quote": "x", "why": "y"}]}, "key 'why'"),
        ({"lead": 0}, "a whole number of at least 1"),
        ({"lead": True}, "holds True where a whole number"),
        ({"lead": "L3"}, "holds 'L3' where a whole number"),
    ],
)
def test_examined_that_says_too_little_is_refused(changes, complaint):
    """Coverage claimed without reason, evidence or a known threat."""
    with pytest.raises(FormError) as caught:
        read_examined(text(EXAMINED, **changes))
    assert complaint in caught.value.message
    assert caught.value.code == "form"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"cwe": []}, "a list of at least 1"),
        ({"cwe": ["SQLi"]}, "key 'cwe[0]' holds 'SQLi'"),
        ({"cwe": [89, 9999]}, "holds 9999 where a whole number of at most 1500"),
        ({"cwe": None}, "lacks the key 'cwe'"),
        ({"score": 9.8}, "unknown key 'score'"),
        ({"lists": ["A03"]}, "something else than LLM01"),
        ({"title": "x" * 121}, "text of at most 120 characters"),
        ({"proof": "poc.py"}, "unknown key 'proof'"),
    ],
)
def test_finding_that_cannot_be_filed_is_refused(changes, complaint):
    """A severity that somebody typed, a weakness that does not exist."""
    with pytest.raises(FormError) as caught:
        read_finding(text(FINDING, **changes))
    assert complaint in caught.value.message


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"elements": []}, "key 'elements' holds []"),
        ({"elements": [MODEL["elements"][0]] * 2}, "a name of its own"),
        ({"elements": [{**MODEL["elements"][0], "files": []}]}, "elements[0].files' holds []"),
        ({"elements": [{**MODEL["elements"][0], "files": ["/a"]}]}, "pattern '/a' has the segment"),
        ({"elements": [{**MODEL["elements"][0], "name": "We\nb"}]}, "text that matches"),
        ({"elements": [{**MODEL["elements"][0], "from": "db"}]}, "nothing else has them"),
        ({"elements": MODEL["elements"][1:]}, "'queries' names 'web', which is no element"),
        ({"boundaries": [{"name": "x", "inside": ["y"], "description": "z"}]}, "'x' names 'y'"),
        ({"assets": [{"name": "x", "where": ["y"], "description": "z"}]}, "'x' names 'y'"),
    ],
)
def test_model_that_hangs_in_the_air_is_refused(changes, complaint):
    """An element without files, whose cells nobody could cover; a flow to nowhere."""
    with pytest.raises(FormError) as caught:
        read_model(text(MODEL, **changes))
    assert complaint in caught.value.message


@pytest.mark.parametrize(
    ("form", "complaint"),
    [
        ("- a\n- b\n", "not a mapping"),
        ("1: a\n", "has the key 1 where text belongs"),
        ("a: [\n", "is not YAML"),
        ('a: "\\UFFFFFFFF"\n', "is not YAML"),
        ("a: &x 1\nb: *x\n", "anchors"),
        ("a: !!python/object:x {}\n", "anchors, tags"),
        ("a: [[[[[1]]]]]\n", "more than 4 levels"),
        ("x" * (MAX_BYTES + 1), "more than 65536 bytes"),
    ],
)
def test_what_is_no_plain_form_is_refused(form, complaint):
    """YAML that hides, expands or breaks the reader."""
    with pytest.raises(FormError) as caught:
        read_examined(form)
    assert complaint in caught.value.message


def test_review_is_read():
    """A second mind that cannot be heard."""
    form = read_review(text({"verdict": "contested", "reason": "x" * 20, "evidence": EVIDENCE}))
    assert form.verdict.value == "contested"
    with pytest.raises(FormError):
        read_review(text({"verdict": "maybe", "reason": "x" * 20, "evidence": EVIDENCE}))


def test_check_is_one_that_is_asked():
    """A record that answers what nobody asked."""
    assert read_examined(text(EXAMINED, check="files-path")).check == "files-path"
    with pytest.raises(FormError, match="never asks"):
        read_examined(text(EXAMINED, check="files-everything"))


def test_block_whose_first_line_is_deepest_is_explained():
    """A hint that says what the agent did already."""
    with pytest.raises(FormError) as caught:
        read_examined("evidence:\n- file: a\n  quote: |\n        deep = 1\n    shallow = 2\n")
    assert "`quote: |2`" in caught.value.hint


@pytest.mark.parametrize(
    ("script", "hosts"),
    [
        ("http://127.0.0.1:8000/x http://localhost https://[::1]:1/ http://127.1.2.3", ()),
        ("f'http://{host}:{port}/'  'http://%s/' % h  `http://${h}/`  'https://' + h", ()),
        ("requests.get('https://Example.org/x')", ("example.org",)),
        ("http://evil.test@127.0.0.1/ ws://a.b/ ftp://c", ("a.b", "c")),
        ("http://127.0.0.1@evil.test/", ("evil.test",)),
        ("http://localhost.evil.test/", ("localhost.evil.test",)),
    ],
)
def test_proof_names_no_foreign_host(script, hosts):
    """A proof of concept that attacks somebody else."""
    assert foreign_hosts(script) == hosts
