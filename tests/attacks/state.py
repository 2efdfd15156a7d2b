"""The session's own state: log, frozen contract, journal, index, copies."""

from __future__ import annotations

import json
from pathlib import Path

from attacks.arena import Arena, Attack, Needs


def _edits_frozen_contract(arena: Arena) -> None:
    arena.candidate(cost=90, answer=0)
    path = arena.state / "autoresearch.yaml"
    path.write_text(path.read_text().replace("guard:", "profile:"))


def _edits_environment(arena: Arena) -> None:
    """Other programs than those that `init` found: all of verify comes from there."""
    arena.worse()
    path = arena.state / "session.json"
    evil = str(arena.outside.parent / "evil")
    path.write_text(path.read_text().replace('["PATH","', f'["PATH","{evil}:', 1))
    assert evil in path.read_text()


def _deletes_frozen_contract(arena: Arena) -> None:
    arena.worse()
    (arena.state / "autoresearch.yaml").unlink()


def _forges_last_line(arena: Arena) -> None:
    arena.worse()
    path = arena.state / "log.jsonl"
    lines = path.read_text().splitlines()
    last = json.loads(lines[-1])
    last["values"] = [1000.0]
    path.write_text("\n".join([*lines[:-1], json.dumps(last, separators=(",", ":"))]) + "\n")


def _appends_keep(arena: Arena) -> None:
    arena.worse()
    with (arena.state / "log.jsonl").open("a") as file:
        file.write('{"schema":1,"kind":"experiment","verdict":"keep"}\n')


def _tears_log(arena: Arena) -> None:
    arena.worse()
    with (arena.state / "log.jsonl").open("ab") as file:
        file.write(b'{"schema":1,"kind":"exp')


def _cuts_log(arena: Arena) -> None:
    arena.worse()
    path = arena.state / "log.jsonl"
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])


def _deletes_log(arena: Arena) -> None:
    arena.worse()
    (arena.state / "log.jsonl").unlink()


def _deletes_index(arena: Arena) -> None:
    arena.worse()
    for path in arena.state.glob("index.db*"):
        path.unlink()


def _breaks_index(arena: Arena) -> None:
    arena.worse()
    (arena.state / "index.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 4096)


def _forges_journal(arena: Arena) -> None:
    """A journal that says the candidate was decided already: a keep."""
    arena.worse()
    (arena.state / "journal.json").write_text('{"decided": {"experiment": {"verdict": "keep"}}}\n')


def _edits_log_copy(arena: Arena) -> None:
    arena.worse()
    (arena.root / "autoresearch.jsonl").write_text("{}\n")


def _edits_document(arena: Arena) -> None:
    arena.worse()
    path = arena.root / "autoresearch.md"
    path.write_text(path.read_text().replace("no gain is claimed", "gain: 99 %"))


def _document_is_link(arena: Arena) -> None:
    arena.worse()
    (arena.root / "autoresearch.md").unlink()
    (arena.root / "autoresearch.md").symlink_to(arena.outside / "precious")


def _moves_state_ref(arena: Arena) -> None:
    arena.worse()
    arena.repo("update-ref", "refs/autoresearch/cheaper/state", arena.start)


def _deletes_state_ref(arena: Arena) -> None:
    arena.worse()
    arena.repo("update-ref", "-d", "refs/autoresearch/cheaper/state")


def _takes_ref(arena: Arena) -> None:
    """The ref of the experiment to come is there already."""
    arena.worse()
    arena.repo("update-ref", "refs/autoresearch/cheaper/exp/0001", arena.start)


def _forges_samples(arena: Arena) -> None:
    arena.worse()
    (arena.state / "raw").mkdir(exist_ok=True)
    (arena.state / "raw" / "0001.jsonl").write_text('{"value": 1}\n')


def _holds_lock(arena: Arena) -> None:
    """A lock file that names a process which is not there."""
    arena.worse()
    (arena.state / "lock").write_text('{"pid": 999999, "command": "try"}\n')


def _appends(path: Path, line: str) -> str:
    return f"try: open({str(path)!r}, 'a').write({line!r} + '\\n')\nexcept OSError: pass\n"


def _writes_log_while_running(arena: Arena) -> None:
    path = arena.state / "log.jsonl"
    arena.candidate(_appends(path, "{}"), cost=110)


def _writes_contract_while_running(arena: Arena) -> None:
    path = arena.state / "autoresearch.yaml"
    arena.candidate(_appends(path, "# mine"), cost=110)


def _restores_contract(arena: Arena) -> None:
    contract = arena.repo("show", f"{arena.start}:autoresearch.yaml")
    (arena.state / "autoresearch.yaml").write_text(contract + "\n")


def _accepts_copy(arena: Arena) -> None:
    arena("recover", "--accept-log")


WAITS = {"ends": ("error",), "stops": True}


def _removes_state(arena: Arena) -> None:
    code = f"import shutil\nshutil.rmtree({str(arena.state)!r}, ignore_errors=True)\n"
    arena.candidate(code, cost=110)


ATTACKS = (
    Attack("edits the frozen environment", _edits_environment, **WAITS),
    Attack("removes the state folder while it runs", _removes_state, needs=Needs.SANDBOX),
    Attack("takes the guard out of the frozen contract", _edits_frozen_contract, ends=("rework",)),
    Attack(
        "deletes the frozen contract",
        _deletes_frozen_contract,
        ends=("error",),
        mend=_restores_contract,
    ),
    Attack("changes the baseline in the log", _forges_last_line, **WAITS),
    Attack("appends a keep to the log", _appends_keep, **WAITS),
    Attack("leaves half a line in the log", _tears_log),
    Attack("cuts the log short", _cuts_log, **WAITS),
    Attack("deletes the log", _deletes_log, **WAITS),
    Attack("deletes the index", _deletes_index),
    Attack("breaks the index", _breaks_index),
    Attack("forges a journal that says keep", _forges_journal),
    Attack("edits the log's copy", _edits_log_copy),
    Attack("edits the document", _edits_document),
    Attack("makes the document a link", _document_is_link),
    Attack("moves the state ref", _moves_state_ref),
    Attack("deletes the state ref", _deletes_state_ref),
    Attack("takes the next experiment's ref", _takes_ref),
    Attack("brings samples of its own", _forges_samples),
    Attack("leaves a lock of a dead process", _holds_lock),
    Attack("writes into the log while it runs", _writes_log_while_running, needs=Needs.SANDBOX),
    Attack(
        "edits the frozen contract while it runs",
        _writes_contract_while_running,
    ),
)
