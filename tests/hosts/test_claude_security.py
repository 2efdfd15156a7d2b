"""A security sweep in the real Claude Code: modelled, swept, reported, judged."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from autoresearch.security.publishing import FORMS
from support.hosts import ROOT
from support.model import bash, say, scripted, use
from support.session import Helper
from support.vulnerable import FLAWS, PLANTED, evidence, examined, finding, line_of, make_fixture
from support.wire import Call, Turn

if TYPE_CHECKING:
    from pathlib import Path

    from support.claude import Claude
    from support.model import Request, Script

LIE = {**evidence(FLAWS["pickle"]), "quote": "state = pickle.loads(untrusted_content)"}
HELD = next(decoy for decoy in PLANTED["decoys"] if decoy["id"] == "label-read")


def written(root: Path, forms: dict[str, str]) -> Turn:
    """Forms written with the client's own tool, as the skill's page says, in one turn."""
    return Turn(
        "",
        tuple(
            Call(
                tool="Write",
                arguments={"file_path": str(root / FORMS / f"{name}.yaml"), "content": form},
            )
            for name, form in forms.items()
        ),
    )


def handed_in(command: str, *names: str) -> Turn:
    """Forms handed in, one command each."""
    calls = (f"autoresearch security {command} {FORMS}/{name}.yaml" for name in names)
    return bash("; ".join(calls))


@pytest.mark.long
def test_swept_reported_and_judged(claude: Claude, tmp_path: Path) -> None:
    """Catches a page, a permission or a helper with which the real client cannot sweep."""
    repo = make_fixture(tmp_path / "desk")
    reports = tmp_path / "reports"
    reports.mkdir()
    sarif = reports / "security.sarif"

    def agent(asked: Request) -> Script:
        assert "<command-name>/autoresearch:security</command-name>" in asked.last
        assert "no security ledger yet" in asked.last  # the state that the command gathers
        yield use("Skill", skill="autoresearch", args="security 21 --fail-on high")
        seen = yield bash("autoresearch security init")
        assert "drafted from the code" in seen.last
        yield written(repo.root, {"model": json.dumps(PLANTED["model"])})
        seen = yield handed_in("model", "model")
        assert "0 of 33 cells" in seen.last
        seen = yield bash("autoresearch security sweep 21; autoresearch security next")
        assert "0 of 21 used" in seen.last
        assert "hypothesis: acting as" in seen.last
        yield written(repo.root, {"lie": finding("pickle", evidence=[LIE])})
        seen = yield handed_in("add", "lie")
        assert "do not read like the quote" in seen.last
        yield written(repo.root, {name: finding(name) for name in FLAWS})
        seen = yield handed_in("add", *FLAWS)
        assert seen.last.count("recorded: high 7.1, 1 quote verified") == 20
        form = examined("labels", "information-disclosure", HELD["file"], line_of(HELD))
        yield written(repo.root, {"held": form})
        seen = yield handed_in("examined", "held")
        assert "E1 recorded" in seen.last
        seen = yield bash("autoresearch security next")
        assert "AUTORESEARCH DONE" in seen.last
        yield bash(f"autoresearch security report --sarif {sarif}")
        seen = yield bash("autoresearch security gate --fail-on high")
        assert "gate: no, 20 open findings at or above high" in seen.last
        yield say("AUTORESEARCH DONE: 20 findings, one cell holds.")

    claude.install(ROOT, cwd=repo.root)
    with scripted(agent) as model:
        talk = claude.talk(
            model,
            "/autoresearch:security 21 --fail-on high",
            cwd=repo.root,
            options=("--permission-mode", "acceptEdits", "--add-dir", str(reports)),
        )

    assert talk.denied == []
    status = Helper(repo).json("security", "status")
    assert len(status["findings"]) == 20
    assert all(one["evidence_stands"] for one in status["findings"])
    assert (status["covered"], status["cells"]) == (14, 33)
    results = json.loads(sarif.read_text("utf-8"))["runs"][0]["results"]
    assert [one["properties"]["finding"] for one in results] == [f"F{n}" for n in range(1, 21)]
    assert repo("status", "--porcelain") == ""
