"""The fold over the log."""

from __future__ import annotations

import dataclasses

import pytest
from autoresearch.core.errors import CorruptLogError
from autoresearch.core.history import advance, tried_of
from autoresearch.core.model import (
    Direction,
    Flag,
    Kind,
    LimitResult,
    NoteKind,
    Reason,
    Scale,
    Verdict,
)
from autoresearch.core.records import (
    Ablation,
    Pruned,
    Recovery,
    Review,
    Run,
    RunEnd,
    Shipment,
    Stop,
    Transfer,
    Undo,
    Validation,
)
from support.histories import history
from support.records import BASE, effect, epoch, experiment, make, note, opened, race, refusal


def folded(*records, undone=None):
    """The progress after these records."""
    progress = None
    for record in records:
        progress = advance(progress, record, undone=undone)
    return progress


def at(second):
    return f"2026-01-02T03:04:{second:02d}Z"


def test_log_begins_with_the_session():
    """A log whose beginning was cut off, read as a whole one."""
    with pytest.raises(CorruptLogError, match="begins with stop"):
        folded(make(Stop))


def test_session_is_opened_once():
    """Two logs pasted together."""
    with pytest.raises(CorruptLogError, match="opened twice"):
        folded(opened(), opened())


def test_record_of_no_known_class_is_refused():
    """A new record class that silently changes nothing."""
    with pytest.raises((CorruptLogError, AttributeError)):
        advance(folded(opened()), make(LimitResult))


def test_record_without_a_step_is_refused():
    """A new record class with a time that silently changes nothing."""

    @dataclasses.dataclass
    class Odd:
        at: str = "2026-01-02T03:04:06Z"

    with pytest.raises(CorruptLogError, match="odd cannot follow"):
        advance(folded(opened()), Odd())


@pytest.mark.parametrize("number", [0, 1, 3])
def test_experiment_number_without_gap_or_double(number):
    """The same experiment recorded twice after a crash."""
    with pytest.raises(CorruptLogError, match=f"experiment {number} follows experiment 1"):
        folded(opened(), epoch(), experiment(1), experiment(number))


def test_incumbent_is_the_base_then_the_contract_then_the_keep():
    """A candidate built on the wrong commit."""
    assert folded(opened()).incumbent_commit == BASE
    assert folded(opened(), epoch()).incumbent_commit == "1" * 40
    progress = folded(opened(), epoch(), experiment(1), experiment(2, Verdict.KEEP))
    assert progress.incumbent_commit == f"{2:040x}"
    found = history(experiment(1), experiment(2, Verdict.KEEP))
    assert found.incumbent_number == 2
    assert found.kept_count == 1
    assert found.keeps == (True, False)


def test_incumbent_value_is_the_candidates_median_in_its_race():
    """The target met by a value of the wrong arm."""
    kept = experiment(1, Verdict.KEEP, race=race("abbaab", (100.0, 50.0, 60.0, 100.0, 100.0, 52.0)))
    assert folded(opened(), epoch()).incumbent_value == 10.5
    assert folded(opened(), epoch(), kept).incumbent_value == 52.0
    assert folded(opened(), epoch(), experiment(1, Verdict.KEEP)).incumbent_value is None
    only_a = experiment(1, Verdict.KEEP, race=race("a", (1.0,)))
    assert folded(opened(), epoch(), only_a).incumbent_value is None


def test_keep_list_is_bounded_but_counted():
    """A brief that grows with the log."""
    records = [experiment(number, Verdict.KEEP) for number in range(1, 531)]
    found = history(*records)
    assert [kept.number for kept in found.kept[:2]] == [530, 529]
    assert len(found.kept) == 50
    assert found.kept_count == 530
    assert len(found.recent) == 20
    assert len(found.keeps) == 500
    assert found.failed == ()


def test_failures_are_remembered_apart_from_keeps():
    """A failure pushed out of sight by later keeps."""
    lost = experiment(1, reason=Reason.WORSE, effect=effect(0.02), race=race("ab", (1.0, 2.0)))
    keeps = [experiment(number, Verdict.KEEP) for number in range(2, 40)]
    (failed,) = history(lost, *keeps).failed
    assert (failed.number, failed.reason, failed.effect) == (1, Reason.WORSE, effect(0.02))


