"""A trained model in MLflow's registry: one version for each artifact, an alias, scores as tags."""

import logging
import time
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from pipeline.config.experiment import load_experiment
from pipeline.core.errors import ConfigError
from pipeline.core.settings import Settings
from pipeline.evaluation.scores import VERSION as SCORES_VERSION
from pipeline.evaluation.scores import ScoresSummary
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Request
from pipeline.tracking import delivery
from pipeline.tracking.mlflow import registry
from pipeline.tracking.mlflow.registry import ALIAS, trained_by
from pipeline.tracking.tracker import Tracker
from tests.support.raw_server import serving_raw
from tests.support.summaries import summary_with


@pytest.fixture
def settings(tmp_path):
    return Settings(store=tmp_path / "store")


def made(settings, step, *, summary=None, inputs=None, version=1, **config):
    request = Request(step=step, version=version, config=config, inputs=inputs or {})
    return ArtifactStore(settings.store_root).produce(request, lambda directory: summary or {})


def registered(settings, *models):
    """A run that registers models; gives the version that the alias names after it."""
    store = ArtifactStore(settings.store_root)
    with Tracker(settings).experiment_run(load_experiment("smoke"), tags={}) as run:
        for model in models:
            run.register(model, description="Every step in seconds", store=store)
    return str(MlflowClient(settings.mlflow_uri).get_model_version_by_alias("smoke", ALIAS).version)


def scored(settings, model, mean, benchmark="shapes-ja"):
    answers = made(settings, "predictions", inputs={"model": model.fingerprint}, mean=mean, benchmark=benchmark)
    interval = {"mean": mean, "low": 10.0, "high": 90.0, "num_items": 8, "num_clusters": 8}
    means = {"overall": {"overall": interval}, "category": {"色": interval}}
    scores = summary_with(ScoresSummary, benchmark=benchmark, num_items=8, metrics={"rougeL": means})
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


def test_benchmarks_in_japanese_keep_scores_of_their_own(settings):
    model = made(settings, "finetune", seed=1)
    for benchmark, mean in (("位置", 10.0), ("個数", 20.0)):
        scored(settings, model, mean, benchmark=benchmark)
    registered(settings, model)
    tags = MlflowClient(settings.mlflow_uri).get_model_version("smoke", "1").tags
    scores = {key: value for key, value in tags.items() if key.startswith("score.")}
    assert scores == {"score.位置.rougeL": "10.00", "score.個数.rougeL": "20.00"}


def test_the_alias_follows_the_last_run(settings):
    first, second = (made(settings, "finetune", seed=seed) for seed in (1, 2))
    assert registered(settings, first, second) == "2"
    assert registered(settings, first) == "1"
    assert len(MlflowClient(settings.mlflow_uri).search_model_versions("name = 'smoke'")) == 2


def test_a_version_names_the_run_that_trained_it(settings):
    model = made(settings, "finetune", seed=1)
    with Tracker(settings).experiment_run(load_experiment("smoke"), tags={}) as run:
        with run.step("finetune", model.request, []) as step:
            step.finish(model, {})
        run.register(model, description="", store=ArtifactStore(settings.store_root))
    assert trained_by(settings, model) == step.run_id
    version = MlflowClient(settings.mlflow_uri).get_model_version("smoke", "1")
    assert (version.run_id, version.tags["run_id"]) == (step.run_id, step.run_id)


def test_a_registry_that_is_away_stops_nothing_and_hears_of_the_model_later(settings, monkeypatch):
    monkeypatch.setattr(delivery, "SECONDS_FOR_AN_ABSENT_SERVER", 0.1)
    away = Settings(store=settings.store, tracking_uri="http://127.0.0.1:9")
    model = made(settings, "finetune", seed=1)
    started = time.monotonic()
    with Tracker(away).experiment_run(load_experiment("smoke"), tags={}) as run:
        run.register(model, description="", store=ArtifactStore(settings.store_root))
    assert time.monotonic() - started < 3
    (operations,) = (settings.store_root / "mlflow-outbox").glob("*/operations.jsonl")
    assert '"kind": "register"' in operations.read_text(encoding="utf-8")


def hanging(_request):
    time.sleep(2)
    yield b""


@pytest.mark.parametrize("is_hanging", [False, True])
def test_who_trained_a_model_is_left_out_at_once_where_mlflow_does_not_answer(
    settings, monkeypatch, caplog, is_hanging
):
    monkeypatch.setattr(registry, "SECONDS_FOR_A_RUN", 0.3)
    model = made(settings, "finetune", seed=1)
    with serving_raw(hanging) as url, caplog.at_level(logging.WARNING, "pipeline"):
        uri = (url if is_hanging else "http://127.0.0.1:9").replace("//", "//me:secret@")
        started = time.monotonic()
        assert trained_by(Settings(store=settings.store, tracking_uri=uri), model) is None
        assert time.monotonic() - started < 1
    assert f"which run of MLflow made {model.fingerprint} is left out: MLflow does not answer" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    "uri",
    [
        "http://yamada:open-sesame@127.0.0.1:9",
        "http://yamada:open%2Dsesame@127.0.0.1:9/prefix",
        "postgresql+nothing://yamada:open-sesame@127.0.0.1:9/mlflow?password=open-sesame",
    ],
)
def test_a_password_of_the_tracking_uri_is_in_no_message_and_no_file(settings, caplog, monkeypatch, uri):
    monkeypatch.setattr(delivery, "SECONDS_FOR_AN_ABSENT_SERVER", 0.1)
    away, model = Settings(store=settings.store, tracking_uri=uri), made(settings, "finetune", seed=1)
    said = ""
    try:
        with Tracker(away).experiment_run(load_experiment("smoke"), tags={}) as run:
            run.register(model, description="", store=ArtifactStore(settings.store_root))
    except ConfigError as error:  # there is no such driver
        said = str(error)
    assert trained_by(away, model) is None
    assert "is left out" in caplog.text
    kept = [path.read_bytes() for path in settings.store_root.rglob("*") if path.is_file()]
    for secret in ("sesame", "b3Blbi1zZXNhbWU", "eWFtYWRhOm9wZW4tc2VzYW1l"):
        assert secret not in caplog.text + said
        assert not [content for content in kept if secret.encode() in content]


def test_a_database_that_cannot_be_read_stops_nothing(settings, caplog):
    model = made(settings, "finetune", seed=1)
    Path(settings.mlflow_uri.removeprefix("sqlite:///")).write_bytes(b"held by somebody else" * 100)
    started = time.monotonic()
    assert trained_by(settings, model) is None
    assert time.monotonic() - started < 2
    assert f"which run of MLflow made {model.fingerprint} is left out" in caplog.text
