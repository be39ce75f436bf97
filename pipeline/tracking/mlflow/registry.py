"""MLflow's model registry: every trained model is a version of the model named after its experiment.

No weights are copied: a version's source is the artifact's folder in the store.
"""

import logging
import re
from pathlib import Path

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from pipeline.benchmarks.known import OVERALL
from pipeline.core.settings import Settings
from pipeline.release.facts import scores_of
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Manifest
from pipeline.tracking.mlflow.client import connect, explained
from pipeline.tracking.mlflow.database import make_database

log = logging.getLogger(__name__)

ALIAS = "current"
"""The version that the experiment's last run gave. ``latest`` is reserved by MLflow."""
FINGERPRINT = "fingerprint"
UNUSUAL = re.compile(r"[^\w./ -]", re.ASCII)
"""Characters that MLflow does not take in the key of a tag."""


def register_model(settings: Settings, *, experiment: str, description: str, model: Manifest) -> str | None:
    """Enter a model, or find it, note its scores so far, and let ``current`` point to it; returns the version.

    A registry that does not answer is a warning: the next run of the experiment enters the model.
    """
    try:
        try:
            return _registered(settings, experiment=experiment, description=description, model=model)
        except MlflowException:  # one more attempt, which finds what this one has left; the next run repeats it anyway
            return _registered(settings, experiment=experiment, description=description, model=model)
    except (MlflowException, SQLAlchemyError, OSError) as error:  # of a database or a connection as they are
        log.warning(
            "%s %s is not in MLflow's model registry yet (%s); the next run of %s enters it",
            model.request.step,
            model.fingerprint,
            explained(error, settings.mlflow_uri).splitlines()[0],
            experiment,
        )
        return None


def trained_by(settings: Settings, model: Manifest) -> str | None:
    """Id of the MLflow run that made a model, if there is one; a database that does not exist is not made."""
    if _is_local(settings) and not Path(settings.mlflow_uri.removeprefix("sqlite:///")).is_file():
        return None
    return _run_of(connect(settings.mlflow_uri), model)


def _registered(settings: Settings, *, experiment: str, description: str, model: Manifest) -> str:
    make_database(settings.mlflow_uri)
    client = connect(settings.mlflow_uri)
    if not client.search_registered_models(f"name = '{experiment}'"):
        client.create_registered_model(experiment, description=description)
    known = client.search_model_versions(f"name = '{experiment}'")
    found = next((one for one in known if one.tags.get(FINGERPRINT) == model.fingerprint), None)
    version = found or _entered(client, settings, experiment, model)
    tags = _score_tags(model, ArtifactStore(settings.store_root))
    if run_id := _run_of(client, model):
        tags["run_id"] = run_id  # it may be known to the server later than the model
    for key, value in tags.items():
        if version.tags.get(key) != value:
            client.set_model_version_tag(experiment, version.version, key, value)
    client.set_registered_model_alias(experiment, ALIAS, version.version)
    return str(version.version)


def _entered(client: MlflowClient, settings: Settings, experiment: str, model: Manifest) -> ModelVersion:
    tags = {
        FINGERPRINT: model.fingerprint,
        "folder": str(model.directory),
        "made_at": model.created_at,
        "git_commit": model.git_commit or "not recorded",
    }
    # A server refuses paths of the machine that asks; the address says the same to whoever has the store.
    source = model.directory.as_uri() if _is_local(settings) else f"llava-jp-store://{model.address}"
    version = client.create_model_version(experiment, source, run_id=_run_of(client, model), tags=tags)
    log.info("registered model %s as version %s of %s", model.fingerprint, version.version, experiment)
    return version


def _is_local(settings: Settings) -> bool:
    return settings.mlflow_uri.startswith("sqlite:")


def _run_of(client: MlflowClient, model: Manifest) -> str | None:
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    where = f"tags.fingerprint = '{model.fingerprint}' and tags.role = 'step'"
    runs = client.search_runs(experiments, where, max_results=1, order_by=["attributes.start_time DESC"])
    return str(runs[0].info.run_id) if runs else None


def _score_tags(model: Manifest, store: ArtifactStore) -> dict[str, str]:
    """The overall means, in percent."""
    return {
        UNUSUAL.sub("_", f"score.{fact.benchmark}.{fact.metric}"): f"{fact.mean:.2f}"
        for fact in scores_of(model.fingerprint, store=store)
        if fact.group == OVERALL
    }
