"""MLflow: a parent run for each run of an experiment, a child run for each step that did work. Used only here."""

import json
import logging
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.tracking import MlflowClient

from pipeline.config import ExperimentConfig
from pipeline.contamination import contamination_rows
from pipeline.manifest import MANIFEST_NAME, Manifest, Request
from pipeline.prediction_rows import Prediction, read_predictions
from pipeline.progress import Event
from pipeline.provenance import git_commit
from pipeline.settings import Settings
from pipeline.translation_report import report_of

log = logging.getLogger(__name__)

MLFLOW_EXPERIMENT = "llava-jp"
MAX_VALUES_PER_CALL = 100
"""MLflow's limit for parameters and tags in one call; for metrics it is 1,000."""
MAX_PARAMETER_CHARACTERS = 6000
ANSWERS_SHOWN = 200
"""Answers in a run's table; all of them are in ``predictions.jsonl``."""
LOGGED_FILES = ("metrics.parquet", "predictions.jsonl", "radar.png", "samples.html", "report.md")
"""Files of an artifact that are worth having in MLflow; large ones stay in the store, the manifest names them."""

for name in ("mlflow", "alembic"):
    logging.getLogger(name).setLevel(logging.WARNING)  # they narrate the set-up of the database


class Tracker:
    """The MLflow server or database of this machine."""

    def __init__(self, settings: Settings) -> None:
        settings.store_root.mkdir(parents=True, exist_ok=True)
        self.client = MlflowClient(settings.mlflow_uri)
        existing = self.client.get_experiment_by_name(MLFLOW_EXPERIMENT)
        is_local = settings.mlflow_uri.startswith("sqlite:")
        location = (settings.store_root / "mlflow-artifacts").as_uri() if is_local else None
        self.experiment_id: str = (
            existing.experiment_id if existing else self.client.create_experiment(MLFLOW_EXPERIMENT, location)
        )
        # Opens the UI in its view for training; without it MLflow 3 shows the one for LLM applications.
        self.client.set_experiment_tag(self.experiment_id, "mlflow.experimentKind", "custom_model_development")

    @contextmanager
    def experiment_run(self, config: ExperimentConfig, *, tags: Mapping[str, str]) -> Iterator["TrackedRun"]:
        """The parent run; it ends FINISHED, or FAILED with the error as a tag."""
        self._close_abandoned(config.name)
        described = {
            "experiment": config.name,
            "mlflow.note.content": config.description,
            "process": _this_process(),
            **tags,
        }
        with self._run(config.name, described) as run_id:
            self._log_parameters(run_id, flatten(config.model_dump(mode="json")))
            self.client.log_dict(run_id, config.model_dump(mode="json"), "experiment.json")
            yield TrackedRun(self, run_id)

    @contextmanager
    def comparison_run(self, names: Sequence[str], *, tags: Mapping[str, str]) -> Iterator["TrackedRun"]:
        """A run that holds the comparison of some experiments."""
        with self._run(f"compare {' '.join(names)}", {"role": "comparison", **tags}) as run_id:
            yield TrackedRun(self, run_id)

    @contextmanager
    def _run(self, name: str, tags: Mapping[str, str]) -> Iterator[str]:
        if commit := git_commit():
            tags = {"mlflow.source.git.commit": commit, **tags}
        run = self.client.create_run(self.experiment_id, run_name=name, tags=dict(tags))
        run_id: str = run.info.run_id
        try:
            yield run_id
        except BaseException as error:
            status = "FAILED" if isinstance(error, Exception) else "KILLED"
            self.client.set_tag(run_id, "error", f"{type(error).__name__}: {error}"[:5000])
            self.client.set_terminated(run_id, status)
            raise
        self.client.set_terminated(run_id, "FINISHED")

    def _close_abandoned(self, experiment: str) -> None:
        """Runs whose process was killed still look as if they ran; say what happened to them."""
        where = f"attributes.status = 'RUNNING' and tags.experiment = '{experiment}'"
        for run in self.client.search_runs([self.experiment_id], where):
            host, _, process = run.data.tags.get("process", "").partition("/")
            if host == socket.gethostname() and not _is_alive(int(process)):
                self.client.set_terminated(run.info.run_id, "KILLED")

    def maker_of(self, fingerprint: str) -> str | None:
        """Id of the run that made an artifact, if this MLflow knows it."""
        where = f"tags.fingerprint = '{fingerprint}' and tags.role = 'step'"
        runs = self.client.search_runs([self.experiment_id], where, order_by=["attributes.start_time DESC"])
        return str(runs[0].info.run_id) if runs else None

    def _log_parameters(self, run_id: str, parameters: Mapping[str, Any]) -> None:
        values = [Param(key, str(value)[:MAX_PARAMETER_CHARACTERS]) for key, value in parameters.items()]
        for start in range(0, len(values), MAX_VALUES_PER_CALL):
            self.client.log_batch(run_id, params=values[start : start + MAX_VALUES_PER_CALL])


