import io
import logging
import math
import re
import warnings
from dataclasses import replace
from html.parser import HTMLParser
from itertools import combinations

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.benchmarks.known import KNOWN_BENCHMARKS
from pipeline.comparison.charts import Chart, draw, drawable, drawn
from pipeline.comparison.differences import DIFFERENCE_SCHEMA
from pipeline.comparison.published import article_rows, published_table
from pipeline.comparison.sample_sheet import SheetItem, _thumbnail, choose, sheet_table
from pipeline.comparison.scores import COMPARISON_SCHEMA, ComparedExperiment, OtherScores, score_chart
from pipeline.comparison.step import (
    article_table,
    compare,
    comparison_request,
    difference_table,
    has_chart,
    score_table,
)
from pipeline.config.evaluation import BenchmarkConfig
from pipeline.config.experiment import ShapesJaSource
from pipeline.core.errors import ConfigError, DataError
from pipeline.core.parquet import write_rows
from pipeline.data.images import IMAGE_SCHEMA
from pipeline.evaluation.predict import PredictionsSummary
from pipeline.evaluation.rows import PREDICTION_SCHEMA, Prediction
from pipeline.evaluation.scores import score_predictions
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Request
from tests.support.small_data import sha256_of
from tests.support.summaries import summary_with

HOSTILE = "<script>alert('赤')</script>"

REFERENCES = {"0": ("colour", "赤"), "1": ("colour", "青"), "2": ("position", "左上"), "3": ("counting", "三つ")}
"""Category and reference of each item."""


def png(side: int = 8) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (214, 40, 40)).save(buffer, "PNG")
    return buffer.getvalue()


def dataset(store: ArtifactStore, content: bytes):
    row = dict.fromkeys(IMAGE_SCHEMA.names) | {"image": "a", "bytes": content, "status": "ok"}
    row["image_sha256"] = sha256_of(content)

    def work(directory):
        write_rows(directory / "images.parquet", [row], schema=IMAGE_SCHEMA)
        return {}

    return store.produce(Request(step="dataset", version=1, config={"num_bytes": len(content)}), work)


def experiment(store: ArtifactStore, name: str, answers: dict[str, str | None], *, question="何ですか。", image=None):
    """An experiment that gave these answers, by item; None is a failed item."""
    items = [_item(item_id, answer, question, image or png()) for item_id, answer in answers.items()]

    def work(directory):
        write_rows(directory / "predictions.parquet", [item.row() for item in items], schema=PREDICTION_SCHEMA)
        return summary_with(PredictionsSummary)

    predictions = store.produce(Request(step="predictions", version=1, config={"by": name, "asked": question}), work)
    source = ShapesJaSource(kind="shapes-ja", content="questions", num_images=1)
    benchmark = BenchmarkConfig(name="shapes-ja", source=source, metrics=("exact_match", "rougeL"))
    scores = score_predictions(benchmark, predictions=predictions, store=store)
    return ComparedExperiment(name, (predictions,), (scores,), (dataset(store, image or png()),))


def _item(item_id: str, answer: str | None, question: str, image: bytes) -> Prediction:
    category, reference = REFERENCES[item_id]
    error = "out of memory" if answer is None else None
    return Prediction("shapes-ja", item_id, category, question, reference, answer, sha256_of(image), error)


GOOD = {"0": "赤", "1": "青", "2": "左上", "3": "三つ"}
BAD = {"0": HOSTILE, "1": "青。", "2": "", "3": "三つ"}


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path / "store")


@pytest.fixture
def compared(store):
    return compare([experiment(store, "bad", BAD), experiment(store, "good", GOOD)], store=store)


def rows(manifest, name: str, **wanted):
    found = pq.read_table(manifest.path(name)).to_pylist()
    return [row for row in found if wanted.items() <= row.items()]


def test_a_comparison_is_six_files_and_a_summary(compared):
    tables = {"comparison.parquet", "differences.parquet", "samples.parquet"}
    names = {*tables, "radar.png", "report.md", "samples.html"}
    assert {file.path for file in compared.files} == names
    assert compared.summary == {
        "experiments": ["bad", "good"],
        "benchmarks": ["shapes-ja"],
        "num_items": 4,
        "num_sample_answers": 4,
        "num_differences": 12,
    }


