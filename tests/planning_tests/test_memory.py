"""The predicted memory of a device against what PyTorch holds."""

from dataclasses import replace

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from flows.cli.show import memory_rows
from model.config import RandomLlm
from model.language_model import build_llm, fuse_activations
from model.projector import Projector
from model.vlm import VisionLanguageModel, places_of
from pipeline.compute.flops import Trained, sizes_of, trained_of
from pipeline.compute.gpus import GIB, Device, Peak, named_device
from pipeline.compute.model_sizes import tower_sizes
from pipeline.config.experiment import StageConfig, load_experiment
from pipeline.core.settings import Settings
from pipeline.planning.data_sizes import DatasetSize
from pipeline.planning.memory import MemoryRequest, stage_memory
from pipeline.planning.training import advice, forecast, model_sizes
from pipeline.training.optimizers import build_optimizer
from tests.support.small_model import FAMILIES, build_tokenizer, llm_config

NUM_TOKENS = 96


def small_llm(family, *, num_layers, dtype=torch.float32):
    config = llm_config(family)
    assert isinstance(config.weights, RandomLlm)
    weights = config.weights.model_copy(update={"num_hidden_layers": num_layers, "hidden_size": 64})
    llm = build_llm(config.model_copy(update={"weights": weights}), build_tokenizer(), dtype=dtype)
    llm.config.use_cache = False
    fuse_activations(llm)
    return llm


def request_of(model, config, *, num_devices=1, **changes):
    parameters = {id(one): one for one in model.parameters()}.values()
    num_projector = sum(one.numel() for one in model.projector.parameters())
    sizes = sizes_of(model.llm, num_projector=num_projector)
    is_trained = any(one.requires_grad for one in model.llm.parameters())
    return MemoryRequest(
        config=config.model_copy(update=changes),
        sizes=sizes,
        trained=trained_of(model.llm),
        num_trained=sum(one.numel() for one in parameters if one.requires_grad),
        num_trained_embeddings=sizes.num_embeddings if is_trained else 0,
        num_devices=num_devices,
        feature_bytes=1000,
        feature_numbers=500,
    )


def stage_config(**changes) -> StageConfig:
    return load_experiment("smoke").finetune.model_copy(update={"precision": "float32", **changes})


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_weights_and_optimizer_states_are_what_pytorch_holds(stage):
    model = VisionLanguageModel(Projector(6, 64), small_llm("gpt2", num_layers=2))
    model.prepare_stage(stage)
    optimizer = build_optimizer(stage_config(), model)
    ids = torch.tensor([[5, 6, 7]])
    model(ids, *places_of(ids, ids), torch.zeros(0, 0, 0)).backward()
    optimizer.step()
    memory = stage_memory(request_of(model, stage_config()), zero_stage=0, gradient_checkpointing=False)
    held = sum(one.numel() * one.element_size() for one in model.parameters())
    gradients = sum(one.grad.nbytes for one in model.parameters() if one.grad is not None)
    states = sum(value.nbytes for state in optimizer.state.values() for value in state.values() if value.ndim)
    assert (memory.weights, memory.gradients, memory.optimizer_states) == (held, gradients, states)
    assert memory.master_copies == 0


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_layer_keeps_as_much_for_the_backward_pass_as_is_predicted(family, stage):
    kept, predicted = ([], [])
    for num_layers in (1, 3):
        llm = small_llm(family, num_layers=num_layers, dtype=torch.bfloat16).requires_grad_(stage == "finetune")
        kept.append(kept_bytes(llm.eval()))
        model = VisionLanguageModel(Projector(6, 64), llm)
        config = stage_config(precision="bfloat16", micro_batch_size=1, max_length=NUM_TOKENS)
        memory = stage_memory(request_of(model, config), zero_stage=0, gradient_checkpointing=False)
        predicted.append(memory.activations)
    layer = (predicted[1] - predicted[0]) / 2
    dropout = 2 * 64 * NUM_TOKENS if stage == "finetune" and family == "gpt2" else 0  # off here, so that it is exact
    assert layer - dropout == pytest.approx((kept[1] - kept[0]) / 2, rel=0.03)


