"""Usage from a host's transcript: live, once, sub-agents included, and never an error."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from autoresearch.edges.hostfiles import (
    HostSession,
    is_over,
    known,
    mark,
    our_prices,
    price_trouble,
    prices,
    read_meter,
    transcripts,
)

HOST = "3f0c-agent"


def answer(key: str, tokens: int, model: str = "claude-sonnet-4-5") -> str:
    usage = {"input_tokens": tokens, "output_tokens": 0}
    line = {"type": "assistant", "message": {"id": key, "model": model, "usage": usage}}
    return json.dumps(line) + "\n"


@pytest.fixture
def main(isolated: Path) -> Path:
    """The transcript where Claude Code writes it."""
    path = Path(os.environ["HOME"]) / ".claude" / "projects" / "-tmp-r" / f"{HOST}.jsonl"
    path.parent.mkdir(parents=True)
    return path


def tokens() -> int | None:
    meter = read_meter(os.environ, HOST)
    return None if meter is None else meter.tokens


def test_live_transcript_is_read_on_where_it_was_left(main):
    """A night in which every call reads the whole transcript, or counts an answer twice."""
    assert tokens() is None
    main.write_text(answer("a", 100) + answer("a", 120) + answer("b", 7)[:-20])
    assert tokens() == 120
    with main.open("a") as file:
        file.write(answer("b", 7)[-20:] + answer("a", 130))
    assert tokens() == 137
    stored = json.loads(
        (
            Path(os.environ["XDG_STATE_HOME"]) / "autoresearch/hosts" / f"s-{HOST}.meter.json"
        ).read_text()
    )
    assert stored[str(main)]["offset"] == main.stat().st_size
    text = main.read_text()
    main.write_text("x" * len(text))  # what was read already is not looked at again
    assert tokens() == 137


def test_sub_agents_are_paid_too(main):
    """A night of sub-agents that seems to cost nothing."""
    main.write_text(answer("a", 100))
    other = main.parent / HOST / "subagents" / "agent-1.jsonl"
    other.parent.mkdir(parents=True)
    other.write_text(answer("s", 11))
    (other.parent / "notes.jsonl").write_text(answer("n", 1000))
    assert tokens() == 111
    assert transcripts(os.environ, HOST) == (main, other)


def test_transcript_that_the_hook_named_comes_first(main, tmp_path):
    """A host with another home, whose transcripts lie elsewhere."""
    main.write_text(answer("a", 1))
    named = tmp_path / "elsewhere.jsonl"
    hosts = Path(os.environ["XDG_STATE_HOME"]) / "autoresearch" / "hosts"
    hosts.mkdir(parents=True)
    told = hosts / f"s-{HOST}.json"
    told.write_text(json.dumps({"transcript_path": str(named), "permission_mode": "plan"}))
    assert tokens() == 1
    named.write_text(answer("b", 2))
    assert tokens() == 2
    assert known(os.environ, HOST) == HostSession("plan", str(named), over=False)


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"x": 1}', '{"%s": {"offset": "y"}}'])
def test_damaged_file_of_ours_is_read_anew(main, damage):
    """A crash in the middle of a night because half a file was written."""
    main.write_text(answer("a", 100))
    assert tokens() == 100
    hosts = Path(os.environ["XDG_STATE_HOME"]) / "autoresearch" / "hosts"
    (hosts / f"s-{HOST}.meter.json").write_text(damage.replace("%s", str(main)))
    assert tokens() == 100
    (hosts / f"s-{HOST}.json").write_text(damage.replace("%s", "x"))
    assert not is_over(os.environ, HOST)


def test_transcript_that_began_anew_is_read_from_its_start(main):
    """A negative cost."""
    main.write_text(answer("a", 100) * 3)
    assert tokens() == 100
    main.write_text(answer("b", 7))
    assert tokens() == 7


def test_name_of_an_agent_session_is_no_path_and_no_pattern(main):
    """A session called `../x` or `*` that reads or writes elsewhere."""
    main.write_text(answer("a", 100))
    for name in ("*", "../x", "a/b", "", "x" * 200):
        assert read_meter(os.environ, name) is None
        mark(os.environ, name, Path("/nowhere"))
    assert not (Path(os.environ["XDG_STATE_HOME"]) / "autoresearch" / "hosts").exists()


def test_state_that_cannot_be_written_is_no_error(main, monkeypatch, tmp_path):
    """A read-only state folder that ends a run for the sake of its cost."""
    main.write_text(answer("a", 100))
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert tokens() == 100
    mark(os.environ, HOST, tmp_path)
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "relative")
    assert read_meter(os.environ, HOST) is None


def test_own_prices_are_read_and_their_trouble_is_named(main, tmp_path, monkeypatch):
    """A slip in the user's prices that nobody hears of."""
    main.write_text(answer("a", 1_000_000, "mine"))
    meter = read_meter(os.environ, HOST)
    assert (meter.usd, meter.unpriced) == (0.0, 1_000_000)
    config = tmp_path / "autoresearch"
    config.mkdir()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (config / "prices.json").write_text('{"mine": {"input": 2, "output": 3}}')
    assert prices(os.environ)["mine"].input == 2.0
    assert price_trouble(os.environ) == ""
    with main.open("a") as file:
        file.write(answer("b", 1_000_000, "mine"))
    assert read_meter(os.environ, HOST).usd == 2.0
    (config / "prices.json").write_text('{"mine": 2}')
    assert prices(os.environ) == our_prices().dollars_for_a_million_tokens
    assert "key 'mine' holds 2 where an object belongs" in price_trouble(os.environ)
    monkeypatch.setenv("AUTORESEARCH_PRICES", str(tmp_path / "none.json"))
    assert "none.json" in price_trouble(os.environ)


def test_old_files_of_agent_sessions_are_removed(isolated, tmp_path):
    """A folder that grows with every agent session of a lifetime."""
    mark(os.environ, "old", tmp_path)
    mark(os.environ, "new", tmp_path)
    hosts = Path(os.environ["XDG_STATE_HOME"]) / "autoresearch" / "hosts"
    os.utime(hosts / "s-old.run.json", (1.0, 1.0))
    mark(os.environ, "third", tmp_path)
    assert sorted(path.name for path in hosts.iterdir()) == ["s-new.run.json", "s-third.run.json"]
