from dataclasses import replace

import pytest

from pipeline.evaluation.judge.aggregate import judge_scores
from pipeline.evaluation.judge.differences import score_differences
from pipeline.evaluation.judge.protocols import wording_of
from pipeline.evaluation.judge.rows import JudgedBy, JudgedItem, judgement_of
from tests.support.judged_benchmark import replied

CATEGORIES = ("conv", "detail", "complex")
HERON = wording_of("heron-official")
BY = JudgedBy("heron", "heron-official", "judge", "0" * 64, "two_scores")


def judgement(item_id, category, reply, *, repeat=0, image_category="anime", image=None):
    item = JudgedItem(item_id, category, image_category, "文脈", "質問", "参照")
    return judgement_of(item, [replied(reply)], BY, repeat=repeat, missing=None, image_sha256=image)


def of(judgements, *, seed=0):
    return {(score.variant, score.metric): score for score in judge_scores(judgements, HERON, seed=seed)}


SMALL = [
    judgement("1", "conv", "10 4"),
    judgement("2", "conv", "5 5", image_category="food"),
    judgement("3", "detail", "8 2"),
    judgement("4", "complex", "9 9", image_category="food"),
]


def test_a_ratio_is_that_of_the_means_and_not_the_mean_of_ratios():
    assert of(SMALL)["clean", "conv"].value == 60  # 4.5 / 7.5, where (40 + 100) / 2 is 70


def test_one_average_weighs_categories_and_the_other_items():
    scores = of(SMALL)
    assert scores["clean", "average_macro"].value == pytest.approx((60 + 25 + 100) / 3)
    assert scores["clean", "average_pooled"].value == pytest.approx(100 * 20 / 32)
    assert scores["clean", "average_pooled"].num_items == 4


def test_image_categories_have_ratios_of_their_own():
    scores = of(SMALL)
    assert scores["clean", "image_category/anime"].value == pytest.approx(100 * 6 / 18)
    assert scores["clean", "image_category/food"].value == pytest.approx(100 * 14 / 14)
    assert ("official", "image_category/food") not in scores


def test_a_failure_is_left_out_of_both_means_and_counted_and_the_official_variant_has_it_as_minus_one():
    scores = of([*SMALL, judgement("5", "conv", "no idea")])
    assert (scores["clean", "conv"].value, scores["clean", "conv"].num_failed, scores["clean", "conv"].num_items) == (
        60,
        1,
        3,
    )
    assert scores["official", "conv"].value == pytest.approx(100 * (4 + 5 - 1) / (10 + 5 - 1))
    assert scores["official", "conv"].low is None


def test_a_category_without_any_score_has_no_number_and_no_macro_average():
    scores = of([*SMALL[:3], judgement("4", "complex", "no idea")])
    assert scores["clean", "complex"].value is None
    assert (scores["clean", "average_macro"].value, scores["clean", "average_macro"].low) == (None, None)
    assert scores["clean", "average_pooled"].value == pytest.approx(100 * 11 / 23)


def test_the_interval_covers_the_value_and_is_the_same_each_time():
    judgements = [judgement(str(i), CATEGORIES[i % 3], f"10 {1 + i % 7}") for i in range(60)]
    first, again, other = of(judgements), of(judgements), of(judgements, seed=1)
    for metric in (*CATEGORIES, "average_macro", "average_pooled"):
        score = first["clean", metric]
        assert score.low < score.value < score.high
        assert (score.low, score.high) == (again["clean", metric].low, again["clean", metric].high)
    assert first["clean", "average_macro"].low != other["clean", "average_macro"].low
    width = {metric: first["clean", metric].high - first["clean", metric].low for metric in ("conv", "average_macro")}
    assert width["average_macro"] < width["conv"]


def test_the_interval_of_equal_items_has_no_width():
    score = of([judgement(str(i), category, "10 5") for i, category in enumerate(CATEGORIES * 3)])
    macro = score["clean", "average_macro"]
    assert (macro.low, macro.value, macro.high) == (50, 50, 50)


def test_the_interval_of_a_mean_is_that_of_the_plain_bootstrap():
    """With equal reference scores the ratio is a mean; its interval must be about 1.96 standard errors wide."""
    judgements = [judgement(str(i), "conv", f"10 {1 + i % 10}") for i in range(200)]
    judgements += [judgement("d", "detail", "10 5"), judgement("c", "complex", "10 5")]
    conv = of(judgements)["clean", "conv"]
    standard_error = 10 * 2.872 / 200**0.5
    assert conv.high - conv.low == pytest.approx(2 * 1.96 * standard_error, rel=0.1)


