"""`report`: the page, the tables, what stands in them, and what never may."""

from __future__ import annotations

import csv
import functools
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from markdown_it import MarkdownIt
from support.project import set_cost
from support.session import COMMAND, UNCONFINED, Gate, Helper, open_session

HOSTILE = (
    '</script></title><script>alert(1)</script><img src="http://x.example/y.png" onerror=a()>'
    "\x1b[31m\x07 \u202egnp.exe | ` <!-- \t =cmd()"
)


def worked(helper: Helper) -> None:
    """A session with keeps, discards, a crash, a rework, notes and a validation."""
    helper("run", "20")
    for number, cost in enumerate((90, 95, 80, 80.5), start=1):
        set_cost(helper.repo, cost)
        helper("try", "-m", f"cost {cost}", "--hypothesis", f"guess {number}")
    set_cost(helper.repo, 70, extra="raise SystemExit(3)\n")
    helper("try", "-m", "=crashes, and is no formula")
    helper("try", "-m", "nothing", code=1)
    helper("note", "--lesson", "copies are dear")
    helper("note", "--idea", "a trie")
    helper("validate")


def nothing(helper: Helper) -> None:
    """A session that was opened, and no more."""


class Page(HTMLParser):
    """What a browser would find in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._silent = 0
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        """An element begins."""
        self.elements.append((tag, dict(attrs)))
        self._silent += tag in {"script", "style"}

    def handle_endtag(self, tag):
        """An element ends."""
        self._silent -= tag in {"script", "style"}

    def handle_data(self, data):
        """Text, also of scripts."""
        if not self._silent:
            self.words.append(data)

    @property
    def text(self) -> str:
        """All that can be read."""
        return " ".join("".join(self.words).split())

    def exact(self) -> dict[int, list[float]]:
        """The numbers of each row of the table."""
        found, number = {}, 0
        for tag, attributes in self.elements:
            if tag == "tr" and (attributes.get("id") or "").startswith("e"):
                number = int(attributes["id"][1:])
                found[number] = []
            if "data-e" in attributes:
                found[number] = [float(word) for word in attributes["data-e"].split()]
        return found


def page_of(helper: Helper, folder) -> tuple[str, Page]:
    file = folder / "night.html"
    helper("report", "--output", str(file))
    text = file.read_text("utf-8")
    return text, Page(text)


@functools.cache
def worked_page() -> tuple[str, Page]:
    """The page of the session above, drawn once: a test of its own says that it is the log's."""
    with tempfile.TemporaryDirectory() as folder:
        return page_of(open_session(Path(folder), worked=worked), Path(folder))


def logged(helper: Helper):
    found = helper.json("log", "--limit", "10000", "--oldest-first")
    return found["experiments"]


def effect_numbers(one) -> list[float]:
    effect = one["effect"]
    return [] if effect is None else [effect["change"], effect["low"], effect["high"]]


@pytest.fixture
def helper(tmp_path) -> Helper:
    return open_session(tmp_path, declared=True, worked=worked)


def test_numbers_are_those_of_the_log(helper):
    """A number that was rounded, or taken from another place than the log, in any format."""
    expected = {one["number"]: effect_numbers(one) for one in logged(helper)}
    _, page = worked_page()
    assert page.exact() == expected
    assert expected[1][0] == pytest.approx(-0.1)

    rows = list(csv.DictReader(io.StringIO(helper("report", "--format", "csv").out)))
    for row, one in zip(rows, logged(helper), strict=True):
        assert int(row["number"]) == one["number"]
        found = [float(row[name]) for name in ("change", "low", "high") if row[name]]
        assert found == effect_numbers(one)
    report = json.loads(helper("report", "--format", "json").out)
    assert report["experiments"] == logged(helper)
    assert [seen["best"] for seen in report["progress"]] == pytest.approx([90, 90, 80, 80, 80])


def test_page_says_what_a_morning_asks():
    """A page without its claim, its order of review, a diff, the notes or the refusals."""
    _, page = worked_page()
    for words in (
        "Validated: -20.0%",
        "What to review, in order",
        "the largest gains first: 3, 1",
        "return 80.5",  # in a diff
        "guess 4",
        "copies are dear",
        "a trie",
        "1 unchanged",
        "crash (verify)",
        "Cost",
    ):
        assert words in page.text, words