def test_the_comparison_has_every_mean_of_every_experiment(compared):
    assert pq.read_schema(compared.path("comparison.parquet")).equals(COMPARISON_SCHEMA)
    found = rows(compared, "comparison.parquet", metric="exact_match", experiment="bad")
    assert [(row["breakdown"], row["group"], row["mean"], row["num_items"]) for row in found] == [
        ("overall", "overall", 50.0, 4),
        ("category", "colour", 50.0, 2),
        ("category", "counting", 100.0, 1),
        ("category", "position", 0.0, 1),
        ("question_type", "what", 50.0, 4),
        ("answer_length", "01-05", 50.0, 4),
    ]


def test_differences_are_second_minus_first(compared):
    assert pq.read_schema(compared.path("differences.parquet")).equals(DIFFERENCE_SCHEMA)
    (overall,) = rows(compared, "differences.parquet", metric="exact_match", group="overall")
    assert (overall["experiment_a"], overall["experiment_b"]) == ("bad", "good")
    assert (overall["difference"], overall["num_items"]) == (50.0, 4)
    assert (overall["num_clusters"], overall["p_value"]) == (1, 1.0)  # all questions are on one image


def test_differences_leave_out_items_that_either_experiment_failed_on(store):
    first = experiment(store, "first", GOOD | {"0": None})
    second = experiment(store, "second", GOOD | {"2": None})
    manifest = compare([first, second], store=store)
    found = rows(manifest, "differences.parquet", metric="exact_match")
    counts = [(row["group"], row["num_items"]) for row in found if row["breakdown"] in ("overall", "category")]
    assert counts == [("overall", 2), ("colour", 1), ("counting", 1)]


def allowing(one: ComparedExperiment, max_failed_items: int) -> ComparedExperiment:
    return replace(one, max_failed_items=max_failed_items)


def test_a_number_that_lacks_items_is_withheld(store):
    first, second = experiment(store, "first", GOOD | {"0": None}), experiment(store, "second", GOOD)
    manifest = compare([first, second], store=store)
    (overall, *_) = score_table(manifest)
    assert (overall["first"], overall["second"]) == ("withheld", "100.0 [100.0, 100.0]")
    assert {row["mean"] for row in rows(manifest, "comparison.parquet", experiment="first")} == {None}
    report = manifest.path("report.md").read_text(encoding="utf-8")
    assert "first: shapes-ja: 1 of 4 items have no answer, so its numbers are withheld." in report
    assert not has_chart(manifest)
    assert "## Chart" not in report


def test_a_number_that_lacks_items_is_shown_where_the_user_allows_it(store):
    manifest = compare([allowing(experiment(store, "first", GOOD | {"0": None}), 1)], store=store)
    assert score_table(manifest)[0]["first"] == "100.0 [100.0, 100.0]"
    report = manifest.path("report.md").read_text(encoding="utf-8")
    assert "first failed on 1 items of shapes-ja; they are in no mean." in report
    assert has_chart(manifest)


def test_the_score_table_has_a_column_for_each_experiment(compared):
    assert score_table(compared)[:2] == [
        {
            "benchmark": "shapes-ja",
            "protocol": "all",
            "metric": "exact_match",
            "group": "overall",
            "items": "4 on 1",
            "bad": "50.0 [50.0, 50.0]",
            "good": "100.0 [100.0, 100.0]",
        },
        {
            "benchmark": "shapes-ja",
            "protocol": "all",
            "metric": "exact_match",
            "group": "colour",
            "items": "2 on 1",
            "bad": "50.0 [50.0, 50.0]",
            "good": "100.0 [100.0, 100.0]",
        },
    ]