def test_repeats_are_averaged_and_their_spread_is_that_of_a_sample():
    repeats = [
        judgement(str(i), category, f"10 {model}", repeat=repeat)
        for repeat, model in enumerate((4, 5, 9))
        for i, category in enumerate(CATEGORIES)
    ]
    macro = of(repeats)["clean", "average_macro"]
    assert (macro.value, macro.num_repeats) == (60, 3)
    assert macro.repeat_deviation == pytest.approx(((20**2 + 10**2 + 30**2) / 2) ** 0.5)
    assert (macro.repeat_lowest, macro.repeat_highest) == (40, 90)


def test_an_item_that_lacks_a_repeat_is_a_bug():
    with pytest.raises(ValueError, match="5 judgements are not 2 of each of 4 items"):
        of([*SMALL, judgement("1", "conv", "10 4", repeat=1)])


def scored(*models: float, category: str = "conv"):
    return [judgement(f"{category}{index}", category, f"10 {model}") for index, model in enumerate(models)]


def everywhere(*models: float):
    return [row for category in CATEGORIES for row in scored(*models, category=category)]


def test_the_difference_of_two_models_is_that_of_their_numbers():
    a, b = everywhere(4, 6, 5), everywhere(5, 6, 7)
    found = score_differences(a, b, HERON)
    assert {metric: round(one.difference, 6) for metric, one in found.items()} == dict.fromkeys(
        (*CATEGORIES, "average_macro", "average_pooled", "image_category/anime"), 10
    )
    assert (found["conv"].num_items, found["average_pooled"].num_items) == (3, 9)
    swapped = score_differences(b, a, HERON)["average_macro"]
    assert swapped.difference == pytest.approx(-10)


def test_a_clear_difference_has_a_small_p_value_and_a_small_one_has_not():
    plain = [2 + index % 6 for index in range(40)]
    better = score_differences(everywhere(*plain), everywhere(*(score + 2 for score in plain)), HERON)
    assert better["average_macro"].p_value < 0.001
    assert better["average_macro"].low == pytest.approx(20)
    noisy = [score + (1 if index % 4 < 2 else -1) for index, score in enumerate(plain)]
    similar = score_differences(everywhere(*plain), everywhere(*noisy), HERON)["average_macro"]
    assert similar.p_value > 0.5
    assert similar.low < 0 < similar.high


def test_three_items_never_prove_anything():
    found = score_differences(scored(1, 1, 1), scored(9, 9, 9), HERON)
    assert found["conv"].p_value > 0.2
    assert set(found) == {"conv", "average_pooled", "image_category/anime"}  # two categories have no items


def test_an_item_that_failed_in_one_of_them_is_left_out_of_both():
    b = [*scored(5, 5), judgement("conv2", "conv", "no idea")]
    found = score_differences(scored(4, 4, 9), b, HERON)
    assert (found["conv"].difference, found["conv"].num_items) == (pytest.approx(10), 2)


def test_models_without_a_common_item_have_no_difference():
    assert score_differences(scored(4), scored(4, category="detail"), HERON) == {}


def on_images(models, *, questions_an_image):
    return [
        judgement(str(index), CATEGORIES[index % 3], f"10 {model}", image=f"photo{index // questions_an_image}")
        for index, model in enumerate(model for model in models for _ in range(questions_an_image))
    ]


def test_questions_on_one_image_are_drawn_together_across_categories():
    models = [2 + index % 7 for index in range(20)]
    together, apart = on_images(models, questions_an_image=6), on_images(models, questions_an_image=6)
    apart = [replace(row, image_sha256=None) for row in apart]
    wide, narrow = of(together)["clean", "average_pooled"], of(apart)["clean", "average_pooled"]
    assert (wide.num_items, wide.num_clusters, narrow.num_clusters) == (120, 20, 120)
    assert wide.value == narrow.value
    assert 2 < (wide.high - wide.low) / (narrow.high - narrow.low) < 3  # the root of six


def test_a_difference_on_three_images_proves_nothing_however_many_questions_they_have():
    better = score_differences(
        on_images([4, 4, 4], questions_an_image=12), on_images([6, 6, 6], questions_an_image=12), HERON
    )["average_pooled"]
    assert (better.num_items, better.num_clusters, better.detectable) == (36, 3, None)
    assert better.p_value == 0.25
