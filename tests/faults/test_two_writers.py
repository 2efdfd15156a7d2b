"""A lock file that somebody deletes while it is held: one of two commands goes on, never both."""

from __future__ import annotations

from autoresearch.core.errors import SessionBroken
from autoresearch.loop import experiment, logbook


def test_the_second_writer_works_alone(rig, monkeypatch):
    """An experiment settled twice at once, and a log that ends in an error."""
    real = experiment.record_decision

    def beside_another(*args, **kwargs):
        (rig.state / "lock").unlink()
        experiment.record_decision = real  # in this fork, and in the one that it starts
        said = rig.run("try", "-m", "the second")
        (rig.folder / "second").write_text(said.out)
        return real(*args, **kwargs)

    monkeypatch.setattr(experiment, "record_decision", beside_another)
    rig.edit(90)
    first = rig.run("try", "-m", "the first")
    monkeypatch.undo()
    rig.move_in(monkeypatch)
    second = (rig.folder / "second").read_text()
    assert "experiment 1 was interrupted before its verdict" in second
    assert (first.code, "lock was deleted or replaced" in first.out) == (1, True), first
    assert "next: `autoresearch status`" in first.out
    assert [(e["verdict"], e["message"]) for e in rig.experiments()] == [("keep", "the second")]
    assert rig.broken() == []


def test_a_broken_session_always_has_a_remedy(rig, monkeypatch):
    """Exit 5, and nothing said of what to do."""

    def broken(*args, **kwargs):
        raise SessionBroken("it cannot go on", code="broken")

    monkeypatch.setattr(logbook, "add_note", broken)
    said = rig.run("note", "x")
    assert (said.code, said.out) == (
        5,
        "error: it cannot go on\nnext: `autoresearch doctor` says what is wrong and how to mend "
        "it.\n",
    )
    assert '"hint": "`autoresearch doctor`' in rig.run("note", "x", "--json").out
