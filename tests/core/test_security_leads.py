"""Other scanners' reports, and what a proof of concept shows."""

from __future__ import annotations

import pytest
from autoresearch.security import scanners
from autoresearch.security.scanners import Hint, hints
from autoresearch.share.proving import ProofResult, command_for, judge

SARIF = {
    "version": "2.1.0",
    "runs": [
        {
            "tool": {
                "driver": {
                    "name": "Scanner",
                    "rules": [{"id": "R1", "properties": {"tags": ["external/cwe/cwe-089"]}}],
                }
            },
            "results": [
                {
                    "ruleId": "R1",
                    "level": "error",
                    "message": {"text": "query built by hand"},
                    "locations": [
                        {
                            "physicalLocation": {
                                "artifactLocation": {"uri": "./app/my%20db.py"},
                                "region": {"startLine": 6},
                            }
                        }
                    ],
                },
                {"message": {}},
            ],
        },
        {"tool": {"driver": {"name": "Quiet"}}, "results": None},
    ],
}
BANDIT = {
    "metrics": {},
    "results": [
        {
            "test_id": "B105",
            "issue_text": "Possible hardcoded password: password = 'hunter2-very'",
            "issue_severity": "LOW",
            "filename": "./app/conf.py",
            "line_number": 3,
            "issue_cwe": {"id": 259},
        }
    ],
}
SEMGREP = {
    "paths": {},
    "results": [
        {
            "check_id": "rules.eval",
            "path": "app/calc.py",
            "start": {"line": 4},
            "extra": {
                "message": "eval of input",
                "severity": "ERROR",
                "metadata": {"cwe": ["CWE-95: Eval Injection"]},
            },
        }
    ],
}
PIP_AUDIT = {
    "dependencies": [
        {"name": "fine", "version": "1"},
        {
            "name": "old",
            "version": "1.0",
            "vulns": [
                {"id": "PYSEC-1", "fix_versions": ["1.1"], "description": "bad"},
                {"id": "PYSEC-2"},
            ],
        },
    ]
}
NPM_AUDIT = {
    "auditReportVersion": 2,
    "vulnerabilities": {
        "left": {
            "severity": "high",
            "range": "<2",
            "via": [
                "right",
                {"source": 7, "title": "ReDoS", "url": "https://x/7", "cwe": ["CWE-1333"]},
                {"source": 8},
            ],
        }
    },
}
DETECT_SECRETS = {
    "plugins_used": [],
    "results": {"deploy/app.env": [{"type": "Secret Keyword", "line_number": 2}]},
}


def test_every_format_becomes_leads():
    """A scanner whose report is taken for another's, or read without its place."""
    assert hints(SARIF) == (
        Hint("Scanner", "R1", "query built by hand", "error", "app/my db.py", 6, (89,)),
        Hint("Scanner", "", "", "warning", "", 0, ()),
    )
    assert hints(BANDIT) == (
        Hint(
            "bandit",
            "B105",
            "Possible hardcoded password: password = '[redacted]'",
            "low",
            "app/conf.py",
            3,
            (259,),
        ),
    )
    assert hints(SEMGREP) == (
        Hint("semgrep", "rules.eval", "eval of input", "error", "app/calc.py", 4, (95,)),
    )
    assert hints(PIP_AUDIT) == (
        Hint("pip-audit", "PYSEC-1", "old 1.0, fixed in 1.1: bad", "", "", 0, (1395,)),
        Hint("pip-audit", "PYSEC-2", "old 1.0, fixed in no version yet:", "", "", 0, (1395,)),
    )
    assert hints(NPM_AUDIT) == (
        Hint("npm audit", "https://x/7", "left <2: ReDoS", "high", "package-lock.json", 0, (1333,)),
        Hint("npm audit", "8", "left <2:", "high", "package-lock.json", 0, (1395,)),
    )
    assert hints(DETECT_SECRETS) == (
        Hint(
            "detect-secrets",
            "Secret Keyword",
            "a secret may stand here",
            "",
            "deploy/app.env",
            2,
            (798,),
        ),
    )


def test_same_lead_has_the_same_key():
    """Leads that double with every import."""
    first, second = hints(SARIF)
    assert first.key == hints(SARIF)[0].key != second.key


@pytest.mark.parametrize(
    "report",
    [
        {},
        [],
        "text",
        {"runs": [], "version": "2.1.0", "results": []},
        {"results": [{}], "metrics": {}},
        {"runs": 3, "version": "2.1.0"},
        {"runs": [{}], "version": "2.1.0"},
    ],
)
def test_report_of_no_known_format_is_refused(report):
    """A traceback, or silence, for whoever hands in another file."""
    if report and isinstance(report, dict) and report.get("runs") == []:
        assert hints(report) == ()
        return
    with pytest.raises(ValueError, match=r"neither SARIF|missing or odd"):
        hints(report)


def test_leads_are_bounded(monkeypatch):
    """A report of a million lines that fills the ledger."""
    monkeypatch.setattr(scanners, "MAX_LEADS", 1)
    with pytest.raises(ValueError, match="more than 1 leads"):
        hints(PIP_AUDIT)


@pytest.mark.parametrize(
    ("stdout", "code", "result"),
    [
        (b"hello\nPROOF exploited\n", 1, ProofResult.EXPLOITED),
        (b"  PROOF withstood  \n", 0, ProofResult.WITHSTOOD),
        (b"PROOF withstood\n", 1, ProofResult.BROKEN),
        (b"PROOF exploited\n", 0, ProofResult.BROKEN),
        (b"PROOF withstood\nPROOF exploited\n", 0, ProofResult.BROKEN),
        (b"PROOF withstood\nPROOF withstood\n", 0, ProofResult.BROKEN),
        (b"PROOF maybe\n", 0, ProofResult.BROKEN),
        (b"PROOFREAD\n PROOF withstood", 0, ProofResult.WITHSTOOD),
        (b"", 0, ProofResult.BROKEN),
        (b"Traceback\n", 1, ProofResult.BROKEN),
    ],
)
def test_proof_shows_what_line_and_status_agree_on(stdout, code, result):
    """A script that crashed taken for a fix, or a line of the attacked program for the verdict."""
    assert judge(stdout, code) is result


def test_proof_is_run_by_the_interpreter_of_its_ending():
    """A path with a quote in it that becomes a command."""
    assert command_for(".js", "/tmp/a b'.js") == "exec node '/tmp/a b'\"'\"'.js'"
    assert command_for(".sh", "x") == "exec sh x"
    assert ".venv/bin/python" in command_for(".py", "x")
    with pytest.raises(KeyError):
        command_for(".exe", "x")
