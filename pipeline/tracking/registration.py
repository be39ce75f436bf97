"""What MLflow's model registry is told of a trained model, as plain values for the outbox."""

from typing import Any

from pipeline.benchmarks.known import OVERALL
from pipeline.release.facts import scores_of
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Manifest
from pipeline.tracking.keys import mlflow_key


def registration_of(model: Manifest, *, experiment: str, description: str, store: ArtifactStore) -> dict[str, Any]:
    """A version of the model that is named after its experiment, with the scores that there are by now."""
    return {
        "experiment": experiment,
        "description": description,
        "step": model.request.step,
        "fingerprint": model.fingerprint,
        "folder": model.directory.as_uri(),
        "address": model.address,
        "tags": {
            "folder": str(model.directory),
            "made_at": model.created_at,
            "git_commit": model.git_commit or "not recorded",
        },
        "scores": _score_tags(model, store),
    }


def _score_tags(model: Manifest, store: ArtifactStore) -> dict[str, str]:
    """The overall means, in percent."""
    return {
        mlflow_key(f"score.{fact.benchmark}.{fact.metric}"): f"{fact.mean:.2f}"
        for fact in scores_of(model.fingerprint, store=store)
        if fact.group == OVERALL
    }