def test_the_report_has_the_scores_and_the_differences(compared):
    report = compared.path("report.md").read_text(encoding="utf-8")
    assert "| shapes-ja | all | exact_match | overall | 4 on 1 | 50.0 [50.0, 50.0] | 100.0 [100.0, 100.0] |" in report
    assert (
        "| shapes-ja | all | exact_match | overall | bad | good | +50.0 [+50.0, +50.0] | 1.0000 | none "
        "| inside the noise | 4 on 1 |"
    ) in report
    assert (
        "| shapes-ja | all | exact_match | bad | good | none | 4 on 1 |\n"
        in report.partition("## What these items can show")[2].partition("## Scores")[0]
    )
    assert "| shapes-ja | all | exact_match | answer_length: 01-05 | 4 on 1 |" in report
    assert "![exact_match on shapes-ja (percent, n=4)](radar.png)" in report


def test_the_differences_to_print_name_both_sides_and_their_p(compared):
    assert difference_table(compared)[0] == {
        "benchmark": "shapes-ja",
        "protocol": "all",
        "metric": "exact_match",
        "group": "overall",
        "A": "bad",
        "B": "good",
        "B - A": "+50.0 [+50.0, +50.0]",
        "p": "1.0000",
        "shows from": "none",
        "is": "inside the noise",
        "items": "4 on 1",
    }


def test_the_sample_sheet_is_also_a_table_with_a_column_for_each_experiment(store):
    manifest = compare([experiment(store, "one", GOOD | {"3": None}), experiment(store, "two", GOOD)], store=store)
    table = {row["item_id"]: row for row in sheet_table(manifest.path("samples.parquet"))}
    assert (table["0"]["question"], table["0"]["reference"], table["0"]["two"]) == ("何ですか。", "赤", "赤")
    assert table["3"]["one"] == "(no answer: out of memory)"
    assert table["0"]["image"].size == (8, 8)


VG = {"benchmark": "ja-vg-vqa-500", "protocol": "first-of-8", "metric": "rougeL"}
WILD = {"benchmark": "ja-vlm-bench-in-the-wild", "protocol": "all", "metric": "rougeL"}
HERON = {"benchmark": "japanese-heron-bench", "protocol": "heron-official.gpt-4-0125-preview.1234abcd"}


def overall(names, mean, *, experiment="mine", is_withheld=False):
    group = {"breakdown": "overall", "group": "overall", "num_items": 10, "num_clusters": 10}
    numbers = (
        {"mean": mean, "low": mean - 1, "high": mean + 1}
        if mean is not None
        else dict.fromkeys(("mean", "low", "high"))
    )
    return {"experiment": experiment, **names, **group, **numbers, "is_withheld": is_withheld}


def test_the_published_averages_are_of_the_kind_that_the_table_says():
    for model in published_table().models:
        _, _, detail, conv, complex_, macro, pooled = model.values
        mean = (detail + conv + complex_) / 3
        if macro is not None:
            assert mean == pytest.approx(macro, abs=0.006)
        else:
            assert abs(mean - pooled) > 0.05  # another kind of average


def test_measured_rows_stand_below_the_published_ones_and_are_marked():
    table = article_rows([overall(VG, 12.5), overall(HERON | {"metric": "conv"}, 40.0)], experiments=["mine"])
    assert [(row["model"], row[""]) for row in table[-3:]] == [
        ("llava-jp-1.3b-v1.1", "published"),
        ("llava-jp-karasu-1.1b", "published"),
        ("mine", "measured here"),
    ]
    assert (table[-3]["JA-VG-VQA-500"], table[-3]["Heron average_pooled"]) == ("13.33", "50.39")
    assert table[-1]["JA-VG-VQA-500"] == "12.5 [11.5, 13.5]"
    assert (table[-1]["Heron Conv"], table[-1]["Heron Detail"]) == ("40.0 [39.0, 41.0]", "–")
    assert table[0]["JA-VG-VQA-500"] == "–"


def test_another_protocol_is_not_put_beside_published_numbers():
    assert article_rows([overall(VG | {"protocol": "all"}, 14.6)], experiments=["mine"]) == []


def test_a_withheld_number_is_withheld_in_the_articles_table_too():
    row = article_rows([overall(VG, None, is_withheld=True), overall(WILD, 40.0)], experiments=["mine"])[-1]
    assert (row["JA-VG-VQA-500"], row["JA-VLM-Bench-In-the-Wild"]) == ("withheld", "40.0 [39.0, 41.0]")


