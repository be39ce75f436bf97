import re
from typing import get_args

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.benchmarks.metrics import METRICS, MetricName
from pipeline.config.evaluation import BenchmarkConfig
from pipeline.config.experiment import ShapesJaSource
from pipeline.core.errors import DataError
from pipeline.core.parquet import write_rows
from pipeline.evaluation.language_gate import LanguageGate
from pipeline.evaluation.rows import PREDICTION_SCHEMA, Prediction, read_predictions
from pipeline.evaluation.scorers.known import scorers_of
from pipeline.evaluation.scorers.matching import exact_match
from pipeline.evaluation.scores import (
    SCORE_SCHEMA,
    headline_metrics,
    score_predictions,
    score_request,
    score_rows,
    scores_withheld_because,
)
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Request
from pipeline.store.sql_files import sql_files


def benchmark(*metrics: MetricName, name: str = "shapes-ja") -> BenchmarkConfig:
    source = ShapesJaSource(kind="shapes-ja", content="questions", num_images=1)
    return BenchmarkConfig(name=name, source=source, metrics=metrics or ("exact_match",))


def answered(item_id: str, prediction: str, *, reference: str = "赤", category: str | None = "colour") -> Prediction:
    return Prediction("shapes-ja", item_id, category, "丸は何色ですか。", reference, prediction, None)


def failed(item_id: str, *, category: str | None = "colour") -> Prediction:
    return Prediction("shapes-ja", item_id, category, "丸は何色ですか。", "赤", None, None, "the image is gone")


def publish(store: ArtifactStore, *items: Prediction):
    def work(directory):
        write_rows(directory / "predictions.parquet", [item.row() for item in items], schema=PREDICTION_SCHEMA)
        return {"num_items": len(items)}

    return store.produce(Request(step="predictions", version=1, config={}), work)


def score(tmp_path, *items: Prediction, of: BenchmarkConfig | None = None, gate: LanguageGate | None = None):
    store = ArtifactStore(tmp_path)
    return score_predictions(of or benchmark(), predictions=publish(store, *items), store=store, gate=gate)


@pytest.mark.parametrize(
    ("reference", "prediction", "value"),
    [
        ("赤", "赤", 100),
        ("赤", "赤。", 100),
        ("赤。", " 赤 。\n", 100),
        ("三つ", "\u3000三つ｡", 100),
        ("12個", "１２個", 100),
        ("ABC", "abc", 0),
        ("赤", "赤です", 0),
        ("赤", "", 0),
        ("はい。いいえ", "はいいいえ", 0),
    ],
)
def test_exact_match_ignores_width_outer_whitespace_and_the_final_stop_only(reference, prediction, value):
    assert exact_match(reference, prediction, {}) == value


@given(st.text(), st.text(st.sampled_from(" \n。\u3000"), max_size=4))
def test_exact_match_does_not_see_what_follows_in_stops_and_spaces(text, ending):
    assert exact_match(text, text + ending, {}) == 100


def test_every_metric_of_the_config_is_implemented(lid_176):
    names = get_args(MetricName)
    assert tuple(scorers_of(names, LanguageGate(lid_176))) == names == tuple(METRICS)


def test_the_summary_has_the_mean_of_all_items_and_of_each_category(tmp_path):
    items = [answered("1", "赤"), answered("2", "青"), answered("3", "赤", category="position"), failed("4")]
    manifest = score(tmp_path, *items)
    summary = manifest.summary
    assert (summary["benchmark"], summary["num_items"], summary["num_failed"]) == ("shapes-ja", 4, 1)
    means = summary["metrics"]["exact_match"]
    assert means["overall"]["overall"]["mean"] == pytest.approx(200 / 3)
    assert means["overall"]["overall"]["num_items"] == 3
    one = {"num_items": 1, "num_clusters": 1}
    assert means["category"]["position"] == {"mean": 100.0, "low": 100.0, "high": 100.0, **one}
    two = {"num_items": 2, "num_clusters": 2}
    assert means["category"]["colour"] == {"mean": 50.0, "low": 0.0, "high": 100.0, **two}


