"""Low-rank updates of a frozen LLM (arXiv 2106.09685), with peft. Imported late: peft takes seconds.

The LLM stays the object it was; peft puts the updates beside its linear layers, so everything else works as before.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import peft
import torch
from safetensors.torch import save_file
from transformers import PreTrainedModel

from model.config import LoraConfig

ADAPTER = "default"
ADAPTER_FOLDER = "adapter"
ALL_LINEAR = "all-linear"
BASE_LAYER = ".base_layer"


def add_lora(llm: PreTrainedModel, config: LoraConfig, *, seed: int) -> None:
    """Put updates that change nothing yet beside the LLM's linear layers.

    Raises:
        ValueError: no layer of the LLM has one of the names, or its family has no usual ones.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        peft.inject_adapter_in_model(_peft_config(llm, config), llm, adapter_name=ADAPTER)


def _peft_config(llm: PreTrainedModel, config: LoraConfig) -> peft.LoraConfig:
    targets: list[str] | str | None = list(config.targets) or None
    if config.targets == (ALL_LINEAR,):
        targets = ALL_LINEAR
    if targets is None and not _usual_targets(llm):
        raise ValueError(
            f"peft knows no usual layers of {llm.config.model_type!r}; name them in lora.targets, or say [{ALL_LINEAR}]"
        )
    return peft.LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=targets,
        fan_in_fan_out=is_transposed(llm),  # peft would correct it with a warning
        bias="none",
        task_type="CAUSAL_LM",
    )


def is_transposed(llm: PreTrainedModel) -> bool:
    """Whether the linear layers hold their weights as ``[in, out]``: GPT-2's Conv1D does."""
    return bool(llm.config.model_type == "gpt2")


def _usual_targets(llm: PreTrainedModel) -> Sequence[str] | None:
    known: Mapping[str, Sequence[str]] = peft.utils.TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
    return known.get(llm.config.model_type)


def merged(weights: Mapping[str, torch.Tensor], config: LoraConfig, *, is_transposed: bool) -> dict[str, torch.Tensor]:
    """The LLM's own weights with the updates added, under the names they had before ``add_lora``.

    Added in float32; the result has the number format of the weights.

    Args:
        weights: all of an LLM with updates, by name.
        config: how they were made.
        is_transposed: whether the layers hold their weights as ``[in, out]``, as GPT-2's Conv1D does.
    """
    result = {}
    for name, weight in weights.items():
        if ".lora_" in name:
            continue
        layer = name.removesuffix(f"{BASE_LAYER}.weight")
        if layer != name:
            down, up = (weights[f"{layer}.lora_{part}.{ADAPTER}.weight"].float() for part in "AB")
            update = (up @ down) * (config.alpha / config.rank)
            weight = (weight.float() + (update.T if is_transposed else update)).to(weight.dtype)
        result[name.replace(BASE_LAYER, "")] = weight
    return result


def save_adapter(weights: Mapping[str, torch.Tensor], llm: PreTrainedModel, config: LoraConfig, folder: Path) -> None:
    """Write the updates alone as peft does, to be loaded beside the LLM that they were trained on."""
    folder.mkdir(parents=True, exist_ok=True)
    own = {
        f"base_model.model.{name.replace(f'.{ADAPTER}.', '.')}": weight.contiguous()
        for name, weight in weights.items()
        if ".lora_" in name
    }
    save_file(own, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    description = _peft_config(llm, config)
    description.target_modules = description.target_modules or list(_usual_targets(llm) or ())
    description.base_model_name_or_path = ""  # the adapter's LLM is named by the manifest of its artifact
    description.inference_mode = True
    description.save_pretrained(str(folder))
