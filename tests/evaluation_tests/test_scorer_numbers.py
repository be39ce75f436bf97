"""Numbers that are no plain means, on their way from a benchmark's record to tables."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.benchmarks.metrics import METRICS, largest_shown, percent_of, value_of
from pipeline.comparison.charts import Chart, draw
from pipeline.comparison.published import score_cell
from pipeline.comparison.report import difference_rows
from pipeline.comparison.scores import ComparedExperiment
from pipeline.comparison.step import compare, difference_table, score_table
from pipeline.config.evaluation import BenchmarkConfig
from pipeline.config.experiment import ShapesJaSource
from pipeline.core.parquet import write_rows
from pipeline.data.items import item_rows, keeping_details
from pipeline.evaluation.intervals import statistic_intervals
from pipeline.evaluation.predict import PredictionsSummary
from pipeline.evaluation.rows import PREDICTION_SCHEMA, Item, Prediction, read_predictions
from pipeline.evaluation.scorers.known import SCORERS
from pipeline.evaluation.scorers.statistics import mean_of, mean_of_means
from pipeline.evaluation.scores import ScoresSummary, headline_metrics, score_predictions, score_rows
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Request
from tests.support.summaries import summary_with

FLOWERS, FOOD = {"domain": "jaflower30"}, {"domain": "jafood101"}


def answered(item_id: str, reference: str, prediction: str, scoring=None, *, image: str | None = None) -> Prediction:
    text = None if scoring is None else json.dumps(scoring)
    return Prediction("mine", item_id, None, "何ですか。", reference, prediction, image, scoring=text)


def scored(tmp_path: Path, metric: str, *items: Prediction, name: str = "a"):
    store = ArtifactStore(tmp_path)

    def work(directory):
        write_rows(directory / "predictions.parquet", [item.row() for item in items], schema=PREDICTION_SCHEMA)
        return summary_with(PredictionsSummary)

    predictions = store.produce(Request(step="predictions", version=1, config={"by": name}), work)
    source = ShapesJaSource(kind="shapes-ja", content="questions", num_images=1)
    benchmark = BenchmarkConfig(name="mine", source=source, metrics=(metric,))
    return predictions, score_predictions(benchmark, predictions=predictions, store=store)


def numbers(scores, breakdown: str) -> dict[str, float]:
    return {row["group"]: row["mean"] for row in score_rows(scores) if row["breakdown"] == breakdown}


UNEVEN = (
    *(answered(f"flower {number}", "桜", "桜です", FLOWERS) for number in range(6)),
    answered("food 1", "寿司", "すし", FOOD),
    answered("food 2", "寿司", "寿司", FOOD),
)
"""Six of six flowers and one of two dishes: 75 % as the mean of the domains, 87.5 % of the items."""


def test_a_mean_of_means_is_the_benchmarks_number(tmp_path):
    _, scores = scored(tmp_path, "jic-vqa", *UNEVEN)
    assert numbers(scores, "overall") == {"overall": 75.0}
    assert numbers(scores, "detail") == {"jaflower30": 100.0, "jafood101": 50.0, "average": 75.0}
    metrics = headline_metrics(scores)
    assert (metrics["mine/all/jic-vqa"], metrics["mine/all/jic-vqa/detail/jafood101"]) == (75.0, 50.0)


def test_the_interval_of_a_mean_of_means_is_from_the_same_number_of_other_items(tmp_path):
    """Of two dishes a draw has one or two of the same, so the number goes from 50 to 100."""
    _, scores = scored(tmp_path, "jic-vqa", *UNEVEN)
    (row,) = (row for row in score_rows(scores) if row["breakdown"] == "overall")
    assert (row["low"], row["high"], row["num_items"]) == (50.0, 100.0, 8)


def test_items_on_one_image_are_drawn_together():
    values, groups = [1.0] * 4 + [0.0] * 4, ["a", "a", "b", "b"] * 2
    apart = statistic_intervals({"mean": mean_of_means(values, groups)})["mean"]
    together = statistic_intervals({"mean": mean_of_means(values, groups)}, clusters=["x"] * 4 + ["y"] * 4)["mean"]
    assert (together.low, together.high, together.num_clusters) == (0.0, 1.0, 2)
    assert (apart.low > 0, apart.num_clusters) == (True, 8)


def test_a_plain_mean_has_the_same_number_and_nearly_the_same_interval_either_way():
    interval = statistic_intervals({"mean": mean_of([0.0] * 50 + [1.0] * 50)})["mean"]
    assert (interval.mean, interval.num_items) == (0.5, 100)
    assert (interval.low, interval.high) == (pytest.approx(0.402, abs=0.015), pytest.approx(0.598, abs=0.015))


def test_scores_are_stored_in_percent_whatever_the_scorer_returns(tmp_path):
    items = (answered("1", "営業中", "営業中"), answered("2", "止まれ", ""))
    _, scores = scored(tmp_path, "cc-ocr", *items)
    values = pq.read_table(scores.path("scores.parquet"), columns=["value"])["value"].to_pylist()
    assert values == [pytest.approx(100, abs=1e-6), 0.0]
    details = numbers(scores, "detail")
    assert details["micro_recall"] == pytest.approx(50)
    assert details["micro_precision"] == pytest.approx(100)
    assert [percent_of(metric, value_of(metric, 37.0)) for metric in METRICS] == [37.0] * len(METRICS)
    assert (largest_shown("jdocqa"), largest_shown("official/mean_grade")) == (100, 5)


def test_groups_without_items_have_no_number(tmp_path):
    scoring = {"answer_type": 2}
    _, scores = scored(tmp_path, "jdocqa", answered("1", "12人", "12人です", scoring))
    assert numbers(scores, "detail") == {"numerical_exact": 100.0}


def test_unreadable_answers_are_counted_beside_the_scores(tmp_path):
    receipt = json.dumps({"store_name": "山田商店"})
    items = (answered("1", receipt, receipt), answered("2", receipt, "```json\n[1]\n```"))
    _, scores = scored(tmp_path, "jawildtext-receipt-kie", *items)
    assert ScoresSummary.of(scores).counts == {"jawildtext-receipt-kie": {"parse_error_count": 1}}
    assert headline_metrics(scores)["mine/all/jawildtext-receipt-kie/parse_error_count"] == 1
    assert numbers(scores, "overall") == {"overall": 50.0}


def test_a_failed_item_is_no_score_of_any_scorer(tmp_path):
    lost = Prediction("mine", "9", None, "何ですか。", "寿司", None, None, "out of memory", scoring=json.dumps(FOOD))
    _, scores = scored(tmp_path, "jic-vqa", *UNEVEN, lost)
    assert (numbers(scores, "overall"), ScoresSummary.of(scores).num_failed) == ({"overall": 75.0}, 1)


def test_what_a_record_says_for_its_scorer_stands_in_the_row_of_the_answer(tmp_path):
    record = {"id": 7, "scoring": {"options": ["東京", "大阪"], "subject": None}}
    assert list(keeping_details([record], tmp_path / "details.json")) == [record]
    turns = [{"role": "user", "text": "どこですか。"}, {"role": "assistant", "text": "B"}]
    sample = {"sample_id": "7", "image": None, "image_sha256": None, "category": None, "turns": turns}
    details = json.loads((tmp_path / "details.json").read_text(encoding="utf-8"))
    (row,) = item_rows([sample], details=details)
    assert json.loads(row["scoring"]) == record["scoring"]
    item = Item(benchmark="mine", protocol="all", item_id="7", question="?", reference="B", scoring=row["scoring"])
    assert item.answered("B").scoring == item.failed("lost").scoring == row["scoring"]


def test_answers_of_an_older_store_have_nothing_for_a_scorer(tmp_path):
    store, row = ArtifactStore(tmp_path), answered("1", "赤", "赤").row()
    schema = PREDICTION_SCHEMA.remove(PREDICTION_SCHEMA.get_field_index("scoring"))

    def work(directory):
        write_rows(directory / "predictions.parquet", [{name: row[name] for name in schema.names}], schema=schema)
        return {}

    (answer,) = read_predictions(store.produce(Request(step="predictions", version=1, config={}), work))
    assert (answer.prediction, answer.scoring) == ("赤", None)


@pytest.fixture
def compared(tmp_path):
    worse = [answered(item.item_id, item.reference, "?", json.loads(item.scoring)) for item in UNEVEN[6:]]
    experiments = []
    for name, items in {"a": UNEVEN, "b": (*UNEVEN[:6], *worse)}.items():
        predictions, scores = scored(tmp_path, "jic-vqa", *items, name=name)
        experiments.append(ComparedExperiment(name, (predictions,), (scores,), ()))
    return compare(experiments, store=ArtifactStore(tmp_path))


def test_experiments_are_compared_in_the_benchmarks_own_number_and_its_details(compared):
    table = {row["group"]: row["a"].split(" ")[0] for row in score_table(compared)}
    assert table == {
        "overall": "75.0",
        "detail: jaflower30": "100.0",
        "detail: jafood101": "50.0",
        "detail: average": "75.0",
    }
    differences = {row["group"]: row["B - A"].split(" ")[0] for row in difference_table(compared)}
    assert differences == {
        "overall": "-25.0",
        "detail: jaflower30": "+0.0",
        "detail: jafood101": "-50.0",
        "detail: average": "-25.0",
    }


def test_the_report_says_what_a_metric_means_and_how_many_answers_could_not_be_read(tmp_path):
    receipt = json.dumps({"store_name": "山田商店"})
    items = (answered("1", receipt, receipt), answered("2", receipt, "なし"))
    predictions, scores = scored(tmp_path, "receipt_fields", *items)
    one = ComparedExperiment("a", (predictions,), (scores,), ())
    page = compare([one], store=ArtifactStore(tmp_path)).path("report.md").read_text(encoding="utf-8")
    assert "- receipt_fields: F1 of field and value pairs, read from any JSON object in the answer." in page
    assert "a on mine: parse_error_count of receipt_fields is 1 of 2." in page


def test_a_judges_grade_says_of_what_it_is():
    row = {"is_withheld": False, "mean": 3.25, "low": 3.0, "high": 3.5}
    assert score_cell({**row, "metric": "mean_grade"}) == "3.2 [3.0, 3.5] of 5"
    assert score_cell({**row, "metric": "jdocqa"}) == "3.2 [3.0, 3.5]"
    places = {"benchmark": "x", "protocol": "y", "breakdown": "overall", "group": "overall", "num_items": 9}
    experiments = {"experiment_a": "a", "experiment_b": "b", "num_clusters": 9, "detectable": 0.4}
    difference = {**places, **experiments, "metric": "mean_grade", "difference": 0.5, "low": 0.1, "high": 0.9}
    (shown,) = difference_rows([{**difference, "p_value": 0.01}])
    assert (shown["B - A"], shown["shows from"]) == ("+0.5 [+0.1, +0.9] of 5", "±0.4 of 5")


def test_a_score_a_hair_above_100_is_drawn(tmp_path):
    draw(Chart("BLEU", ("x", "y", "z"), {"one": (100.00000000000004, 50.0, 0.0)}), tmp_path / "radar.png")
    assert (tmp_path / "radar.png").stat().st_size > 0


def test_every_scorer_takes_what_a_model_may_say():
    scoring = {"question_type": "open", "options": ["a", "b"], "answer_type": 3}
    for metric, scorer in SCORERS.items():
        for prediction in ("", "\0", "答え\0は", "﷽" * 50, "１" * 400, "(" * 400, "<think>", "İΣß"):
            value = scorer.score('{"store_name": "x"}', prediction, scoring)
            assert 0 <= value <= METRICS[metric].largest + 1e-9, (metric, prediction)
