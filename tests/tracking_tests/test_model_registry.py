"""A trained model in MLflow's registry: one version for each artifact, an alias, scores as tags."""

import logging
from pathlib import Path

import pytest
from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_MAX_RETRIES
from mlflow.tracking import MlflowClient

from pipeline.config.experiment import load_experiment
from pipeline.core.settings import Settings
from pipeline.evaluation.scores import VERSION as SCORES_VERSION
from pipeline.evaluation.scores import ScoresSummary
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Request
from pipeline.tracking.mlflow.registry import ALIAS, register_model, trained_by
from pipeline.tracking.mlflow.server import MlflowServer
from pipeline.tracking.tracker import Tracker
from tests.support.mlflow_rest import TrackingServer
from tests.support.summaries import summary_with


@pytest.fixture
def settings(tmp_path):
    return Settings(store=tmp_path / "store")


def made(settings, step, *, summary=None, inputs=None, version=1, **config):
    request = Request(step=step, version=version, config=config, inputs=inputs or {})
    return ArtifactStore(settings.store_root).produce(request, lambda directory: summary or {})


def registered(settings, model):
    return register_model(settings, experiment="smoke", description="Every step in seconds", model=model)


def scored(settings, model, mean):
    answers = made(settings, "predictions", inputs={"model": model.fingerprint}, mean=mean)
    interval = {"mean": mean, "low": 10.0, "high": 90.0, "num_items": 8, "num_clusters": 8}
    means = {"overall": {"overall": interval}, "category": {"色": interval}}
    scores = summary_with(ScoresSummary, num_items=8, metrics={"rougeL": means})
    return made(settings, "scores", summary=scores, inputs={"predictions": answers.fingerprint}, version=SCORES_VERSION)


def test_a_model_is_one_version_with_an_alias_and_its_scores(settings):
    model, client = made(settings, "finetune", seed=1), MlflowClient(settings.mlflow_uri)
    assert registered(settings, model) == "1"
    scored(settings, model, 61.234)
    assert registered(settings, model) == "1"
    version = client.get_model_version_by_alias("smoke", ALIAS)
    assert client.get_registered_model("smoke").description == "Every step in seconds"
    assert version.source == model.directory.as_uri()
    assert version.tags["fingerprint"] == model.fingerprint
    assert version.tags["score.shapes-ja.rougeL"] == "61.23"


def test_the_alias_follows_the_last_run(settings):
    first, second = (made(settings, "finetune", seed=seed) for seed in (1, 2))
    client = MlflowClient(settings.mlflow_uri)
    assert [registered(settings, model) for model in (first, second, first)] == ["1", "2", "1"]
    assert str(client.get_model_version_by_alias("smoke", ALIAS).version) == "1"
    assert len(client.search_model_versions("name = 'smoke'")) == 2


def test_a_version_names_the_run_that_trained_it(settings):
    model = made(settings, "finetune", seed=1)
    tracker = Tracker(settings)
    with (
        tracker.experiment_run(load_experiment("smoke"), tags={}) as run,
        run.step("finetune", model.request, []) as step,
    ):
        step.finish(model, {})
    registered(settings, model)  # the server knows the run when it is over
    assert trained_by(settings, model) == step.run_id
    version = MlflowClient(settings.mlflow_uri).get_model_version("smoke", "1")
    assert (version.run_id, version.tags["run_id"]) == (step.run_id, step.run_id)


def test_a_registry_that_does_not_answer_stops_nothing(settings, caplog):
    away = Settings(store=settings.store, tracking_uri="http://127.0.0.1:9")
    model = made(settings, "finetune", seed=1)
    with caplog.at_level(logging.WARNING, "pipeline"):
        assert registered(away, model) is None
    assert f"finetune {model.fingerprint} is not in MLflow's model registry yet" in caplog.text
    assert "the next run of smoke enters it" in caplog.text


class AwayRegistry(TrackingServer):
    """Refuses what comes, and notes how often MLflow would try again in this process just then."""

    def __init__(self, artifacts):
        super().__init__(artifacts)
        self.retries = []

    def answer(self, call, body):
        self.retries.append(MLFLOW_HTTP_REQUEST_MAX_RETRIES.get())
        raise ConnectionAbortedError(call)


def test_registering_leaves_the_retries_of_the_delivery_beside_it_alone(settings, tmp_path):
    server = AwayRegistry(tmp_path)
    with server.listening() as uri:
        away = Settings(store=settings.store, tracking_uri=uri)
        MlflowServer(away)  # of the delivery, in a thread of the same process
        assert registered(away, made(settings, "finetune", seed=1)) is None
    assert server.retries == [0, 0]  # one more attempt, which is not MLflow's


@pytest.mark.parametrize(
    "uri",
    [
        "http://yamada:open-sesame@127.0.0.1:9",
        "http://yamada:open%2Dsesame@127.0.0.1:9/prefix",
        "postgresql+nothing://yamada:open-sesame@127.0.0.1:9/mlflow?password=open-sesame",
    ],
)
def test_a_password_of_the_tracking_uri_is_in_no_message_of_the_registry(settings, caplog, uri):
    away = Settings(store=settings.store, tracking_uri=uri)
    assert registered(away, made(settings, "finetune", seed=1)) is None
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "is not in MLflow's model registry yet" in warning
    for secret in ("sesame", "b3Blbi1zZXNhbWU", "eWFtYWRhOm9wZW4tc2VzYW1l"):
        assert secret not in caplog.text


def test_a_database_that_cannot_be_read_stops_nothing(settings, caplog):
    model = made(settings, "finetune", seed=1)
    Path(settings.mlflow_uri.removeprefix("sqlite:///")).write_bytes(b"held by somebody else" * 100)
    assert registered(settings, model) is None
    assert f"finetune {model.fingerprint} is not in MLflow's model registry yet" in caplog.text
