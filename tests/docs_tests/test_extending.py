"""The page on adding a step, a check, a benchmark and a metric, followed to the letter."""

import sys
from importlib import import_module

import pyarrow.parquet as pq
import pytest
from datasets import Dataset

import pipeline.benchmarks
import pipeline.data
import pipeline.evaluation.scorers
from pipeline.benchmarks import known
from pipeline.config.evaluation import BenchmarkConfig
from pipeline.config.experiment import load_experiment
from pipeline.core.parquet import write_rows
from pipeline.core.settings import Settings, load_settings
from pipeline.data.samples import SAMPLE_SCHEMA
from pipeline.evaluation.scorers.scorer import Answer
from pipeline.planning.entries import data as entries
from pipeline.planning.plan import plan_experiment
from pipeline.planning.steps import Machine, Plan, Role
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.queries import findings_of
from pipeline.store.sql_files import parse_sql
from tests.data_tests.test_translation_checks import sample
from tests.support.pages import blocks_of, files_of
from tests.support.scored import aggregate
from tests.support.small_data import local_source, picture, talk

PAGE = "extending.md"
FILES = files_of(PAGE)


@pytest.fixture
def added(tmp_path, monkeypatch):
    """Writes a module of the page into a folder and makes it a module of a package."""

    def add(path: str, package):
        name = path.rpartition("/")[2]
        (tmp_path / name).write_text(FILES[path], encoding="utf-8")
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
        module = f"{package.__name__}.{name.removesuffix('.py')}"
        monkeypatch.delitem(sys.modules, module, raising=False)
        return import_module(module)

    return add


@pytest.fixture
def plan_with_lengths(added):
    """The plan of ``smoke`` on other conversations, with the page's step behind the datasets."""
    added("pipeline/data/answer_lengths.py", pipeline.data)
    namespace = dict(vars(entries))
    exec(FILES["pipeline/planning/entries/data.py"], namespace)

    def plan(config):
        steps = plan_experiment(config, load_settings())
        captions, conversations = (steps[Role("dataset", stage)] for stage in ("pretrain", "finetune"))
        (line,) = [text for text in blocks_of(PAGE) if text.startswith("    yield from")]
        names = {"answer_lengths": namespace["answer_lengths"], "captions": captions, "conversations": conversations}
        new = eval(line.strip().removeprefix("yield from"), names)
        return Plan([*steps, *new])

    return plan


def test_a_step_is_one_function_and_one_entry(plan_with_lengths, tmp_path):
    records = [talk("a", "a.png", "何。", "犬。"), talk("b", "a.png", "何。", "白い犬。")]
    captions = local_source(tmp_path / "data", records, {"a.png": picture(10)})
    config = load_experiment("smoke")
    config = config.model_copy(update={"datasets": config.datasets.model_copy(update={"pretrain": captions})})
    plan, machine = (
        plan_with_lengths(config),
        Machine(ArtifactStore(tmp_path / "store"), Settings(store=tmp_path / "store")),
    )
    dataset, lengths = plan[Role("dataset", "pretrain")], plan[Role("answer_lengths", "pretrain")]
    made = {dataset.role: dataset.make({}, machine)}
    made[lengths.role] = lengths.make(made, machine)
    assert pq.read_table(made[lengths.role].path("lengths.parquet")).to_pylist() == [
        {"num_characters": 2, "num_answers": 1},
        {"num_characters": 4, "num_answers": 1},
    ]
    assert lengths.report(made).tables == {"answer_lengths": [{"num_answers": 2, "longest": 4}]}
    assert machine.store.is_whole(lengths.request)
    assert [str(step.role) for step in plan if step.role.kind == "answer_lengths"] == [
        "answer_lengths/pretrain",
        "answer_lengths/finetune",
    ]


def test_a_check_is_one_file(tmp_path):
    (path,) = [name for name in FILES if name.startswith("sql/")]
    check = parse_sql("exclamation_doubled", FILES[path])
    assert check.severity == "warn"
    (example,) = check.examples
    rows = [sample("found", example.turns), sample("clean", ["<image>\n何が見えますか？", "犬です！！"])]
    write_rows(tmp_path / "samples.parquet", rows, schema=SAMPLE_SCHEMA)
    ((_, table),) = findings_of([check], samples=tmp_path / "samples.parquet")
    found = [(row["sample_id"], row["turn_index"], row["evidence"]) for row in table.to_pylist()]
    assert found == [("found", example.turn_index, "犬です！！")]


def test_a_benchmark_is_one_file(added, monkeypatch, tmp_path):
    module = added("pipeline/benchmarks/my_bench.py", pipeline.benchmarks)
    assert "my-bench" in known._known()
    row = {"image": {"path": "dog.png", "bytes": picture(10)}, "category": "animals", "answer": "犬。"}
    Dataset.from_list([{**row, "question": "何。"}, {**row, "question": "これは。"}]).to_parquet(tmp_path / "t.parquet")
    (first, content), (second, _) = module.read([tmp_path / "t.parquet"], tmp_path)
    assert (first["id"], first["category"], content) == (0, "animals", (picture(10),))
    assert second["conversations"] == [
        {"from": "human", "value": "<image>\nこれは。"},
        {"from": "gpt", "value": "犬。"},
    ]
    monkeypatch.setattr("pipeline.config.evaluation.KNOWN_BENCHMARKS", known._known())
    benchmark = BenchmarkConfig.model_validate({"name": "my-bench"})
    assert (benchmark.protocol, benchmark.metrics) == ("all", ("exact_match", "rougeL"))


def test_a_metric_is_one_file_and_its_name(added):
    scorer = added("pipeline/evaluation/scorers/starts_with.py", pipeline.evaluation.scorers).STARTS_WITH
    answers = [Answer("1", "犬", "犬です", {"kind": "what"}), Answer("2", "赤", "白", {"kind": "colour"})]
    assert aggregate(scorer, answers) == (0.5, {"colour": 0.0, "what": 1.0})
