import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.bootstrap import MeanInterval, PairedDifference, mean_interval, paired_difference

PERCENTS = st.lists(st.floats(0, 100), min_size=1, max_size=30)


def test_the_mean_is_the_plain_mean_and_the_interval_lies_around_it():
    interval = mean_interval([0.0] * 50 + [100.0] * 50)
    assert (interval.mean, interval.num_items) == (50.0, 100)
    # The standard error is 5, so the interval is close to 50 - 1.96 * 5 and 50 + 1.96 * 5.
    assert interval.low == pytest.approx(40.2, abs=1.5)
    assert interval.high == pytest.approx(59.8, abs=1.5)


def test_equal_values_have_an_interval_without_width():
    assert mean_interval([100.0] * 8) == MeanInterval(100.0, 100.0, 100.0, 8)


def test_the_same_values_give_the_same_interval_and_another_seed_another():
    values = [float(value) for value in range(20)]
    assert mean_interval(values) == mean_interval(values)
    assert mean_interval(values, seed=1) != mean_interval(values)


def test_many_items_are_resampled_in_blocks():
    interval = mean_interval([0.0, 100.0] * 2000)
    assert interval.low == pytest.approx(48.45, abs=0.2)
    assert interval.high == pytest.approx(51.55, abs=0.2)


def test_no_values_have_no_mean():
    with pytest.raises(ValueError, match="there is no mean of 0 values"):
        mean_interval([])


def test_the_difference_is_the_second_system_minus_the_first():
    difference = paired_difference([0.0, 0.0, 100.0, 50.0], [100.0, 100.0, 100.0, 50.0])
    assert (difference.difference, difference.num_items) == (50.0, 4)
    # Two items differ, both in favour of b: half of the sign flips are as far from zero.
    assert difference.p_value == pytest.approx(0.5, abs=0.04)


def test_the_pairing_finds_a_small_difference_between_very_unequal_items():
    easy_and_hard = [0.0, 100.0] * 20
    difference = paired_difference(easy_and_hard, [value + 1 for value in easy_and_hard])
    assert (difference.difference, difference.low, difference.high) == (1.0, 1.0, 1.0)
    assert difference.p_value == pytest.approx(1 / 2001)


def test_one_item_proves_nothing():
    assert paired_difference([0.0], [100.0]) == PairedDifference(100.0, 100.0, 100.0, 1.0, 1)


def test_a_system_does_not_differ_from_itself():
    assert paired_difference([0.0, 100.0], [0.0, 100.0]) == PairedDifference(0.0, 0.0, 0.0, 1.0, 2)


def test_values_without_a_partner_are_refused():
    with pytest.raises(ValueError, match="the same items on both sides: 2 and 1 values"):
        paired_difference([1.0, 2.0], [1.0])


@given(PERCENTS)
def test_the_interval_contains_only_means_that_are_possible(values):
    interval = mean_interval(values)
    assert min(values) - 1e-9 <= interval.low <= interval.high <= max(values) + 1e-9


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=1, max_size=30))
def test_swapping_the_systems_only_turns_the_sign(pairs):
    a, b = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    forth, back = paired_difference(a, b), paired_difference(b, a)
    assert forth.difference == -back.difference
    assert forth.p_value == back.p_value
    assert forth.low == pytest.approx(-back.high)
