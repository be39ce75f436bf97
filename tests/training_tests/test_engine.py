"""The model that a stage begins with, built in this process: from published weights, and with every misfit named."""

from types import SimpleNamespace

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from model.config import BundledTokenizer, LlavaJpWeights, LlmConfig, LocalFolder, LoraConfig
from model.language_model import build_llm, load_tokenizer
from model.vlm import lora_modules
from pipeline.config.experiment import TOKENIZER_FOLDER, load_experiment
from pipeline.core.errors import ConfigError
from pipeline.core.settings import Settings
from pipeline.training.engine import build_model
from pipeline.training.job import TrainingJob
from pipeline.training.step import zero_stage_of
from tests.support.published_model import llama, published

BUNDLED = BundledTokenizer(kind="bundled", name="shapes-ja")


def job_of(llm: LlmConfig, *, stage="pretrain", attention="sdpa", **changes) -> TrainingJob:
    """Only what building the model reads."""
    config = load_experiment("smoke").pretrain.model_copy(update={"max_length": 32, **changes})
    return TrainingJob.model_construct(
        stage=stage, config=config, llm=llm, start=None, zero_stage=0, offload="none", attention=attention
    )


def built(job: TrainingJob, *, num_channels: int):
    tokenizer = load_tokenizer(job.llm, bundled=TOKENIZER_FOLDER)
    return build_model(job, tokenizer, SimpleNamespace(num_channels=num_channels))


@pytest.fixture
def small_llm(tmp_path):
    """A GPT-2 in a folder, with the vocabulary of the bundled tokenizer."""

    def write(**changes):
        tokenizer = load_tokenizer(LlmConfig(weights=local(tmp_path), tokenizer=BUNDLED), bundled=TOKENIZER_FOLDER)
        sizes = {"n_embd": 32, "n_layer": 1, "n_head": 2, "n_positions": 64, "vocab_size": len(tokenizer), **changes}
        llm = GPT2LMHeadModel(GPT2Config(**sizes))
        llm.save_pretrained(tmp_path)
        return llm, LlmConfig(weights=local(tmp_path), tokenizer=BUNDLED)

    return write


def local(folder):
    return LocalFolder(kind="local", folder=folder)


def test_pretraining_goes_on_with_a_published_projector_and_llm(tmp_path):
    original = published()
    original.llm.resize_token_embeddings(1500)
    weights = LlavaJpWeights(kind="llava-jp", source=local(original.write(tmp_path)))
    model = built(job_of(LlmConfig(weights=weights, tokenizer=BUNDLED)), num_channels=64)
    assert torch.equal(model.projector.weight, original.projector[0].weight)
    assert torch.equal(model.llm.transformer.wte.weight, original.llm.transformer.wte.weight)
    assert model.llm.config.resid_pdrop == 0.1
    assert not model.llm.training
    job = job_of(LlmConfig(weights=weights, tokenizer=BUNDLED), frozen_dropout=True)
    assert built(job, num_channels=64).llm.training
    with pytest.raises(ConfigError, match="takes 64 channels, the features have 32; set vision_tower and features"):
        built(job, num_channels=32)


def test_weights_without_safetensors_are_read_as_plain_tensors_and_code_in_them_is_not_run(small_llm, tmp_path):
    llm, config = small_llm()
    (tmp_path / "model.safetensors").unlink()
    torch.save(llm.state_dict(), tmp_path / "pytorch_model.bin")
    tokenizer = load_tokenizer(config, bundled=TOKENIZER_FOLDER)
    assert torch.equal(build_llm(config, tokenizer).transformer.wte.weight, llm.transformer.wte.weight)
    torch.save({"transformer.wte.weight": Path_that_is_no_tensor()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(Exception, match="Weights only load failed|weights_only"):
        build_llm(config, tokenizer)


class Path_that_is_no_tensor:  # noqa: N801
    """What a pickle may hold."""


def test_an_llm_is_read_in_the_number_format_of_the_stage(small_llm):
    _, config = small_llm()
    model = built(job_of(config, precision="bfloat16"), num_channels=8)
    assert {parameter.dtype for parameter in model.llm.parameters()} == {torch.bfloat16}


def test_rotary_frequencies_stay_in_float32(tmp_path):
    original = published(llama)
    original.llm.resize_token_embeddings(1500)
    weights = LlavaJpWeights(kind="llava-jp", source=local(original.write(tmp_path)))
    config = LlmConfig(weights=weights, tokenizer=BUNDLED)
    llm = build_llm(config, load_tokenizer(config, bundled=TOKENIZER_FOLDER), dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in llm.parameters()} == {torch.bfloat16}
    assert llm.model.rotary_emb.inv_freq.dtype == torch.float32


def test_low_rank_updates_are_there_in_finetuning_alone(small_llm):
    _, config = small_llm()
    lora = load_experiment("llava-jp-v1.1-lora").finetune.lora
    assert lora_modules(built(job_of(config, lora=lora, stage="finetune"), num_channels=8).llm)
    assert not lora_modules(built(job_of(config, lora=lora), num_channels=8).llm)


def test_a_sequence_that_the_llm_cannot_take_is_refused(small_llm):
    _, config = small_llm()
    with pytest.raises(ConfigError, match="pretrain.max_length=65 is more than the LLM's max_position_embeddings=64"):
        built(job_of(config, max_length=65), num_channels=8)


def test_a_tokenizer_of_another_llm_is_refused(small_llm):
    _, config = small_llm(vocab_size=100)
    with pytest.raises(ConfigError, match="tokens and the LLM's vocabulary 100; llm.tokenizer must be the LLM's own"):
        built(job_of(config), num_channels=8)


def test_flash_attention_that_is_not_installed_is_refused_at_the_start(small_llm):
    _, config = small_llm()
    with pytest.raises(
        ConfigError, match="LLAVA_JP_ATTENTION=flash_attention_2 needs the package flash-attn and a GPU"
    ):
        built(job_of(config, attention="flash_attention_2"), num_channels=8)


def test_layers_that_the_llm_does_not_have_are_refused(small_llm):
    _, config = small_llm()
    with pytest.raises(ConfigError, match="finetune.lora of a 'gpt2': .*'q_porj'.* not found"):
        built(job_of(config, stage="finetune", lora=LoraConfig(rank=2, targets=("q_porj",))), num_channels=8)


def test_bfloat16_needs_zero_1_for_gradients_that_are_added_in_float32():
    settings = Settings()
    stage = load_experiment("smoke").pretrain
    assert zero_stage_of(stage, settings) == 0
    assert zero_stage_of(stage.model_copy(update={"precision": "bfloat16"}), settings) == 1
