"""The language model and its tokenizer: any causal LM of Transformers, pretrained or random."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from model.config import HubFolder, LlmConfig, LocalFolder, RandomLlm


def load_tokenizer(config: LlmConfig, *, bundled: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of an experiment; ``bundled`` is the folder of the tokenizers that come with the project."""
    source = config.tokenizer
    if isinstance(source, HubFolder):
        return _checked(AutoTokenizer.from_pretrained(source.id, revision=source.revision))
    folder = source.folder if isinstance(source, LocalFolder) else bundled / source.name
    return _checked(AutoTokenizer.from_pretrained(folder))


def _checked(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """Labels are built from character offsets, which only the Rust tokenizers give."""
    if not tokenizer.is_fast:
        raise ValueError(f"{tokenizer.name_or_path} has no tokenizer.json; convert it to a fast tokenizer first")
    return tokenizer


def _pretrained(name: str | Path, **options: str) -> PreTrainedModel:
    """Weights are read from safetensors only: a pickle can run code."""
    return AutoModelForCausalLM.from_pretrained(name, use_safetensors=True, dtype=torch.float32, **options)


def build_llm(config: LlmConfig, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """The language model of an experiment, in float32 on the CPU."""
    weights = config.weights
    if isinstance(weights, HubFolder):
        return _pretrained(weights.id, revision=weights.revision)
    if isinstance(weights, LocalFolder):
        return _pretrained(weights.folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(weights.seed)
        return AutoModelForCausalLM.from_config(build_llm_config(config, tokenizer), dtype=torch.float32)


def build_llm_config(config: LlmConfig, tokenizer: PreTrainedTokenizerBase) -> PreTrainedConfig:
    """The architecture alone; no weights are read."""
    weights = config.weights
    if isinstance(weights, HubFolder):
        return AutoConfig.from_pretrained(weights.id, revision=weights.revision)
    if isinstance(weights, LocalFolder):
        return AutoConfig.from_pretrained(weights.folder)
    special = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    return AutoConfig.for_model(weights.model_type, vocab_size=len(tokenizer), **_architecture(weights), **special)


def _architecture(weights: RandomLlm) -> dict[str, Any]:
    """The sizes under the names of the model's family."""
    if weights.model_type == "gpt2":
        return {
            "initializer_range": weights.initializer_range,
            "n_embd": weights.hidden_size,
            "n_inner": weights.intermediate_size,
            "n_layer": weights.num_hidden_layers,
            "n_head": weights.num_attention_heads,
            "n_positions": weights.max_position_embeddings,
        }
    return {
        "initializer_range": weights.initializer_range,
        "hidden_size": weights.hidden_size,
        "intermediate_size": weights.intermediate_size,
        "num_hidden_layers": weights.num_hidden_layers,
        "num_attention_heads": weights.num_attention_heads,
        "max_position_embeddings": weights.max_position_embeddings,
    }