def test_the_articles_radar_has_the_lines_of_its_two_models():
    measured = [overall(VG, 12.5), overall(WILD, 40.0), overall(HERON | {"metric": "conv"}, 45.0)]
    chart = score_chart(measured, experiments=["mine"])
    assert chart.axes == ("JA-VG-VQA-500", "JA-VLM-Bench-In-the-Wild", "Heron Conv")
    assert chart.scores == {
        "mine": (12.5, 40.0, 45.0),
        "llava-jp-1.3b-v1.0-620k (published)": (12.69, 44.58, 41.05),
        "llava-jp-1.3b-v1.1 (published)": (13.33, 44.4, 51.83),
    }


def test_numbers_that_are_no_means_over_items_stand_beside_the_others(store):
    row = {name: value for name, value in overall(HERON | {"metric": "conv"}, 45.0).items() if name != "experiment"}
    plain = experiment(store, "mine", GOOD)
    other = OtherScores(plain.scores[0], (row,), note="judged once by nobody")
    manifest = compare([replace(plain, other_scores=(other,))], store=store)
    assert manifest.request.inputs["mine/other/0"] == plain.scores[0].fingerprint
    assert score_table(manifest)[-1]["mine"] == "45.0 [44.0, 46.0]"
    assert article_table(manifest)[-1]["Heron Conv"] == "45.0 [44.0, 46.0]"
    report = manifest.path("report.md").read_text(encoding="utf-8")
    assert "## The article's table" in report
    assert "mine: judged once by nobody." in report


def test_a_comparison_of_other_benchmarks_has_no_article_table(compared):
    assert article_table(compared) == []


def test_one_experiment_alone_has_no_differences(store):
    manifest = compare([experiment(store, "good", GOOD)], store=store)
    assert rows(manifest, "differences.parquet") == []
    assert "Differences" not in manifest.path("report.md").read_text(encoding="utf-8")


