"""The language model and its tokenizer: any causal LM of Transformers, pretrained or random."""

import os
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.activations import GELUTanh, NewGELUActivation

from model.config import AttentionName, HubFolder, LlavaJpWeights, LlmConfig, LocalFolder, RandomLlm
from model.config_limits import require_possible_sizes
from model.foreign_code import require_no_code
from model.hub import fetched_folder, guard_hub_answers
from model.whole_files import require_whole


def load_tokenizer(config: LlmConfig, *, bundled: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of an experiment; ``bundled`` is the folder of the tokenizers that come with the project."""
    source = config.tokenizer
    if isinstance(source, HubFolder):
        guard_hub_answers()
        if cached := fetched_folder(source.id, source.commit, has_weights=False):
            require_whole(cached, has_weights=False)
        return _checked(AutoTokenizer.from_pretrained(source.id, revision=source.commit, trust_remote_code=False))
    folder = source.folder if isinstance(source, LocalFolder) else bundled / source.name
    require_whole(folder, has_weights=False)
    require_no_code(folder)
    return _checked(AutoTokenizer.from_pretrained(folder, trust_remote_code=False))


def _checked(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """Labels are built from character offsets, which only the Rust tokenizers give."""
    if not tokenizer.is_fast:
        raise ValueError(f"{tokenizer.name_or_path} has no tokenizer.json; convert it to a fast tokenizer first")
    return tokenizer


def build_llm(
    config: LlmConfig,
    tokenizer: PreTrainedTokenizerBase,
    *,
    dtype: torch.dtype = torch.float32,
    attention: AttentionName = "sdpa",
) -> PreTrainedModel:
    """The language model of an experiment, on the CPU, its weights read straight into ``dtype``.

    Of a repository without safetensors the ``.bin`` files are read, as plain tensors: nothing in them is run, nor is
    the Python that lies with the weights.

    Args:
        config: where the weights come from.
        tokenizer: gives random weights their vocabulary.
        dtype: number format of the weights.
        attention: what computes the attention.
    """
    weights = config.weights
    options: dict[str, Any] = {"dtype": dtype, "attn_implementation": attention}
    # Transformers asks the Hub to convert what has no safetensors, in a thread of its own; we only read.
    os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "1")
    if isinstance(weights, HubFolder | LocalFolder):
        return _pretrained(weights, weights_only=True, **options)
    if isinstance(weights, LlavaJpWeights):
        from model.disk.published import (
            load_published_llm,  # it reads whole VLMs, which are built of this module's LLMs
        )

        llm = load_published_llm(llava_jp_folder(weights))
        for parameter in llm.parameters():  # not the buffers: rotary frequencies need float32
            parameter.data = parameter.data.to(dtype)
        llm.set_attn_implementation(attention)
        return llm
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(weights.seed)
        return AutoModelForCausalLM.from_config(
            random_llm_config(weights, tokenizer), trust_remote_code=False, **options
        )


def _pretrained(weights: HubFolder | LocalFolder, **options: Any) -> PreTrainedModel:
    if isinstance(weights, LocalFolder):
        require_whole(weights.folder)
        require_no_code(weights.folder)
        require_possible_sizes(weights.folder)
        return AutoModelForCausalLM.from_pretrained(weights.folder, trust_remote_code=False, **options)
    guard_hub_answers()
    require_possible_sizes(weights.id, revision=weights.commit)
    if cached := fetched_folder(weights.id, weights.commit):
        require_whole(cached)
    return AutoModelForCausalLM.from_pretrained(weights.id, revision=weights.commit, trust_remote_code=False, **options)


def llava_jp_folder(weights: LlavaJpWeights) -> Path:
    """Where the files of a published LLaVA-JP lie; fetched if it is on the Hub and not in its cache."""
    if isinstance(weights.source, LocalFolder):
        return weights.source.folder
    guard_hub_answers()
    patterns = ["*.json", "*.safetensors"]
    return Path(snapshot_download(weights.source.id, revision=weights.source.commit, allow_patterns=patterns))


def random_llm_config(weights: RandomLlm, tokenizer: PreTrainedTokenizerBase) -> PreTrainedConfig:
    """The architecture of random weights, with the tokenizer's vocabulary."""
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


LENGTH_FIELDS = ("max_position_embeddings", "n_positions", "max_seq_len")
"""What an LLM's config calls the positions that it has: most families, GPT-2's, MPT's."""


def max_sequence_length(config: PreTrainedConfig) -> int | None:
    """Positions that an LLM has. None: its family has no limit, as Bloom (ALiBi), Mamba and RecurrentGemma.

    ``seq_length`` is no limit: Bloom's files note there what it was trained with.
    """
    found = (getattr(config, name, None) for name in LENGTH_FIELDS)
    return next((int(length) for length in found if length is not None), None)


def fuse_activations(model: nn.Module) -> int:
    """Replace every ``gelu_new``; the function is the same, the rounding is that of one operation. Returns how many."""
    slow = [
        (parent, name)
        for parent in model.modules()
        for name, child in parent.named_children()
        if isinstance(child, NewGELUActivation)
    ]
    for parent, name in slow:
        setattr(parent, name, GELUTanh())
    return len(slow)
