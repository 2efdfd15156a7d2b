"""What other programs are given: Microsoft's validator, OpenVEX, a page of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.security import sarif
from autoresearch.core.security.ledger import (
    Asset,
    Boundary,
    Lead,
    Model,
    Opinion,
    Proof,
    Resolution,
    Runs,
    SecondLook,
    State,
)
from autoresearch.security import webreport
from autoresearch.share.proving import ProofResult
from support import hosts
from support.ledgers import element, examined, finding, overview, quote, read
from support.records import make

MULTITOOL = (
    hosts.folder(hosts.TOOLS) / "node_modules/@microsoft/sarif-multitool-linux/Sarif.Multitool"
)
HOSTILE = "</pre><script>x</script> [a](http://e) {{ 7*7 }} \x1b[31m \u202e <!-- \"'"


def everything():
    """A finding in each state, with all that a report can show."""
    lines = (
        make(
            Model,
            elements=(element("db"),),
            boundaries=(make(Boundary, name="host", inside=("db",)),),
            assets=(make(Asset, name="orders", where=("db",)),),
        ),
        finding(1, evidence=(quote(), quote("app/web.py", 3, "    name = arg")), flow=(quote(),)),
        make(Proof, finding=1, result=ProofResult.EXPLOITED, runs=Runs.YES),
        finding(2, title=HOSTILE, scenario=HOSTILE, evidence=(quote(HOSTILE, text=HOSTILE),)),
        make(SecondLook, finding=2, verdict=Opinion.CONTESTED, reason="not so"),
        finding(3),
        make(Resolution, finding=3, state=State.ACCEPTED, until="2026-12-31", reason="the VPN"),
        finding(4),
        make(Resolution, finding=4, state=State.FALSE_POSITIVE, reason="a constant", until=None),
        finding(5),
        make(Resolution, finding=5, state=State.FIXED, reason="done", until=None),
        examined(1),
        make(Lead, number=1, message="old library"),
    )
    found = overview(*lines)
    return found._replace(reviews=read(lines).reviews, origin="https://host.example/a/b")


@pytest.mark.skipif(sys.platform != "linux", reason="the validator is Linux's here")
def test_sarif_passes_microsofts_validator(tmp_path):
    """A file that GitHub takes and shows wrongly, or turns away."""
    if not MULTITOOL.is_file():
        if hosts.REQUIRED:
            pytest.fail("no SARIF multitool: run `make hosts`")
        pytest.skip("no SARIF multitool: `make hosts` installs it")
    MULTITOOL.chmod(0o755)
    for name, found in (("all", everything()),):
        file, said = tmp_path / f"{name}.sarif", tmp_path / f"{name}-said.sarif"
        file.write_text(json.dumps(sarif.document(found)), "utf-8")
        done = subprocess.run(
            [str(MULTITOOL), "validate", str(file), "--rule-kind", "Sarif;Ghas", "-o", str(said)],
            capture_output=True,
            check=False,
            env={
                "HOME": str(tmp_path),
                "PATH": "/usr/bin:/bin",
                "DOTNET_BUNDLE_EXTRACT_BASE_DIR": str(tmp_path),
            },
        )
        assert said.is_file(), done
        results = json.loads(said.read_text("utf-8-sig"))["runs"][0].get("results") or []
        wrong = [r for r in results if r.get("level", "warning") in {"error", "warning"}]
        assert not wrong, wrong


class Reader(HTMLParser):
    """Tags, links and text of a page."""

    def __init__(self):
        super().__init__()
        self.tags, self.links, self.ids = [], [], []

    def handle_starttag(self, tag, attrs):
        """Take a tag in."""
        self.tags.append(tag)
        found = dict(attrs)
        self.links += [found["href"]] if "href" in found else []
        self.ids += [found["id"]] if "id" in found else []


def test_page_shows_everything_and_nothing_leaves_its_place():
    """A page that runs what it describes, or hides who contests what."""
    pytest.importorskip("jinja2")
    text = webreport.whole_page(everything())
    page = Reader()
    page.feed(text)
    assert "script" not in page.tags
    assert (page.tags[0], page.tags.count("h1"), page.tags.count("article")) == ("html", 1, 5)
    assert "49" not in text.replace("app/web.py", "")
    assert "\x1b" not in text
    outside = [one for one in page.links if not one.startswith("#")]
    assert "app/db.py#L6-L6" in outside
    assert not any("http" in one or "<" in one for one in outside)
    for link in (one for one in page.links if one.startswith("#")):
        assert link[1:] in page.ids
    for part in ("asset orders", "boundary host", "F2: not so", "old library", "    name = arg"):
        assert part in text, part
    assert "Read by no second mind: F" in text
    webreport.whole_page(overview())


def test_page_without_its_library_says_what_to_install(monkeypatch):
    """A traceback for whoever installed the program without extras."""
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(AutoresearchError) as caught:
        webreport.whole_page(overview())
    assert caught.value.code == "no_report_extra"


def test_vex_says_what_was_decided():
    """A false positive that a scanner's reader still counts, or an acceptance called a fix."""
    said = webreport.vex(everything(), "2026-06-01T00:00:00Z")
    assert said["@context"] == "https://openvex.dev/ns/v0.2.0"
    by = {one["vulnerability"]["name"][-1]: one for one in said["statements"]}
    assert {n: one["status"] for n, one in by.items()} == {
        "1": "affected",
        "2": "under_investigation",
        "3": "affected",
        "4": "not_affected",
        "5": "fixed",
    }
    assert by["3"]["action_statement"] == "Accepted until 2026-12-31: the VPN"
    assert by["4"]["impact_statement"] == "a constant"
    assert webreport.vex(overview(name="a b"), "x")["statements"] == []
