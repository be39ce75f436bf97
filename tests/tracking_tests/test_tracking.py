"""What MLflow shows of a run: parameters, metrics over steps, data with digests, and who made what."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from PIL import Image

from pipeline.config.experiment import TranslationChecksConfig, load_experiment
from pipeline.config.identity import Identities
from pipeline.core.errors import DataError
from pipeline.core.progress import Event
from pipeline.core.settings import Settings
from pipeline.planning.entries import data as entries
from pipeline.planning.steps import Machine
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Request
from pipeline.store.sql_files import sql_files
from pipeline.tracking.mlflow.server import MLFLOW_EXPERIMENT
from pipeline.tracking.tables import read_table
from pipeline.tracking.tracker import Tracker, flatten
from tests.support.small_data import local_source


@pytest.fixture
def settings(tmp_path):
    return Settings(store=tmp_path / "store")


def make(settings, step="dataset", **config):
    request = Request(step=step, version=1, config={"kind": "local", **config})
    return ArtifactStore(settings.store_root).produce(request, lambda directory: {"num_samples": 3})


def runs_of(settings, filter_string=""):
    client = MlflowClient(settings.mlflow_uri)
    experiment = client.get_experiment_by_name(MLFLOW_EXPERIMENT)
    return client.search_runs([experiment.experiment_id], filter_string)


def test_a_step_is_a_child_with_its_metrics_over_optimizer_steps_and_its_data(settings):
    dataset = make(settings)
    with Tracker(settings).experiment_run(load_experiment("smoke"), tags={"prefect.flow_run_id": "f"}) as run:
        request = Request(step="pretrain", version=1, config={"stage": {"learning_rate": 0.001}})
        with run.step("pretrain", request, [dataset]) as step:
            step.on_progress(Event("pretrain", 2, 2, "optimizer steps", [(1, {"loss": 5.0}), (2, {"loss": 4.0})]))
    (parent,) = runs_of(settings, "tags.`prefect.flow_run_id` = 'f'")
    (child,) = runs_of(settings, f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    history = MlflowClient(settings.mlflow_uri).get_metric_history(child.info.run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(1, 5.0), (2, 4.0)]
    assert child.data.params["stage.learning_rate"] == "0.001"
    assert [data.dataset.digest for data in child.inputs.dataset_inputs] == [dataset.fingerprint]
    assert parent.data.params["pretrain.learning_rate"] == "0.001"
    assert (parent.info.status, child.info.status) == ("FINISHED", "FINISHED")


def test_a_step_that_was_already_done_is_linked_to_the_run_that_made_it(settings):
    tracker, dataset = Tracker(settings), make(settings)
    with tracker.experiment_run(load_experiment("smoke"), tags={}) as first:
        with first.step("dataset/pretrain", dataset.request, []) as maker:
            maker.finish(dataset, {})
        first.link("dataset/pretrain", dataset, was_done=False)
    with tracker.experiment_run(load_experiment("smoke"), tags={}) as second:
        second.link("dataset/pretrain", dataset, was_done=True)
    tags = MlflowClient(settings.mlflow_uri).get_run(second.run_id).data.tags
    assert tags["dataset/pretrain.run_id"] == maker.run_id
    assert tags["dataset/pretrain.status"] == "was already done"


def test_an_error_ends_the_run_as_failed_and_says_why(settings):
    with pytest.raises(DataError), Tracker(settings).experiment_run(load_experiment("smoke"), tags={}):
        raise DataError("the pictures are upside down")
    (run,) = runs_of(settings)
    assert (run.info.status, run.data.tags["error"]) == ("FAILED", "DataError: the pictures are upside down")


def test_an_error_of_a_library_is_tagged_without_its_secrets(settings):
    with pytest.raises(OSError, match="sesame"), Tracker(settings).experiment_run(load_experiment("smoke"), tags={}):
        raise OSError("no answer from http://me:sesame@host \ud83d")
    (run,) = runs_of(settings)
    assert run.data.tags["error"] == "OSError: no answer from http://…@host \\ud83d"


def test_a_run_whose_process_was_killed_is_closed_by_the_next_one(settings):
    code = f"""
