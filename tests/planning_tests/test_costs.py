"""Estimates are sums that can be checked by hand, and a finished step shows what it took."""

import json
from types import SimpleNamespace

import pytest

from model.language_model import build_llm, load_tokenizer
from model.vision.tower import build_vision_tower
from pipeline.compute.gpus import Device, Peak
from pipeline.compute.model_sizes import tower_sizes
from pipeline.config.experiment import TOKENIZER_FOLDER, load_experiment
from pipeline.core.errors import ConfigError
from pipeline.core.settings import Settings
from pipeline.data.prepare import prepare_dataset
from pipeline.features.sizes import encoding_flops
from pipeline.planning.costs import (
    Cost,
    contamination_cost,
    dataset_cost,
    estimate,
    expected_cost,
    translation_cost,
    workload_of,
)
from pipeline.planning.data_sizes import DatasetSize, _first_records
from pipeline.planning.plan import plan_experiment
from pipeline.planning.steps import Role
from pipeline.planning.training import _work, model_sizes
from pipeline.store.artifacts import ArtifactStore
from tests.support.small_data import talk

SLOW = Device("a slow device", 2**34, Peak(1e9 / 0.45, is_measured=True))
"""It reaches 10^9 operations a second."""


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path)


@pytest.fixture
def forecast(store):
    """Workload and costs of an experiment with an empty store."""

    def of(name, overrides=(), *, device=SLOW, **settings):
        config = load_experiment(name, overrides)
        settings = Settings(store=store.root, **settings)
        plan = plan_experiment(config, settings)
        workload = workload_of(config, plan, store=store, settings=settings)
        costs = estimate(workload, plan, store=store, device=device)
        return SimpleNamespace(workload=workload, plan=plan, costs={str(role): cost for role, cost in costs.items()})

    return of


def test_the_parameters_of_a_tower_and_an_llm_are_counted_without_building_them():
    config = load_experiment("demo-v1.1")
    tower = build_vision_tower(config.vision_tower)
    assert tower_sizes(config.vision_tower).num_parameters == pytest.approx(
        sum(parameter.numel() for parameter in tower.parameters()), rel=0.01
    )
    llm = build_llm(config.llm, load_tokenizer(config.llm, bundled=TOKENIZER_FOLDER))
    sizes = model_sizes(config, tower_sizes(config.vision_tower))
    assert (sizes.num_llm, sizes.width) == (sum(parameter.numel() for parameter in llm.parameters()), 128)


def test_the_bytes_of_the_features_are_images_times_scales_tokens_channels_and_four(forecast):
    costs = forecast("demo-v1.1").costs
    assert costs["features/pretrain"].num_bytes == 1000 * 2 * 4 * 256 * 4
    assert costs["features/finetune"].num_bytes == 6000 * 2 * 4 * 256 * 4


def test_the_steps_without_a_model_cost_what_their_rows_and_images_do():
    size = DatasetSize(num_images=1000, num_samples=5000, num_characters=80_000, num_bytes=700_000)
    assert dataset_cost(size) == Cost(700_000, pytest.approx(1000 * 0.002 + 5000 * 0.0002), 700_000)
    assert translation_cost(size) == Cost(1_000_000, pytest.approx(0.5 + 0.5), 80_000 * 4 + 1_000_000)
    assert contamination_cost(size) == Cost(60_000, pytest.approx(0.502), 200_000)


def test_every_image_of_a_sample_is_counted_where_it_is_shown(tmp_path):
    talks = [{"images": [f"{index}.png", "same.png"], "question": "違いは。", "answer": "色。"} for index in range(3)]
    (tmp_path / "records.json").write_text(json.dumps([*talks, talk("one", "same.png")]), encoding="utf-8")
    size = _first_records([tmp_path / "records.json"])
    assert (size.num_images, size.num_samples, size.num_further_images, size.num_shown_images) == (4, 4, 3, 7)
    config = load_experiment("smoke").finetune.model_copy(update={"num_epochs": 2, "max_length": 1000})
    work = _work(DatasetSize(4, 4, 60, 0, num_further_images=4), 16, config)
    assert (work.num_vision_tokens, work.num_tokens) == (16 * 8 * 2, 16 * 8 * 2 + 2 * 60 / 1.5)


