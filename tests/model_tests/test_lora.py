"""Low-rank updates: nothing at the beginning, alone in training, and the same model when merged."""

import peft
import pytest
import torch

from model.config import LoraConfig
from model.lora import add_lora, is_transposed, merged, save_adapter
from tests.model_tests.test_vlm import batch, loss_of, random_features
from tests.support.small_model import FAMILIES, build_vlm

SMALL = LoraConfig(rank=2, alpha=4, dropout=0.1)


def updated(family, config=SMALL):
    """A small VLM whose LLM has updates that are not zero."""
    vlm = build_vlm(family)
    add_lora(vlm.llm, config, seed=3)
    generator = torch.Generator().manual_seed(4)
    for name, parameter in vlm.llm.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(0, 0.2, generator=generator)
    return vlm.eval()


def small_batch():
    ids, _, labels = batch()
    return ids, labels, random_features(2)


@pytest.mark.parametrize("family", FAMILIES)
def test_new_updates_change_nothing(family):
    vlm, arguments = build_vlm(family), small_batch()
    before = loss_of(vlm, *arguments).item()
    add_lora(vlm.llm, SMALL, seed=3)
    assert loss_of(vlm.eval(), *arguments).item() == before


@pytest.mark.parametrize("family", FAMILIES)
def test_finetuning_trains_the_updates_and_the_projector_and_nothing_else(family):
    vlm = updated(family)
    vlm.prepare_stage("finetune")
    loss_of(vlm, *small_batch()).backward()
    trained = {name for name, parameter in vlm.named_parameters() if parameter.grad is not None}
    assert trained == {name for name, _ in vlm.named_parameters() if "lora_" in name or name.startswith("projector.")}
    assert {name for name, parameter in vlm.named_parameters() if parameter.requires_grad} == trained


def test_the_frozen_weights_drop_nothing_out_and_the_updates_do():
    arguments = small_batch()
    without = updated("gpt2", LoraConfig(rank=2, alpha=4, dropout=0.0))
    without.prepare_stage("finetune")
    assert without.llm.config.resid_pdrop == 0.1
    assert loss_of(without, *arguments).item() == loss_of(without, *arguments).item()
    dropping = updated("gpt2")
    dropping.prepare_stage("finetune")
    assert loss_of(dropping, *arguments).item() != loss_of(dropping, *arguments).item()


@pytest.mark.parametrize("family", FAMILIES)
def test_merged_weights_answer_as_the_updates_did(family):
    vlm, plain = updated(family), build_vlm(family)
    weights = merged(dict(vlm.llm.state_dict()), SMALL, is_transposed=is_transposed(vlm.llm))
    plain.llm.load_state_dict(weights, strict=False)
    assert set(weights) == set(plain.llm.state_dict())
    arguments = small_batch()
    assert loss_of(plain, *arguments).item() == pytest.approx(loss_of(vlm, *arguments).item(), rel=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_kept_adapter_loads_with_peft(family, tmp_path):
    vlm, plain = updated(family), build_vlm(family)
    save_adapter(vlm.llm.state_dict(), vlm.llm, SMALL, tmp_path)
    loaded = peft.PeftModel.from_pretrained(plain.llm, tmp_path).eval()
    ids = torch.tensor([[5, 6, 7, 8]])
    assert torch.allclose(loaded(input_ids=ids).logits, vlm.llm(input_ids=ids).logits, rtol=1e-5, atol=1e-5)


def test_the_layers_can_be_named():
    vlm = updated("llama", LoraConfig(rank=2, alpha=4, targets=("all-linear",)))
    layers = {name.split(".")[-4] for name, _ in vlm.llm.named_parameters() if "lora_A" in name}
    assert layers == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
