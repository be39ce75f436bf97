"""Which difference some items can show, and how often tests are wrong: with items that hang together on images."""

import numpy as np
import pytest

from pipeline.evaluation.intervals import mean_interval, paired_difference, statistic_differences
from pipeline.evaluation.judge.numbers import AVERAGE_MACRO, JudgedTable, judged_statistics
from pipeline.evaluation.judge.protocols import wording_of
from pipeline.evaluation.power import detectable_difference, student_quantile
from pipeline.evaluation.scorers.statistics import mean_of

IMAGES, QUESTIONS, CORRELATION = 21, 5, 0.2
"""About Heron-Bench: 103 questions on 21 images."""


def scores_on_images(random, *, shift=0.0, num_images=IMAGES, questions=QUESTIONS, correlation=CORRELATION):
    """Differences of two models: a part of each is the image's."""
    of_image = np.repeat(random.normal(size=num_images), questions)
    own = random.normal(size=num_images * questions)
    values = shift + correlation**0.5 * of_image + (1 - correlation) ** 0.5 * own
    return values.tolist(), [f"photo{index // questions}" for index in range(num_images * questions)]


@pytest.mark.parametrize(
    ("freedom", "probability", "quantile"),
    [(5, 0.975, 2.5706), (5, 0.8, 0.9195), (20, 0.975, 2.0860), (102, 0.975, 1.9835), (499, 0.8, 0.8423)],
)
def test_the_quantiles_are_those_of_the_tables(freedom, probability, quantile):
    assert student_quantile(probability, freedom) == pytest.approx(quantile, abs=5e-4)


def test_four_times_the_images_show_half_the_difference():
    random = np.random.default_rng(0)
    few, many = (scores_on_images(random, num_images=number) for number in (50, 200))
    of_few, of_many = (
        paired_difference([0.0] * len(values), values, clusters=images).detectable for values, images in (few, many)
    )
    assert of_few / of_many == pytest.approx(2, rel=0.15)
    independent = paired_difference([0.0] * len(many[0]), many[0]).detectable
    assert of_many / independent == pytest.approx((1 + (QUESTIONS - 1) * CORRELATION) ** 0.5, rel=0.15)


def test_five_images_show_nothing_and_equal_models_neither():
    values = np.arange(2000.0)
    assert detectable_difference(values, num_clusters=5) is None
    assert detectable_difference(np.zeros(2000), num_clusters=50) is None
    assert detectable_difference(values, num_clusters=6) > 0


def test_a_difference_of_means_is_the_same_by_both_ways():
    random = np.random.default_rng(0)
    values, images = scores_on_images(random, shift=0.5)
    zeros = [0.0] * len(values)
    plain = paired_difference(zeros, values, clusters=images)
    formula = statistic_differences({"mean": mean_of(zeros)}, {"mean": mean_of(values)}, clusters=images)["mean"]
    assert formula.difference == pytest.approx(plain.difference)
    assert (formula.low, formula.high) == pytest.approx((plain.low, plain.high), abs=0.05)
    assert formula.p_value == pytest.approx(plain.p_value, abs=0.01)
    assert formula.detectable == pytest.approx(plain.detectable, rel=0.1)


def simulated(shift, *, by_image, num_trials=1000):
    """How often the test finds a difference, how often the interval holds the true one, the median detectable one."""
    random = np.random.default_rng(1)
    found, held, detectable = 0, 0, []
    for _ in range(num_trials):
        values, images = scores_on_images(random, shift=shift)
        clusters = images if by_image else None
        difference = paired_difference([0.0] * len(values), values, clusters=clusters)
        interval = mean_interval(values, clusters=clusters)
        found += difference.p_value < 0.05
        held += interval.low <= shift <= interval.high
        detectable.append(difference.detectable)
    return found / num_trials, held / num_trials, float(np.median(detectable))


@pytest.mark.long
def test_simulated_tests_by_image_keep_their_level_and_find_the_detectable_difference_in_four_of_five_cases():
    """The figures stand in docs/evaluation.md."""
    false_by_image, coverage, detectable = simulated(0.0, by_image=True)
    false_by_question, coverage_by_question, too_small = simulated(0.0, by_image=False)
    power, _, _ = simulated(detectable, by_image=True)
    print(f"false by image {false_by_image:.3f}, by question {false_by_question:.3f}")
    print(f"coverage by image {coverage:.3f}, by question {coverage_by_question:.3f}")
    print(f"detectable {detectable:.3f} (by question {too_small:.3f}), found in {power:.3f}")
    assert false_by_image == pytest.approx(0.05, abs=0.02)
    assert false_by_question > 0.10
    assert coverage > 0.90
    assert power == pytest.approx(0.80, abs=0.05)


def judged_pair(random, shift, *, by_image):
    """Two models before one judge, in Heron-Bench's form: what is the image's differs from model to model."""
    categories = ["conv", "conv", "complex", "complex", "detail"] * IMAGES
    num_items = len(categories)
    reference = np.clip(np.round(8.5 + 0.8 * random.normal(size=num_items)), 1, 10)
    common = random.normal(size=num_items)

    def numbers(added):
        of_image = np.repeat(random.normal(size=IMAGES), QUESTIONS)
        own = 0.5 * common + CORRELATION**0.5 * of_image + 0.55 * random.normal(size=num_items)
        model = np.clip(np.round(5 + added + 1.5 * own), 0, 10)
        table = JudgedTable(np.stack([reference, model], axis=1)[None], categories, [None] * num_items)
        return {AVERAGE_MACRO: judged_statistics(table, wording_of("heron-official"))[AVERAGE_MACRO]}

    clusters = [f"photo{index // QUESTIONS}" for index in range(num_items)] if by_image else None
    return statistic_differences(numbers(0.0), numbers(shift), clusters=clusters)[AVERAGE_MACRO]


@pytest.mark.long
def test_simulated_judges_numbers_are_compared_by_image():
    """The figures stand in docs/evaluation.md."""
    random, num_trials = np.random.default_rng(3), 400

    def trials(shift, *, by_image):
        found = [judged_pair(random, shift, by_image=by_image) for _ in range(num_trials)]
        share = sum(one.p_value < 0.05 for one in found) / num_trials
        return share, float(np.median([one.detectable for one in found]))

    false_by_image, detectable = trials(0.0, by_image=True)
    false_by_question, _ = trials(0.0, by_image=False)
    power, _ = trials(detectable / 100 * 8.5, by_image=True)
    print(f"false by image {false_by_image:.3f}, by question {false_by_question:.3f}; found {power:.3f}")
    assert false_by_image < 0.09
    assert false_by_question > 0.12
    assert power == pytest.approx(0.80, abs=0.07)
