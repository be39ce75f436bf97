"""The MLflow server or database of this machine: does what the operations of a spool say. Only this imports MLflow, and
``pipeline.tracking.mlflow.traces``.
"""

import json
import socket
from bisect import bisect_left
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from requests import HTTPError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from pipeline.core.censoring import without_credentials
from pipeline.core.deadlines import TooSlowError, within
from pipeline.core.errors import ConfigError
from pipeline.core.settings import Settings
from pipeline.tracking.delivery import RefusedError, UnreachableError
from pipeline.tracking.keys import mlflow_key
from pipeline.tracking.mlflow.client import SECONDS_FOR_AN_ANSWER, connect, explained, set_up_mlflow
from pipeline.tracking.mlflow.database import file_of, is_database, make_database, require_database
from pipeline.tracking.mlflow.moved_store import artifacts_folder, follow_store
from pipeline.tracking.mlflow.registry import register
from pipeline.tracking.mlflow.traces import log_trace
from pipeline.tracking.operation import Operation
from pipeline.tracking.outbox import Spool

MLFLOW_EXPERIMENT = "llava-jp"
OWN_ID_TAG = "llava_jp.run"
"""Our own id of a run: says whether a run was created although its server did not answer."""
REFUSALS = ("BAD_REQUEST", "INVALID_PARAMETER_VALUE", "RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST")
"""MLflow's error codes that time does not cure. Credentials and a full disk can be mended: not among them."""
REFUSING_STATUS = (400, 404, 405, 409, 413, 414, 415, 422)
"""The same for the transfer of files."""
NOBODY_THERE = (ConnectionRefusedError, socket.gaierror, TimeoutError, TooSlowError)
SECONDS_FOR_AN_OPERATION = SECONDS_FOR_AN_ANSWER
BUGS = (AssertionError, AttributeError, ImportError, LookupError, TypeError, ValueError)
LARGEST_FLOAT = 1.7976931348623157e308
"""What the databases of MLflow hold for infinity."""


