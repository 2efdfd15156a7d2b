"""Fix mode: findings frozen with their proofs, fixed in a session whose guard defends each fix."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

import pytest
from autoresearch import share
from autoresearch.core.contract import parse
from autoresearch.core.errors import AutoresearchError
from autoresearch.loop.session import environment
from autoresearch.security import fixing, flaws, sweeping
from autoresearch.security.publishing import writing
from support.session import Helper
from support.vulnerable import FLAWS, PLANTED, PROOFS, VECTOR, finding, make_fixture

GUARD = f"{sys.executable} -S -c 'import desk.app'"
BOUND = (
    "f\"SELECT * FROM parcels WHERE owner = {int(owner)} AND sender LIKE '%{sender}%'\"",
    ('"SELECT * FROM parcels WHERE owner = ? AND sender LIKE ?", (int(owner), f"%{sender}%")'),
)
GRAVER = VECTOR.replace("PR:L", "PR:N")
SIGNED = ('if algorithm == "HS256" and not hmac', 'if algorithm != "HS256" or not hmac')


@pytest.fixture
def repo(tmp_path):
    """The application with two proven findings and one without a proof."""
    found = make_fixture(tmp_path / "desk")
    with writing(found.root, environment(), "test", begin=True) as books:
        sweeping.complete(books, json.dumps(PLANTED["model"]))
        for name, vector in (("sql-injection", VECTOR), ("alg-none", GRAVER)):
            number = flaws.add(books, finding(name, vector=vector)).number
            flaws.prove(books, number, PROOFS / f"{name}.py", ())
        flaws.add(books, finding("pickle"))
    return found


def prepare(repo, scope=("desk/**",)):
    with writing(repo.root, environment(), "test") as books:
        return fixing.prepare(books, "security-fix", GUARD, scope)


def edit(repo, path, change, *, back=False):
    """Replace one text of a file by another, or take that back."""
    old, new = reversed(change) if back else change
    file = repo.root / path
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")


def test_contract_counts_what_is_proven_and_nothing_else(repo):
    """A weight that comes from somebody's word, or a scope that lets a fix edit its judge."""
    found = prepare(repo)
    assert [f.number for f in found.findings] == [1, 2]
    assert found.left_out == (3,)
    contract = parse(found.draft.read_text("utf-8"))
    assert (contract.metric.name, contract.metric.target) == ("open_weight", 0)
    assert [secondary.name for secondary in contract.secondary] == ["finding_1", "finding_2"]
    assert "--guard" in (contract.guard or "")
    folder = repo.root / fixing.FOLDER
    assert {path.name for path in folder.iterdir()} == {
        "finding-001.py",
        "finding-002.py",
        "frozen.json",
        "proving.py",
        "weigh.py",
    }
    done = subprocess.run(
        [sys.executable, str(folder / "weigh.py")],
        cwd=repo.root,
        capture_output=True,
        text=True,
        check=False,
    )
    weights = [f.score for f in found.findings]
    assert done.stdout.splitlines() == [
        f"METRIC finding_1={weights[0]}",
        f"METRIC finding_2={weights[1]}",
        f"METRIC open_weight={sum(weights):.1f}",
    ]


def test_what_cannot_be_frozen_is_refused(repo):
    """A session without a finding to fix, or one that overwrites a folder of the user's."""

    def code(*args):
        with pytest.raises(AutoresearchError) as caught:
            prepare(*args)
        return caught.value.code

    assert code(repo, ("/x",)) == "scope"
    repo.write(f"{fixing.FOLDER}/notes.txt", "mine\n")
    assert code(repo) == "exists"
    (repo.root / fixing.FOLDER / "notes.txt").unlink()
    repo.write(f"{fixing.FOLDER}/frozen.json", "{}")
    repo.commit("proofs")
    assert code(repo, ("**",)) == "scope"
    edit(repo, "desk/store.py", BOUND)
    edit(repo, "desk/auth.py", SIGNED)
    repo.commit("fixed by hand")
    assert code(repo) == "nothing_to_fix"


def test_guard_defends_what_the_incumbent_withstands(monkeypatch, capsys):
    """A fix of one finding that opens another again, and is kept because it weighs less."""
    monkeypatch.syspath_prepend(share.FOLDER)
    monkeypatch.syspath_prepend(share.FOLDER / "security")
    weigh = importlib.import_module("weigh")
    frozen = [
        {"number": 1, "weight": 5.0, "script": "a"},
        {"number": 2, "weight": 9.0, "script": "b"},
    ]
    results = {"a": weigh.ProofResult.BROKEN, "b": weigh.ProofResult.WITHSTOOD}
    monkeypatch.setattr(weigh, "prove", lambda one: results[str(one["script"])])
    assert weigh.guard(frozen, None) == 0
    assert weigh.guard(frozen, {"finding_1": 5.0, "finding_2": 9.0}) == 0
    assert weigh.guard(frozen, {"finding_1": 0.0, "finding_2": 9.0}) == 1
    assert "finding 1 is no longer withstood" in capsys.readouterr().out
    assert weigh.guard(frozen, {"finding_2": 0.0}) == 1
    assert "finding_1 is not known" in capsys.readouterr().out


def test_session_keeps_fixes_and_refuses_what_only_looks_like_one(repo):
    """A deleted feature, a fix that opens another hole, or two fixes lost in one commit."""
    helper = Helper(repo)
    answer = helper.json("security", "fix", "--guard", GUARD, "--scope", "desk/**")
    repo("add", answer["folder"])
    repo("commit", "-qm", "security: proofs")
    helper("init", answer["draft"])

    edit(repo, "desk/auth.py", ("def read_token(", "def gone("))
    assert helper.verdict("delete the function") == ("crash", "verify")

    edit(repo, "desk/store.py", BOUND)
    assert helper.verdict("bind the sender") == ("keep", None)

    # The graver finding fixed and the milder opened again: less weight in all.
    edit(repo, "desk/auth.py", SIGNED)
    edit(repo, "desk/store.py", BOUND, back=True)
    assert helper.verdict("trade one for the other") == ("rework", "guard")

    edit(repo, "desk/store.py", BOUND)
    record = helper.attempt("accept signed tokens only", "--rework")
    assert record["verdict"] == "keep"
    assert len(helper.branch_log()) == 3
    news = helper.json("security", "recheck")["news"]
    assert [line.split(":")[0] for line in news] == ["F1 is fixed", "F2 is fixed"]
    assert FLAWS["pickle"]["id"] in helper("security", "status").out.replace(" ", "-")