def test_every_step_has_an_estimate(forecast):
    smoke = forecast("smoke")
    assert list(smoke.costs) == [str(step.role) for step in smoke.plan]
    data, tower = smoke.workload.data, smoke.workload.tower
    assert [(name, size.num_images, size.num_samples) for name, size in data.items()] == [
        ("pretrain", 48, 48),
        ("finetune", 16, 96),
        ("shapes-ja", 24, 24),
    ]
    encoding = 48 * encoding_flops(tower, smoke.workload.config.features) / 1e9
    assert smoke.costs["features/pretrain"] == Cost(393_216, pytest.approx(encoding), tower.num_parameters * 4)
    projector = smoke.workload.stages["pretrain"].request.sizes.num_projector
    assert smoke.costs["pretrain"].num_bytes == projector * 4
    assert smoke.costs["scores/shapes-ja"] == Cost(24 * 200, pytest.approx(24e-4), 0)


def test_training_takes_its_start_its_micro_batches_and_its_operations(forecast):
    smoke = forecast("smoke")
    for stage, num_samples in (("pretrain", 48), ("finetune", 96)):
        one = smoke.workload.stages[stage]
        config = one.request.config
        num_micro_batches = num_samples * config.num_epochs // config.micro_batch_size
        expected = 12 + num_micro_batches * 0.03 + one.flops / 1e9
        assert smoke.costs[stage].seconds == pytest.approx(expected)


def test_every_step_that_computes_takes_a_tenth_on_a_device_ten_times_as_fast(forecast):
    overrides = ["features.form=int8"]
    slow = forecast("llava-jp-v1.1", overrides).costs
    fast = forecast("llava-jp-v1.1", overrides, device=Device("fast", 2**34, Peak(1e10 / 0.45, is_measured=True))).costs
    computing = {role for role in slow if slow[role].seconds != fast[role].seconds}
    assert {role.partition("/")[0] for role in computing} == {
        "calibration",
        "features",
        "pretrain",
        "finetune",
        "predictions",
    }
    for role in computing:
        assert slow[role].seconds / fast[role].seconds == pytest.approx(10, rel=0.001), role


def test_two_devices_halve_the_encoding_and_the_training(forecast):
    one, two = forecast("smoke"), forecast("smoke", num_processes=2)
    assert two.costs["features/pretrain"].seconds == one.costs["features/pretrain"].seconds / 2
    assert two.costs["finetune"].seconds - 12 == pytest.approx((one.costs["finetune"].seconds - 12) / 2)


def test_live_features_take_no_space_and_their_time_in_every_epoch(forecast):
    cached = forecast("smoke", ["pretrain.num_epochs=3"])
    live = forecast("smoke", ["pretrain.num_epochs=3", "features.form=live"])
    assert live.costs["features/pretrain"] == Cost(0, 0.0, 0)
    more = live.costs["pretrain"].seconds - cached.costs["pretrain"].seconds
    assert more == pytest.approx(3 * cached.costs["features/pretrain"].seconds)


def test_predictions_read_every_prompt_and_write_as_much_as_they_may(forecast):
    overrides = ["evaluation.generation.num_beams=2", "evaluation.generation.max_new_tokens=10"]
    smoke = forecast("smoke", overrides)
    workload, size = smoke.workload, smoke.workload.data["shapes-ja"]
    num_tokens = 24 * workload.tower.num_tokens("square") + size.num_characters / 1.5 + 24 * 10 * 2
    flops = 2 * workload.stages["finetune"].request.sizes.num_llm * num_tokens
    flops += 24 * encoding_flops(workload.tower, workload.config.features)
    assert smoke.costs["predictions/shapes-ja"].seconds == pytest.approx(flops / 1e9)


def test_a_judged_benchmark_has_an_estimate_for_its_judge(forecast):
    overrides = ["evaluation.benchmarks=[{name: japanese-heron-bench}]", "evaluation.judge.repeats=2"]
    cost = forecast("smoke", overrides).costs["judgements/japanese-heron-bench/all"]
    assert (cost.num_bytes, cost.seconds) == (206_000, 309)


def test_a_step_that_nobody_has_an_estimate_for_costs_nothing(forecast):
    assert expected_cost(Role("prayers", "shapes-ja"), forecast("smoke").workload, SLOW) == Cost(0, 0.0, None)


def test_a_finished_step_shows_what_it_took(store, forecast):
    made = prepare_dataset(load_experiment("smoke").datasets.pretrain, store=store)
    assert forecast("smoke").costs["dataset/pretrain"] == Cost(made.num_bytes, made.duration_seconds, None)


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
