"""Secondary metrics within their limits."""

from __future__ import annotations

from random import Random

import pytest
from autoresearch.core.decision import Rule
from autoresearch.core.limits import Bound, LimitState, judge_limit, left_to_lose, under_limits
from autoresearch.core.model import Direction, Flag, Reason, Scale, compounded, taken_back
from autoresearch.core.race import judge
from msgspec.structs import replace
from support.pairs import climbing, lower, noisy, paired


def bound(limit=0.05, *, direction=Direction.LOWER, relative=True):
    return Bound(name="peak_mb", direction=direction, limit=limit, relative=relative)


def check(pairs, one=None, *, planned=20, carried=0.0):
    return judge_limit(pairs, one or bound(), lower(planned), carried=carried)


def test_exact_values_are_proven_at_once():
    """Breaks if a metric that repeats itself must be measured eight times."""
    held = check(paired([100, 100], [104, 104]))
    assert held.state is LimitState.HELD
    assert held.result.worst == held.result.estimate == pytest.approx(0.04)
    assert held.result.held is True
    assert check(paired([100, 100], [106, 106])).state is LimitState.BROKEN


def test_one_pair_is_not_enough_to_see_that_values_repeat():
    """Breaks if a single noisy pair passes for exact."""
    assert check(paired([100], [104])).state is LimitState.UNPROVEN
    assert check(paired([100], [104]), planned=1).state is LimitState.HELD


def test_losses_of_former_keeps_add_up():
    """Breaks if many small losses slip through one by one."""
    broken = check(paired([100, 100], [103, 103]), carried=0.03)
    assert broken.state is LimitState.BROKEN
    assert broken.result.worst == pytest.approx(0.0609)  # 1.03 * 1.03
    assert broken.result.estimate == pytest.approx(0.03)
    assert check(paired([100, 100], [103, 103]), carried=-0.01).state is LimitState.HELD


def test_large_changes_compound():
    """38.2 MB that became 138.4 (+262 %) stood at +280.7 %, and its limit was taken for broken."""
    wide = bound(2.7)
    third = check(paired([148.1, 148.1], [143.95, 143.95]), wide, carried=2.877)
    assert third.result.worst == pytest.approx(2.7684, abs=1e-4)  # 3.877 * 0.972 - 1
    last = check(paired([143.95, 143.95], [138.4, 138.4]), wide, carried=2.7684)
    assert (last.state, last.result.worst) == (LimitState.HELD, pytest.approx(2.6231, abs=1e-4))
    assert last.result.since_baseline == last.result.worst
    halved = check(paired([50, 50], [25, 25]), bound(0.8, direction=Direction.HIGHER), carried=0.5)
    assert (halved.state, halved.result.worst) == (LimitState.HELD, pytest.approx(0.75))
    absolute = check(paired([50, 50], [25, 25]), bound(40, relative=False), carried=50)
    assert (absolute.result.worst, absolute.result.compounds) == (25, False)


def test_older_logs_added_fractions_up():
    """A recorded limit that is recomputed otherwise than it was decided."""
    pairs = paired([100, 100], [150, 150])
    old = judge_limit(pairs, bound(1.1), lower(20), carried=0.5, compounds=False)
    assert (old.state, old.result.worst) == (LimitState.HELD, pytest.approx(1.0))
    assert old.result.since_baseline == old.result.worst
    assert check(pairs, bound(1.1), carried=0.5).state is LimitState.BROKEN


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("scale", Scale)
def test_simplifications_use_up_what_is_left(direction, scale):
    """Two that lose a tenth each, and together more than the fifth that is allowed."""
    left = left_to_lose(0.1, 0.2, direction, scale)
    if scale is Scale.DIFFERENCE:
        assert left == pytest.approx(0.1)
        return
    assert compounded(0.1, left, direction) == pytest.approx(0.2)
    assert left == pytest.approx(1.2 / 1.1 - 1 if direction is Direction.LOWER else 1 - 0.8 / 0.9)


