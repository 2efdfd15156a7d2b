"""The heart: which pairs are kept, which discarded, and when."""

from __future__ import annotations

from random import Random
from time import process_time

import pytest
from autoresearch.core.decision import Rule
from autoresearch.core.model import Arm, Direction, Flag, Reason, Scale
from autoresearch.core.race import judge
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from support.pairs import climbing, lower, noisy, paired

QUIET = [0.001] * 30


def short(decision):
    return decision.keep, decision.rule, decision.pairs, decision.reason


def test_no_pairs_ask_for_the_first():
    """Breaks if a race can end before it began."""
    decision = judge([], lower(20), QUIET)
    assert (decision.ended, decision.keep, decision.rule) == (False, False, Rule.OPEN)


def test_landslide_is_kept_after_four_pairs():
    """Breaks if a plain gain far beyond the noise is raced on."""
    pairs = paired([100, 101, 100, 101], [90, 91, 90, 91])
    assert judge(pairs[:3], lower(20), []).ended is False
    decision = judge(pairs, lower(20), [0.01] * 4)  # and three of its own
    assert short(decision) == (True, Rule.LANDSLIDE, 4, None)
    assert decision.p_value is None
    assert decision.effect.change == pytest.approx(-0.1, abs=0.01)
    assert decision.detail == (
        "better after 4 pairs: each gained more than any two runs of the same code have differed"
    )


def test_landslide_is_looked_for_in_long_races_too():
    """Breaks if a landslide costs more where samples are cheap."""
    pairs = paired([100, 101] * 2, [90, 91] * 2)
    assert short(judge(pairs, lower(100), QUIET)) == (True, Rule.LANDSLIDE, 4, None)


def test_landslide_must_exceed_every_same_code_difference():
    """Breaks if a gain as large as the noise counts as one."""
    # order A B B A A B B A: b 90 -> 80 differ by ln(90/80) = .118 > ln(100/90) = .105
    pairs = paired([100, 100, 100, 100], [90, 80, 80, 80])
    assert judge(pairs, lower(20), [0.01] * 26).ended is False
    calm = paired([100] * 4, [90] * 4)
    assert judge(calm, lower(20), [0.01] * 26).rule is Rule.LANDSLIDE
    assert judge(calm, lower(20), [0.2, *[0.01] * 26]).ended is False


def test_landslide_counts_the_latest_thirty():
    """Breaks if noise that was forgotten comes back."""
    pairs = paired([100] * 4, [90] * 4)  # holds three of its own
    assert judge(pairs, lower(20), [0.2] * 3 + [0.01] * 27).rule is Rule.LANDSLIDE
    assert judge(pairs, lower(20), [0.2] * 4 + [0.01] * 26).ended is False


def test_landslide_is_not_looked_for_with_fewer_than_seven_differences():
    """Breaks if a race whose arms were drawn alike keeps on hardly any known noise."""
    drawn = [replace(pair, first=Arm.INCUMBENT) for pair in paired([100] * 4, [90] * 4)]
    assert judge(drawn, lower(20), [0.01] * 7).rule is Rule.LANDSLIDE
    assert judge(drawn, lower(20), [0.01] * 6).ended is False


def test_landslide_that_did_not_come_leaves_no_p_value():
    """Breaks if the level of a failed look is printed as the evidence of the race."""
    pairs = climbing([-0.01, 0.01, 0.01, 0.01])
    decision = judge(pairs, lower(20, rule=1), [0.01] * 4)
    assert short(decision) == (False, Rule.FUTILITY, 4, Reason.UNDECIDED)
    assert decision.p_value is None


def test_first_pair_far_behind_ends_the_race():
    """Breaks if a hopeless candidate costs more than one pair."""
    hopeless = paired([100], [103])  # ln 1.03 = .0296 > 2 * .01
    decision = judge(hopeless, lower(20), [0.01] * 10)
    assert short(decision) == (False, Rule.RACING, 1, Reason.WORSE)
    assert decision.detail == "worse after 1 pair"
    assert judge(hopeless, lower(20), [0.01] * 9).ended is False
    assert judge(paired([100], [101.9]), lower(20), [0.01] * 10).ended is False


def test_slow_candidate_behind_is_given_up_after_two_pairs():
    """Breaks if futility is looked at later, or two losses are called proof."""
    decision = judge(climbing([0.01, 0.02]), lower(11, rule=1), [])
    assert short(decision) == (False, Rule.FUTILITY, 2, Reason.UNDECIDED)
    # one same-code difference, ln(112.2/101) = .105: 1 - exp(-3 * 1.48 * .105 / sqrt(11))
    assert decision.smallest_visible == pytest.approx(0.1313, abs=0.0005)
    assert decision.detail == (
        "stopped after 2 of 11 pairs: the remaining pairs were unlikely to decide it; a race like "
        "this detects a gain of about 13 % half the time"
    )