def test_verdicts_and_reasons_are_counted():
    """A refused candidate counted as an experiment, or a reason lost."""
    found = history(
        experiment(1),
        experiment(2, reason=Reason.WORSE),
        experiment(3, reason=Reason.WORSE),
        refusal(),
        experiment(4, Verdict.KEEP, flags=(Flag.PROVISIONAL,)),
    )
    assert [(t.verdict.value, t.reason and t.reason.value, t.amount) for t in found.tallies] == [
        ("discard", "undecided", 1),
        ("discard", "worse", 2),
        ("keep", None, 1),
        ("refused", "outside", 1),
    ]
    assert found.count(Verdict.DISCARD) == 3
    assert found.last_number == 4


def test_refusals_in_a_row_end_with_an_experiment_or_a_new_run():
    """Five refusals spread over a week that stop a run."""
    assert folded(opened(), epoch(), refusal(), refusal()).refusals_in_row == 2
    assert folded(opened(), epoch(), refusal(), experiment(1)).refusals_in_row == 0
    assert folded(opened(), epoch(), refusal(), make(Run, number=1)).refusals_in_row == 0


def test_violations_in_a_row_end_with_any_other_verdict():
    """Three violations over a week that stop a run."""
    bad = [experiment(1, Verdict.VIOLATION), experiment(2, Verdict.VIOLATION)]
    assert folded(opened(), epoch(), *bad).violations_in_row == 2
    assert folded(opened(), epoch(), *bad, experiment(3)).violations_in_row == 0
    assert folded(opened(), epoch(), *bad, make(Run, number=1)).violations_in_row == 0
    assert folded(opened(), epoch(), *bad, epoch(1)).violations_in_row == 0


def test_run_counts_its_own_experiments():
    """A run that ends early because of experiments made outside of it."""
    run = make(Run, number=2, experiments=5, after=1, host_session="h")
    progress = folded(
        opened(), epoch(), experiment(1), run, experiment(2, run=2), experiment(3, run=None)
    )
    assert progress.run is not None
    assert (progress.run.number, progress.run.used, progress.run.experiments) == (2, 1, 5)
    assert progress.last_run == 2
    assert folded(opened(), run, make(RunEnd, number=2)).run is None
    assert folded(opened(), run, make(RunEnd, number=1)).run is not None


def test_run_that_is_handed_over_keeps_its_count():
    """A run that starts from zero when another agent session goes on with it."""
    run = make(Run, number=1, experiments=5, host_session="h")
    handed = make(Run, number=1, experiments=5, host_session="other")
    progress = folded(opened(), epoch(), run, experiment(1, run=1), refusal(), handed)
    assert progress.run is not None
    assert (progress.run.used, progress.run.host_session) == (1, "other")
    assert progress.run.shared_by == ("h", "other")
    assert progress.refusals_in_row == 1


def test_stop_ends_run_and_session():
    """A stopped session that goes on."""
    progress = folded(opened(), make(Run, number=1), make(Stop, reason="enough"))
    assert progress.stopped == "enough"
    assert progress.run is None


def test_pending_rework_is_the_last_experiment_with_attempts_left():
    """A rework offered a third time, or after another experiment."""
    failed = experiment(1, Verdict.REWORK, reason=Reason.GUARD)
    assert history(failed).pending_rework == tried_of(failed)
    assert history(failed, experiment(2)).pending_rework is None
    last = experiment(1, Verdict.REWORK, reason=Reason.GUARD, attempt=2)
    assert history(last).pending_rework is None
    assert history().pending_rework is None


def test_pool_grows_from_calibration_and_races_and_is_cut_at_thirty():
    """A pool of differences between the two arms, or of unbounded length."""
    progress = folded(opened(), epoch(), experiment(1, race=race("abba", (2.0, 4.0, 7.0, 3.0))))
    assert progress.pool(Scale.DIFFERENCE) == (1.0, 3.0)
    assert progress.pool(Scale.RATIO) == pytest.approx((0.0953101798, 0.5596157879))
    long = experiment(1, race=race("a" * 40, tuple(float(v * v) for v in range(1, 41))))
    assert folded(opened(), epoch(), long).noise.difference == tuple(
        float(2 * v + 1) for v in range(10, 40)
    )


