import re
from typing import get_args

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import BenchmarkConfig, MetricName, ShapesJaSource
from pipeline.errors import DataError
from pipeline.manifest import Request
from pipeline.parquet import write_rows
from pipeline.prediction_rows import PREDICTION_SCHEMA, Prediction, read_predictions
from pipeline.scores import METRICS, SCORE_SCHEMA, exact_match, score_predictions, score_request
from pipeline.store import ArtifactStore


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


def score(tmp_path, *items: Prediction, of: BenchmarkConfig | None = None):
    store = ArtifactStore(tmp_path)
    return score_predictions(of or benchmark(), predictions=publish(store, *items), store=store)


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
    assert exact_match(reference, prediction) == value


@given(st.text(), st.text(st.sampled_from(" \n。\u3000"), max_size=4))
def test_exact_match_does_not_see_what_follows_in_stops_and_spaces(text, ending):
    assert exact_match(text, text + ending) == 100


def test_every_metric_of_the_config_is_implemented():
    assert set(METRICS) == set(get_args(MetricName))


def test_the_summary_has_the_mean_of_all_items_and_of_each_category(tmp_path):
    items = [answered("1", "赤"), answered("2", "青"), answered("3", "赤", category="position"), failed("4")]
    manifest = score(tmp_path, *items)
    summary = manifest.summary
    assert (summary["benchmark"], summary["num_items"], summary["num_failed"]) == ("shapes-ja", 4, 1)
    means = summary["metrics"]["exact_match"]
    assert means["overall"]["mean"] == pytest.approx(200 / 3)
    assert means["overall"]["num_items"] == 3
    assert means["categories"]["position"] == {"mean": 100.0, "low": 100.0, "high": 100.0, "num_items": 1}
    assert means["categories"]["colour"] == {"mean": 50.0, "low": 0.0, "high": 100.0, "num_items": 2}


def test_there_is_one_row_per_answered_item_and_metric(tmp_path):
    manifest = score(tmp_path, answered("1", "赤"), failed("2"), of=benchmark("exact_match", "rouge_l"))
    table = pq.read_table(manifest.path("scores.parquet"))
    assert table.schema == SCORE_SCHEMA
    same = {"benchmark": "shapes-ja", "item_id": "1", "category": "colour", "value": 100.0}
    assert table.to_pylist() == [{**same, "metric": "exact_match"}, {**same, "metric": "rouge_l"}]


def test_items_without_a_category_count_in_the_overall_mean_only(tmp_path):
    means = score(tmp_path, answered("1", "赤", category=None)).summary["metrics"]["exact_match"]
    assert (means["overall"]["num_items"], means["categories"]) == (1, {})


def test_an_empty_answer_is_wrong_not_failed(tmp_path):
    summary = score(tmp_path, answered("1", "")).summary
    assert (summary["num_failed"], summary["metrics"]["exact_match"]["overall"]["mean"]) == (0, 0.0)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (
            [failed("1"), failed("2")],
            "none of the 2 items has a prediction that could be scored; the first error: the image",
        ),
        ([], "none of the 0 items has a prediction"),
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


def test_the_predictions_of_another_benchmark_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"answers \['shapes-ja'\], not 'heron'"):
        score(tmp_path, answered("1", "赤"), of=benchmark(name="heron"))


def test_the_request_follows_from_metrics_and_predictions_only():
    request = score_request(benchmark("rouge_l"), predictions_fingerprint="0123456789abcdef")
    assert (request.step, request.config) == ("scores", {"metrics": ["rouge_l"]})
    assert request.inputs == {"predictions": "0123456789abcdef"}


def test_a_prediction_row_comes_back_as_it_was(tmp_path):
    items = (answered("1", "赤"), failed("2", category=None))
    assert read_predictions(publish(ArtifactStore(tmp_path), *items)) == items


def test_a_prediction_needs_an_answer_or_an_error():
    with pytest.raises(ValueError, match="item '1' of shapes-ja has neither a prediction nor an error"):
        Prediction("shapes-ja", "1", None, "何色ですか。", "赤", None, None)
