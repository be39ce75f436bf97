"""MLflow's model registry: every trained model is a version of the model named after its experiment.

No weights are copied: a version's source is the artifact's folder in the store.
"""

import logging
from collections.abc import Mapping
from typing import Any

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from pipeline.core.deadlines import TooSlowError, within
from pipeline.core.settings import Settings
from pipeline.store.manifest import Manifest
from pipeline.tracking.mlflow.client import connect
from pipeline.tracking.mlflow.database import file_of, require_database

log = logging.getLogger(__name__)

ALIAS = "current"
"""The version that the experiment's last run gave. ``latest`` is reserved by MLflow."""
FINGERPRINT = "fingerprint"
SECONDS_FOR_A_RUN = 10.0
"""How long somebody waits who wants to know which run trained a model."""


def register(client: MlflowClient, model: Mapping[str, Any], *, is_local: bool) -> None:
    """Enter a model, or find it, note its scores so far, and let ``current`` point to it; again, it changes nothing.

    Args:
        client: of the server that knows the runs so far.
        model: as ``pipeline.tracking.registration`` describes it.
        is_local: whether the server reads this machine's files.
    """
    experiment = model["experiment"]
    if not client.search_registered_models(f"name = '{experiment}'"):
        client.create_registered_model(experiment, description=model["description"])
    known = client.search_model_versions(f"name = '{experiment}'")
    found = next((one for one in known if one.tags.get(FINGERPRINT) == model["fingerprint"]), None)
    run_id = _run_of(client, model["fingerprint"])
    version = found or _entered(client, model, run_id, is_local=is_local)
    tags = {**model["scores"], **({"run_id": run_id} if run_id else {})}  # it may be known later than the model
    for key, value in tags.items():
        if version.tags.get(key) != value:
            client.set_model_version_tag(experiment, version.version, key, value)
    client.set_registered_model_alias(experiment, ALIAS, version.version)


def _entered(client: MlflowClient, model: Mapping[str, Any], run_id: str | None, *, is_local: bool) -> ModelVersion:
    tags = {FINGERPRINT: model["fingerprint"], **model["tags"]}
    # A server refuses paths of the machine that asks; the address says the same to whoever has the store.
    source = model["folder"] if is_local else f"llava-jp-store://{model['address']}"
    version = client.create_model_version(model["experiment"], source, run_id=run_id, tags=tags)
    log.info("registered model %s as version %s of %s", model["fingerprint"], version.version, model["experiment"])
    return version


def trained_by(settings: Settings, model: Manifest) -> str | None:
    """Id of the MLflow run that made a model, if there is one; a database that does not exist is not made.

    An MLflow that does not answer is a warning: nothing waits for it long.
    """
    uri = settings.mlflow_uri
    if (path := file_of(uri)) and not path.is_file():
        return None

    def ask() -> str | None:
        require_database(uri)
        return _run_of(connect(uri), model.fingerprint)

    try:
        return within(SECONDS_FOR_A_RUN, ask)
    except (MlflowException, SQLAlchemyError, OSError, TooSlowError) as error:
        log.warning(
            "which run of MLflow made %s is left out: MLflow does not answer (%s)", model.fingerprint, _kind(error)
        )
        return None


def _kind(error: Exception) -> str:
    """In a word: the text of an error may hold the address with its password."""
    return str(error) if isinstance(error, TooSlowError) else type(error).__name__


def _run_of(client: MlflowClient, fingerprint: str) -> str | None:
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    where = f"tags.fingerprint = '{fingerprint}' and tags.role = 'step'"
    runs = client.search_runs(experiments, where, max_results=1, order_by=["attributes.start_time DESC"])
    return str(runs[0].info.run_id) if runs else None
