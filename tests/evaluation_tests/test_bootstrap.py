import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluation import intervals as bootstrap
from pipeline.evaluation.intervals import MeanInterval, PairedDifference, mean_interval, paired_difference

PERCENTS = st.lists(st.floats(0, 100), min_size=1, max_size=30)


def test_the_mean_is_the_plain_mean_and_the_interval_lies_around_it():
    interval = mean_interval([0.0] * 50 + [100.0] * 50)
    assert (interval.mean, interval.num_items) == (50.0, 100)
    # The standard error is 5, so the interval is close to 50 - 1.96 * 5 and 50 + 1.96 * 5.
    assert interval.low == pytest.approx(40.2, abs=1.5)
    assert interval.high == pytest.approx(59.8, abs=1.5)


def test_equal_values_have_an_interval_without_width():
    assert mean_interval([100.0] * 8) == MeanInterval(100.0, 100.0, 100.0, 8, 8)


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
    assert difference.p_value == 0.5


def test_few_items_get_an_exact_p_value():
    # Of 2 ** 5 sign flips, two give a mean as far from zero as five equal signs.
    assert paired_difference([0.0] * 5, [1.0, 2.0, 3.0, 4.0, 5.0]).p_value == 2 / 32
    # 14 items are still tried in full.
    assert paired_difference([0.0] * 14, [1.0] * 14).p_value == 2 / 2**14


def test_the_drawn_p_value_is_close_to_the_exact_one(monkeypatch):
    a, b = [0.0] * 12, [3.0, -1.0, 2.0, 2.5, -0.5, 1.0, 4.0, -2.0, 1.5, 0.5, 2.0, -1.0]
    exact = paired_difference(a, b).p_value
    monkeypatch.setattr(bootstrap, "MOST_EXACT", 0)
    assert paired_difference(a, b).p_value == pytest.approx(exact, abs=0.01)


def test_questions_on_one_image_are_one_observation():
    a, b = [0.0] * 80, [10.0] * 40 + [-5.0] * 40
    images = [f"image {index // 20}" for index in range(80)]
    single, clustered = paired_difference(a, b), paired_difference(a, b, clusters=images)
    assert (single.num_clusters, clustered.num_clusters, clustered.num_items) == (80, 4, 80)
    assert clustered.difference == single.difference == 2.5
    assert single.p_value < 0.01
    # Four images with +-200 and +-100: 12 of the 16 sign flips are as far from zero as 200 + 200 - 100 - 100.
    assert clustered.p_value == 12 / 16
    assert clustered.high - clustered.low > 3 * (single.high - single.low)


def test_an_interval_over_images_is_wider_than_one_over_their_questions():
    values = [0.0] * 40 + [100.0] * 40
    images = [index // 8 for index in range(80)]
    single, clustered = mean_interval(values), mean_interval(values, clusters=images)
    assert (clustered.mean, clustered.num_items, clustered.num_clusters) == (50.0, 80, 10)
    assert clustered.high - clustered.low > 2 * (single.high - single.low)


def test_items_without_an_image_are_on_their_own():
    assert mean_interval([1.0, 2.0, 3.0], clusters=[None, None, "a"]).num_clusters == 3


def test_clusters_of_one_change_nothing():
    values = [float(value % 7) for value in range(40)]
    assert mean_interval(values, clusters=range(40)) == mean_interval(values)


def test_every_value_needs_a_cluster():
    with pytest.raises(ValueError, match="1 clusters for 2 values"):
        mean_interval([1.0, 2.0], clusters=["a"])


def test_the_pairing_finds_a_small_difference_between_very_unequal_items():
    easy_and_hard = [0.0, 100.0] * 20
    difference = paired_difference(easy_and_hard, [value + 1 for value in easy_and_hard])
    assert (difference.difference, difference.low, difference.high) == (1.0, 1.0, 1.0)
    assert difference.p_value == pytest.approx(1 / 10_000)


def test_one_item_proves_nothing():
    assert paired_difference([0.0], [100.0]) == PairedDifference(100.0, 100.0, 100.0, 1.0, 1, 1, None)


def test_a_system_does_not_differ_from_itself():
    assert paired_difference([0.0, 100.0], [0.0, 100.0]) == PairedDifference(0.0, 0.0, 0.0, 1.0, 2, 2, None)


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