def kept_bytes(llm) -> int:
    """Of all tensors that the backward pass needs, without weights."""
    weights = {one.untyped_storage().data_ptr() for one in llm.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage
        return tensor

    embeddings = torch.randn(1, NUM_TOKENS, 64, dtype=torch.bfloat16, requires_grad=True)
    with saved_tensors_hooks(keep, lambda tensor: tensor):
        llm.base_model(inputs_embeds=embeddings)
    return sum(storage.nbytes() for storage in kept.values())


@pytest.mark.parametrize(
    ("zero_stage", "weights", "gradients", "states"), [(0, 4, 4, 4), (1, 4, 4, 1), (2, 4, 1, 1), (3, 1, 1, 1)]
)
def test_each_zero_stage_shares_more_among_four_devices(zero_stage, weights, gradients, states):
    model = VisionLanguageModel(Projector(6, 64), small_llm("llama", num_layers=2))
    alone = stage_memory(request_of(model, stage_config()), zero_stage=0, gradient_checkpointing=False)
    shared = stage_memory(
        request_of(model, stage_config(), num_devices=4), zero_stage=zero_stage, gradient_checkpointing=False
    )
    assert shared.optimizer_states * 4 // states == pytest.approx(alone.optimizer_states, abs=8)
    buffers = 2 * alone.gradients if zero_stage in (1, 2) else 0
    assert (shared.gradients - buffers) * 4 // gradients == pytest.approx(alone.gradients, abs=8)
    if zero_stage < 3:
        assert shared.weights * 4 // weights == alone.weights
    else:
        assert alone.weights // 4 < shared.weights < alone.weights * 3


def test_states_in_the_memory_of_the_host_are_not_on_the_device():
    model = VisionLanguageModel(Projector(6, 64), small_llm("llama", num_layers=2))
    request = request_of(model, stage_config(precision="bfloat16"))
    there = stage_memory(replace(request, offload="optimizer"), zero_stage=2, gradient_checkpointing=False)
    here = stage_memory(request, zero_stage=2, gradient_checkpointing=False)
    assert (there.optimizer_states, there.master_copies, there.update) == (0, 0, 0)
    assert here.master_copies > 0
    assert there.weights == here.weights


def test_eight_bit_moments_take_a_quarter_except_those_of_embeddings():
    model = VisionLanguageModel(Projector(6, 64), small_llm("gpt2", num_layers=2))
    request = request_of(model, stage_config(optimizer="adamw-8bit"))
    memory = stage_memory(request, zero_stage=0, gradient_checkpointing=False)
    inside = request.num_trained - request.num_trained_embeddings
    assert memory.optimizer_states == inside * 2 + inside * 8 // 256 + request.num_trained_embeddings * 8


def article(stage, **changes):
    """A forecast for the article's model."""
    config = load_experiment("llava-jp-v1.1")
    section = config.finetune if stage == "finetune" else config.pretrain
    config = config.model_copy(update={stage: section.model_copy(update=changes)})
    size = DatasetSize(num_images=350_000, num_samples=620_000, num_characters=620_000 * 300, num_bytes=0)
    tower = tower_sizes(config.vision_tower)
    return forecast(config, stage, size, settings=Settings(), tower=tower, sizes=model_sizes(config, tower))


def device_of(memory_gib, name="a GPU"):
    return Device(name, memory_gib * GIB, Peak(1e12, is_measured=True))


def test_finetuning_of_the_article_fits_a_device_of_24_gib(monkeypatch):
    monkeypatch.delenv("LLAVA_JP_NUM_PROCESSES", raising=False)
    one = article("finetune")
    assert 1.31e9 < one.request.sizes.num_llm < 1.33e9
    assert 15 * GIB < one.chosen.num_bytes < 20 * GIB
    assert one.chosen.fits(24 * GIB)
    assert advice(one, named_device("RTX 4090")) is None
    assert one.request.num_devices == 1
    expected_flops = 6 * 1.32e9 * 620_000 * 930
    assert one.flops == pytest.approx(expected_flops, rel=0.15)


def test_what_will_not_fit_is_said_with_what_would():
    one = article("finetune", optimizer="adamw", gradient_checkpointing=False)
    said = advice(one, device_of(28))
    assert said is not None
    assert said.startswith("finetune will not fit a GPU with 28 GiB: it needs ")
    assert said.endswith(
        "Enough are LLAVA_JP_ZERO_STAGE=0, finetune.gradient_checkpointing=true or a smaller micro-batch"
    )
    nothing = advice(one, device_of(8, "this machine's memory"))
    assert nothing is not None
    assert "Nothing with these devices is enough: lower finetune.micro_batch_size" in nothing
    rows = list(memory_rows(one, device_of(28)))
    assert [row["finetune, GiB"] for row in rows][-2:] == ["in all, kept", "in all, recomputed"]
    assert str(rows[-2]["ZeRO 0"]).endswith(", too much")
    assert Trained() == article("pretrain").request.trained