def test_page_without_validation_claims_nothing(tmp_path):
    """A gain that nobody measured, in the place of the one that is claimed."""
    helper = open_session(tmp_path, declared=True)
    set_cost(helper.repo, 50)
    helper("try", "-m", "half")
    _, page = page_of(helper, tmp_path)
    assert "Not validated yet, so no gain is claimed" in page.text
    assert "Not validated yet: 1." in page.text


def test_page_asks_nobody_for_anything():
    """A page that loads, links to or sends to another place."""
    text, page = worked_page()
    assert len(text.encode()) < 2_000_000
    for tag, attributes in page.elements:
        for name in ("src", "href", "xlink:href", "action", "srcset", "data", "style"):
            value = attributes.get(name) or ""
            assert value == "" or value.startswith("#") or value == "data:,", (tag, value)
    (policy,) = [
        attributes["content"]
        for tag, attributes in page.elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none';")
    assert "connect-src" not in policy
    assert "url(" not in text
    assert "@import" not in text


def test_table_is_readable_without_scripts_and_by_keyboard():
    """A table that only a script fills, a filter without a name, a diff that only a mouse opens."""
    _, page = worked_page()
    tags = [tag for tag, _ in page.elements]
    assert tags.count("details") == 5
    assert tags.count("h1") == 1
    assert tags.count("label") == 2
    assert {a.get("scope") for tag, a in page.elements if tag == "th"} == {"col"}
    marks = [a for _, a in page.elements if "experiment 1: keep" in (a.get("aria-label") or "")]
    assert len(marks) == 1
    assert "epoch 0, machine 1" in marks[0]["aria-label"]


def test_hostile_text_stays_text_in_every_format(tmp_path):
    """Markup that becomes an element, a control character, a row of its own, a formula."""
    helper = open_session(tmp_path, declared=True)
    set_cost(helper.repo, 90, extra='\nHTML = "</pre><script>alert(2)</script>"\n')
    helper("try", "-m", HOSTILE + "x" * 100_000, "--hypothesis", HOSTILE)
    helper("note", "--lesson", HOSTILE)
    set_cost(helper.repo, 85)
    helper("try", "-m", "=HYPERLINK(1)")
    text, page = page_of(helper, tmp_path)
    assert [tag for tag, _ in page.elements].count("script") == 1
    assert [tag for tag, _ in page.elements].count("img") == 0
    assert not any(name.startswith("on") for _, a in page.elements for name in a)
    assert "<script>alert(1)</script>" in page.text
    made = {
        kind: helper("report", "--format", kind, "--output", "-").out
        for kind in ("md", "svg", "tsv", "csv")
    }
    for found in (text, *made.values()):
        assert not any(mark in found for mark in ("\x1b", "\x07", "\u202e"))
        assert len(found) < 400_000
    ET.fromstring(made["svg"])
    tokens = MarkdownIt().enable("table").parse(made["md"])
    kinds = {inner.type for token in tokens for inner in [token, *(token.children or [])]}
    assert not kinds & {"html_block", "html_inline", "image", "link_open", "code_inline", "fence"}
    rows = list(csv.reader(io.StringIO(made["csv"])))
    assert {len(row) for row in rows} == {21}
    assert rows[2][-1] == "'=HYPERLINK(1)"
    assert {line.count("\t") for line in made["tsv"].splitlines()} == {4}
    assert made["tsv"].count("\n") == 4


def test_tables_for_other_tools(helper):
    """A header, a status or a baseline that those tools do not know."""
    head, *rows = helper("report", "--format", "tsv").out.splitlines()
    assert head == "commit\tval_bpb\tmemory_gb\tstatus\tdescription"
    assert rows[0].split("\t")[1:] == ["100.000000", "0.0", "keep", "baseline"]
    assert rows[1].split("\t")[1:] == ["90.000000", "0.0", "keep", "cost 90"]
    assert rows[2].split("\t")[3] == "discard"
    assert rows[5].split("\t")[1:4] == ["0.000000", "0.0", "crash"]
    words = ("report", "--format", "tsv", "--columns", "uditgoenka")
    direction, head, *rows = helper(*words).out.splitlines()
    assert direction == "# metric_direction: lower_is_better"
    assert head == (
        "iteration\ttimestamp\tcommit\tmetric\tdelta\tguard\tguard-metric\tstatus\tdescription"
    )
    cells = rows[3].split("\t")
    assert (cells[0], cells[3:8]) == ("3", ["80.0", "-10", "pass", "-", "keep"])
    assert rows[2].split("\t")[2] == "-"  # a discard has no commit there


def test_session_without_experiments(tmp_path):
    """A page that fails, or claims something, where there is nothing."""
    helper = open_session(tmp_path, declared=True, worked=nothing)
    _, page = page_of(helper, tmp_path)
    assert "No experiment yet" in page.text
    assert "Nothing was kept" in page.text
    for kind in ("md", "tsv", "csv", "json"):
        assert helper("report", "--format", kind, "--output", "-").out


def test_log_that_was_changed_or_is_newer_is_refused(helper, tmp_path):
    """Numbers of a log that nobody can vouch for."""
    log = helper.state / "log.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole.replace(b"cost 90", b"cost 91", 1))
    assert helper.error("report", "--format", "md", code=5)
    done = helper("report", "--output", str(tmp_path / "x.html"), code=5)
    assert "doctor" in done.err or "recover" in done.err
    assert not (tmp_path / "x.html").exists()
    log.write_bytes(
        whole + whole.splitlines(keepends=True)[-1].replace(b'"schema":1', b'"schema":9')
    )
    assert "schema 9" in helper("report", "--format", "csv", code=5).err


WITHOUT = (
    "import sys; sys.modules['jinja2'] = sys.modules['vl_convert'] = None\n"
    "from autoresearch.cli import main; main({!r})"
)


def test_without_the_extra_text_works_and_the_page_says_what_is_missing(helper):
    """Plain text that needs a library of pictures, or a traceback for want of one."""
    codes = {"md": 0, "tsv": 0, "csv": 0, "json": 0, "html": 1, "png": 1, "svg": 1}
    for kind, code in codes.items():
        words = ["report", "--format", kind]
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT.format(words)],
            cwd=helper.root, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        assert ("autoresearch[report]" in done.stderr) == bool(code)


