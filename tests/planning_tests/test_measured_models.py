"""From what a person types to an evaluation, its steps and its place in a comparison."""

import json
from functools import partial

import pytest
from typer.testing import CliRunner

from flows.cli.main import app
from model.config import GenerationConfig
from model.disk.checkpoint import save_model
from pipeline.config.experiment import ShapesJaSource
from pipeline.config.measured import CheckpointModel, EndpointModel, StoredModel, TransformersModel
from pipeline.core.errors import ConfigError
from pipeline.core.settings import Settings, load_settings
from pipeline.data.prepare import prepare_dataset
from pipeline.evaluation.measure import open_model_under_test, predict_with
from pipeline.evaluation.models.parse import benchmarks_of, default_name, evaluation_of, model_of
from pipeline.evaluation.predict import predictions_request
from pipeline.evaluation.rows import read_predictions
from pipeline.evaluation.scores import score_predictions
from pipeline.planning.measured import (
    measured_model,
    measured_models,
    require_free_name,
    write_evaluation,
)
from pipeline.planning.models import find_model
from pipeline.planning.plan import plan_evaluation
from pipeline.store.artifacts import ArtifactStore
from tests.support.small_model import build_model

MINE = {
    "name": "mine",
    "source": {"kind": "shapes-ja", "content": "questions", "num_images": 2},
    "metrics": ["exact_match"],
}


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("LLAVA_JP_STORE", str(tmp_path / "store"))
    return ArtifactStore(tmp_path / "store")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "small"
    save_model(build_model("gpt2"), folder)
    return folder


def config_folder(tmp_path, **config):
    (tmp_path / "config.json").write_text(json.dumps(config))
    return tmp_path


def evaluation(model, *, name=None, benchmarks=(MINE,), overrides=()):
    return evaluation_of(
        model, name=name, benchmarks=benchmarks, generation="greedy-256", batch_size=4, overrides=overrides
    )


def test_a_text_names_a_model_of_one_of_four_kinds(tmp_path, checkpoint):
    answers = tmp_path / "answers.jsonl"
    answers.write_text("")
    llava = config_folder(tmp_path, model_type="llava")
    assert model_of("smoke", benchmarks=[]) == CheckpointModel(kind="checkpoint", name="smoke")
    assert model_of("5a1b", benchmarks=[]) == CheckpointModel(kind="checkpoint", name="5a1b")
    assert model_of(str(checkpoint), benchmarks=[]) == CheckpointModel(kind="checkpoint", name=str(checkpoint))
    found = model_of(str(llava), benchmarks=[], preset="evovlm-jp-v1-7b", dtype="float32")
    assert isinstance(found, TransformersModel)
    assert (found.weights.folder, found.preset, found.trust_remote_code) == (llava, "evovlm-jp-v1-7b", False)
    assert model_of("endpoint:gpt-4o", benchmarks=[]) == EndpointModel(kind="endpoint", model="gpt-4o")
    assert model_of(str(answers), benchmarks=["mine"]) == StoredModel(kind="stored", files={"mine": answers})
    assert model_of(f"a={answers},b={answers}", benchmarks=["a", "b"]).files == {"a": answers, "b": answers}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nope", "no model is named 'nope': give an experiment"),
        ("owner/name", "owner/name@revision on the Hub"),
        ("answers.jsonl", "holds the answers to one benchmark, and 2 are asked for"),
        ("a=nowhere.json,b=nowhere.json", "there is no file of answers .*nowhere.json"),
    ],
)
def test_a_text_that_names_nothing_is_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        model_of(text, benchmarks=["a", "b"])


