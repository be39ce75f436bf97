"""What MLflow is told: a parent run for each run of an experiment, a child run for each step that did work.

Nothing here waits for the server: every call is an operation in the outbox, which a thread delivers.
"""

import json
import os
import socket
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pipeline.config.experiment import ExperimentConfig
from pipeline.config.measured import ModelEvaluation
from pipeline.core.censoring import censored, censored_values
from pipeline.core.errors import TransientError
from pipeline.core.progress import Event
from pipeline.core.settings import Settings
from pipeline.core.wording import encodable
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import MANIFEST_NAME, Manifest, Request, git_commit
from pipeline.tracking.delivery import Delivery, UnreachableError, deliver_patiently
from pipeline.tracking.mlflow.server import MlflowServer
from pipeline.tracking.operation import MAX_METRICS_PER_CALL, MAX_VALUES_PER_CALL, Operation
from pipeline.tracking.outbox import Outbox, Spool
from pipeline.tracking.registration import registration_of
from pipeline.tracking.tables import read_table, table_of_rows

MAX_PARAMETER_CHARACTERS = 6000
MAX_ERROR_CHARACTERS = 5000
TABLES_SHOWN = 50
"""Tables that the UI lists for a run, the last ones: their names must fit a tag. All are among its files."""
LOGGED_FILES = ("metrics.parquet", "predictions.jsonl", "radar.png", "samples.html", "report.md")
"""Files of an artifact that are worth having in MLflow; large ones stay in the store, the manifest names them."""


class Tracker:
    """The MLflow server or database of this machine, by way of the outbox in the store.

    Raises:
        ConfigError: there is no such kind of tracking URI.
    """

    def __init__(self, settings: Settings) -> None:
        self._server = MlflowServer(settings)
        self._outbox = Outbox(settings.store_root, server=self._server.name)

    @contextmanager
    def experiment_run(
        self, config: ExperimentConfig | ModelEvaluation, *, tags: Mapping[str, str]
    ) -> Iterator["TrackedExperiment"]:
        """The parent run; it ends FINISHED, or FAILED with the error as a tag."""
        described = {"experiment": config.name, "mlflow.note.content": config.description, **tags}
        with Delivery(self._outbox, self._server) as delivery, _run(delivery.spool, config.name, described) as run_id:
            run = TrackedExperiment(delivery.spool, run_id, config.name)
            run.log_parameters(config.model_dump(mode="json"))
            run.log_json("experiment.json", config.model_dump(mode="json"))
            yield run

    @contextmanager
    def comparison_run(self, names: Sequence[str], *, tags: Mapping[str, str]) -> Iterator["TrackedRun"]:
        """A run that holds the comparison of some experiments."""
        name = f"compare {' '.join(names)}"
        described = {"role": "comparison", **tags}
        with Delivery(self._outbox, self._server) as delivery, _run(delivery.spool, name, described) as run_id:
            yield TrackedRun(delivery.spool, run_id)

    def deliver(self) -> int:
        """Deliver what earlier processes could not; returns the number of operations.

        Raises:
            TransientError: MLflow does not answer; what is left stays.
        """
        try:
            return deliver_patiently(self._outbox, self._server)
        except UnreachableError as error:
            raise TransientError(
                f"MLflow at {self._server.name} does not answer ({error}); what is meant for it stays in "
                f"{self._outbox.folder}: the same command delivers it later"
            ) from error

    def other_servers(self) -> tuple[str, ...]:
        """Servers of earlier settings for which something waits."""
        return self._outbox.other_servers()


@contextmanager
def _run(spool: Spool, name: str, tags: Mapping[str, str], *, parent: str | None = None) -> Iterator[str]:
    """A run of MLflow; gives our own id of it."""
    run_id = uuid.uuid4().hex
    commit = {"mlflow.source.git.commit": commit} if (commit := git_commit()) else {}
    described = {**commit, "process": f"{socket.gethostname()}/{os.getpid()}", **tags}
    spool.append(Operation("create", run_id, {"name": name, "parent": parent, "tags": censored_values(described)}))
    try:
        yield run_id
    except BaseException as error:
        text = encodable(censored(f"{type(error).__name__}: {error}"))[:MAX_ERROR_CHARACTERS]
        spool.append(Operation("log", run_id, {"tags": {"error": text}}))
        spool.append(Operation("end", run_id, {"status": "FAILED" if isinstance(error, Exception) else "KILLED"}))
        raise
    spool.append(Operation("end", run_id, {"status": "FINISHED"}))