class MlflowServer:
    """Implements ``pipeline.tracking.delivery.Server``.

    Raises:
        ConfigError: there is no such kind of tracking URI. Whether somebody answers there is not asked yet.
    """

    def __init__(self, settings: Settings) -> None:
        set_up_mlflow()  # no attempts of its own: the outbox tries again, after it has compared
        settings.store_root.mkdir(parents=True, exist_ok=True)
        self._settings = settings
        self._uri = settings.mlflow_uri
        self.name = without_credentials(settings.tracking_uri) or "mlflow.db in the store"
        self._is_local = file_of(self._uri) is not None
        self._artifacts = artifacts_folder(settings).as_uri() if self._is_local else None
        self._experiment_id = ""
        self._client: MlflowClient | None = None
        self._histories: dict[tuple[str, str], set[tuple[str, int, int, str]]] = {}
        """Of metrics that were asked for since the last attempt to write, by run and key."""
        try:
            if is_database(self._uri):  # itself it may be away
                make_url(self._uri).get_dialect().import_dbapi()
            else:
                self._client = connect(self._uri)
        except (MlflowException, SQLAlchemyError, ImportError) as error:
            raise ConfigError(
                f"LLAVA_JP_TRACKING_URI={self.name} is no place for MLflow: {self._censored(error)}; use "
                "http://host:port, a database such as sqlite:////path/mlflow.db whose driver is installed, "
                "or unset the variable"
            ) from error

    def apply(self, operation: Operation, spool: Spool) -> None:
        """Do what the operation says; after a failure nothing that was done is done again.

        Raises:
            UnreachableError, RefusedError: it was not done, or the answer is not known.
        """
        try:
            client = within(SECONDS_FOR_AN_OPERATION, self._connected)
        except Exception as error:  # also what looks final: nothing was asked that could be refused
            raise self._unreachable(error, may_be_done=False) from error
        try:
            within(SECONDS_FOR_AN_OPERATION, lambda: self._do(client, operation, spool))
        except RefusedError:
            raise
        except Exception as error:  # whatever libraries raise: what is not clearly for ever is tried again
            if _is_for_ever(error):
                raise RefusedError(self._censored(error)) from error
            raise self._unreachable(error) from error

    def _do(self, client: MlflowClient, operation: Operation, spool: Spool) -> None:
        if operation.kind == "damaged":
            raise RefusedError("its line in the outbox is damaged")
        if operation.kind == "create":
            self._create(client, operation, spool)
        elif operation.run not in spool.runs:
            raise RefusedError("its run could not be created")
        else:
            self._change(client, spool.runs[operation.run], operation, spool)

    def _unreachable(self, error: BaseException, *, may_be_done: bool = True) -> UnreachableError:
        root = _root_of(error)
        is_absent = isinstance(root, NOBODY_THERE) or isinstance(error, SQLAlchemyError)
        return UnreachableError(self._censored(root), is_absent=is_absent, may_be_done=may_be_done)

    def _connected(self) -> MlflowClient:
        """The client, when the experiment of all runs is there."""
        make_database(self._uri)
        if self._client is None:
            require_database(self._uri)
            self._client = connect(self._uri)
        if not self._experiment_id:
            follow_store(self._settings, experiment=MLFLOW_EXPERIMENT)
            existing = self._client.get_experiment_by_name(MLFLOW_EXPERIMENT)
            experiment_id = (
                existing.experiment_id
                if existing
                else self._client.create_experiment(MLFLOW_EXPERIMENT, self._artifacts)
            )
            # Opens the UI in its view for training; without it MLflow 3 shows the one for LLM applications.
            self._client.set_experiment_tag(experiment_id, "mlflow.experimentKind", "custom_model_development")
            self._experiment_id = str(experiment_id)
        return self._client

    def _create(self, client: MlflowClient, operation: Operation, spool: Spool) -> None:
        values = operation.values
        if spool.is_doubtful:
            found = client.search_runs([self._experiment_id], f"tags.`{OWN_ID_TAG}` = '{operation.run}'", max_results=1)
            if found:
                spool.runs[operation.run] = found[0].info.run_id
                return
        tags = {**{mlflow_key(key): value for key, value in values["tags"].items()}, OWN_ID_TAG: operation.run}
        if parent := values.get("parent"):
            tags["mlflow.parentRunId"] = spool.runs[parent]
        run = client.create_run(self._experiment_id, operation.time, tags, values["name"])
        spool.runs[operation.run] = run.info.run_id

    def _change(self, client: MlflowClient, run_id: str, operation: Operation, spool: Spool) -> None:
        values = operation.values
        if operation.kind == "log":
            metrics = [Metric(mlflow_key(key), *point) for key, *point in values.get("metrics", [])]
            if spool.is_doubtful:
                metrics = self._not_yet_there(client, run_id, metrics)
            self._histories.clear()
            params = [Param(mlflow_key(key), value) for key, value in values.get("params", {}).items()]
            client.log_batch(run_id, metrics, params, _tags(values.get("tags", {})))
        elif operation.kind == "inputs":
            client.log_inputs(run_id, [_dataset_input(dataset) for dataset in values["datasets"]])
        elif operation.kind == "file":
            client.log_artifact(run_id, str(spool.folder / values["file"]), values["folder"] or None)
        elif operation.kind == "link":
            self._link(client, run_id, operation)
        elif operation.kind == "register":
            register(client, values, is_local=self._is_local)
        elif operation.kind == "trace":
            log_trace(self._uri, experiment_id=self._experiment_id, run_id=run_id, values=values)
        elif operation.kind == "end":
            client.set_terminated(run_id, values["status"], operation.time)
        else:
            raise LookupError(f"no operation is named {operation.kind!r}")

    def _not_yet_there(self, client: MlflowClient, run_id: str, metrics: list[Metric]) -> list[Metric]:
        """The points that are not in the run's history. They were written in order: whatever comes after one is not.

        What was asked stays known until something is written, so that a server that fails often gets further.
        """

        def is_missing(place: int) -> bool:
            key = metrics[place].key
            if (run_id, key) not in self._histories:
                history = client.get_metric_history(run_id, key)
                self._histories[run_id, key] = {_identity(point) for point in history}
            return _identity(metrics[place]) not in self._histories[run_id, key]

        if not metrics or is_missing(0):
            return metrics
        if not is_missing(len(metrics) - 1):
            return []
        return metrics[bisect_left(range(len(metrics)), True, key=is_missing) :]

    def _link(self, client: MlflowClient, run_id: str, operation: Operation) -> None:
        """Tags that say which run made the artifact of a step: the last that was given it to do before this."""
        role, fingerprint = operation.values["role"], operation.values["fingerprint"]
        where = (
            f"tags.fingerprint = '{fingerprint}' and tags.role = 'step' and attributes.start_time <= {operation.time}"
        )
        makers = client.search_runs(
            [self._experiment_id], where, max_results=1, order_by=["attributes.start_time DESC"]
        )
        tags = {
            f"{role}.fingerprint": fingerprint,
            f"{role}.run_id": makers[0].info.run_id if makers else "unknown: made with another MLflow",
            f"{role}.status": operation.values["status"],
        }
        client.log_batch(run_id, tags=_tags(tags))

    def _censored(self, error: BaseException) -> str:
        return explained(error, self._uri)


def _identity(metric: Metric) -> tuple[str, int, int, str]:
    value = max(-LARGEST_FLOAT, min(float(metric.value), LARGEST_FLOAT)) if metric.value == metric.value else "nan"
    return metric.key, metric.timestamp, metric.step, str(value)


def _tags(tags: dict[str, str]) -> list[RunTag]:
    return [RunTag(mlflow_key(key), value) for key, value in tags.items()]


def _dataset_input(dataset: dict[str, Any]) -> DatasetInput:
    described = Dataset(
        name=dataset["name"],
        digest=dataset["digest"],
        source_type="local",
        source=json.dumps({"uri": dataset["uri"]}),
        profile=json.dumps(dataset["profile"]),
    )
    return DatasetInput(described, [InputTag("mlflow.data.context", "input")])


def _is_for_ever(error: Exception) -> bool:
    if isinstance(error, MlflowException):
        return error.error_code in REFUSALS
    if isinstance(error, HTTPError) and error.response is not None:
        return error.response.status_code in REFUSING_STATUS
    return isinstance(error, BUGS) and not isinstance(error, OSError)


def _root_of(error: BaseException) -> BaseException:
    """What the libraries have wrapped: ``[Errno 111] Connection refused`` says more than a page of their names."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return error