import os, signal, time
from pathlib import Path
from pipeline.config.experiment import TranslationChecksConfig, load_experiment
from pipeline.core.settings import Settings
from pipeline.tracking.tables import read_table
from pipeline.tracking.tracker import Tracker
with Tracker(Settings(store=Path({str(settings.store)!r}))).experiment_run(load_experiment("smoke"), tags={{}}) as run:
    while not run.run_id:
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    assert [run.info.status for run in runs_of(settings)] == ["RUNNING"]
    with Tracker(settings).experiment_run(load_experiment("smoke"), tags={}):
        pass
    assert sorted(run.info.status for run in runs_of(settings)) == ["FINISHED", "KILLED"]


def table_of(client, run_id, file):
    path = client.download_artifacts(run_id, file)
    table = json.loads(Path(path).read_text(encoding="utf-8"))
    return [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]


def test_checks_and_examples_beside_their_english_are_tables(settings):
    store = ArtifactStore(settings.store_root)
    conversation = [
        {"from": "human", "value": "How many are there?", "jp": "何匹いますか。"},
        {"from": "gpt", "value": "Three dogs.", "jp": "犬が四匹。"},
    ]
    settings.store_root.mkdir()
    source = local_source(settings.store_root / "data", [{"id": "a", "conversations": conversation}], {})
    conversations = entries.dataset("finetune", source, is_benchmark=False, identities=Identities(store.root))
    checks = entries.translation(TranslationChecksConfig(), conversations, limits=load_experiment("smoke").limits)
    made = {conversations.role: conversations.make({}, Machine(store, Settings(store=store.root)))}
    made[checks.role] = checks.make(made, Machine(store, Settings(store=store.root)))
    tracker = Tracker(settings)
    with (
        tracker.experiment_run(load_experiment("smoke"), tags={}) as run,
        run.step(str(checks.role), checks.request, []) as step,
    ):
        step.finish(made[checks.role], checks.report(made).tables)
    client = MlflowClient(settings.mlflow_uri)
    counts = {row["check"]: row["num_samples"] for row in table_of(client, step.run_id, "translation_checks.json")}
    assert counts["numbers_differ"] == 1
    assert set(sql_files("checks/translation")) <= set(counts)
    (example,) = table_of(client, step.run_id, "translation_examples.json")
    assert (example["check"], example["japanese"], example["english"]) == (
        "numbers_differ",
        "犬が四匹。",
        "Three dogs.",
    )


def test_tables_of_a_worker_are_shown_with_their_pictures_and_its_flags_are_tags(settings, tmp_path):
    Image.new("RGB", (600, 300), "red").save(tmp_path / "red.png")
    files = {}
    for name, answer in (("step-1", "青"), ("step-2", "赤")):
        files[name] = tmp_path / f"{name}.json"
        rows = [["何色？", answer, {"image": str(tmp_path / "red.png")}], ["数は？", None, None]]
        files[name].write_text(json.dumps({"columns": ["question", "answer", "photo"], "data": rows}))
    with (
        Tracker(settings).experiment_run(load_experiment("smoke"), tags={}) as run,
        run.step("pretrain", Request(step="pretrain", version=1, config={}), []) as step,
    ):
        step.on_progress(Event("pretrain", 1, 2, "optimizer steps", tables={"answers/step-1": files["step-1"]}))
        step.on_progress(Event("pretrain", 2, 2, "optimizer steps", tables={"answers/step-2": files["step-2"]}))
        step.on_progress(Event("pretrain", 2, 2, "optimizer steps", flags={"loss_spikes": "2"}))
    client = MlflowClient(settings.mlflow_uri)
    first, second = table_of(client, step.run_id, "answers/step-2.json")
    assert (first["question"], first["answer"], second["answer"]) == ("何色？", "赤", None)
    assert Image.open(client.download_artifacts(step.run_id, first["photo"]["filepath"])).size == (600, 300)
    assert Image.open(client.download_artifacts(step.run_id, first["photo"]["compressed_filepath"])).size == (256, 128)
    tags = client.get_run(step.run_id).data.tags
    assert json.loads(tags["mlflow.loggedArtifacts"]) == [
        {"path": "answers/step-1.json", "type": "table"},
        {"path": "answers/step-2.json", "type": "table"},
    ]
    assert tags["loss_spikes"] == "2"


