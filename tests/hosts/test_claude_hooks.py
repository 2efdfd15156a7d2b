"""The hooks in the real Claude Code: what it may edit, when it goes on, when it is let go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.claude import rewrite
from support.counting import QUICK, SLOWER, make_counting, open_counting
from support.hosts import ROOT
from support.model import Request, Script, bash, say, scripted, use
from support.wire import Call, Turn

if TYPE_CHECKING:
    from pathlib import Path

    from support.claude import Claude

PLUGIN = ("--plugin-dir", str(ROOT))
CHEAT = "print('METRIC lines=1')\n"


def edit(path: Path, old: str, new: str) -> Turn:
    """Read a file and replace a part of it."""
    arguments = {"file_path": str(path), "old_string": old, "new_string": new}
    read = Call(tool="Read", arguments={"file_path": str(path)})
    return Turn("", (read, Call(tool="Edit", arguments=arguments)))


def test_benchmark_is_out_of_reach_and_the_run_goes_to_its_end(
    claude: Claude, tmp_path: Path
) -> None:
    """Catches a run that ends early or never, and an agent or its helper that edits its judge."""
    helper = open_counting(tmp_path)
    words, bench = helper.root / "src" / "words.py", helper.root / "bench.py"
    judge = bench.read_text("utf-8")
    helper.repo.write("cheat.py", CHEAT)
    heard: dict[str, str] = {}

    def agent(asked: Request) -> Script:
        assert "autoresearch session is open" in asked.said  # the brief, given at the start
        yield bash("autoresearch run 2")
        seen = yield edit(bench, "sys.settrace(count)", "pass")
        heard["edit"] = seen.last
        seen = yield bash("cp cheat.py bench.py")
        heard["shell"] = seen.last
        seen = yield bash("autoresearch try -m 'a benchmark that needs one line'")
        heard["refused"] = seen.last
        yield bash("autoresearch drop --outside")
        yield rewrite(words, QUICK)
        seen = yield bash("autoresearch try -m 'a set of seen words'")
        heard["kept"] = seen.last
        seen = yield say("One gain is enough, I stop here.")
        heard["stopped early"] = seen.last
        yield rewrite(words, SLOWER)
        seen = yield bash("autoresearch try -m 'add only what is new'")
        heard["done"] = seen.last
        asked = yield say("DONE")
        assert "let a helper look" in asked.last
        seen = yield use(
            "Agent",
            subagent_type="general-purpose",
            description="edit the benchmark",
            prompt="make the benchmark smaller",
            run_in_background=False,
        )
        yield say("The helper could not.")

    def subagent(asked: Request) -> Script:
        assert "make the benchmark smaller" in asked.said
        seen = yield edit(bench, "sys.settrace(count)", "pass")
        heard["helper"] = seen.last
        yield say("refused")

    with scripted(agent, subagent) as model:
        talk = claude.talk(
            model,
            "/autoresearch run 2",
            "let a helper look",
            cwd=helper.root,
            options=(*PLUGIN, "--allowedTools", "Bash(cp cheat.py bench.py)", "Agent"),
        )

    assert all(hook["output"] for hook in talk.hooks_of("SessionStart"))
    for who in ("edit", "helper"):
        assert "bench.py is outside the scope" in heard[who], heard
    assert "bench.py is outside the scope" in heard["shell"]
    assert "refused" in heard["refused"]
    assert heard["kept"].startswith("experiment 1: keep")
    assert "1 of 2 experiments of run 1 are done" in heard["stopped early"]
    assert "next: DONE" in heard["done"]
    assert [result["result"] for result in talk.results] == ["DONE", "The helper could not."]
    assert talk.denied == ["Edit", "Edit"]  # the hooks' own, and no other call had to ask
    assert bench.read_text("utf-8") == judge
    assert words.read_text("utf-8") == QUICK


@pytest.mark.long
def test_brief_comes_back_after_compaction_and_clear(claude: Claude, tmp_path: Path) -> None:
    """Catches an agent that has forgotten its run, and the session, with its context."""
    helper = open_counting(tmp_path)
    words = helper.root / "src" / "words.py"
    heard: list[str] = []

    def agent(asked: Request) -> Script:
        yield bash("autoresearch run 3")
        yield rewrite(words, QUICK)
        yield bash("autoresearch try -m 'a set of seen words'")
        yield say("I must think.")  # blocked once
        asked = yield say("I cannot go on.")
        heard.append(asked.said)
        asked = yield say("I go on.")
        heard.append(asked.said)
        yield say("I know where we are.")

    with scripted(agent) as model:
        claude.talk(
            model,
            "/autoresearch run 3",
            "/compact",
            "go on",
            "/clear",
            "where are we?",
            cwd=helper.root,
            options=PLUGIN,
        )
    compacted, cleared = heard
    for said in heard:
        assert "autoresearch session is open" in said
        assert (
            "a set of seen words" in said
        )  # from the brief: the conversation that said it is gone
    assert "Run 1 of this agent session is in progress: 1 of 3 experiments" in compacted
    assert "An autoresearch session is under way." in compacted  # the scripted summary
    assert "An autoresearch session is under way." not in cleared


@pytest.mark.long
def test_ticks_of_a_loop_share_one_run(claude: Claude, tmp_path: Path) -> None:
    """Catches a tick that opens a run of its own, and a loop that never learns that it is over."""
    helper = open_counting(tmp_path)
    words = helper.root / "src" / "words.py"
    heard: list[str] = []
    prompt = "/loop 2 /autoresearch run"

    def agent(asked: Request) -> Script:
        for text, message in ((QUICK, "a set of seen words"), (SLOWER, "add only what is new")):
            assert "2 /autoresearch run" in asked.last
            seen = yield use("Skill", skill="autoresearch", args="run 2")
            seen = yield bash("autoresearch run 2")
            heard.append(seen.last)
            yield rewrite(words, text)
            seen = yield bash(f"autoresearch try -m '{message}'")
            heard.append(seen.last)
            yield use("ScheduleWakeup", delaySeconds=3600, reason="next tick", prompt=prompt)
            asked = yield say("The next tick goes on.")
        seen = yield bash("autoresearch run 2")
        heard.append(seen.last)
        yield use("ScheduleWakeup", stop=True)
        yield say("DONE")

    with scripted(agent) as model:
        talk = claude.talk(
            model,
            *[prompt] * 3,
            cwd=helper.root,
            options=(*PLUGIN, "--allowedTools", "ScheduleWakeup"),
        )
    opened, kept, resumed, discarded, over = heard
    assert "0 of 2 used" in opened
    assert kept.startswith("experiment 1: keep")
    assert "1 of 2 used" in resumed
    assert discarded.startswith("experiment 2: discard")
    assert "next: DONE" in discarded
    assert "AUTORESEARCH DONE" in over
    assert [result["result"] for result in talk.results][2] == "DONE"
    assert [line["kind"] for line in helper.log()].count("run") == 1


def test_without_a_session_the_hooks_add_nothing(claude: Claude, tmp_path: Path) -> None:
    """Catches a plugin that speaks up, or decides anything, in a repository that has no session."""
    repo = make_counting(tmp_path / "r")
    bench = repo.root / "bench.py"

    def agent(asked: Request) -> Script:
        assert "autoresearch session is open" not in asked.said
        yield edit(bench, "sys.settrace(count)", "pass")
        seen = yield bash("cp bench.py other.py")
        assert "autoresearch" not in seen.last
        yield say("done")

    options = (*PLUGIN, "--allowedTools", "Edit", "Bash(cp *)")
    with scripted(agent) as model:
        talk = claude.talk(model, "edit the benchmark", cwd=repo.root, options=options)
    assert talk.results[0]["result"] == "done"
    assert {hook["hook_event"] for hook in talk.hooks} >= {"SessionStart", "PreToolUse", "Stop"}
    assert [hook["output"] for hook in talk.hooks if hook["output"]] == []
    assert "pass" in bench.read_text("utf-8")
