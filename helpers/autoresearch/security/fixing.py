"""`security fix`: findings with their proofs, frozen as the contract of a session."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import NamedTuple

from autoresearch import share
from autoresearch.core.errors import AutoresearchError
from autoresearch.core.security.ledger import Finding, Runs, State
from autoresearch.edges.files import atomic_write
from autoresearch.security.books import Books, sha256
from autoresearch.security.flaws import filed, run_filed
from autoresearch.security.sweeping import require_scope
from autoresearch.share import proving

FOLDER = "autoresearch.proofs"
"""At the repository's root, committed before the session starts: its evaluator."""
DRAFT = "fix.yaml"
MAX_FINDINGS = 80
TEMPLATES = {"proving.py": "proving.py", "weigh.py": "security/weigh.py"}
"""File in the folder -> its template."""


class FixDraft(NamedTuple):
    """Findings that count, open ones without a proof that succeeds, the contract's file."""

    findings: tuple[Finding, ...]
    left_out: tuple[int, ...]
    draft: Path


def prepare(books: Books, session: str, guard: str, scope: tuple[str, ...]) -> FixDraft:
    """Freeze the open findings whose proofs succeed on the commit that is checked out.

    `guard` is the tests that must pass before a fix within `scope` is kept.
    """
    covers = require_scope(scope).covers
    for path in books.tree.entries:
        if covers(path) and path.startswith(f"{FOLDER}/"):
            raise AutoresearchError(
                f"the scope covers {path}, which judges the fixes",
                code="scope",
                hint="Name the folders of the code only.",
            )
    frozen: list[Finding] = []
    left_out: list[int] = []
    for standing in books.ledger.standings:
        finding = standing.finding
        if standing.state(books.today) is not State.OPEN:
            continue
        proven = standing.proof is not None and len(frozen) < MAX_FINDINGS
        proof = run_filed(books, finding.number).proof if proven else None
        if (
            proof is not None
            and proof.result is proving.ProofResult.EXPLOITED
            and proof.runs is Runs.YES
        ):
            frozen.append(finding)
        else:
            left_out.append(finding.number)
    if not frozen:
        raise AutoresearchError(
            "no open finding has a proof that succeeds and runs the lines that it quotes",
            code="nothing_to_fix",
            hint="A finding counts by its proof: `autoresearch security prove N FILE`.",
        )
    _write_folder(books, frozen)
    draft = books.state / DRAFT
    atomic_write(draft, _contract(books, frozen, session, guard, scope).encode("utf-8"))
    return FixDraft(tuple(frozen), tuple(left_out), draft)


def _write_folder(books: Books, frozen: list[Finding]) -> None:
    folder = books.repo.toplevel / FOLDER
    ours = {"frozen.json", *TEMPLATES}
    strange = [
        path.name
        for path in (folder.iterdir() if folder.is_dir() else ())
        if path.name not in ours and not path.name.startswith("finding-")
    ]
    if strange or folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise AutoresearchError(
            f"{FOLDER} is there already and holds something else",
            code="exists",
            hint="Move it out of the way.",
        )
    folder.mkdir(exist_ok=True)
    listed = []
    for finding in frozen:
        script = filed(books, finding.number)
        name = f"finding-{finding.number:03d}{script.ending}"
        atomic_write(folder / name, script.content)
        facts = {"number": finding.number, "title": finding.title, "weight": finding.score}
        listed.append({**facts, "script": name, "sha256": sha256(script.content)})
    text = json.dumps({"schema": 1, "findings": listed}, indent=1)
    atomic_write(folder / "frozen.json", text.encode("ascii") + b"\n")
    for name, template in TEMPLATES.items():
        atomic_write(folder / name, (share.FOLDER / template).read_bytes())


def _contract(
    books: Books, frozen: list[Finding], session: str, guard: str, scope: tuple[str, ...]
) -> str:
    links = sorted(
        {name for finding in frozen for name in books.ledger.proofs[finding.number].link}
    )
    evaluator = f"python3 {FOLDER}/weigh.py"
    numbers = ", ".join(f"F{finding.number}" for finding in frozen)
    terms = {
        "session": session,
        "goal": f"Fix {numbers} without breaking what works",
        "metric": {"name": "open_weight", "direction": "lower", "target": 0, "deterministic": True},
        "verify": evaluator,
        "guard": f"sh -c {shlex.quote(guard)} && {evaluator} --guard",
        "scope": list(scope),
        "secondary": [
            {"name": f"finding_{finding.number}", "direction": "lower"} for finding in frozen
        ],
        "timeout": f"{len(frozen) * proving.TIMEOUT_S + 60}s",
        "race": {"max_runs": 4},
        **({"link": links} if links else {}),
    }
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in terms.items())