def test_what_was_chained_is_taken_back():
    """A limit that an undone keep still uses up; a total loss that cannot be divided out."""
    assert taken_back(compounded(0.5, 0.2, Direction.LOWER), 0.2, Direction.LOWER) == pytest.approx(
        0.5
    )
    assert taken_back(1.5, 1.0, Direction.HIGHER) == 0.5
    assert compounded(1.0, 0.5, Direction.HIGHER) == 1.5
    assert compounded(0.1, float("inf"), Direction.LOWER) == float("inf")


def test_limit_itself_is_allowed():
    """Breaks if no loss at all does not satisfy a limit of +0 %."""
    assert check(paired([7, 7], [7, 7]), bound(0.0)).state is LimitState.HELD


def test_absolute_limit_is_in_the_metrics_unit():
    """Breaks if 3 MB are compared with 3 %."""
    pairs = paired([100, 100], [103, 103])
    assert check(pairs, bound(3, relative=False)).state is LimitState.HELD
    assert check(pairs, bound(2.9, relative=False)).state is LimitState.BROKEN


def test_falling_is_the_loss_where_higher_is_better():
    """Breaks if a rising accuracy counts as a loss."""
    higher = bound(direction=Direction.HIGHER)
    assert check(paired([100, 100], [106, 106]), higher).state is LimitState.HELD
    assert check(paired([100, 100], [94, 94]), higher).state is LimitState.BROKEN
    absolute = bound(1, direction=Direction.HIGHER, relative=False)
    assert check(paired([10, 10], [8.5, 8.5]), absolute).result.estimate == 1.5


def test_noisy_metric_is_unproven_until_the_order_proves_it():
    """Breaks if a limit is held on too little, or never."""
    # each pair loses 1 % to 1.8 %; 8 pairs at level .02 * 8/20 = .008 >= 1/256 reach the bound
    pairs = paired([100] * 8, [101 + n / 10 for n in range(8)])
    for fewer in range(2, 8):
        early = check(pairs[:fewer])
        assert (early.state, early.result.worst) == (LimitState.UNPROVEN, None)
        assert early.result.estimate > 0
    held = check(pairs)
    assert held.state is LimitState.HELD
    # beyond 1.7 % all eight agree, p = 1/256 <= .008; the next sum has p >= 2/256 = .0078 <= .008
    assert 0.015 <= held.result.worst <= 0.017
    assert check(pairs, bound(0.005)).state is LimitState.BROKEN
    assert check(pairs, bound(0.0135)).state is LimitState.UNPROVEN


def test_between_looks_nothing_is_proven():
    """Breaks if peeking after every pair spends more than alpha."""
    pairs = paired([100] * 9, [101 + n / 10 for n in range(9)])
    assert check(pairs).state is LimitState.UNPROVEN


def test_later_look_has_its_own_share():
    """Breaks if the second look spends the first one's share again."""
    # Losses 1.0, 1.1, ... 2.1 from equal incumbents. A shift with 2 of them above it is refuted by
    # all but 16 of 4096 labellings, with 3 by all but 81. N = 12 has .02 * 4/12 (27 of 4096) left
    # after the look at 8; the whole .02 would be 81.9.
    pairs = paired([100] * 12, [101 + n / 10 for n in range(12)])
    worst = check(pairs, bound(5, relative=False), planned=12).result.worst
    assert worst == pytest.approx(1.9)


def test_early_look_that_cannot_prove_spends_nothing():
    """Breaks if N = 16 at a small alpha is bankrupt after a look that could not succeed."""
    # alpha .005: 8 pairs have .0025 < 1/256; 12 pairs then have all .00375 >= 1/4096
    pairs = paired([100] * 12, [101 + n / 100 for n in range(12)])
    early = judge_limit(pairs[:8], bound(), lower(16, alpha=0.005), carried=0.0)
    assert early.state is LimitState.UNPROVEN
    later = judge_limit(pairs, bound(), lower(16, alpha=0.005), carried=0.0)
    assert later.state is LimitState.HELD


