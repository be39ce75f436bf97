"""Estimates are sums that can be checked by hand, and a finished step shows what it took."""

import pytest

from model.language_model import build_llm, load_tokenizer
from model.vision.tower import build_vision_tower
from pipeline.compute.model_sizes import tower_sizes
from pipeline.config.experiment import TOKENIZER_FOLDER, load_experiment
from pipeline.core.errors import ConfigError
from pipeline.core.settings import Settings
from pipeline.data.prepare import prepare_dataset
from pipeline.planning.costs import estimate
from pipeline.planning.plan import plan_experiment
from pipeline.planning.training import model_sizes
from pipeline.store.artifacts import ArtifactStore


def estimated(config, store):
    settings = Settings(store=store.root)
    return estimate(config, plan_experiment(config, settings), settings)


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("LLAVA_JP_STORE", str(tmp_path))
    return ArtifactStore(tmp_path)


def test_the_parameters_of_a_tower_and_an_llm_are_counted_without_building_them():
    config = load_experiment("demo-v1.1")
    tower = build_vision_tower(config.vision_tower)
    assert tower_sizes(config.vision_tower).num_parameters == pytest.approx(
        sum(parameter.numel() for parameter in tower.parameters()), rel=0.01
    )
    llm = build_llm(config.llm, load_tokenizer(config.llm, bundled=TOKENIZER_FOLDER))
    sizes = model_sizes(config, tower_sizes(config.vision_tower))
    assert (sizes.num_llm, sizes.width) == (sum(parameter.numel() for parameter in llm.parameters()), 128)


def test_the_bytes_of_the_features_are_images_times_scales_tokens_channels_and_four(store):
    costs = estimated(load_experiment("demo-v1.1"), store)
    assert costs["features/pretrain"].num_bytes == 1000 * 2 * 4 * 256 * 4
    assert costs["features/finetune"].num_bytes == 6000 * 2 * 4 * 256 * 4


def test_every_step_has_an_estimate(store):
    costs = estimated(load_experiment("smoke"), store)
    assert len(costs) == 13
    assert all(cost.num_bytes > 0 and cost.seconds > 0 for cost in costs.values())


def test_a_judged_benchmark_has_an_estimate_for_its_judge(store):
    overrides = ["evaluation.benchmarks=[{name: japanese-heron-bench}]", "evaluation.judge.repeats=2"]
    cost = estimated(load_experiment("smoke", overrides), store)["judgements/japanese-heron-bench/all"]
    assert (cost.num_bytes, cost.seconds) == (206_000, 309)


def test_a_finished_step_shows_what_it_took(store):
    config = load_experiment("smoke")
    made = prepare_dataset(config.datasets.pretrain, store=store)
    cost = estimated(config, store)["dataset/pretrain"]
    assert (cost.num_bytes, cost.seconds) == (made.num_bytes, made.duration_seconds)


def test_a_model_of_thirteen_billion_parameters_is_counted_without_its_memory():
    config = load_experiment(
        "demo-v1.1",
        ["llm.weights.hidden_size=5120", "llm.weights.intermediate_size=13824", "llm.weights.num_hidden_layers=40"],
    )
    sizes = model_sizes(config, tower_sizes(config.vision_tower))
    assert sizes.width == 5120
    assert sizes.num_llm > 12e9


def test_a_model_that_cannot_be_loaded_is_one_clear_error(tmp_path):
    folder = f"{{kind: local, folder: {tmp_path}}}"
    with pytest.raises(ConfigError, match="cannot be loaded: .* Check id, revision and connection"):
        tower_sizes(load_experiment("smoke", [f"vision_tower.weights={folder}"]).vision_tower)
