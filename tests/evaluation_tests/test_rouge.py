import json
from functools import cache
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluation.language_gate import LanguageGate
from pipeline.evaluation.rouge import NORMALISERS, normalise, rouge_l, words
from tests.support.shared_data import shared_data

GOLDEN_MEANS = [
    ("laioncc-to-gpt", "ja_vg_vqa_500", 1, 14.6000),
    ("laioncc-to-gpt", "ja_vg_vqa_500", 8, 12.7782),
    ("laioncc-to-gpt", "ja_vlm_bench_in_the_wild", 1, 42.3604),
    ("llava-calm2-siglip", "ja_vg_vqa_500", 1, 18.5421),
    ("llava-calm2-siglip", "ja_vg_vqa_500", 8, 21.3581),
    ("llava-calm2-siglip", "ja_vlm_bench_in_the_wild", 1, 48.0302),
]
GOLDEN_ITEMS = [
    ("laioncc-to-gpt", "ja_vg_vqa_500", [8.6957, 0.0, 17.3913, 44.4444, 0.0]),
    ("laioncc-to-gpt", "ja_vlm_bench_in_the_wild", [86.9565, 80.0, 19.0476, 43.75, 33.3333]),
    ("llava-calm2-siglip", "ja_vg_vqa_500", [8.0, 14.2857, 50.0, 13.3333, 0.0]),
    ("llava-calm2-siglip", "ja_vlm_bench_in_the_wild", [76.9231, 19.0476, 47.0588, 48.2759, 96.2963]),
]

JAPANESE = st.text(st.sampled_from("猫犬が公園で走る。、白いABab １２ｱｲ😀\n"), max_size=20)


@cache
def results_of(model: str, benchmark: str) -> dict:
    return json.loads((shared_data() / "regression" / model / f"{benchmark}.json").read_text(encoding="utf-8"))


@cache
def pairs_of(model: str, benchmark: str) -> list[tuple[str, str]]:
    results = results_of(model, benchmark)["results"]
    return list(zip(results["answer"], results["prediction"], strict=True))


@cache
def scores_of(model: str, benchmark: str, normaliser: str) -> list[float]:
    return [rouge_l(*pair, normaliser=normaliser) for pair in pairs_of(model, benchmark)]


@pytest.mark.parametrize("normaliser", NORMALISERS)
@pytest.mark.parametrize(("model", "benchmark", "every", "mean"), GOLDEN_MEANS)
def test_real_predictions_get_their_known_mean_to_four_decimals(model, benchmark, every, mean, normaliser):
    assert round(fmean(scores_of(model, benchmark, normaliser)[::every]), 4) == mean


@pytest.mark.parametrize("normaliser", NORMALISERS)
@pytest.mark.parametrize(("model", "benchmark", "values"), GOLDEN_ITEMS)
def test_real_predictions_get_their_known_values_to_four_decimals(model, benchmark, values, normaliser):
    assert [round(score, 4) for score in scores_of(model, benchmark, normaliser)[:5]] == values


@pytest.mark.parametrize(("model", "benchmark"), dict.fromkeys(golden[:2] for golden in GOLDEN_MEANS))
def test_gated_scores_of_real_predictions_are_close_to_their_stored_bootstrap(model, benchmark, lid_176):
    gate = LanguageGate(lid_176)
    plain = scores_of(model, benchmark, "neologdn")
    pairs = pairs_of(model, benchmark)
    gated = [score if gate.passed(*pair) else 0.0 for score, pair in zip(plain, pairs, strict=True)]
    stored = results_of(model, benchmark)["metrics"]["rougeL_ja"]  # the middle of 1000 resampled means
    assert fmean(gated) == pytest.approx(stored, abs=0.03 if len(pairs) == 4000 else 0.2)
    assert fmean(gated) <= fmean(plain)


def test_the_expected_values_here_are_those_of_the_golden_file():
    golden = json.loads((shared_data() / "regression" / "golden_rougeL.json").read_text(encoding="utf-8"))["models"]
    for model, benchmark, every, mean in GOLDEN_MEANS:
        for normaliser in ("neo", "nfkc"):
            assert golden[model][f"{benchmark}/{normaliser}/mean_{'all' if every == 1 else 'first_of_8'}"] == mean
    for model, benchmark, values in GOLDEN_ITEMS:
        assert golden[model][f"{benchmark}/neo/first5"] == golden[model][f"{benchmark}/nfkc/first5"] == values


@pytest.mark.parametrize(
    ("reference", "prediction", "score"),
    [
        ("たかしが公園で遊んでいた。", "たかしが公園にいたようだ。", 66.67),
        ("池のほとりです。", "ここは湖の岸です。", 50.0),
        ("私は猫です。", "私は猫です。", 100.0),
        ("私は猫です。", "私は犬です。", 80.0),
        ("私は犬です。", "私は猫です。", 80.0),
        ("赤", "青", 0.0),
        ("赤", "", 0.0),
        ("", "", 0.0),
        ("赤", "😀✈🚀", 0.0),
        ("赤いバス", "赤い\n\nバス", 100.0),
        ("ガラス", "ｶﾞﾗｽ", 100.0),
        ("１２個", "12個", 100.0),
    ],
)
def test_rouge_l_counts_the_longest_common_subsequence_of_words(reference, prediction, score):
    assert round(rouge_l(reference, prediction), 2) == score


def test_the_words_of_the_reference_must_come_in_its_order():
    # 猫 が 好き 。 and 好き 猫 が 。 share three of four words in one order.
    assert rouge_l("猫が好き。", "好き猫が。") == 75.0


def test_words_are_those_of_unidic_lite():
    assert words("たかしが公園で遊んでいた。") == ["たかし", "が", "公園", "で", "遊ん", "で", "い", "た", "。"]


def test_normalising_drops_emoji_and_unifies_widths_and_whitespace():
    assert normalise("ｶﾞﾗｽの😀１２\n\n\tＡＢＣ") == "ガラスの12 ABC"
    assert normalise("長いーーー道〜\u2708") == "長いー道"


def test_the_two_normalisers_differ_where_neologdn_shortens():
    assert normalise("すごーーーい〜") == "すごーい"
    assert normalise("すごーーーい〜", normaliser="nfkc") == "すごーーーい〜"
    assert rouge_l("①", "1", normaliser="nfkc") == 100.0
    assert rouge_l("①", "1") == 0.0


def test_nothing_is_lower_cased_and_punctuation_counts():
    assert rouge_l("ABC", "abc") == 0.0
    assert round(rouge_l("猫。", "猫"), 2) == 66.67


def test_a_nul_character_does_not_hide_the_rest_of_an_answer():
    assert words("猫\0犬") == ["猫", "犬"]


@given(JAPANESE)
def test_a_text_scores_100_against_itself_if_it_has_words(text):
    assert rouge_l(text, text) == (100.0 if words(text) else 0.0)


@given(JAPANESE, JAPANESE)
def test_the_score_is_symmetric_and_between_0_and_100(a, b):
    assert 0.0 <= rouge_l(a, b) <= 100.0
    assert rouge_l(a, b) == pytest.approx(rouge_l(b, a))