class TrackedRun:
    """A run of MLflow while it goes on."""

    def __init__(self, spool: Spool, own_id: str) -> None:
        self._spool = spool
        self._own_id = own_id
        self._tables: list[str] = []
        self._kept: set[tuple[str, str]] = set()

    @property
    def run_id(self) -> str | None:
        """MLflow's id of the run; None as long as the server has not heard of it."""
        return self._spool.runs.get(self._own_id)

    def on_progress(self, event: Event) -> None:
        """Metrics over optimizer steps, tables and flags, as they come."""
        self._log_points([(step, key, value) for step, row in event.metrics for key, value in row.items()])
        for name, path in event.tables.items():
            self._log_table(f"{name}.json", read_table(path, keep=self._keep_once))
        if event.flags:
            self._append("log", tags=dict(event.flags))

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Final figures, for the comparison of runs in the UI."""
        self._log_points([(0, key, float(value)) for key, value in metrics.items()])

    def log_parameters(self, values: Mapping[str, Any]) -> None:
        """Sections become dotted keys."""
        params = [(key, str(value)[:MAX_PARAMETER_CHARACTERS]) for key, value in flatten(values).items()]
        for start in range(0, len(params), MAX_VALUES_PER_CALL):
            self._append("log", params=dict(params[start : start + MAX_VALUES_PER_CALL]))

    def log_json(self, name: str, values: Mapping[str, Any], *, folder: str = "") -> None:
        """A JSON file among the run's files."""
        self._keep(
            folder,
            name,
            censored(json.dumps(values, ensure_ascii=False, indent=2, default=str)).encode(errors="backslashreplace"),
        )

    def log_samples(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """The sample sheet as a table: one row per item, one column per experiment."""
        if rows:
            self._log_table("samples.json", table_of_rows(rows, keep=self._keep_once))

    def log_trace(self, trace: Mapping[str, Any]) -> None:
        """One call of a model, as ``pipeline.evaluation.judge.traces`` describes it."""
        self._append("trace", **trace)

    def log_artifacts(self, manifest: Manifest) -> None:
        """Put the readable files of an artifact on the run."""
        for name in (MANIFEST_NAME, *(file.path for file in manifest.files if file.path in LOGGED_FILES)):
            self._append("file", file=self._spool.keep_published(manifest.directory / name), folder="")

    def log_datasets(self, manifests: Sequence[Manifest]) -> None:
        """The datasets among some artifacts, as the run's inputs."""
        datasets = [_dataset(manifest) for manifest in manifests if manifest.request.step == "dataset"]
        if datasets:
            self._append("inputs", datasets=datasets)

    def _log_points(self, points: Sequence[tuple[int, str, float]]) -> None:
        now = time.time_ns() // 1_000_000
        rows = [[key, value, now, step] for step, key, value in points]
        for start in range(0, len(rows), MAX_METRICS_PER_CALL):
            self._append("log", metrics=rows[start : start + MAX_METRICS_PER_CALL])

    def _log_table(self, name: str, table: Mapping[str, Any]) -> None:
        folder, _, file = name.rpartition("/")
        self.log_json(file, table, folder=folder)
        self._tables = [*(other for other in self._tables if other != name), name][-TABLES_SHOWN:]
        shown = [{"path": table, "type": "table"} for table in self._tables]
        self._append("log", tags={"mlflow.loggedArtifacts": json.dumps(shown)})

    def _log_rows(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            self._log_table(name, table_of_rows(rows))

    def _keep_once(self, folder: str, name: str, content: bytes) -> None:
        """A file that more than one table shows."""
        if (folder, name) not in self._kept:
            self._keep(folder, name, content)
            self._kept.add((folder, name))

    def _keep(self, folder: str, name: str, content: bytes) -> None:
        self._append("file", file=self._spool.keep(name, content), folder=folder)

    def _append(self, kind: str, **values: Any) -> None:
        texts = values if kind == "file" else censored_values(values)  # a file's name is one of this machine's
        self._spool.append(Operation(kind, self._own_id, texts))


class TrackedStep(TrackedRun):
    """The child run of a step while it runs."""

    def finish(self, manifest: Manifest, tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """The manifest, its figures, the files worth reading, and tables of what people want to see."""
        figures = {key: value for key, value in flatten(manifest.summary).items() if isinstance(value, int | float)}
        if manifest.request.step == "scores":  # its means belong to the parent run, unless they are withheld
            figures = {key: value for key, value in figures.items() if key.startswith("num_")}
        self.log_metrics(
            figures | {"duration_seconds": manifest.duration_seconds, "artifact_bytes": manifest.num_bytes}
        )
        self.log_artifacts(manifest)
        for name, rows in tables.items():
            self._log_rows(f"{name}.json", rows)


class TrackedExperiment(TrackedRun):
    """The parent run of an experiment while it runs."""

    def __init__(self, spool: Spool, own_id: str, experiment: str) -> None:
        super().__init__(spool, own_id)
        self._experiment = experiment

    @contextmanager
    def step(self, role: str, request: Request, inputs: Sequence[Manifest]) -> Iterator[TrackedStep]:
        """The child run of a step that does work."""
        tags = {"role": "step", "step": role, "fingerprint": request.fingerprint, "experiment": self._experiment}
        with _run(self._spool, role, tags, parent=self._own_id) as run_id:
            step = TrackedStep(self._spool, run_id)
            step.log_parameters(request.config)
            step.log_datasets(inputs)
            yield step

    def link(self, role: str, manifest: Manifest, *, was_done: bool) -> None:
        """Note on the parent run which artifact a step gave and which run made it."""
        status = "was already done" if was_done else "made by this run"
        self._append("link", role=role, fingerprint=manifest.fingerprint, status=status)
        self.log_datasets([manifest])

    def register(self, model: Manifest, *, description: str, store: ArtifactStore) -> None:
        """Enter a trained model in the model registry, with the scores that it has by now."""
        self._append(
            "register", **registration_of(model, experiment=self._experiment, description=description, store=store)
        )


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


def _dataset(manifest: Manifest) -> dict[str, Any]:
    config = manifest.request.config
    return {
        "name": next(str(config[key]) for key in ("name", "content", "kind") if key in config),
        "digest": manifest.fingerprint,
        "uri": manifest.directory.as_uri(),
        "profile": {key: value for key, value in manifest.summary.items() if isinstance(value, int)},
    }