class Page(HTMLParser):
    """The tags and the texts of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data.strip())


def sheet(manifest) -> Page:
    return Page(manifest.path("samples.html").read_text(encoding="utf-8"))


def test_an_answer_that_is_html_is_shown_as_text(compared):
    page = sheet(compared)
    assert HOSTILE in page.texts
    assert "script" not in {tag for tag, _ in page.tags}


def test_the_sample_sheet_marks_each_answer(compared):
    texts = sheet(compared).texts
    assert (texts.count("✓ 一致"), texts.count("✗ 不一致"), texts.count("（空の回答）")) == (6, 2, 1)


def test_a_failed_item_shows_its_error_and_no_mark(store):
    texts = sheet(compare([experiment(store, "one", GOOD | {"3": None})], store=store)).texts
    assert (texts.count("回答なし"), texts.count("out of memory"), texts.count("✓ 一致")) == (1, 1, 3)


def test_the_sample_sheet_loads_nothing_from_elsewhere(compared):
    page = sheet(compared)
    links = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]
    assert len(links) == 4
    assert all(link.startswith("data:image/png;base64,") for link in links)
    assert ("html", {"lang": "ja"}) in page.tags


def test_large_images_are_scaled_down(store):
    page = sheet(compare([experiment(store, "one", GOOD, image=png(2000))], store=store))
    sources = [attributes["src"] for tag, attributes in page.tags if tag == "img"]
    assert all(source.startswith("data:image/jpeg;base64,") and len(source) < 20_000 for source in sources)


def test_an_image_that_is_gone_leaves_a_note_and_a_warning(store, caplog):
    one = experiment(store, "one", GOOD)
    without_dataset = ComparedExperiment(one.name, one.predictions, one.scores, ())
    with caplog.at_level(logging.WARNING):
        manifest = compare([without_dataset], store=store)
    assert "画像なし: it is in none of the given benchmark datasets" in sheet(manifest).texts
    assert "samples.html shows no image for item 0 of shapes-ja" in caplog.text


def items_of(counts: dict[str, int]) -> list[SheetItem]:
    return [
        SheetItem("bench", f"{category}-{number}", category, "何ですか。", "赤", (), ())
        for category, count in counts.items()
        for number in range(count)
    ]


def test_samples_come_from_all_categories_alike():
    chosen = choose(items_of({"a": 50, "b": 50, "c": 2}), num_items=10)
    assert [item.category for item in chosen] == ["a"] * 4 + ["b"] * 4 + ["c"] * 2


@given(st.dictionaries(st.sampled_from("abcde"), st.integers(0, 12)), st.integers(1, 24))
def test_the_choice_of_samples_is_balanced_and_always_the_same(counts, num_items):
    items = items_of(counts)
    chosen = choose(items, num_items=num_items)
    assert len(chosen) == min(num_items, len(items))
    assert set(chosen) == set(choose(items[::-1], num_items=num_items))
    taken = {category: sum(item.category == category for item in chosen) for category in counts}
    unfinished = [taken[category] for category, count in counts.items() if taken[category] < count]
    assert all(taken[category] <= fewest + 1 for fewest in unfinished for category in counts)


def test_the_chart_is_a_png_without_warnings(compared, tmp_path):
    with Image.open(compared.path("radar.png")) as image:
        assert (image.format, image.size) == ("PNG", (1200, 900))
    chart = Chart("t", ("色\nn=1", "$x^", "<b>", "x" * 300), {"_実験": (1.0, 2.0, 3.0, 4.0), "y" * 200: (0.0,) * 4})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw(chart, tmp_path / "radar.png")
        draw(Chart("t", ("色",), {"実験": (0.0,), "_b": (100.0,)}), tmp_path / "bars.png")
    assert sorted(path.name for path in tmp_path.glob("*.png*")) == ["bars.png", "radar.png"]


MODELS = [f"llm-jp/a-model-of-{size}b-instruct" for size in (1, 3, 7, 13, 34, 72)]


def test_a_radar_of_fourteen_axes_and_six_models_can_be_read():
    """No label covers another or leaves the picture, and no two lines look alike."""
    names = [*sorted(KNOWN_BENCHMARKS)]
    axes = tuple(f"{name}\nsubstring-match\nn=14042" for name in names)
    figure = drawn(Chart("14 benchmarks", axes, {model: (50.0 + n,) * 14 for n, model in enumerate(MODELS)}))
    (polar,), (legend,) = figure.axes, figure.legends
    figure.canvas.draw()
    boxes = [label.get_window_extent() for label in polar.get_xticklabels()]
    boxes += [text.get_window_extent() for text in legend.get_texts()]
    assert [(a, b) for a, b in combinations(range(len(boxes)), 2) if boxes[a].overlaps(boxes[b])] == []
    assert all(figure.bbox.contains(*corner) for box in boxes for corner in (box.min, box.max))
    assert not any(polar.patch.get_window_extent().overlaps(box) and _is_inside(polar, box) for box in boxes)
    lines = {(line.get_color(), line.get_linestyle(), line.get_marker()) for line in polar.get_lines()}
    assert len(lines) == 6
    assert not polar.patches  # areas of six would hide each other


def _is_inside(polar, box) -> bool:
    """Whether a corner of a label is within the circle."""
    centre, radius = polar.transData.transform((0, 0)), polar.patch.get_window_extent().width / 2
    return any(math.dist(centre, corner) < radius for corner in box.corners())


def many_rows(name: str) -> list[dict]:
    """Scores of one experiment on all benchmarks; of the judged ones also the judge's."""
    rows = [_overall(name, one, "eval-mm-9f450a5", "substring-match", 40.0) for one in sorted(KNOWN_BENCHMARKS)]
    rows += [_overall(name, one, "eval-mm-9f450a5-blind", "substring-match", 30.0) for one in sorted(KNOWN_BENCHMARKS)]
    return [*rows, _overall(name, "jdocqa", "llm-as-a-judge.gpt-4.abcd1234", "mean_grade", 3.0)]


def _overall(experiment: str, benchmark: str, protocol: str, metric: str, mean: float) -> dict:
    row = dict.fromkeys(COMPARISON_SCHEMA.names) | {"breakdown": "overall", "group": "overall", "is_withheld": False}
    named = {"experiment": experiment, "benchmark": benchmark, "protocol": protocol, "metric": metric}
    return row | named | {"mean": mean, "num_items": 100}