def test_sample_takes_as_long_as_the_incumbents_took_lately():
    """A race planned by what a sample took at the start, of a slower program."""
    start = (opened(), epoch(wall_s=(8.0, 6.0), sample_s=7.0))
    assert folded(*start).sample_s == 7.0
    lost = experiment(1, race=race("abba", (2.0,) * 4, wall_s=(3.0, 90.0, 80.0, 3.0)))
    assert folded(*start, lost).walls == (8.0, 6.0, 3.0, 3.0)
    assert folded(*start, lost).sample_s == 4.5
    won = experiment(2, Verdict.KEEP, race=race("abba", (2.0,) * 4, wall_s=(3.0, 1.0, 2.0, 3.0)))
    assert folded(*start, lost, won).sample_s == 1.5
    assert folded(*start, experiment(1)).sample_s == 7.0
    back = make(Undo, experiment=2, commit="e" * 40)
    assert folded(*start, lost, won, back, undone=won).sample_s == 7.0
    assert folded(*start, epoch(1, sample_s=2.0)).sample_s == 2.0
    many = experiment(1, race=race("a" * 30, (1.0,) * 30, wall_s=tuple(map(float, range(30)))))
    assert folded(*start, many).walls == tuple(float(wall_s) for wall_s in range(10, 30))


def test_values_without_a_ratio_leave_the_ratio_pool_alone():
    """A logarithm of zero."""
    progress = folded(opened(), epoch(values=(0.0, 1.0)))
    assert progress.noise.ratio == ()
    assert progress.noise.difference == (1.0,)


def test_deterministic_path_is_left_for_good_and_its_zeros_with_it():
    """Zeros of the deterministic path that make any difference look like a gain."""
    exact = race("bba", (1.0, 1.0, 2.0), deterministic=True)
    start = (opened(), epoch(values=(2.0, 2.0), deterministic=True))
    assert folded(*start, experiment(1, race=exact)).deterministic
    assert folded(*start, experiment(1, race=exact)).noise.difference == (0.0,)
    noisy = experiment(2, race=race("abba", (2.0, 4.0, 7.0, 3.0)))
    progress = folded(*start, experiment(1, race=exact), noisy)
    assert not progress.deterministic
    assert progress.noise.difference == (3.0,)


def test_new_epoch_that_measures_anew_starts_with_nothing_carried():
    """Losses against another baseline that go on counting."""
    loss = make(LimitResult, name="mb", worst=0.02, estimate=0.01, limit=0.05, held=True)
    kept = experiment(1, Verdict.KEEP, limits=(loss,), kind=Kind.SIMPLIFY, effect=effect(0.001))
    progress = folded(opened(), epoch(), kept)
    assert progress.secondary_loss("mb") == 0.01
    assert progress.secondary_loss("other") == 0
    assert progress.simplify_loss(Direction.LOWER, Scale.RATIO) == pytest.approx(0.011)
    assert progress.simplify_loss(Direction.HIGHER, Scale.RATIO) == pytest.approx(0.009)
    assert progress.simplify_loss(Direction.LOWER, Scale.DIFFERENCE) == 0
    budget_only = advance(progress, epoch(1, restarts_measuring=False))
    assert budget_only.secondary_loss("mb") == 0.01
    assert budget_only.epoch is not None
    assert (budget_only.epoch.number, budget_only.epoch_number) == (0, 1)
    assert budget_only.incumbent_commit == "2" * 40
    anew = advance(budget_only, epoch(2, values=()))
    assert anew.secondary == anew.simplify == {}
    assert anew.noise.difference == ()
    assert anew.incumbent_value is None


def test_losses_of_keeps_compound_and_are_given_back():
    """Large changes of a bounded metric whose fractions are added up."""

    def lost(number, estimate, **more):
        limit = make(
            LimitResult, name="mb", worst=1.0, estimate=estimate, limit=9, held=True, **more
        )
        return experiment(number, Verdict.KEEP, limits=(limit,))

    keeps = [lost(1, 2.877, compounds=True), lost(2, -0.028, compounds=True)]
    progress = folded(opened(), epoch(), *keeps)
    assert progress.secondary_loss("mb") == pytest.approx(3.877 * 0.972 - 1)
    undo = make(Undo, experiment=1, commit="f" * 40)
    left = advance(progress, undo, undone=keeps[0])
    assert left.secondary_loss("mb") == pytest.approx(-0.028)
    assert folded(opened(), epoch(), lost(1, 0.5), lost(2, 0.5)).secondary_loss("mb") == 1.0