def test_there_is_one_row_per_answered_item_and_metric(tmp_path):
    manifest = score(tmp_path, answered("1", "赤"), failed("2"), of=benchmark("exact_match", "rougeL"))
    table = pq.read_table(manifest.path("scores.parquet"))
    assert table.schema == SCORE_SCHEMA
    same = {
        "benchmark": "shapes-ja",
        "protocol": "all",
        "item_id": "1",
        "category": "colour",
        "image_category": None,
        "question_type": "colour",
        "answer_length": "01-05",
        "image_sha256": None,
        "value": 100.0,
    }
    assert table.to_pylist() == [{**same, "metric": "exact_match"}, {**same, "metric": "rougeL"}]


def test_items_without_a_category_count_in_the_overall_mean_only(tmp_path):
    means = score(tmp_path, answered("1", "赤", category=None)).summary["metrics"]["exact_match"]
    assert (means["overall"]["overall"]["num_items"], "category" in means) == (1, False)


def test_an_empty_answer_is_wrong_not_failed(tmp_path):
    summary = score(tmp_path, answered("1", "")).summary
    assert (summary["num_failed"], summary["metrics"]["exact_match"]["overall"]["overall"]["mean"]) == (0, 0.0)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([], "predictions.parquet has no item, so there is nothing to score"),
        ([answered("1", "赤"), answered("1", "青")], "several predictions have the same item_id"),
        (
            [answered("1", "赤", category="overall")],
            "has a category 'overall', the name that the mean of all items has",
        ),
    ],
)
def test_predictions_that_give_no_mean_are_refused_with_the_reason(tmp_path, items, message):
    with pytest.raises(DataError, match=re.escape(message)):
        score(tmp_path, *items)


def test_where_no_item_has_an_answer_there_is_no_number_whatever_is_allowed(tmp_path):
    """One benchmark that a model cannot answer at all does not keep the others from being scored."""
    scores = score(tmp_path, failed("1"), failed("2"))
    assert (scores.summary["num_failed"], scores.summary["metrics"]) == (2, {})
    assert scores_withheld_because(scores, max_failed_items=2) == (
        "shapes-ja: none of the 2 items has an answer; `llava-jp query failed_items` says why"
    )


def test_the_predictions_of_another_benchmark_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"answers \['shapes-ja/all'\], not 'heron/all'"):
        score(tmp_path, answered("1", "赤"), of=benchmark(name="heron"))


def test_the_request_follows_from_metrics_and_predictions_only():
    request = score_request(benchmark("rougeL"), None, predictions_fingerprint="0123456789abcdef")
    groups = {name: macro.sha256 for name, macro in sql_files("macros/benchmarks").items()}
    assert (request.step, request.config) == ("scores", {"metrics": ["rougeL"], "groups": groups})
    assert request.inputs == {"predictions": "0123456789abcdef"}


def test_items_are_also_grouped_by_what_they_ask_and_how_long_the_answer_is(tmp_path):
    many = Prediction("shapes-ja", "2", None, "犬は何匹いますか。", "犬は三匹います。", "犬は二匹います。", None)
    rows = score_rows(score(tmp_path, answered("1", "赤"), many))
    assert {(row["breakdown"], row["group"]): row["mean"] for row in rows} == {
        ("overall", "overall"): 50.0,
        ("category", "colour"): 100.0,
        ("question_type", "colour"): 100.0,
        ("question_type", "counting"): 0.0,
        ("answer_length", "01-05"): 100.0,
        ("answer_length", "06-15"): 0.0,
    }