class TrackedRun:
    """The parent run of an experiment while it runs."""

    def __init__(self, tracker: Tracker, run_id: str) -> None:
        self.tracker = tracker
        self.run_id = run_id

    @contextmanager
    def step(self, role: str, request: Request, inputs: Sequence[Manifest]) -> Iterator["TrackedStep"]:
        """The child run of a step that does work."""
        tags = {
            "mlflow.parentRunId": self.run_id,
            "role": "step",
            "step": role,
            "fingerprint": request.fingerprint,
            "process": _this_process(),
            "experiment": self.tracker.client.get_run(self.run_id).data.tags["experiment"],
        }
        with self.tracker._run(role, tags) as run_id:
            self.tracker._log_parameters(run_id, flatten(request.config))
            datasets = [_dataset_input(manifest) for manifest in inputs if manifest.request.step == "dataset"]
            if datasets:
                self.tracker.client.log_inputs(run_id, datasets)
            yield TrackedStep(self.tracker, run_id)

    def link(self, role: str, manifest: Manifest, *, was_done: bool) -> None:
        """Note on the parent run which artifact a step gave and which run made it."""
        maker = self.tracker.maker_of(manifest.fingerprint)
        tags = {
            f"{role}.fingerprint": manifest.fingerprint,
            f"{role}.run_id": maker or "unknown: made with another MLflow",
            f"{role}.status": "was already done" if was_done else "made by this run",
        }
        self.tracker.client.log_batch(self.run_id, tags=[RunTag(key, value) for key, value in tags.items()])
        if manifest.request.step == "dataset":
            self.tracker.client.log_inputs(self.run_id, [_dataset_input(manifest)])

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Final figures, for the comparison of experiments in the UI."""
        now = int(time.time() * 1000)
        values = [Metric(metric_key(key), value, now, 0) for key, value in metrics.items()]
        self.tracker.client.log_batch(self.run_id, metrics=values)

    def log_samples(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """The sample sheet as an MLflow table: one row per item, one column per experiment."""
        columns: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
        if columns and any(image is None for image in columns["image"]):
            del columns["image"]  # MLflow takes a column of images, or none
        if columns:
            self.tracker.client.log_table(self.run_id, columns, "samples.json")

    def log_artifacts(self, manifest: Manifest) -> None:
        """Put the readable files of an artifact on the parent run."""
        _log_files(self.tracker.client, self.run_id, manifest)


class TrackedStep:
    """The child run of a step while it runs."""

    def __init__(self, tracker: Tracker, run_id: str) -> None:
        self.client = tracker.client
        self.run_id = run_id

    def on_progress(self, event: Event) -> None:
        """Metrics over optimizer steps, as they come."""
        now = int(time.time() * 1000)
        values = [Metric(key, value, now, step) for step, row in event.metrics for key, value in row.items()]
        for start in range(0, len(values), 1000):
            self.client.log_batch(self.run_id, metrics=values[start : start + 1000])

    def finish(self, manifest: Manifest) -> None:
        """The manifest, its figures, and the files worth reading."""
        figures = {key: value for key, value in flatten(manifest.summary).items() if isinstance(value, int | float)}
        figures |= {"duration_seconds": manifest.duration_seconds, "artifact_bytes": manifest.num_bytes}
        now = int(time.time() * 1000)
        self.client.log_batch(
            self.run_id, metrics=[Metric(metric_key(key), float(value), now, 0) for key, value in figures.items()]
        )
        _log_files(self.client, self.run_id, manifest)
        if manifest.request.step == "predictions":
            self._log_answers(read_predictions(manifest)[:ANSWERS_SHOWN])
        if manifest.request.step == "translation":
            checks, examples = report_of(manifest)
            self._log_rows(checks, "translation_checks.json")
            self._log_rows(examples, "translation_examples.json")
        if manifest.request.step == "contamination":
            self._log_rows(contamination_rows("training", manifest), "contamination.json")

    def _log_rows(self, rows: Sequence[Mapping[str, Any]], file: str) -> None:
        """Rows of the same columns as an MLflow table."""
        if rows:
            self.client.log_table(self.run_id, {name: [row[name] for row in rows] for name in rows[0]}, file)

    def _log_answers(self, answers: Sequence[Prediction]) -> None:
        """The first answers as an MLflow table, which the UI shows side by side for several runs."""
        columns = ("item_id", "category", "question", "reference", "prediction", "error")
        table = {column: [getattr(answer, column) for answer in answers] for column in columns}
        self.client.log_table(self.run_id, table, "answers.json")


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """``{"a": {"b": 1}}`` to ``{"a.b": 1}``; lists of sections get their position as key."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, list) and any(isinstance(item, dict) for item in value):
            value = {str(index): item for index, item in enumerate(value)}
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def metric_key(key: str) -> str:
    """A key with the characters MLflow allows."""
    return "".join(character if character.isalnum() or character in "_-./ " else "_" for character in key)


def _log_files(client: MlflowClient, run_id: str, manifest: Manifest) -> None:
    client.log_artifact(run_id, str(manifest.directory / MANIFEST_NAME))
    for file in manifest.files:
        if file.path in LOGGED_FILES:
            client.log_artifact(run_id, str(manifest.directory / file.path))


def _dataset_input(manifest: Manifest) -> DatasetInput:
    config, source = manifest.request.config, {"uri": manifest.directory.as_uri()}
    profile = {key: value for key, value in manifest.summary.items() if isinstance(value, int)}
    dataset = Dataset(
        name=next(str(config[key]) for key in ("name", "content", "kind") if key in config),
        digest=manifest.fingerprint,
        source_type="local",
        source=json.dumps(source),
        profile=json.dumps(profile),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "input")])


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _this_process() -> str:
    return f"{socket.gethostname()}/{os.getpid()}"
