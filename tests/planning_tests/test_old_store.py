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
        for member in archive:  # extractall knows filters from Python 3.11.4 on, and warns without one from 3.12 on
            if member.isfile():
                (root / member.name).parent.mkdir(parents=True, exist_ok=True)
                (root / member.name).write_bytes(archive.extractfile(member).read())
    return ArtifactStore(root)


MADE_ANEW = ("translation", "contamination", "features", "pretrain", "finetune", "predictions", "scores")
"""Since then checks and question types are others, and pixels do not depend on Pillow's version."""


def test_the_datasets_are_done_and_what_has_changed_is_to_do(config, store):
    plan = plan_experiment(config, load_settings())
    done = {str(step.role): store.is_whole(step.request) for step in plan}
    assert done == {role: not role.startswith(MADE_ANEW) for role in done}
    assert sum(done.values()) == 3


def test_every_artifact_is_whole_to_the_byte(store):
    manifests = list(store.manifests())
    assert len(manifests) == 16
    assert [problem for manifest in manifests for problem in store.verify(manifest)] == []


@pytest.fixture(scope="module")
def completed(config, store, forked_workers):
    """The store after a run that made what was left to do, and when each artifact was made."""
    before = {manifest.address: manifest.created_at for manifest in store.manifests()}
    made, machine = {}, Machine(store, Settings(store=store.root))
    for step in plan_experiment(config, load_settings()):
        made[step.role] = step.make(made, machine)
        assert made[step.role].fingerprint == step.fingerprint
        step.report(made)
        step.gate(made)
    return store, before, made


def test_a_run_goes_on_and_makes_nothing_again(completed):
    store, before, made = completed
    assert before.items() <= {manifest.address: manifest.created_at for manifest in store.manifests()}.items()
    anew = {str(role) for role, manifest in made.items() if manifest.address not in before}
    assert anew == {str(role) for role in made if str(role).startswith(MADE_ANEW)}


def test_queries_answer(config, completed, store):
    write_index(config.name, plan_experiment(config, load_settings()), store_root=store.root)
    rows = run_query("scores_by_category", store_root=store.root, parameters={}).rows
    assert len(rows) == 10


def test_its_evaluation_is_compared(config, completed, store):
    comparison = compare([finished_experiment(config, Settings(store=store.root))], store=store)
    metrics = {(row["metric"], row["group"]) for row in score_table(comparison)}
    assert {("exact_match", "overall"), ("rougeL", "colour")} <= metrics


def test_its_model_answers(store):
    source = find_model(str(next((store.root / "artifacts" / "finetune").iterdir()).name), Settings(store=store.root))
    image = Image.new("RGB", (768, 768), (200, 30, 30))
    chat = Chat(open_model(source.folder), (image,), GenerationConfig(max_new_tokens=4))
    answer = "".join(chat.answer("何色ですか？"))
    assert chat.history == [("<image>\n何色ですか？", answer)]
