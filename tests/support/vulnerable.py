"""The application that was written to be wrong, and a scripted agent who knows where."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import yaml

from support.harness import Git

HERE = Path(__file__).resolve().parents[1] / "security"
FIXTURE = HERE / "fixture"
PROOFS = HERE / "proofs"
PLANTED: dict[str, Any] = yaml.safe_load((HERE / "planted.yaml").read_text("utf-8"))
FLAWS: dict[str, dict[str, Any]] = {flaw["id"]: flaw for flaw in PLANTED["flaws"]}
VECTOR = "CVSS:4.0/AV:N/AC:L/AT:N/PR:L/UI:N/VC:H/VI:L/VA:N/SC:N/SI:N/SA:N"


def make_fixture(root: Path) -> Git:
    """The application as a repository."""
    shutil.copytree(FIXTURE, root, ignore=shutil.ignore_patterns("__pycache__"))
    repo = Git.create(root)
    repo.commit("the parcel desk")
    return repo


def line_of(flaw: dict[str, Any]) -> int:
    """The line that a flaw or a decoy stands in."""
    lines = (FIXTURE / flaw["file"]).read_text("utf-8").split("\n")
    (found,) = [number for number, line in enumerate(lines, 1) if flaw["quote"] in line]
    return found


def evidence(flaw: dict[str, Any]) -> dict[str, Any]:
    """A quote as an agent hands it in."""
    number = line_of(flaw)
    line = (FIXTURE / flaw["file"]).read_text("utf-8").split("\n")[number - 1]
    return {"file": flaw["file"], "lines": number, "quote": line.strip()}


def finding(name: str, **changes: object) -> str:
    """The form for a planted flaw."""
    flaw = FLAWS[name]
    form = {
        "title": name.replace("-", " "),
        "element": flaw["element"],
        "stride": flaw["stride"],
        "persona": "anonymous caller",
        "hypothesis": f"somebody can use {name} against this element",
        "cwe": flaw["cwe"][:1],
        "vector": VECTOR,
        "evidence": [evidence(flaw)],
        "scenario": f"an attacker reaches the quoted line and uses {name}",
        "reproduction": "call the handler with the crafted value and look",
        "remedy": "do not let the caller's value decide this",
        **changes,
    }
    return json.dumps(form)


def examined(element: str, stride: str, path: str, line: int, **changes: object) -> str:
    """The form for a cell that holds."""
    text = (FIXTURE / path).read_text("utf-8").split("\n")[line - 1]
    form = {
        "element": element,
        "stride": stride,
        "persona": "customer who wants another customer's data",
        "hypothesis": "somebody can get past this line of the element",
        "reason": "the quoted line decides it before anything else happens",
        "evidence": [{"file": path, "lines": line, "quote": text}],
        **changes,
    }
    return json.dumps(form)
