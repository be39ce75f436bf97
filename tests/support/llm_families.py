"""Small random LLMs of many families: with positions, with ALiBi, with a state in place of attention."""

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from model.disk.checkpoint import LoadedModel
from model.projector import Projector
from model.vlm import VisionLanguageModel
from tests.support.small_model import build_model

LENGTH = 512
COMMON = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
GROUPED = {**COMMON, "num_key_value_heads": 1, "max_position_embeddings": LENGTH}

FAMILIES = {
    "bloom": ({"hidden_size": 32, "n_layer": 2, "n_head": 2, "seq_length": 16}, None),
    "falcon": ({**COMMON, "max_position_embeddings": LENGTH}, LENGTH),
    "gemma": ({**GROUPED, "head_dim": 16}, LENGTH),
    "gpt2": ({"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": LENGTH}, LENGTH),
    "gpt_neox": ({**COMMON, "max_position_embeddings": LENGTH}, LENGTH),
    "gptj": ({"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": LENGTH, "rotary_dim": 8}, LENGTH),
    "llama": ({**COMMON, "max_position_embeddings": LENGTH}, LENGTH),
    "mamba": ({"hidden_size": 32, "num_hidden_layers": 2, "state_size": 4, "time_step_rank": 4}, None),
    "mpt": ({"d_model": 32, "n_heads": 2, "n_layers": 2, "max_seq_len": LENGTH}, LENGTH),
    "opt": ({**COMMON, "ffn_dim": 64, "word_embed_proj_dim": 32, "max_position_embeddings": LENGTH}, LENGTH),
    "qwen2": (GROUPED, LENGTH),
    "recurrent_gemma": ({**COMMON, "num_hidden_layers": 3, "lru_width": 32, "attention_window_size": 64}, None),
}
"""Sizes under the names of each family, and the positions that it has; None: no limit."""

WITHOUT_MAX_POSITION_EMBEDDINGS = ("bloom", "mpt", "mamba", "recurrent_gemma")


def build_llm_of(family: str, tokenizer) -> PreTrainedModel:
    """Weights large enough to give different answers."""
    special = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    sizes, _ = FAMILIES[family]
    config = AutoConfig.for_model(
        family, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **special, **sizes
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        llm = AutoModelForCausalLM.from_config(config).eval()
        for parameter in llm.parameters():
            if parameter.dim() == 2:
                parameter.data.normal_(0, 0.3)
    return llm


def build_model_of(family: str) -> LoadedModel:
    """Everything that answering a question needs, as in ``small_model``."""
    model = build_model("llama")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        projector = Projector(2 * model.vision_tower.width, 32)
    vlm = VisionLanguageModel(projector, build_llm_of(family, model.tokenizer)).eval()
    return LoadedModel(model.config, model.vision_tower, vlm, model.tokenizer)