def test_benchmarks_are_known_ones_or_those_of_an_experiment():
    (known, own) = benchmarks_of(["ja-vg-vqa-500", "smoke"], "all")
    assert known == {"name": "ja-vg-vqa-500", "protocol": "all"}
    assert (own["name"], own["protocol"]) == ("shapes-ja", "all")
    assert benchmarks_of(["japanese-heron-bench"]) == [{"name": "japanese-heron-bench"}]
    with pytest.raises(ConfigError, match="no benchmark is named 'heron'; there are: cc-ocr, "):
        benchmarks_of(["heron"])
    with pytest.raises(ConfigError, match="none of japanese-heron-bench has a protocol 'first-of-8'"):
        benchmarks_of(["japanese-heron-bench"], "first-of-8")


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (CheckpointModel(kind="checkpoint", name="toshi456/llava-jp-1.3b-v1.1@main"), "llava-jp-1.3b-v1.1"),
        (CheckpointModel(kind="checkpoint", name="smoke"), "smoke-measured"),
        (CheckpointModel(kind="checkpoint", name="mine.yaml"), "mine-measured"),
        (EndpointModel(kind="endpoint", model="org/vision: 1"), "org-vision-1"),
        (StoredModel(kind="stored", files={"a": "/answers/laioncc/heron_bench.jsonl"}), "laioncc-heron_bench"),
    ],
)
def test_an_evaluation_has_a_name_of_its_model(model, name):
    assert default_name(model) == name


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "smoke"}, "smoke is an experiment of this project; a measured model needs another name"),
        ({"benchmarks": ()}, "there is no benchmark to measure it with"),
        ({"overrides": ["limits.max_failed=1"]}, "limits.max_failed"),
    ],
)
def test_an_evaluation_that_makes_no_sense_is_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        evaluation(EndpointModel(kind="endpoint", model="a"), **fields)


def test_stored_answers_are_for_the_benchmarks_that_are_asked(tmp_path):
    model = StoredModel(kind="stored", files={"others": tmp_path / "a.jsonl"})
    with pytest.raises(
        ConfigError, match=r"benchmarks are \['mine'\], and there are files of answers for \['others'\]"
    ):
        evaluation(model)


def addresses(config, store):
    return {
        str(step.role): step.fingerprint
        for step in plan_evaluation(
            config,
            open_model_under_test(
                config.model,
                find=partial(find_model, settings=Settings(store=store.root)),
                settings=Settings(store=store.root),
            ),
            load_settings(),
        )
    }


def test_a_fingerprint_is_of_what_a_model_is_and_not_of_where_it_lies(store, tmp_path, checkpoint, monkeypatch):
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in checkpoint.iterdir():
        (copy / path.name).symlink_to(path)
    here, there = (evaluation(CheckpointModel(kind="checkpoint", name=str(one))) for one in (checkpoint, copy))
    assert addresses(here, store) == addresses(there, store)
    answers = tmp_path / "a.jsonl"
    answers.write_text("1")
    stored = evaluation(StoredModel(kind="stored", files={"mine": answers}), name="x")
    before = addresses(stored, store)
    other = evaluation(stored.model, name="y", overrides=["evaluation.batch_size=1", "evaluation.generation=demo"])
    assert addresses(other, store) == before  # neither decides what stands in a file
    answers.write_text("22")
    assert addresses(stored, store)["predictions/mine"] != before["predictions/mine"]
    endpoint = evaluation(EndpointModel(kind="endpoint", model="a", base_url="https://one.example/v1"))
    moved = evaluation(EndpointModel(kind="endpoint", model="a", base_url="https://two.example/v1"))
    assert addresses(endpoint, store) != addresses(moved, store)
    monkeypatch.setenv("LLAVA_JP_MODEL_API_KEY", "sk-other")
    assert addresses(endpoint, store) == addresses(endpoint, store)


def test_remote_code_runs_only_when_it_is_asked_for(store, tmp_path):
    folder = config_folder(tmp_path, model_type="jsvlm")
    asked = model_of(str(folder), benchmarks=[], preset="japanese-stable-vlm")
    with pytest.raises(ConfigError, match="class is Python code that lies with its weights.*--trust-remote-code"):
        open_model_under_test(
            asked, find=partial(find_model, settings=Settings(store=store.root)), settings=Settings(store=store.root)
        )
    with pytest.raises(ConfigError, match="no preset is named 'heron'; there are: japanese-stable-vlm"):
        open_model_under_test(
            model_of(str(folder), benchmarks=[], preset="heron"),
            find=partial(find_model, settings=Settings(store=store.root)),
            settings=Settings(store=store.root),
        )


def measure(config, store):
    """What the flow does, without Prefect."""
    model = open_model_under_test(
        config.model, find=partial(find_model, settings=Settings(store=store.root)), settings=Settings(store=store.root)
    )
    (benchmark,) = config.evaluation.benchmarks
    assert isinstance(benchmark.source, ShapesJaSource)
    dataset = prepare_dataset(benchmark.source, store=store)
    write_evaluation(config, plan_evaluation(config, model, load_settings()), store_root=store.root)
    predictions = predict_with(model, config, benchmark, dataset=dataset, store=store)
    score_predictions(benchmark, predictions=predictions, store=store)
    return predictions