def test_report_beside_a_race_waits_for_nothing_and_changes_nothing(tmp_path):
    """A report that hangs until the morning, or that touches what a race rests on."""
    helper = open_session(tmp_path, declared=True, extra=UNCONFINED)
    gate = Gate(tmp_path / "gate")
    set_cost(helper.repo, 90, extra=gate.code)
    running = subprocess.Popen(
        [*COMMAND, "try", "-m", "held"], cwd=helper.root, stdout=subprocess.PIPE
    )
    gate.wait_inside()

    def seen():
        log = (helper.state / "log.jsonl").read_bytes()
        return log, helper.repo.state(), helper.repo("for-each-ref")

    before = seen()
    helper("report", "--output", str(tmp_path / "night.html"))
    assert seen() == before
    gate.open()
    running.communicate()
    assert running.returncode == 0


def test_served_page_is_behind_a_token_and_knows_when_it_is_old(helper):
    """A page that any program of this machine can read, or that never refreshes."""
    served = subprocess.Popen(
        [*COMMAND, "report", "--serve", "--json"],
        cwd=helper.root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        url = json.loads(served.stdout.readline())["url"]

        def ask(path: str, **headers: str) -> tuple[int, str]:
            request = urllib.request.Request(path, headers=headers)
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                error.close()
                return error.code, ""

        assert url.startswith("http://127.0.0.1:")
        status, text = ask(url)
        body = dict(Page(text).elements)["body"]
        assert (status, body["data-live"]) == (200, "state")
        assert ask(f"{url}state") == (200, body["data-stamp"])
        root = url.rsplit("/", 2)[0]
        for path, headers in (
            (f"{root}/", {}),
            (f"{root}/wrong/", {}),
            (f"{url}other", {}),
            (url, {"Host": "evil.example"}),
        ):
            assert ask(path, **headers)[0] == 404
        helper("note", "--lesson", "fresh <b>news</b>")
        assert ask(f"{url}state")[1] != body["data-stamp"]
        assert "fresh <b>news</b>" in Page(ask(url)[1]).text
    finally:
        served.send_signal(signal.SIGINT)
        served.communicate(timeout=60)
    assert served.returncode == 0


def test_file_that_cannot_be_written_is_said(helper):
    """A traceback where the folder does not exist."""
    if os.geteuid() == 0:
        assert helper.error("report", "--format", "md", "--output", "/nonexistent/x.md")