@pytest.mark.parametrize("text", ["[]", '{"columns": ["a"]}', '{"columns": ["a"], "data": [[1, 2]]}'])
def test_a_file_that_is_no_table_is_named(settings, tmp_path, text):
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(DataError, match=r"t\.json is not a table for MLflow: \{\"columns\": \[names\]"):
        read_table(tmp_path / "t.json", keep=lambda *_: None)


def test_a_published_dataset_is_shown_under_its_name(settings):
    dataset = make(settings, name="llava-pretrain-ja")
    with Tracker(settings).experiment_run(load_experiment("smoke"), tags={}) as run:
        run.link("dataset/pretrain", dataset, was_done=True)
    (logged,) = MlflowClient(settings.mlflow_uri).get_run(run.run_id).inputs.dataset_inputs
    assert logged.dataset.name == "llava-pretrain-ja"


def test_sections_and_lists_of_sections_become_dotted_keys():
    assert flatten({"a": {"b": 1}, "c": [{"d": 2}], "e": [1, 2]}) == {"a.b": 1, "c.0.d": 2, "e": [1, 2]}


def log_a_file(store_root: Path, name: str) -> str:
    """A run in a store with one file; its id."""
    with Tracker(Settings(store=store_root)).experiment_run(load_experiment("smoke"), tags={}) as run:
        run.log_json(name, {"a": 1})
    return run.run_id


def test_the_files_of_a_copied_store_land_in_the_copy(tmp_path):
    original, copy = tmp_path / "a store", tmp_path / "copy"
    first = log_a_file(original, "first.json")
    shutil.copytree(original, copy)
    second, third = log_a_file(copy, "second.json"), log_a_file(original, "third.json")
    files = {
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.json") if "experiment" not in path.name
    }
    assert files == {
        f"a store/mlflow-artifacts/{first}/artifacts/first.json",
        f"copy/mlflow-artifacts/{first}/artifacts/first.json",
        f"copy/mlflow-artifacts/{second}/artifacts/second.json",
        f"a store/mlflow-artifacts/{third}/artifacts/third.json",
    }
    run = MlflowClient(Settings(store=copy).mlflow_uri).get_run(first)
    assert run.info.artifact_uri == f"{copy.as_uri()}/mlflow-artifacts/{first}/artifacts"


def test_a_moved_store_keeps_its_runs_and_their_models(tmp_path):
    settings, moved = Settings(store=tmp_path / "store"), tmp_path / "moved"
    first = log_a_file(settings.store_root, "first.json")
    model = make(settings, step="finetune")
    with Tracker(settings).experiment_run(load_experiment("smoke"), tags={}) as run:
        run.register(model, description="", store=ArtifactStore(settings.store_root))
    settings.store_root.rename(moved)
    log_a_file(moved, "second.json")
    assert not settings.store_root.exists()
    client = MlflowClient(Settings(store=moved).mlflow_uri)
    assert "first.json" in [file.path for file in client.list_artifacts(first)]
    (version,) = client.search_model_versions("name = 'smoke'")
    folder = moved / "artifacts" / "finetune" / model.fingerprint
    assert (version.source, version.tags["folder"]) == (folder.as_uri(), str(folder))
