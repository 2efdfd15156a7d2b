"""`check --confined` runs what no human has read, so it runs shut in or not at all."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from support.confined import working_sandbox
from support.project import make_project, write_draft
from support.session import UNCONFINED, Helper
from support.untouched import untouched


@pytest.fixture
def helper(tmp_path: Path) -> Helper:
    """The tiny project, without a session."""
    return Helper(make_project(tmp_path / "r"))


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (UNCONFINED, "no sandbox is in force: the contract says `sandbox: off`"),
        ("network: true\n", "`network: true` opens the network"),
        ("env: {KEYS: 'HOME/keys'}\n", "opens HOME/keys, which is hidden otherwise"),
        ("env: {pass: [ELSEWHERE]}\n", "opens HOME/elsewhere, which is hidden"),
        ("profile: cat HOME/../NAME/keys\n", "keys, which is hidden otherwise"),
        ("holdout: {command: ./bench.sh, reads: ['HOME/keys']}\n", "opens HOME/keys"),
    ],
)
def test_what_is_not_shut_in_is_not_run(
    helper: Helper, tmp_path: Path, extra: str, words: str
) -> None:
    """A draft that an agent wrote, run without a question where it reaches a human's files."""
    working_sandbox()
    home = Path(os.environ["HOME"])
    ran = tmp_path / "ran"
    extra = extra.replace("HOME", str(home)).replace("NAME", home.name)
    draft = write_draft(tmp_path, verify=f"touch {ran}", extra=extra)
    env = {"ELSEWHERE": f"{home}/elsewhere"}
    with untouched(helper.repo):
        answer = helper.json("check", "--confined", str(draft), code=4, env=env)
    assert answer["error"]["code"] == "not_confined"
    assert words.replace("HOME", str(home)) in answer["error"]["message"]
    assert not ran.exists()


def test_set_up_has_no_network_either(helper: Helper, tmp_path: Path) -> None:
    """Set-up is where a draft could carry the repository away."""
    working_sandbox()
    network = Path("/proc/self/ns/net").readlink()
    draft = write_draft(tmp_path, setup=f'test "$(readlink /proc/self/ns/net)" != "{network}"')
    assert helper.error("check", str(draft), code=4) == "build_failed"
    assert helper("check", "--confined", str(draft)).out.startswith("the contract holds")
    assert helper("check", "--confined", "--allow-outside", str(draft), code=2).out == ""


def test_init_takes_no_other_contract_than_was_agreed_to(helper: Helper, tmp_path: Path) -> None:
    """A draft that is exchanged while its human reads it."""
    draft = write_draft(tmp_path)
    digest = hashlib.sha256(draft.read_bytes()).hexdigest()
    draft.write_text(draft.read_text().replace("bench.py", "bench.py #"))
    with untouched(helper.repo):
        for given in (digest[:16], ""):
            assert helper.error("init", str(draft), "--sha256", given) == "other_contract"
    changed = hashlib.sha256(draft.read_bytes()).hexdigest()
    assert helper.json("init", str(draft), "--sha256", changed[:16])["session"] == "cheaper"