def test_cheap_candidate_behind_gets_four_pairs():
    """Breaks if one spike in two pairs buries a real gain where samples are cheap."""
    pairs = climbing([0.01, 0.02, 0.01, 0.02])
    assert judge(pairs[:3], lower(12, rule=1), []).ended is False
    assert short(judge(pairs, lower(12, rule=1), [])) == (False, Rule.FUTILITY, 4, Reason.UNDECIDED)


def test_noisy_race_claims_no_more_than_it_saw():
    """Breaks if a race among bursts announces the gain that a quiet calibration promised."""
    # gains .2, 0, .1 lie .1, .1 and 0 from their median: 3 * 1.48 * .1 / sqrt(3)
    pairs = paired([10.0] * 3, [9.8, 10.0, 9.9])
    decision = judge(pairs, lower(3, scale=Scale.DIFFERENCE), [0.001] * 30)
    assert short(decision) == (False, Rule.END, 3, Reason.UNDECIDED)
    assert decision.smallest_visible == pytest.approx(0.2563, abs=0.0001)
    assert decision.detail == (
        "could not tell after 3 pairs; a race like this detects a gain of about 0.26 half the time"
    )


def test_undecided_race_says_how_near_it_came():
    """An interval beside which nobody can see why the race did not end in a keep."""
    # All eight pairs swap like coins of one size: one lost has 1 + 8 of 256 labellings at least as
    # good. A keep may spend up to alpha = .02; only "none lost", 1 of 256, fits into that.
    decision = judge(climbing([-0.01] * 7 + [0.05]), lower(8, rule=1), [])
    assert short(decision) == (False, Rule.END, 8, Reason.UNDECIDED)
    assert decision.detail.startswith(
        "could not tell after 8 pairs (p = 0.035, a keep needs 0.0039); "
    )


def test_losses_beyond_the_known_noise_are_called_worse():
    """Breaks if a clear loss is called undecided: the agent would try it again."""
    # two losses over two thirds of three known differences: .25 / C(4, 2) = .042 <= .05
    pairs = paired([100, 100], [105, 105])
    decision = judge(pairs, lower(11, rule=1), [0.001] * 2)
    assert short(decision) == (False, Rule.FUTILITY, 2, Reason.WORSE)
    assert judge(pairs, lower(11, rule=1), [0.001]).reason is Reason.UNDECIDED


def test_look_keeps_what_order_proves():
    """Breaks if drift hides a gain that every pair shows."""
    # eight scores of +1: p = 1/256 = .0039; budget .02 * 8/20 = .008
    pairs = climbing([-0.01] * 8)
    decision = judge(pairs, lower(20, rule=1), [])
    assert short(decision) == (True, Rule.LOOK, 8, None)
    assert decision.p_value == 1 / 256
    assert decision.detail == "better after 8 pairs, p = 0.0039"


def test_retest_needs_more_at_the_same_look():
    """Breaks if a retest's smaller level is not applied at each look."""
    # budget .005 * 8/20 = .002 < 1/256, at 12 pairs .003 - 0 >= 1/4096
    pairs = climbing([-0.01] * 12)
    assert short(judge(pairs, lower(20, rule=1, alpha=0.005), [])) == (True, Rule.LOOK, 12, None)


def test_race_ends_at_its_last_pair():
    """Breaks if a race runs on, or its last look is left out."""
    # N = 6: all six +1 give 1/64 = .0156 <= .02 - .0002; one turned gives 7/64
    assert short(judge(climbing([-0.01] * 6), lower(6, rule=1), [])) == (True, Rule.LOOK, 6, None)
    decision = judge(climbing([-0.01] * 5 + [0.01]), lower(6, rule=1), [])
    assert short(decision) == (False, Rule.END, 6, Reason.UNDECIDED)
    assert decision.p_value == 7 / 64


def test_spent_alpha_is_gone():
    """Breaks if a later look gets back what an earlier one used."""
    # N = 9: 8 pairs spend 1/256 * 4 (sums 8 and 6 cost 9/256 > .016: only 1/256 fits), then the
    # budget at 9 is .02 - 1/256 = .0161: ten of 512 labellings (.0195) do not fit.
    pairs = climbing([-0.01] * 7 + [0.01, -0.01])
    decision = judge(pairs, lower(9, rule=1), [])
    assert short(decision) == (False, Rule.END, 9, Reason.UNDECIDED)
    assert decision.p_value == 10 / 512


def test_gain_below_min_effect_is_no_keep():
    """Breaks if min_effect is ignored, or its failure is called worse."""
    pairs = paired([100] * 20, [99 - n / 100 for n in range(20)])  # gains of 1 to 1.2 %
    policy = lower(20, min_effect=0.05)
    assert judge(pairs[:19], policy, []).ended is False
    decision = judge(pairs, policy, [])
    assert short(decision) == (False, Rule.END, 20, Reason.UNDECIDED)
    assert decision.detail == "better after 20 pairs, but by less than min_effect"