def test_each_of_many_benchmarks_is_one_axis_and_what_a_judge_says_is_a_share_of_what_he_can_say():
    chart = score_chart([*many_rows("a"), *many_rows("b")], experiments=["a", "b"])
    assert len(chart.axes) == 14
    assert dict(zip(chart.axes, chart.scores["a"], strict=True))["jdocqa\nmean_grade\nn=100"] == 60.0
    assert chart.axes[0] == "cc-ocr\nsubstring-match\nn=100"
    assert set(chart.scores["b"]) == {40.0, 60.0}


def test_names_without_glyphs_are_numbered():
    assert drawable(["colour", "色", "small_détail\nn=3"], what="axis") == ("colour", "axis 2", "small_détail\nn=3")


def test_the_report_explains_the_numbers_in_the_chart(store):
    report = compare([experiment(store, "実験", GOOD)], store=store).path("report.md").read_text(encoding="utf-8")
    assert "In the chart: experiment 1 = 実験." in report


def test_the_request_names_experiments_in_order_and_their_scores(store):
    a, b = experiment(store, "a", GOOD), experiment(store, "b", BAD)
    request = comparison_request([a, b])
    assert (request.step, request.config) == (
        "comparison",
        {"experiments": ["a", "b"], "max_failed_items": [0, 0]},
    )
    assert request.inputs == {
        "a/shapes-ja/all/scores": a.scores[0].fingerprint,
        "b/shapes-ja/all/scores": b.scores[0].fingerprint,
    }
    assert request.fingerprint != comparison_request([b, a]).fingerprint


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "there is no experiment to compare; name at least one"),
        (["a", "a"], "experiments to compare need different names; named more than once: ['a']"),
        (["items"], "an experiment cannot be named 'items'"),
    ],
)
def test_experiments_that_cannot_be_told_apart_are_refused(store, names, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        compare([experiment(store, name, GOOD) for name in names], store=store)


def test_an_experiment_without_scores_is_refused(store):
    with pytest.raises(ConfigError, match=r"\['a'\] have no benchmark scores; add benchmarks under `evaluation`"):
        compare([ComparedExperiment("a", (), (), ())], store=store)


def test_scores_without_their_predictions_are_refused(store):
    a = experiment(store, "a", GOOD)
    with pytest.raises(DataError, match="a: the scores of shapes-ja belong to predictions"):
        compare([ComparedExperiment("a", (), a.scores, a.datasets)], store=store)


@pytest.mark.parametrize(
    ("name", "answers", "question"),
    [
        ("other-questions", GOOD, "これは何ですか。"),
        ("fewer-items", {"1": "青", "2": "左上", "3": "三つ"}, "何ですか。"),
    ],
)
def test_experiments_that_answered_different_items_are_refused(store, name, answers, question):
    a, b = experiment(store, "a", GOOD), experiment(store, name, answers, question=question)
    with pytest.raises(DataError, match=f"shapes-ja: a and {name} answered different items, for example '0'"):
        compare([a, b], store=store)


def test_the_same_comparison_is_made_once(store):
    experiments = [experiment(store, "a", GOOD)]
    assert compare(experiments, store=store) == compare(experiments, store=store)


def test_the_images_of_one_item_stand_one_below_the_other():
    def content(size, colour):
        buffer = io.BytesIO()
        Image.new("RGB", size, colour).save(buffer, "PNG")
        return buffer.getvalue()

    with Image.open(io.BytesIO(_thumbnail([content((8, 4), "red"), content((6, 10), "blue")]))) as whole:
        assert (whole.format, whole.size) == ("PNG", (8, 4 + 4 + 10))
        assert [whole.getpixel(place) for place in ((7, 3), (0, 5), (5, 8), (7, 8))] == [
            (255, 0, 0),
            (255, 255, 255),
            (0, 0, 255),
            (255, 255, 255),
        ]
    with Image.open(io.BytesIO(_thumbnail([content((8, 4), "red"), content((600, 300), "blue")]))) as whole:
        assert (whole.format, whole.size) == ("JPEG", (256, 4 + 4 + 128))
