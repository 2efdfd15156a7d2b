"""What `doctor` says: every BAD line names what is wrong, and nothing that is under way is BAD."""

from __future__ import annotations

import shutil

from autoresearch.edges.lock import Lock


def half_done(rig):
    """A step in the journal and the folder of a run, as while a `try` is at work; the folder."""
    (rig.state / "journal.json").write_text("{}")
    (run := next(rig.cache_home.glob("autoresearch-bench/*/cheaper")) / "run").mkdir()
    return run


def bad(said):
    """The BAD lines of an answer."""
    return [line[4:] for line in said.out.splitlines() if line.startswith("BAD ")]


def test_doctor_beside_a_running_command(rig):
    """A `try` at work called broken, with a remedy that only says `locked`."""
    half_done(rig)
    with Lock(rig.state / "lock").acquire("try"):
        said = rig.run("doctor")
    assert (said.code, bad(said)) == (0, [])
    assert "ok  at work: `autoresearch try` (process " in said.out


def test_bad_lines_say_what_is_wrong(rig):
    """A BAD line that reads `no step is half done`."""
    run = half_done(rig)
    rig.repo("switch", "-q", "main")
    said = rig.run("doctor")
    assert (said.code, bad(said)) == (
        1,
        [
            "HEAD: on refs/heads/main, not on autoresearch/cheaper",
            "journal: a command was interrupted, a step is half done",
            "protected files: edited: autoresearch.yaml",
            f"folders of a run: left in {run}",
        ],
    )


def test_an_older_state_is_called_so(rig):
    """An older copy of the state, and `git update-ref` named to throw the newer work away."""
    copy = rig.folder / "copy"
    shutil.copytree(rig.state, copy)
    rig.edit(90)
    assert rig.run("try", "-m", "kept").code == 0
    shutil.rmtree(rig.state)
    shutil.copytree(copy, rig.state)
    said = rig.run("doctor")
    (line,) = bad(said)
    assert "an older copy was put in its place" in line
    assert "next: `autoresearch recover --from-refs`" in said.out
    assert "update-ref" not in said.out
    assert rig.run("recover", "--from-refs").code == 0
    assert rig.broken() == []


def test_undo_names_what_is_kept(rig):
    """An experiment that is undone already named among the kept ones."""
    for cost in (90, 80):
        rig.edit(cost)
        rig.run("try", "-m", f"to {cost}")
    assert rig.run("undo", "2").code == 0
    said = rig.run("undo", "2")
    assert said.out == "error: experiment 2 is undone already\nnext: Kept: 1.\n"
    rig.edit(99)
    rig.run("try", "-m", "worse")
    assert "experiment 3 was not kept\nnext: Kept: 1." in rig.run("undo", "3").out


def test_undo_names_a_file_that_it_left(rig, monkeypatch):
    """`is undone`, and not a word that the file still holds the undone change."""
    from autoresearch.loop import settle  # noqa: PLC0415 - one use

    rig.edit(90)
    rig.run("try", "-m", "kept")
    real = settle.keep

    def edited_meanwhile(*args, **kwargs):
        rig.edit(90, "and the user's line")
        return real(*args, **kwargs)

    monkeypatch.setattr(settle, "keep", edited_meanwhile)
    said = rig.run("undo", "1")
    assert said.code == 0, said
    assert "left as it is: src/work.sh was changed meanwhile" in said.out
    assert "the user's line" in rig.work