def test_slow_race_asks_every_pair_to_hold():
    """Breaks if three pairs can never prove a limit, or prove it by their mean."""
    assert check(paired([100] * 3, [101, 102, 104]), planned=3).state is LimitState.HELD
    assert check(paired([100] * 3, [101, 102, 106]), planned=3).state is LimitState.UNPROVEN
    assert check(paired([100] * 2, [101, 102]), planned=3).state is LimitState.UNPROVEN
    touching = check(paired([100] * 3, [101, 102, 104]), bound(1, relative=False), planned=3)
    assert touching.state is LimitState.UNPROVEN


def test_relative_limit_from_zero():
    """Breaks if a first failure out of none is divided by zero, or passes."""
    assert check(paired([0, 0], [0, 0])).state is LimitState.HELD
    new = check(paired([0, 0], [1, 1]))
    assert (new.state, new.result.worst, new.result.estimate) == (LimitState.BROKEN, None, 1)
    gone = check(paired([0, 0], [-1, -1]))
    assert (gone.state, gone.result.estimate) == (LimitState.HELD, 0)


def test_relative_limit_where_the_candidate_reaches_zero():
    """Breaks if a metric that drops to 0 cannot be compared any more."""
    gone = check(paired([4, 4], [0, 0]))
    assert (gone.state, gone.result.estimate) == (LimitState.HELD, -1)


def test_loss_within_its_limit_rarely_fails_and_beyond_rarely_holds():
    """Breaks if the level is not what it says: at a true loss at the limit 2 % may hold."""
    rng = Random(4)
    wrong = 0
    for _ in range(200):
        pairs = noisy(rng, 20, gain=-0.05, spread=0.01)
        states = {check(pairs[:n]).state for n in (8, 12, 16, 20)}
        wrong += LimitState.HELD in states
    assert wrong <= 9  # 2 % of 200 is 4, standard deviation 2


KEEP = judge(climbing([-0.01] * 8), lower(20, rule=1), [])
HELD = check(paired([100, 100], [100, 100]))
BROKEN = check(paired([100, 100], [110, 110]))
UNPROVEN = check(paired([100], [104]))


def test_keep_stands_when_all_limits_hold():
    """Breaks if a proven limit changes the verdict."""
    assert under_limits(KEEP, [HELD, HELD], pairs=8, planned=20, extra=0) == KEEP
    assert under_limits(KEEP, [], pairs=8, planned=20, extra=0) == KEEP


def test_keep_says_what_was_run_for_its_limits():
    """Breaks if `samples: 16` stands beside `better after 8 pairs` without a reason."""
    longer = under_limits(KEEP, [HELD], pairs=12, planned=20, extra=4)
    assert longer == replace(KEEP, detail=f"{KEEP.detail}; 4 more to prove the limits")


def test_broken_limit_discards():
    """Breaks if a keep is given beyond a limit."""
    answer = under_limits(KEEP, [HELD, BROKEN, UNPROVEN], pairs=8, planned=20, extra=0)
    assert (answer.ended, answer.keep, answer.reason) == (True, False, Reason.LIMITS)
    assert (answer.rule, answer.detail) == (Rule.LIMIT, "beyond its limit: peak_mb")
    assert answer.effect == KEEP.effect


def test_unproven_limit_races_on_and_is_a_discard_at_the_end():
    """Breaks if a keep is given unproven, or the race goes on past N."""
    assert under_limits(KEEP, [UNPROVEN], pairs=19, planned=20, extra=0).ended is False
    answer = under_limits(KEEP, [UNPROVEN], pairs=20, planned=20, extra=0)
    assert (answer.keep, answer.reason, answer.pairs) == (False, Reason.LIMITS, 20)
    assert answer.detail == "not proven to stay within its limit: peak_mb"


def test_discard_loses_its_flags():
    """Breaks if a discard is called provisional."""
    single = judge(paired([100], [90]), lower(1), [])
    assert single.flags == (Flag.PROVISIONAL,)
    assert under_limits(single, [BROKEN], pairs=1, planned=1, extra=0).flags == ()


def test_limits_do_not_rescue_a_discard():
    """Breaks if limits are reported for a candidate that was no better anyway."""
    lost = judge(climbing([0.01, 0.01]), lower(20), [])
    assert under_limits(lost, [BROKEN], pairs=2, planned=20, extra=0) == lost
