"""The application that was written to be wrong, and a scripted agent who knows where.

To score a sweep by somebody who does not know:

    autoresearch security status --json | PYTHONPATH=tests python -m support.vulnerable
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from support.harness import Git

if TYPE_CHECKING:
    from collections.abc import Sequence

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


SMALL = {
    "app/old.py": "def sp(x):\n    return eval(x)\n",
    "app/run.py": (
        "import os\nimport sqlite3\n\n\ndef run(cmd):\n    if cmd:\n        os.system(cmd)\n"
        "    return 1\n"
    ),
}
"""A repository with one flaw, for what needs no more."""
SMALL_MODEL = {
    "elements": [
        {"name": "api", "kind": "process", "files": ["app/**"], "description": "runs things"}
    ]
}


def make_small(root: Path, **files: str) -> Git:
    """That repository; `files` replace or add some."""
    repo = Git.create(root)
    for path, text in {**SMALL, **files}.items():
        repo.write(path, text)
    repo.commit("one")
    return repo


def small_finding(path: str = "app/old.py", quote: str = "return eval(x)", **more: object) -> str:
    """The form for its flaw."""
    form = {
        "title": "eval of what a caller sends",
        "element": "api",
        "stride": "tampering",
        "persona": "anonymous caller",
        "hypothesis": "the text that a caller sends is run as code",
        "cwe": [95],
        "vector": VECTOR.replace("PR:L", "PR:N"),
        "evidence": [{"file": path, "quote": quote}],
        "scenario": "send code and it runs in the process of the service",
        "reproduction": "call the function with a text that writes a file",
        "remedy": "parse the text instead of running it as code",
        **more,
    }
    return json.dumps(form)


def small_examined(stride: str, quote: str = "os.system(cmd)", **more: object) -> str:
    """The form for a cell of it that holds."""
    form = {
        "element": "api",
        "stride": stride,
        "persona": "anonymous caller",
        "hypothesis": f"a caller reaches {stride} by a command of their own in line 7",
        "reason": f"the command is fixed before it gets to this line, so no {stride}",
        "evidence": [{"file": "app/run.py", "quote": quote}],
        **more,
    }
    return json.dumps(form)


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


NEAR = 6
"""Lines: a finding that quotes this close to a planted flaw, under a fitting weakness, is that."""


def score(findings: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    """Which flaws and decoys were reported, and what else, from `findings` of `status --json`."""
    found: dict[str, list[str]] = {"found": [], "missed": [], "decoys": [], "others": []}
    left = list(findings)
    for flaw in PLANTED["flaws"]:
        hits = [one for one in left if _is_at(one, flaw) and set(one["cwe"]) & set(flaw["cwe"])]
        found["found" if hits else "missed"].append(flaw["id"])
        left = [one for one in left if one not in hits]
    for decoy in PLANTED["decoys"]:
        hits = [one for one in left if _is_at(one, decoy, near=0)]
        found["decoys"] += [decoy["id"]] * bool(hits)
        left = [one for one in left if one not in hits]
    found["others"] = [f"F{one['finding']} {one['title']}" for one in left]
    return found


def _is_at(one: dict[str, Any], planted: dict[str, Any], *, near: int = NEAR) -> bool:
    line = line_of(planted)
    inside = one["first"] - near <= line <= one["last"] + near
    return bool(one["path"] == planted["file"] and inside)


if __name__ == "__main__":
    said = score(json.load(sys.stdin)["findings"])
    counts = ", ".join(f"{len(names)} {kind}" for kind, names in said.items())
    sys.stdout.write(f"{counts}\n{json.dumps(said, indent=1)}\n")