def test_metrics_are_named_by_benchmark_protocol_and_metric(tmp_path):
    metrics = headline_metrics(score(tmp_path, answered("1", "赤")))
    assert metrics["shapes-ja/all/exact_match"] == 100.0
    assert metrics["shapes-ja/all/exact_match/category/colour"] == 100.0
    assert metrics["shapes-ja/all/exact_match/question_type/colour"] == 100.0


def test_questions_on_one_image_are_drawn_together(tmp_path):
    items = [
        Prediction(
            "shapes-ja", str(number), None, "何色ですか。", "赤", "赤" if number < 4 else "青", f"{number // 4}" * 64
        )
        for number in range(8)
    ]
    (overall,) = (row for row in score_rows(score(tmp_path, *items)) if row["breakdown"] == "overall")
    assert (overall["num_items"], overall["num_clusters"]) == (8, 2)
    assert (overall["low"], overall["high"]) == (0.0, 100.0)


def test_a_mean_that_lacks_items_is_withheld_until_the_user_allows_it(tmp_path):
    scores = score(tmp_path, answered("1", "赤"), failed("2"), failed("3"))
    assert scores_withheld_because(scores, max_failed_items=2) is None
    assert scores_withheld_because(scores, max_failed_items=1) == (
        "shapes-ja: 2 of 3 items have no answer, so its numbers are withheld. `llava-jp query failed_items` says why; "
        "limits.max_failed_items=2 shows the means over the others"
    )


def test_without_its_language_model_the_gated_metric_is_not_computed_and_says_so(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("LLAVA_JP_STORE", str(tmp_path))
    summary = score(tmp_path, answered("1", "赤"), of=benchmark("rougeL", "rougeL_ja")).summary
    assert (list(summary["metrics"]), summary["not_computed"]) == (["rougeL"], ["rougeL_ja"])
    assert (
        "shapes-ja: rougeL_ja is not computed, its language model is not there. `llava-jp fetch lid-176`" in caplog.text
    )


def test_the_language_model_decides_what_a_gated_score_is(tmp_path, monkeypatch, lid_176):
    monkeypatch.setenv("LLAVA_JP_STORE", str(tmp_path))
    without = score_request(benchmark("rougeL_ja"), None, predictions_fingerprint="0123456789abcdef")
    gate = LanguageGate(lid_176)
    with_model = score_request(benchmark("rougeL_ja"), gate, predictions_fingerprint="0123456789abcdef")
    assert without.config["language_model"] is None
    assert with_model.config["language_model"].startswith("8f3472cf")


def test_an_english_answer_to_a_japanese_reference_counts_as_empty(tmp_path, lid_176):
    reference = "この写真は 2014 NHK Trophy で撮影されました。"
    items = [
        answered("1", "This photo was taken at 2014 NHK Trophy in Japan", reference=reference),
        answered("2", reference, reference=reference),
        answered("3", "A red bus", reference="A red bus"),
    ]
    manifest = score(tmp_path, *items, of=benchmark("rougeL", "rougeL_ja"), gate=LanguageGate(lid_176))
    values = {
        (row["metric"], row["item_id"]): row["value"]
        for row in pq.read_table(manifest.path("scores.parquet")).to_pylist()
    }
    assert values["rougeL", "1"] > 20
    assert [values["rougeL_ja", item] for item in "123"] == [0.0, 100.0, 100.0]


def test_a_prediction_row_comes_back_as_it_was(tmp_path):
    items = (answered("1", "赤"), failed("2", category=None))
    assert read_predictions(publish(ArtifactStore(tmp_path), *items)) == items


def test_a_prediction_needs_an_answer_or_an_error():
    with pytest.raises(ValueError, match="item '1' of shapes-ja has neither a prediction nor an error"):
        Prediction("shapes-ja", "1", None, "何色ですか。", "赤", None, None)
    with pytest.raises(ValueError, match="item '1' of shapes-ja has both a prediction and an error"):
        Prediction("shapes-ja", "1", None, "何色ですか。", "赤", "赤", None, "gone")