def test_relative_min_effect_fails_closed_on_differences():
    """Breaks if 1 % is compared with a gain in the metric's unit."""
    pairs = paired([100] * 20, [0] * 20)
    assert judge(pairs, lower(20), []).keep is True
    assert judge(pairs, lower(20, min_effect=0.01), []).keep is False
    assert judge(pairs, lower(20, min_effect=100, scale=Scale.DIFFERENCE), []).keep is True


def test_ties_are_no_evidence():
    """Breaks if equal programs are kept, or raced for ever."""
    decision = judge(paired([5] * 20, [5] * 20), lower(20, rule=1), [])
    assert short(decision) == (False, Rule.FUTILITY, 6, Reason.UNDECIDED)
    assert (
        decision.detail
        == "stopped after 6 of 20 pairs: the remaining pairs were unlikely to decide it"
    )


def test_pool_of_another_scale_is_not_borrowed():
    """Breaks if logarithms are compared with units."""
    decision = judge(paired([1], [0]), lower(1), [0.001] * 30)
    assert decision.flags == (Flag.PROVISIONAL,)
    worse = judge(paired([0], [9]), lower(20), [0.001] * 30)
    assert worse.ended is False


@pytest.mark.parametrize(
    ("pool", "pairs"),
    [
        (8, 2),  # 8 + 1 known, 6 count: .25 / C(8, 2) = .0089
        (3, 3),  # 4 known are too few at 2 pairs; of 5 at 3 pairs 3 count: .125 / 20 = .00625
    ],
)
def test_three_pairs_borrow_the_pool(pool, pairs):
    """Breaks if a slow metric can never keep, or keeps on too little."""
    decision = judge(paired([100] * 3, [90] * 3), lower(3), [0.01] * pool)
    assert short(decision) == (True, Rule.POOL, pairs, None)
    assert decision.p_value is None
    assert decision.detail == (
        f"better after {pairs} pairs: each gained more than runs of the same code usually differ"
    )


def test_a_spike_in_the_pool_does_not_forbid_keeps():
    """Breaks if the one largest of thirty differences decides."""
    # N = 3, 30 known: of three pairs 7 may be larger, of two pairs 2
    pairs = paired([100] * 3, [90] * 3)
    for spikes, kept_after in ((2, 2), (3, 3), (7, 3)):
        spiky = [0.01] * (28 - spikes) + [0.5] * spikes
        decision = judge(pairs, lower(3), spiky)  # and one or two of its own
        assert (decision.keep, decision.pairs) == (True, kept_after)
    assert judge(pairs, lower(3), [0.01] * 20 + [0.5] * 8).keep is False


def test_too_small_a_pool_is_undecided():
    """Breaks if two pairs alone make a keep."""
    pairs = paired([100] * 2, [90] * 2)  # holds one of neighbours, and one more across the pair
    for policy, known in ((lower(2, rule=1), 4), (lower(2), 3)):
        decision = judge(pairs, policy, [0.01] * known)
        assert short(decision) == (False, Rule.END, 2, Reason.UNDECIDED)


def test_short_race_stops_when_behind():
    """Breaks if a slow loser is run to the end."""
    decision = judge(paired([100, 100], [99, 101.5]), lower(3), [])
    assert short(decision) == (False, Rule.FUTILITY, 2, Reason.NOT_BETTER)
    assert judge(paired([100], [100]), lower(3), []).detail == (
        "stopped after 1 of 3 pairs: the remaining pairs were unlikely to decide it; the noise is "
        "not known yet"
    )


def test_single_pair_is_kept_provisionally():
    """Breaks if one lucky run is claimed as a gain."""
    decision = judge(paired([100], [90]), lower(1), [0.01] * 23)
    assert short(decision) == (True, Rule.SINGLE, 1, None)
    assert (decision.flags, decision.effect.level) == ((Flag.PROVISIONAL,), 0.0)
    assert decision.detail == "better in a single pair: provisional until a race confirms it"


def test_single_pair_beyond_24_differences_is_a_keep():
    """Breaks if the 1/2/25 = .02 rule needs more or fewer differences."""
    decision = judge(paired([100], [90]), lower(1), [0.01] * 24)
    assert (short(decision), decision.flags) == ((True, Rule.POOL, 1, None), ())
    assert decision.p_value is None
    loud = [0.01] * 23 + [0.2]
    assert judge(paired([100], [90]), lower(1), loud).flags == (Flag.PROVISIONAL,)