def test_answers_measured_again_from_their_own_file_are_the_same(store, checkpoint):
    short = ["evaluation.generation={max_new_tokens: 4}"]
    first = measure(
        evaluation(CheckpointModel(kind="checkpoint", name=str(checkpoint)), name="first", overrides=short), store
    )
    assert first.request.inputs.keys() == {"dataset"}
    assert first.request.config["model"].keys() == {"kind", "sha256"}
    files = {"mine": first.path("predictions.jsonl")}
    again = measure(evaluation(StoredModel(kind="stored", files=files), name="again"), store)
    assert again.summary["generation"] == "stored"
    texts = [row.prediction for row in read_predictions(first)]
    assert [row.prediction for row in read_predictions(again)] == texts
    assert len(texts) == 2
    assert measured_models(store.root) == ("again", "first")
    assert measured_model("again", store=store).predictions[0].fingerprint == again.fingerprint
    index = json.loads((store.root / "experiments" / "again.json").read_text())
    assert [step["role"] for step in index["steps"]] == ["dataset/mine", "predictions/mine", "scores/mine"]


def test_what_was_not_measured_is_said(store, checkpoint):
    config = evaluation(CheckpointModel(kind="checkpoint", name=str(checkpoint)), name="half")
    with pytest.raises(ConfigError, match="no model was measured under the name 'half' .* there are: none yet"):
        measured_model("half", store=store)
    model = open_model_under_test(
        config.model, find=partial(find_model, settings=Settings(store=store.root)), settings=Settings(store=store.root)
    )
    write_evaluation(config, plan_evaluation(config, model, load_settings()), store_root=store.root)
    with pytest.raises(
        ConfigError, match="half has not been evaluated on mine yet; `llava-jp eval --name half …` does"
    ):
        measured_model("half", store=store)
    (store.root / "evaluations" / "half.json").unlink()
    with pytest.raises(ConfigError, match="half is an experiment that was run in .*; choose another name"):
        require_free_name(config, store_root=store.root)


def test_the_command_says_how_often_a_judge_judges_every_answer(tmp_path, monkeypatch):
    (tmp_path / "answers.jsonl").write_text('{"question_id": "0", "text": "猫です。"}\n', encoding="utf-8")
    asked = []
    monkeypatch.setattr("flows.cli.eval.require_prefect", lambda: None)
    monkeypatch.setattr("flows.evaluate_model.evaluate_model", asked.append)
    arguments = ["eval", "--model", str(tmp_path / "answers.jsonl"), "--benchmarks", "japanese-heron-bench"]
    assert CliRunner().invoke(app, [*arguments, "--repeats", "3"]).exit_code == 0
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert [evaluation.evaluation.judge.repeats for evaluation in asked] == [3, 1]


def test_a_number_format_of_choice_is_a_part_of_what_is_asked_and_float32_is_not(store, checkpoint):
    default = evaluation(model_of(str(checkpoint), benchmarks=[]))
    exact = evaluation(model_of(str(checkpoint), benchmarks=[], dtype="float32"))
    half = evaluation(model_of(str(checkpoint), benchmarks=[], dtype="bfloat16"), name="half")
    assert default == exact
    assert addresses(default, store)["predictions/mine"] != addresses(half, store)["predictions/mine"]
    predictions = measure(
        evaluation(half.model, name="half", overrides=["evaluation.generation={max_new_tokens: 4}"]), store
    )
    assert predictions.request.config["model"]["dtype"] == "bfloat16"
    assert len(read_predictions(predictions)) == 2


def test_a_trained_model_in_another_number_format_keeps_its_own_request_otherwise():
    (benchmark,) = evaluation(CheckpointModel(kind="checkpoint", name="smoke")).evaluation.benchmarks
    options = {"batch_size": 4, "dataset_fingerprint": "d", "model_fingerprint": "m"}
    exact, half = (
        predictions_request(benchmark, GenerationConfig(), **options, **dtype) for dtype in ({}, {"dtype": "bfloat16"})
    )
    assert "dtype" not in exact.config
    assert half.config == {**exact.config, "dtype": "bfloat16"}
    assert half.inputs == exact.inputs