def test_discarded_change_carries_no_loss():
    """A loss of code that was put back."""
    loss = make(LimitResult, name="mb", worst=0.02, estimate=0.01, limit=0.05, held=True)
    progress = folded(opened(), epoch(), experiment(1, limits=(loss,), kind=Kind.SIMPLIFY))
    assert progress.secondary == progress.simplify == {}


def test_undo_gives_back_what_the_keep_carried():
    """A limit used up by a change that is no longer there."""
    loss = make(LimitResult, name="mb", worst=0.02, estimate=0.01, limit=0.05, held=True)
    simpler = experiment(2, Verdict.KEEP, limits=(loss,), kind=Kind.SIMPLIFY, effect=effect(0.001))
    undo = make(Undo, experiment=2, commit="f" * 40)
    start = (opened(), epoch(), experiment(1, Verdict.KEEP), simpler)
    progress = advance(folded(*start), undo, undone=simpler)
    assert progress.secondary_loss("mb") == 0
    assert progress.simplify_loss(Direction.LOWER, Scale.RATIO) == 0
    assert progress.incumbent_commit == "f" * 40
    assert progress.incumbent_value is None
    found = history(experiment(1, Verdict.KEEP), simpler, undo)
    assert found.incumbent_number == 1
    assert found.undone == (2,)
    assert [kept.undone for kept in found.kept] == [True, False]
    assert advance(folded(*start), undo, undone=None).secondary_loss("mb") == 0.01


def test_undo_of_an_earlier_epochs_keep_gives_nothing_back():
    """A loss given back that the new baseline never carried."""
    loss = make(LimitResult, name="mb", worst=0.02, estimate=0.01, limit=0.05, held=True)
    kept = experiment(1, Verdict.KEEP, limits=(loss,))
    progress = folded(opened(), epoch(), kept, epoch(1))
    undone = advance(progress, make(Undo, experiment=1, commit="f" * 40), undone=kept)
    assert undone.secondary_loss("mb") == 0
    assert history(kept, make(Undo, experiment=1, commit="f" * 40)).incumbent_number == 0


def test_time_spent_leaves_out_the_nights():
    """Hours used up while the machine was off."""
    progress = folded(
        opened(at=at(0)),
        epoch(at=at(10)),
        experiment(1, at=at(40), duration_s=20.0),
        make(Stop, at="2026-01-05T03:04:40Z"),
    )
    assert progress.active_s == 10 + 30 + 900


def test_clock_that_goes_back_takes_no_time_away():
    """A budget that grows because a clock was set."""
    progress = folded(opened(at=at(30)), epoch(at=at(10)), experiment(1, at=at(9), duration_s=5.0))
    assert progress.active_s == 5.0


def test_ablation_changes_nothing_but_the_time():
    """A suggestion for people that takes a kept change back, or one that stops the fold."""
    before = folded(opened(), experiment(1, Verdict.KEEP))
    assert advance(before, make(Ablation, experiment=1, doubtful=True)) == before
    assert advance(before, make(Pruned, experiments=((1, 1),))) == before


def test_latest_validation_is_known():
    """A claim from an older validation."""
    first, second = (make(Validation, after=after, effect=effect(-0.1)) for after in (1, 2))
    progress = folded(opened(), first, second)
    assert progress.validation is not None
    assert progress.validation.after == 2


def test_note_numbers_go_up_and_retiring_takes_none():
    """Two notes of one number."""
    progress = folded(opened(), note(1, "a"), note(2, "b"), note(1, "", NoteKind.RETIRE))
    assert progress.last_note == 2


def test_summary_is_cut_to_its_bound():
    """A message of a megabyte in every answer."""
    paths = tuple(("M", f"src/{number}.py") for number in range(100))
    summary = tried_of(
        experiment(1, message="m" * 1000, hypothesis="h" * 1000, detail="d" * 1000, paths=paths)
    )
    assert (len(summary.message), len(summary.hypothesis or ""), len(summary.detail)) == (
        400,
        400,
        400,
    )
    assert len(summary.paths) == 8
    assert summary.path_count == 100
    assert tried_of(experiment(1, race=race("abba", (1.0,) * 4))).samples == 4


def test_history_holds_the_progress():
    """A field of the progress that is lost on the way to the brief."""
    progress = folded(opened(), epoch(), experiment(1))
    found = history(experiment(1))
    for name in progress.__struct_fields__:
        assert getattr(found, name) == getattr(progress, name)


