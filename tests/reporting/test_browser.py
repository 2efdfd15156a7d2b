"""The report's page in a real browser: no error, no request, keyboard, both themes."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.project import set_cost
from support.session import Helper, open_session

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not shutil.which("chromedriver"), reason="chromedriver is not installed"),
]

TAB, ENTER, ESCAPE = "\ue004", "\ue007", "\ue00c"


class Browser:
    """Chromium, driven by the WebDriver protocol."""

    def __init__(self, address: str, profile: Path) -> None:
        self.address = address
        arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={profile}",
        ]
        options = {"args": arguments}
        wanted = {
            "alwaysMatch": {
                "goog:chromeOptions": options,
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            }
        }
        self.session = self.ask("POST", "", {"capabilities": wanted})["sessionId"]

    def ask(self, method: str, path: str, body: object = None):
        """One command; its value."""
        session = getattr(self, "session", None)
        url = f"{self.address}/session" + (f"/{session}{path}" if session else "")
        request = urllib.request.Request(
            url,
            data=None if method != "POST" else json.dumps(body or {}).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def run(self, script: str):
        """What a script in the page returns."""
        return self.ask("POST", "/execute/sync", {"script": script, "args": []})

    def press(self, *keys: str) -> None:
        """Press keys one after another, wherever the focus is."""
        strokes = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.ask("POST", "/actions", {"actions": [{"type": "key", "id": "k", "actions": strokes}]})

    def log(self, kind: str) -> list[dict]:
        """What the browser logged since it was last asked."""
        return self.ask("POST", "/se/log", {"type": kind})


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    driver = subprocess.Popen(
        ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    with driver:
        for line in driver.stdout:
            if "started successfully on port" in line:
                port = line.rstrip().rstrip(".").rpartition(" ")[2]
                break
        found = Browser(f"http://127.0.0.1:{port}", tmp_path / "profile")
        try:
            yield found
        finally:
            found.ask("DELETE", "")
            driver.terminate()


def worked(helper: Helper) -> None:
    """Thirty experiments, some of them with a hostile text."""
    best = 100.0
    for number in range(1, 31):
        cost = best - 1 if number % 4 == 0 else best + number / 100
        set_cost(helper.repo, cost)
        helper("try", "-m", f"idea{number:02}x <script>window.hit = 1</script>")
        best = min(best, cost)


NUMBERS = (
    "return Array.from(document.querySelectorAll('#experiments tbody tr'))"
    ".filter(row => !row.hidden).map(row => row.cells[0].textContent)"
)


def test_page_in_a_real_browser(tmp_path: Path, browser: Browser) -> None:
    """A page that works only in the mind of its author."""
    page = tmp_path / "night.html"
    open_session(tmp_path, worked=worked)("report", "--output", str(page))
    browser.log("performance")
    browser.ask("POST", "/url", {"url": page.as_uri()})
    assert len(browser.run(NUMBERS)) == 30
    assert browser.run("return window.hit === undefined")

    browser.press("/", *"idea12x")
    assert browser.run("return document.activeElement.id") == "words"
    assert browser.run(NUMBERS) == ["12"]
    assert browser.run("return document.getElementById('count').textContent").startswith("1 of 30")
    browser.run("document.getElementById('words').value = ''")
    browser.press("x", "\ue003")  # typed, and taken back
    browser.run("document.querySelector('#experiments th:nth-child(3) button').focus()")
    browser.press(ENTER)
    gains = browser.run(
        "return Array.from(document.querySelectorAll('#experiments td[data-e]'))"
        ".map(cell => Number(cell.dataset.e.split(' ')[0]))"
    )
    assert gains == sorted(gains)
    browser.press(ENTER)
    third = "document.querySelector('#experiments th:nth-child(3)')"
    assert browser.run(f"return {third}.getAttribute('aria-sort')") == "descending"

    browser.run("document.querySelector('#experiments summary').focus()")
    browser.press(ENTER)
    assert browser.run("return document.querySelectorAll('#experiments details[open] pre').length")
    browser.run("document.querySelector('figure a').focus()")
    assert "epoch 0, machine 1" in browser.run("return document.getElementById('tip').textContent")
    browser.press(ESCAPE)
    assert browser.run("return document.getElementById('tip').hidden")

    papers = set()
    for _ in range(2):
        browser.run("document.getElementById('theme').focus()")
        browser.press(ENTER)
        papers.add(browser.run("return getComputedStyle(document.documentElement).backgroundColor"))
    assert papers == {"rgb(255, 255, 255)", "rgb(20, 23, 27)"}

    assert browser.log("browser") == []
    asked = [json.loads(entry["message"])["message"] for entry in browser.log("performance")]
    urls = {
        entry["params"]["request"]["url"]
        for entry in asked
        if entry["method"] == "Network.requestWillBeSent"
    }
    assert {url for url in urls if not url.startswith("data:")} == {page.as_uri()}
