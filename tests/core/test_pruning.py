"""Which candidates' refs may go."""

from __future__ import annotations

from autoresearch.core.model import NoteKind, Verdict
from autoresearch.core.pruning import Known, numbers_of, prunable, ranges, survey
from autoresearch.core.records import Pruned
from support.records import experiment, make, note, opened


def numbers(found):
    """The numbers of what may go, and of what an idea spares."""
    return [known.number for known in found.candidates], list(found.named)


def tried(count, kept=()):
    """So many experiments, these of them kept."""
    return [
        experiment(n, Verdict.KEEP if n in kept else Verdict.DISCARD) for n in range(1, count + 1)
    ]


def test_survey_holds_what_the_log_says():
    """An idea that was retired and still spares, or a pruned ref that counts as lost."""
    log = [
        opened(),
        *tried(3, kept={2}),
        note(1, "combine 1 and 3"),
        note(2, "again 2"),
        note(3, "17 is noise", NoteKind.LESSON),
        make(Pruned, experiments=((1, 1), (3, 5)), keep=0),
        note(2, "done", NoteKind.RETIRE),
        note(9, "no idea of this number", NoteKind.RETIRE),
    ]
    found = survey(log)
    assert found.tried == (
        Known(1, f"{1:040x}", kept=False),
        Known(2, f"{2:040x}", kept=True),
        Known(3, f"{3:040x}", kept=False),
    )
    assert found.ideas == ("combine 1 and 3",)
    assert found.pruned == {1, 3, 4, 5}


def test_the_forty_newest_failures_and_every_keep_stay():
    """A ref that the brief names, or a kept one, among those that go."""
    # 50 experiments, 2 and 9 kept: 48 failed, and the 40 newest of these begin with 11.
    found = survey(tried(50, kept={2, 9}))
    assert numbers(prunable(found, 0)) == ([1, 3, 4, 5, 6, 7, 8, 10], [])
    assert numbers(prunable(found, 45)) == ([1, 3, 4, 5], [])
    assert numbers(prunable(found, 50)) == ([], [])
    assert numbers(prunable(survey(tried(40)), 0)) == ([], [])
    assert numbers(prunable(survey([opened()]), 0)) == ([], [])


def test_what_an_open_idea_names_stays():
    """An idea that says `combine 4 with 7`, whose halves are gone."""
    found = survey([*tried(48), note(1, "combine #4 with 7, but not 44")])
    assert numbers(prunable(found, 0)) == ([1, 2, 3, 5, 6, 8], [4, 7])


def test_ranges_say_the_same_numbers():
    """A range whose end is left out, or that joins what does not follow."""
    assert ranges([5, 1, 2, 3, 7, 8, 3]) == ((1, 3), (5, 5), (7, 8))
    assert numbers_of(((1, 3), (5, 5), (7, 8))) == {1, 2, 3, 5, 7, 8}
    assert ranges([]) == ()
    assert numbers_of(()) == frozenset()