def test_single_pair_still_needs_min_effect():
    """Breaks if the shortest race forgets min_effect."""
    decision = judge(paired([100], [99]), lower(1, min_effect=0.05), [])
    assert short(decision) == (False, Rule.END, 1, Reason.UNDECIDED)


def test_higher_is_better():
    """Breaks if a rising metric is kept for falling."""
    policy = lower(20, direction=Direction.HIGHER)
    assert judge(paired([100, 101] * 2, [110, 111] * 2), policy, QUIET).keep is True
    assert judge(paired([100, 101] * 2, [90, 91] * 2), policy, QUIET).keep is False


def test_decision_does_not_change_with_later_pairs():
    """Breaks if a look knows what came after it."""
    pairs = climbing([-0.01] * 8)
    after = judge([*pairs, *paired([1] * 12, [900] * 12)], lower(20, rule=1), [])
    assert after == judge(pairs, lower(20, rule=1), [])


ROUNDS = st.lists(st.tuples(st.integers(-9, 30), st.integers(-9, 30)), min_size=1, max_size=24)
POOLS = st.lists(st.integers(0, 9), max_size=30)
SIZES = st.sampled_from([1, 2, 3, 5, 6, 8, 12, 20, 60])


@given(ROUNDS, POOLS, SIZES)
def test_turning_sign_and_direction_changes_nothing(rounds, pool, size):
    """Breaks if one direction is treated better than the other."""
    before, after = zip(*rounds, strict=True)
    down = judge(paired(before, after), lower(size, scale=Scale.DIFFERENCE), pool)
    policy = lower(size, scale=Scale.DIFFERENCE, direction=Direction.HIGHER)
    up = judge(paired([-a for a in before], [-b for b in after]), policy, pool)
    assert short(up) == short(down)
    assert (up.p_value, up.smallest_visible) == (down.p_value, down.smallest_visible)


@given(
    st.lists(st.tuples(st.integers(50, 90), st.integers(40, 90)), min_size=1, max_size=24),
    SIZES,
    st.sampled_from([0.25, 8.0, 1024.0]),
)
def test_unit_changes_nothing_on_ratio(rounds, size, unit):
    """Breaks if seconds and milliseconds are decided differently."""
    before, after = zip(*rounds, strict=True)
    plain = judge(paired(before, after), lower(size), [])
    scaled = judge(paired([a * unit for a in before], [b * unit for b in after]), lower(size), [])
    assert scaled.p_value == plain.p_value
    assert scaled.keep == plain.keep


@given(ROUNDS, POOLS, SIZES)
def test_an_answer_is_whole(rounds, pool, size):
    """Breaks if a decision keeps with a reason, discards without, or runs past N."""
    before, after = zip(*rounds, strict=True)
    decision = judge(paired(before, after), lower(size, scale=Scale.DIFFERENCE), pool)
    assert decision.pairs <= max(size, len(rounds))
    assert decision.ended or len(rounds) < size
    if decision.ended:
        assert decision.keep is (decision.reason is None)
        assert decision.effect is not None
        assert decision.detail
    else:
        assert (decision.keep, decision.reason, decision.effect) == (False, None, None)


@given(ROUNDS, POOLS, SIZES)
def test_race_ends_where_the_replay_ends(rounds, pool, size):
    """Breaks if judging pair by pair and all at once disagree."""
    before, after = zip(*rounds, strict=True)
    pairs = paired(before, after)
    policy = lower(size, scale=Scale.DIFFERENCE)
    step_by_step = next(
        (
            decision
            for n in range(1, len(pairs) + 1)
            if (decision := judge(pairs[:n], policy, pool)).ended
        ),
        judge(pairs, policy, pool),
    )
    assert step_by_step == judge(pairs, policy, pool)


def kept(races, size, *, gain, seed):
    rng = Random(seed)
    policy = lower(size)
    pool = [abs(rng.gauss(0, 0.05 * 2**0.5)) for _ in range(30)]
    pairs = (noisy(rng, size, gain=gain, spread=0.05) for _ in range(races))
    return sum(judge(one, policy, pool).keep for one in pairs)


def test_worthless_candidates_rarely_pass():
    """Breaks if more than alpha get through: 500 at 2 % give 10, and above 18 once in 200."""
    assert kept(500, 20, gain=0.0, seed=7) <= 18


def test_plain_gains_pass():
    """Breaks if power is lost: a 10 % gain at 5 % noise is kept 19 times in 20."""
    assert kept(60, 20, gain=0.10, seed=8) >= 50


def test_judging_a_long_race_is_cheap():
    """Breaks if replaying costs more than the samples: 100 pairs take a second of CPU time."""
    pairs = noisy(Random(3), 100, gain=0.02, spread=0.05)
    start = process_time()
    for n in range(1, 101):
        judge(pairs[:n], lower(100), [0.07] * 30)
    assert process_time() - start < 30