def test_what_was_kept_later_is_no_failure():
    """A dead end in the brief that is in fact kept: raced again, or mended."""
    tried = experiment(1, tree="1" * 40)
    again = experiment(2, Verdict.KEEP, kind=Kind.AGAIN, related=1, tree="2" * 40)
    assert history(tried, again).failed == ()
    same_tree = experiment(2, Verdict.KEEP, tree="1" * 40)
    assert history(tried, same_tree).failed == ()
    other = experiment(2, Verdict.KEEP, related=1, tree="3" * 40)
    assert [failed.number for failed in history(tried, other).failed] == [1]


def test_noise_of_another_machine_is_forgotten():
    """A race judged by the noise of a machine that has since been started anew."""
    here = experiment(1, race=race("abbaab", (1.0, 1.1, 1.2, 1.0, 1.1, 1.2), machine="one"))
    there = experiment(2, race=race("abba", (1.0, 2.0, 2.5, 1.0), machine="two"))
    assert folded(opened(), epoch(), here).machine == "one"
    found = folded(opened(), epoch(), here, there)
    assert (found.machine, found.noise.difference) == ("two", (0.5,))


def test_rebuilt_session_says_so_from_then_on():
    """A session brought back from refs that looks like one that was never lost."""
    rebuilt = make(Recovery, step="recover", action="rebuilt", at=at(1))
    later = make(Recovery, step="try", action="finished", at=at(2))
    assert folded(opened()).rebuilt is None
    assert folded(opened(), later).rebuilt is None
    assert folded(opened(), rebuilt, later).rebuilt == at(1)


def test_rebuilt_session_has_the_environment_that_was_found_then():
    """A session on another machine that is refused for its environment; one line that widens it."""
    before = epoch(environment_sha256="a" * 64)
    moved = make(Recovery, step="recover", action="rebuilt", environment_sha256="b" * 64)
    older = make(Recovery, step="recover", action="rebuilt")
    assert folded(opened(), before, moved).epoch.environment_sha256 == "b" * 64
    assert folded(opened(), before, older).epoch.environment_sha256 == "a" * 64
    assert folded(opened(), moved).epoch is None


def test_latest_word_of_a_review_counts():
    """A keep that stays accepted after it was rejected, or that is accepted twice."""
    keep = experiment(1, Verdict.KEEP, flags=(Flag.SUSPICIOUS,))
    accept, reject = (make(Review, experiment=1, accepted=yes) for yes in (True, False))
    assert folded(opened(), epoch(), keep, accept, accept).accepted == (1,)
    assert folded(opened(), epoch(), keep, accept, reject).accepted == ()
    assert [kept.number for kept in history(keep).suspicious] == [1]
    assert history(keep, accept).suspicious == ()


def test_shipment_changes_nothing_but_the_time():
    """Branches for review that change where the session stands."""
    before = folded(opened(), experiment(1, Verdict.KEEP))
    assert advance(before, make(Shipment)) == before
    assert advance(before, make(Transfer)) == before


def test_noise_since_a_keep_is_that_of_its_program():
    """Differences of a superseded incumbent that count as its successor's for ever."""
    start = (opened(), epoch(values=(10.0, 30.0)))
    lost = experiment(1, race=race("abba", (2.0, 4.0, 7.0, 3.0), pairs_planned=3))
    assert folded(*start, lost).noise.fresh is None
    # a: 2, 3, 9; then b: 4, 7, 8: the two of the program that was kept come last
    runs = race("abbaba", (2.0, 4.0, 7.0, 3.0, 8.0, 9.0), pairs_planned=20)
    won = experiment(2, Verdict.KEEP, race=runs)
    kept = folded(*start, lost, won)
    assert kept.noise.difference == (20.0, 1.0, 3.0, 1.0, 6.0, 3.0, 1.0)
    assert kept.noise.fresh == 2
    later = experiment(3, race=race("ab" * 3, (1.0, 2.0, 4.0, 5.0, 3.0, 2.0), pairs_planned=3))
    assert folded(*start, lost, won, later).noise.fresh == 6
    back = make(Undo, experiment=2, commit="e" * 40)
    assert folded(*start, lost, won, back, undone=won).noise.fresh == 0
    assert folded(*start, lost, won, epoch(1)).noise.fresh is None
