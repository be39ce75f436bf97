"""Queries on what a dataset holds and what became of it, over a store that can be counted by hand."""

import csv
import io
import json
from contextlib import closing

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.cli.row_formats import RowFormat, rows_as
from pipeline.data.samples import FINDING_SCHEMA, SAMPLE_SCHEMA
from pipeline.evaluation.rows import PREDICTION_SCHEMA
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.queries import connect, run_query
from tests.support.small_store import ACCEPTED_SCHEMA, produce, sample


def finding(check, sample_id, index, *, turn=None, severity="reject"):
    row = {"check": check, "severity": severity, "sample_id": sample_id, "record_index": index, "turn_index": turn}
    return {**row, "evidence": f"evidence of {check}"}


def checked(store, dataset, label, *, accepted, findings):
    files = {
        "findings.parquet": (findings, FINDING_SCHEMA),
        "accepted.parquet": ([{"sample_id": name} for name in accepted], ACCEPTED_SCHEMA),
    }
    return produce(store, "translation", files, inputs={"dataset": dataset.fingerprint}, label=label)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two experiments on one dataset of four samples; the second has another check."""
    store = ArtifactStore(tmp_path_factory.mktemp("store"))
    samples = [
        {**sample("a", 0, "何色。", "赤です。", image="coco/1.jpg", sha256="h1"), "source": "coco"},
        {
            **sample("b", 1, "何色ですか。", "赤です。", "形は。", "丸。", image="coco/2.jpg", sha256="h2"),
            "source": "coco",
        },
        {**sample("c", 2, "いくつ。", "二つ。", image="gqa/3.jpg", sha256="h3"), "source": "gqa"},
        sample("d", 3, "誰。", "赤です。"),
    ]
    for row in samples:
        for turn in row["turns"]:
            turn["original"] = "English" if row["sample_id"] == "b" else None
    read = [
        finding("original_unclear", "c", 2, severity="warn"),
        finding("original_has_other_turns", "d", 3, severity="warn"),
    ]
    files = {"samples.parquet": (samples, SAMPLE_SCHEMA), "findings.parquet": (read, FINDING_SCHEMA)}
    dataset = produce(store, "dataset", files)
    both = [finding("untranslated", "a", 0, turn=1), finding("html_entities", "b", 1, severity="warn")]
    first = checked(store, dataset, "one", accepted="bcd", findings=both)
    more = [*both, finding("length_ratio", "a", 0, turn=1), finding("truncated", "c", 2, turn=0)]
    second = checked(store, dataset, "two", accepted="bd", findings=more)
    (store.root / "experiments").mkdir()
    for name, translation in (("one", first), ("two", second)):
        steps = [
            {"role": f"{step}/finetune", "step": step, "fingerprint": manifest.fingerprint}
            for step, manifest in (("dataset", dataset), ("translation", translation))
        ]
        text = json.dumps({"experiment": name, "steps": steps})
        (store.root / "experiments" / f"{name}.json").write_text(text, encoding="utf-8")
    return store.root


def ask(root, name, *columns, **parameters):
    result = run_query(name, store_root=root, parameters=parameters)
    chosen = [result.columns.index(column) for column in columns or result.columns]
    return [tuple(row[index] for index in chosen) for row in result.rows]


def test_accepted_samples_are_joined_to_samples_and_turns_by_their_fingerprint(root):
    connection = connect(root)
    joined = "from samples left join accepted_samples using (fingerprint, sample_id)"
    counts = f"select sample_id, count(translation_fingerprint) {joined} group by sample_id order by sample_id"
    assert connection.sql(counts).fetchall() == [("a", 0), ("b", 2), ("c", 1), ("d", 2)]


def test_rejections_are_counted_by_source_and_check(root):
    columns = ("source", "check", "num_samples", "num_rejected", "percent")
    assert ask(root, "rejections_by_source", *columns, experiment="two") == [
        ("coco", "any check", 2, 1, 50.0),
        ("coco", "length_ratio", 2, 1, 50.0),
        ("coco", "untranslated", 2, 1, 50.0),
        ("gqa", "any check", 1, 1, 100.0),
        ("gqa", "truncated", 1, 1, 100.0),
    ]
    assert ask(root, "rejections_by_source", "source", experiment="one", min_percent="51") == []


def test_the_share_of_samples_with_an_original_and_why_others_have_none(root):
    columns = ("num_samples", "num_with_original", "percent", "num_unclear", "num_other_turns")
    assert ask(root, "samples_with_original", *columns, experiment="one") == [(4, 1, 25.0, 1, 1)]


def test_the_most_frequent_answers(root):
    columns = ("answer", "num_answers", "percent", "num_questions", "num_images", "question")
    assert ask(root, "frequent_answers", *columns, experiment="one") == [("赤です。", 3, 60.0, 3, 2, "誰。")]


def test_every_image_of_a_sample_is_a_row_also_beside_tables_without_further_images(tmp_path):
    store = ArtifactStore(tmp_path)
    further = [
        {"image": "coco/2.jpg", "image_sha256": "h2", "coco_id": 2, "visual_genome_id": None},
        {"image": "coco/3.jpg", "image_sha256": "h3", "coco_id": None, "visual_genome_id": None},
    ]
    two = {**sample("a", 0, "何色。", "赤です。", image="coco/1.jpg", sha256="h1"), "further_images": further}
    text = sample("b", 1, "何色。", "赤です。")
    older = SAMPLE_SCHEMA.remove(SAMPLE_SCHEMA.get_field_index("further_images"))
    old = produce(store, "dataset", {"samples.parquet": ([two, text], older)}, label="old")
    columns = "sample_id, image_index, image, image_sha256, coco_id"
    query = f"select {columns} from sample_images where fingerprint = $made order by all"
    first = ("a", 0, "coco/1.jpg", "h1", None)
    with closing(connect(tmp_path)) as connection:
        assert connection.execute(query, {"made": old.fingerprint}).fetchall() == [first]
        new = produce(store, "dataset", {"samples.parquet": ([two, text], SAMPLE_SCHEMA)}, label="new")
        found = connection.execute(query, {"made": new.fingerprint}).fetchall()
        assert found == [first, ("a", 1, "coco/2.jpg", "h2", 2), ("a", 2, "coco/3.jpg", "h3", None)]
        assert connection.execute(query, {"made": old.fingerprint}).fetchall() == [first]
    assert ask(tmp_path, "conversation", "image", sample_id="a")[-1] == ("coco/1.jpg, coco/2.jpg, coco/3.jpg",)
    counts = ask(tmp_path, "turns_per_source", "source", "num_samples", "num_images")
    assert sorted(counts) == [("coco", 1, 1), ("coco", 1, 3), ("text-only", 1, 0), ("text-only", 1, 0)]


def test_predictions_say_all_images_also_beside_tables_of_before(tmp_path):
    store = ArtifactStore(tmp_path)
    row = dict.fromkeys(PREDICTION_SCHEMA.names, "x") | {"error": None, "image_sha256": "h1"}
    older = PREDICTION_SCHEMA.remove(PREDICTION_SCHEMA.get_field_index("further_images_sha256"))
    rows = [{**row, "further_images_sha256": ["h2"]}, {**row, "image_sha256": None, "further_images_sha256": None}]
    produce(store, "predictions", {"predictions.parquet": (rows, older)}, label="old")
    query = "select images_sha256 from predictions order by all"
    with closing(connect(tmp_path)) as connection:
        assert connection.execute(query).fetchall() == [([],), (["h1"],)]
        produce(store, "predictions", {"predictions.parquet": (rows, PREDICTION_SCHEMA)}, label="new")
        assert connection.execute(query).fetchall() == [([],), ([],), (["h1"],), (["h1", "h2"],)]


def test_one_conversation_is_shown_whole_with_its_findings(root):
    columns = ("image", "turn_index", "role", "text", "original", "findings")
    assert ask(root, "conversation", *columns, sample_id="b", experiment="one") == [
        ("coco/2.jpg", 0, "user", "何色ですか。", "English", "warn html_entities: evidence of html_entities"),
        ("coco/2.jpg", 1, "assistant", "赤です。", "English", None),
        ("coco/2.jpg", 2, "user", "形は。", "English", None),
        ("coco/2.jpg", 3, "assistant", "丸。", "English", None),
    ]
    assert ask(root, "conversation", sample_id="no") == []


def test_two_accepted_sets_are_compared(root):
    columns = ("role", "accepted_by", "check", "num_samples", "example")
    assert ask(root, "accepted_compared", *columns, left="one", right="two") == [
        ("translation/finetune", "both", None, 2, "b"),
        ("translation/finetune", "left", "truncated", 1, "c"),
    ]
    assert ask(root, "accepted_compared", "accepted_by", "check", left="two", right="one") == [
        ("both", None),
        ("right", "truncated"),
    ]


COLUMNS = ("名前", "value", "list")
ROWS = [("猫, 犬", 1.5, ["a", "b"]), (None, float("nan"), [])]


def test_rows_are_given_as_csv():
    read = list(csv.reader(io.StringIO(rows_as(RowFormat.csv, COLUMNS, ROWS).decode())))
    assert read == [list(COLUMNS), ["猫, 犬", "1.5", '["a", "b"]'], ["", "", "[]"]]


def test_rows_are_given_as_json():
    assert json.loads(rows_as(RowFormat.json, COLUMNS, ROWS)) == [
        {"名前": "猫, 犬", "value": 1.5, "list": ["a", "b"]},
        {"名前": None, "value": None, "list": []},
    ]
    assert json.loads(rows_as(RowFormat.json, COLUMNS, [])) == []


def test_rows_are_given_as_parquet():
    table = pq.read_table(pa.BufferReader(rows_as(RowFormat.parquet, COLUMNS, ROWS)))
    assert table.column_names == list(COLUMNS)
    assert table["名前"].to_pylist() == ["猫, 犬", None]
    assert table["list"].to_pylist() == [["a", "b"], []]
