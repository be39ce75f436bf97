"""A store that an earlier version has made is read: every step is done, and its artifacts answer questions."""

import tarfile
from pathlib import Path

import pytest
from PIL import Image

from model.config import GenerationConfig
from pipeline.comparison.step import compare, score_table
from pipeline.config.experiment import load_experiment
from pipeline.core.settings import Settings, load_settings
from pipeline.evaluation.models.weights import open_model
from pipeline.planning.models import find_model
from pipeline.planning.plan import finished_experiment, plan_experiment, write_index
from pipeline.planning.steps import Machine
from pipeline.release.chat import Chat
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.queries import run_query

FOLDER = Path(__file__).parent / "old_store"


@pytest.fixture(scope="module")
def config():
    return load_experiment(str(FOLDER / "old-store.yaml"))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The store of commit af15892, without what MLflow kept."""
    root = tmp_path_factory.mktemp("old") / "store"
    with tarfile.open(FOLDER / "store.tar.xz") as archive:
        archive.extractall(root, filter="data")
    return ArtifactStore(root)


@pytest.fixture(autouse=True)
def checks_of_then(store, monkeypatch):
    """An edited check is another request, and so is what stands on it; here the checks are those of the store."""
    requests = {
        manifest.request.inputs["dataset"]: manifest.request
        for manifest in store.manifests()
        if manifest.request.step == "translation"
    }
    for module in ("pipeline.planning.entries.data", "pipeline.data.translation_checks"):
        monkeypatch.setattr(
            f"{module}.translation_checks_request", lambda config, *, dataset_fingerprint: requests[dataset_fingerprint]
        )


def test_every_step_is_done(config, store):
    plan = plan_experiment(config, load_settings())
    assert {str(step.role): store.is_whole(step.request) for step in plan} == {str(step.role): True for step in plan}
    assert len(plan) == 13


def test_every_artifact_is_whole_to_the_byte(store):
    manifests = list(store.manifests())
    assert len(manifests) == 16
    assert [problem for manifest in manifests for problem in store.verify(manifest)] == []


def test_the_steps_are_made_by_nobody_again(config, store):
    """Step functions make of manifests the requests that the plan makes of sections; reports and gates read them."""
    made, machine = {}, Machine(store, Settings(store=store.root))
    for step in plan_experiment(config, load_settings()):
        made[step.role] = step.make(made, machine)
        assert made[step.role].fingerprint == step.fingerprint
        step.report(made)
        step.gate(made)


def test_queries_answer(config, store):
    write_index(config.name, plan_experiment(config, load_settings()), store_root=store.root)
    rows = run_query("scores_by_category", store_root=store.root, parameters={}).rows
    assert len(rows) == 10


def test_its_evaluation_is_compared(config, store):
    comparison = compare([finished_experiment(config, Settings(store=store.root))], store=store)
    metrics = {(row["metric"], row["group"]) for row in score_table(comparison)}
    assert {("exact_match", "overall"), ("rougeL", "colour")} <= metrics


def test_its_model_answers(store):
    source = find_model(str(next((store.root / "artifacts" / "finetune").iterdir()).name), Settings(store=store.root))
    image = Image.new("RGB", (768, 768), (200, 30, 30))
    chat = Chat(open_model(source.folder), image, GenerationConfig(max_new_tokens=4))
    answer = "".join(chat.answer("何色ですか？"))
    assert chat.history == [("何色ですか？", answer)]
