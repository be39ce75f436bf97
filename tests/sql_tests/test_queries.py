"""The queries' answers over a store that can be checked by hand, and what a user reads when a question is wrong."""

import re
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from pipeline.core.errors import QueryError, StoreError
from pipeline.data.samples import FINDING_SCHEMA
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.queries import connect, describe, query_names, run_query, views_script
from tests.support.small_store import build, produce

REPOSITORY = Path(__file__).resolve().parents[2]
REQUIRED = {
    "wrong_answers": {"right": "one", "wrong": "two"},
    "accepted_compared": {"left": "one", "right": "two"},
    "conversation": {"sample_id": "a1"},
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """The store of most tests lies where globbing and Hive partitions could go wrong."""
    return build(tmp_path_factory.mktemp("it's [1] *") / "run=1").root


def ask(root, name, *columns, **parameters):
    """The given columns of a query's rows."""
    result = run_query(name, store_root=root, parameters=parameters)
    chosen = [result.columns.index(column) for column in columns or result.columns]
    return [tuple(row[index] for index in chosen) for row in result.rows]


def test_every_query_is_described():
    assert query_names() == tuple(sorted(path.stem for path in (REPOSITORY / "sql/queries").glob("*.sql")))
    query = describe("loss_curve")
    assert query.description == "One row per experiment, stage and shown optimizer step."
    assert [(p.name, p.type, p.default) for p in query.parameters][2:] == [
        ("window", "integer", "1"),
        ("every_nth", "integer", "1"),
    ]


@pytest.mark.parametrize("name", query_names())
def test_an_empty_store_gives_empty_answers(tmp_path, name):
    if name in REQUIRED and name != "conversation":
        with pytest.raises(QueryError, match=r"no experiment 'one' \((right|left)\); there are: none yet"):
            run_query(name, store_root=tmp_path, parameters=REQUIRED[name])
        return
    result = run_query(name, store_root=tmp_path, parameters=REQUIRED.get(name, {}))
    assert result.columns == tuple(column.name for column in describe(name).columns)
    assert result.rows == ()


@pytest.mark.parametrize("name", query_names())
def test_every_query_has_an_answer_without_optional_parameters(root, name):
    rows = ask(root, name, **REQUIRED.get(name, {}))
    assert rows or name in ("duplicate_images", "feature_outliers", "frequent_answers")  # this store has none


def test_failures_by_check_counts_samples_of_every_experiment(root):
    assert ask(root, "failures_by_check", "role", "check", "severity", "num_samples", "example", experiment="one") == [
        ("dataset/pretrain", "image_missing", "reject", 1, "evidence of image_missing"),
        ("translation/pretrain", "untranslated", "reject", 1, "evidence of untranslated"),
        ("translation/pretrain", "html_entities", "warn", 1, "evidence of html_entities"),
    ]
    assert ask(root, "failures_by_check", min_samples="2") == []


def test_finding_examples_show_the_text(root):
    assert ask(root, "finding_examples", "sample_id", "turn_index", "text", check="untranslated") == [
        ("a2", 1, "a dog is running in the park")
    ]
    assert ask(root, "finding_examples", "check", severity="warn", experiment="two") == [("html_entities",)]


def test_what_a_training_left_out_is_found_beside_the_text(tmp_path):
    store = build(tmp_path)
    (dataset,) = (manifest for manifest in store.manifests() if manifest.summary.get("num_records") == 4)
    row = {"check": "too_long", "severity": "reject", "sample_id": "a3", "record_index": 2, "turn_index": None}
    files = {"findings.parquet": ([{**row, "evidence": "1,600 tokens"}], FINDING_SCHEMA)}
    produce(store, "finetune", files, inputs={"dataset": dataset.fingerprint})
    columns = ("step", "sample_id", "evidence", "text")
    assert ask(store.root, "finding_examples", *columns, check="too_long") == [
        ("finetune", "a3", "1,600 tokens", "元気ですか。 / はい。")
    ]


def test_scores_by_category_leaves_failed_items_out_of_the_mean(root):
    assert ask(root, "scores_by_category", "experiment", "category", "mean", "num_items", "num_failed") == [
        ("one", "overall", pytest.approx(200 / 3), 3, 0),
        ("one", "colour", 50, 2, 0),
        ("one", "counting", 100, 1, 0),
        ("two", "overall", 100, 2, 1),
        ("two", "colour", 100, 2, 0),
        ("two", "counting", None, 0, 1),
    ]
    assert ask(root, "scores_by_category", metric="rougeL") == []


def test_the_number_of_a_benchmark_is_what_its_scorer_says_not_the_mean_of_the_items(tmp_path):
    """As of jic-vqa, whose number is the mean of the domains' means."""
    store = build(tmp_path, number=75.0)
    (one, *_) = ask(store.root, "benchmark_numbers", "experiment", "number", "low", "high", "num_items", "num_failed")
    assert one == ("one", 75.0, 0.0, 100.0, 3, 0)
    assert ask(store.root, "scores_by_category", "category", "mean", experiment="one")[0] == ("overall", 75.0)
    assert ask(store.root, "compare_experiments", "category", "mean", experiments="one")[0] == ("overall", 75.0)
    assert ask(store.root, "scores_by_question_type", "overall", experiments="one") == [(75.0,)]


def test_judged_scores_are_withheld_while_a_judgement_failed(root):
    """Experiment two has no answer to i3, judged twice."""
    columns = ("experiment", "metric", "value", "num_failed", "num_repeats")
    rows = ask(root, "judged_scores", *columns)
    assert ("one", "colour", 70.0, 0, 2) in rows
    assert ("two", "colour", None, 2, 2) in rows
    assert ("two", "colour", 100.0, 2, 2) in ask(root, "judged_scores", *columns, max_failures="2")
    official = ask(root, "judged_scores", *columns, variant="official")
    assert ("two", "average_pooled", 100 * (10 + 10 - 1) / (10 + 10 - 1), 2, 2) in official


def test_failed_judgements_show_why_and_the_reply(root):
    columns = ("experiment", "item_id", "repeat", "status", "reason", "reply")
    assert ask(root, "failed_judgements", *columns) == [
        ("two", "i3", repeat, "no_answer", "out of memory", None) for repeat in (0, 1)
    ]


def test_scores_by_question_type_set_experiments_side_by_side(root):
    columns = ("protocol", "question_type", "experiment", "mean", "overall", "num_items", "num_failed", "example")
    assert ask(root, "scores_by_question_type", *columns) == [
        ("all", "what", "one", pytest.approx(200 / 3), pytest.approx(200 / 3), 3, 0, "何ですか。"),
        ("all", "what", "two", 100, 100, 2, 1, "何ですか。"),
    ]
    assert ask(root, "scores_by_question_type", "experiment", experiments="two") == [("two",)]


def test_scores_by_group_knows_every_breakdown(root):
    rows = ask(root, "scores_by_group", "breakdown", "group", "mean", "num_items", "num_failed", experiment="two")
    assert rows == [
        ("answer_length", "01-05", 100, 2, 1),
        ("category", "colour", 100, 2, 0),
        ("category", "counting", None, 0, 1),
        ("question_type", "what", 100, 2, 1),
    ]
    assert len(ask(root, "scores_by_group", breakdown="category")) == 4


def test_failed_items_say_why(root):
    assert ask(root, "failed_items", "experiment", "protocol", "item_id", "error", "image_sha256") == [
        ("two", "all", "i3", "out of memory", "h-i3")
    ]
    assert ask(root, "failed_items", experiment="one") == []


def test_compare_experiments_takes_the_difference_to_the_baseline(root):
    rows = ask(root, "compare_experiments", "category", "experiment", "mean", "difference", baseline="one")
    assert rows[:4] == [
        ("overall", "one", pytest.approx(200 / 3), 0),
        ("overall", "two", 100, pytest.approx(100 / 3)),
        ("colour", "one", 50, 0),
        ("colour", "two", 100, 50),
    ]
    assert {row[0] for row in ask(root, "compare_experiments", "experiment", experiments="two")} == {"two"}
    assert {row[0] for row in ask(root, "compare_experiments", "difference", experiments="one, two")} == {None}


def test_loss_curve_smooths_and_thins(root):
    columns = ("stage", "optimizer_step", "loss")
    assert ask(root, "loss_curve", *columns, experiment="one", window="2", stage="finetune") == [
        ("finetune", 1, 4.0),
        ("finetune", 2, 3.0),
        ("finetune", 3, 2.5),
    ]
    assert ask(root, "loss_curve", *columns, experiment="two", every_nth="2") == [
        ("pretrain", 2, 2.0),
        ("pretrain", 3, 3.0),
        ("finetune", 2, 2.0),
        ("finetune", 3, 3.0),
    ]


def test_wrong_answers_include_items_without_an_answer(root):
    columns = ("item_id", "right_prediction", "wrong_prediction")
    assert ask(root, "wrong_answers", *columns, right="two", wrong="one") == [("i2", "青", "緑")]
    assert ask(root, "wrong_answers", *columns, right="one", wrong="two") == [("i3", "二つ", None)]


def test_turns_per_dataset_counts_turns_and_characters(root):
    columns = ("role", "num_samples", "num_text_only", "num_turns", "max_turns", "mean_answer_characters")
    rows = ask(root, "turns_per_dataset", *columns)
    assert rows[0] == ("dataset/pretrain", 3, 1, 8, 4, (4 + 28 + 2 + 3) / 4)


def test_bytes_per_step_sums_artifacts(root):
    rows = {row[0]: row[1:] for row in ask(root, "bytes_per_step")}
    assert {step: row[:2] for step, row in rows.items()} == {
        "dataset": (2, 6), "translation": (1, 2), "contamination": (1, 2), "feature_shard": (1, 2), "features": (1, 2),
        "pretrain": (2, 6), "finetune": (2, 6), "predictions": (2, 2), "scores": (2, 2), "judgements": (2, 4),
    }  # fmt: skip
    files = (root / "artifacts/features").glob("*/*.parquet")
    assert rows["features"][2] == sum(path.stat().st_size for path in files)
    assert isinstance(rows["features"][-1], datetime)
    of_one = ask(root, "bytes_per_step", "step", "num_artifacts", experiment="one")
    assert sorted(of_one) == [
        ("contamination", 1), ("dataset", 2), ("feature_shard", 1), ("features", 1), ("finetune", 1),
        ("judgements", 1), ("predictions", 1), ("pretrain", 1), ("scores", 1), ("translation", 1),
    ]  # fmt: skip


def test_partial_work_is_never_seen(tmp_path):
    root = build(tmp_path).root
    before = ask(root, "turns_per_dataset")
    published = next((root / "artifacts/dataset").iterdir())
    shutil.copytree(published, root / "partial/dataset" / ("f" * 16))
    assert ask(root, "turns_per_dataset") == before


def test_the_docs_name_queries_that_exist():
    pages = [REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")]
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    named = set(re.findall(r"llava-jp query ([a-z_]+)", text))
    assert {"cache_coverage", "feature_outliers"} <= named <= set(query_names())


def test_an_unknown_query_lists_all():
    with pytest.raises(QueryError, match="no query is named 'nope'; there are: accepted_compared, benchmark_numbers, "):
        describe("nope")


def test_an_unknown_parameter_lists_the_known(root):
    with pytest.raises(QueryError) as caught:
        ask(root, "cache_coverage", experimnt="one")
    assert str(caught.value) == (
        "query cache_coverage has no parameter 'experimnt'; it has:\n"
        "  experiment  experiment  only this experiment (default none)"
    )


def test_a_missing_parameter_is_explained(root):
    message = (
        "query wrong_answers needs a value for wrong:\n  wrong  experiment  the experiment that got the item wrong"
    )
    with pytest.raises(QueryError, match=message):
        ask(root, "wrong_answers", right="one")


@pytest.mark.parametrize(("name", "parameter", "text"), [
    ("loss_curve", "window", "two"),
    ("loss_curve", "every_nth", "1.5"),
    ("loss_curve", "every_nth", str(2**63)),
    ("wrong_answers", "right_from", "nan"),
])  # fmt: skip
def test_a_badly_typed_parameter_is_explained(root, name, parameter, text):
    kind = "double" if parameter == "right_from" else "integer"
    with pytest.raises(
        QueryError, match=f"query {name}: {parameter}='{text}' is not of the type {kind}:\n  {parameter} "
    ):
        ask(root, name, **{**REQUIRED.get(name, {}), parameter: text})


def test_a_value_out_of_range_is_explained(root):
    with pytest.raises(QueryError, match=r"loss_curve with .*'window': -1.*cannot be negative"):
        ask(root, "loss_curve", window="-1")


def test_a_misspelled_experiment_is_not_an_empty_answer(root):
    with pytest.raises(QueryError, match=r"the store has no experiment 'thre' \(experiments\); there are: one, two"):
        ask(root, "compare_experiments", experiments="one,thre")


def test_a_parameter_is_data(root):
    attempt = "untranslated' or 1 = 1; drop view samples; --"
    assert ask(root, "contaminated_images", benchmark=attempt) == []
    with pytest.raises(
        QueryError, match=r"there is no check \"untranslated' or 1 = 1; .* there are: .*image_missing, "
    ):
        ask(root, "finding_examples", check=attempt)
    with pytest.raises(QueryError, match='the store has no experiment "one\'; drop view samples; --"'):
        ask(root, "cache_coverage", experiment="one'; drop view samples; --")
    assert ask(root, "turns_per_dataset")


def test_a_missing_store_is_an_error(tmp_path):
    with pytest.raises(
        QueryError, match="there is no store at .*/nowhere; run an experiment first, or set LLAVA_JP_STORE"
    ):
        connect(tmp_path / "nowhere")


def test_a_damaged_file_is_named_before_it_is_read(tmp_path):
    root = build(tmp_path).root
    (path, *_) = root.glob("artifacts/scores/*/scores.parquet")
    content = path.read_bytes()
    path.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    with pytest.raises(StoreError, match=rf"{path} is not as it was published: its sha256 is"):
        ask(root, "scores_by_category")
    assert ask(root, "turns_per_dataset")  # which opens no scores


def test_a_damaged_manifest_is_named(tmp_path):
    root = build(tmp_path).root
    (path,) = root.glob("artifacts/features/*/manifest.json")
    path.write_text("{", encoding="utf-8")
    with pytest.raises(StoreError, match=r"features/[0-9a-f]{16}/manifest\.json is damaged: it is not the JSON"):
        ask(root, "bytes_per_step")
    with connect(root) as connection, pytest.raises(duckdb.Error, match="is not a JSON file"):
        connection.execute("select step from manifests").fetchall()


def test_a_question_reads_only_the_manifests_of_the_files_that_it_opens(tmp_path):
    root = build(tmp_path).root
    for path in root.glob("artifacts/*/*/manifest.json"):
        if path.parent.parent.name != "dataset":
            path.write_text("{", encoding="utf-8")
    assert ask(root, "turns_per_dataset")


def test_an_open_connection_sees_what_is_published_later(tmp_path):
    with connect(build(tmp_path).root) as connection:
        count = "select count(*) from manifests"
        ((before,),) = connection.execute(count).fetchall()
        produce(ArtifactStore(tmp_path), "dataset", {}, label="later")
        assert connection.execute(count).fetchall() == [(before + 1,)]


def test_the_payload_of_features_is_in_no_view(root):
    with connect(root) as connection:
        columns = connection.execute("select column_name, data_type from duckdb_columns()").fetchall()
    assert "features" not in {name for name, _ in columns}
    assert "BLOB" not in {kind for _, kind in columns}


def test_the_files_are_found_in_an_installed_wheel(tmp_path):
    package = tmp_path / "pipeline"
    package.mkdir()
    for name in ("__init__.py", "core", "store"):
        source = REPOSITORY / "pipeline" / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, package / name)
    shutil.copytree(REPOSITORY / "sql", package / "_sql")
    imports = "from pipeline.store.queries import query_names; from pipeline.store.sql_files import sql_files"
    script = f"{imports}; print(*query_names(), *sql_files('views'))"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split()[: len(query_names())] == list(query_names())
    assert "samples" in done.stdout.split()


def test_turns_per_source_counts_samples_turns_and_originals(root):
    columns = ("role", "source", "num_samples", "num_turns", "mean_turns", "num_images", "num_with_original")
    assert ask(root, "turns_per_source", *columns, experiment="one") == [
        ("dataset/pretrain", "coco", 2, 6, 3, 2, 2),
        ("dataset/pretrain", "text-only", 1, 2, 2, 0, 0),
        ("dataset/shapes", "coco", 3, 6, 2, 3, 3),
    ]


def test_an_example_of_a_whole_conversation_shows_all_its_turns(tmp_path):
    root = build(tmp_path, whole=True).root
    assert ask(
        root, "finding_examples", "sample_id", "turn_index", "text", check="html_entities", experiment="one"
    ) == [("a3", None, "元気ですか。 / はい。")]


def test_finding_examples_show_the_english_beside_the_japanese(root):
    assert ask(root, "finding_examples", "text", "original", check="untranslated") == [
        ("a dog is running in the park", "English of a dog is running in the park")
    ]


def test_image_sizes_are_of_the_images_that_samples_show(root):
    columns = ("role", "source", "num_images", "formats", "median_width", "smallest", "largest", "percent_below")
    assert ask(root, "image_sizes", *columns, experiment="two", side="4") == [
        ("dataset/pretrain", "coco", 2, ["JPEG"], 4, 3, 4, 0),
        ("dataset/shapes", "coco", 3, ["JPEG"], 4, 3, 4, 0),
    ]
    assert ask(root, "image_sizes", "percent_below", experiment="two", side="5") == [(100,), (100,)]


@pytest.mark.parametrize(
    ("question", "is_counting"),
    [
        ("ベッドはいくつありますか。", 1),
        ("何人の人が写っていますか。", 1),
        ("写真の中に犬は何匹いますか？", 1),
        ("車の台数は何台ですか。", 1),
        ("信号の数を教えてください。", 1),
        ("この人は何をしていますか。", 0),
        ("テーブルの上に何がありますか。", 0),
        ("いくらですか。", 0),
        ("何色ですか。", 0),
        ("数字を読んでください。", 0),
    ],
)
def test_counting_questions_ask_for_a_number_of_things(tmp_path, question, is_counting):
    root = build(tmp_path, question=question).root
    assert ask(root, "counting_questions", "role", "num_questions", "num_counting", experiment="one")[-1] == (
        "dataset/shapes",
        3,
        3 * is_counting,
    )


def test_two_datasets_share_images_pictures_and_conversations(root):
    assert ask(root, "shared_between_datasets", experiment="one") == [
        ("one", "dataset/pretrain", "dataset/shapes", 2, 3, 0, 0, 0)
    ]
    connection = connect(root)
    connection.execute("create table samples_before as from samples")
    connection.execute(
        "create or replace view samples as select * replace ('h1' as image_sha256, 7 as coco_id, "
        "[{'role': 'user', 'text': 'same', 'original': null}] as turns) from samples_before"
    )
    shared = connection.execute(describe("shared_between_datasets").text, {"experiment": "one"}).fetchall()
    assert [row[-3:] for row in shared] == [(1, 1, 1)]


def test_contaminated_images_are_named_with_every_way_they_were_seen(root):
    assert ask(root, "contaminated_images", experiment="one") == [
        ("one", "contamination/pretrain", "shapes", "1.jpg", "i2.png", ["same_bytes", "similar"], 0, 1)
    ]
    assert ask(root, "contaminated_images", benchmark="heron") == []


def test_contamination_is_counted_by_benchmark_and_way(root):
    columns = ("benchmark", "matched_by", "num_benchmark_images", "num_images", "num_samples")
    assert ask(root, "contamination_by_benchmark", *columns, experiment="one") == [
        ("shapes", "same_bytes", 1, 1, 1),
        ("shapes", "similar", 1, 1, 1),
        ("shapes", "any of them", 1, 1, 1),
    ]


def test_the_views_come_to_any_duckdb_shell_as_a_script(root, tmp_path):
    for store, count in ((root, 2), (tmp_path, 0)):
        shell = duckdb.connect()
        shell.execute(views_script(store))
        names = {
            name for (name,) in shell.execute("select view_name from duckdb_views() where not internal").fetchall()
        }
        assert names == {path.stem for path in (REPOSITORY / "sql/views").glob("*.sql")}
        assert shell.execute("select count(*) from contamination").fetchone() == (count,)


def test_the_script_of_a_store_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(QueryError, match="there is no store at"):
        views_script(tmp_path / "no")
