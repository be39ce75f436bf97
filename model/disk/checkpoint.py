"""Models on disk, as safetensors.

A pretrained projector is ``projector.safetensors``. A whole model is a folder:

    config.json             how images become vision tokens, and the conversation template
    projector.safetensors
    llm/, vision_tower/, tokenizer/      each as Transformers writes it
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import Field
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from model.config import Dtype, ImageConfig, Section, TemplateName
from model.projector import Projector
from model.vision.tower import VisionTower, load_vision_tower
from model.vlm import VisionLanguageModel

PROJECTOR_FILE = "projector.safetensors"


class CheckpointConfig(Section):
    """What a model folder's ``config.json`` holds."""

    images: ImageConfig
    template: TemplateName = Field(description="conversation template the model was trained with")
    vision_dtype: Dtype = Field(description="number format of the vision tower")


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """Everything that answering a question needs."""

    config: CheckpointConfig
    vision_tower: VisionTower
    vlm: VisionLanguageModel
    tokenizer: PreTrainedTokenizerBase


def save_projector(weights: Mapping[str, torch.Tensor], folder: Path) -> None:
    """Write a projector's weights as ``projector.safetensors``, in float32."""
    save_file(_float32(weights), folder / PROJECTOR_FILE, metadata={"format": "pt"})


def load_projector(projector: Projector, folder: Path) -> None:
    """Fill a projector of the same shape."""
    projector.load_state_dict(load_file(folder / PROJECTOR_FILE))


def save_model(
    model: LoadedModel,
    folder: Path,
    *,
    projector: Mapping[str, torch.Tensor] | None = None,
    llm: dict[str, torch.Tensor] | None = None,
) -> None:
    """Write a whole model folder.

    Args:
        model: its parts and their configurations.
        folder: where to write it.
        projector: the projector's weights, where the model's own are not whole on this process.
        llm: the same of the LLM.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_projector(model.vlm.projector.state_dict() if projector is None else projector, folder)
    model.vlm.llm.save_pretrained(folder / "llm", state_dict=llm)
    model.vision_tower.vit.save_pretrained(folder / "vision_tower")
    model.tokenizer.save_pretrained(folder / "tokenizer")
    text = json.dumps(model.config.model_dump(mode="json"), indent=2, ensure_ascii=False)
    (folder / "config.json").write_text(text, encoding="utf-8")


def load_model(folder: Path, *, device: torch.device, dtype: Dtype = "float32") -> LoadedModel:
    """Read a whole model folder for answering questions; for ``dtype`` see ``model.disk.open``.

    Python that lies in the folder is never run.
    """
    config = CheckpointConfig.model_validate_json((folder / "config.json").read_text(encoding="utf-8"))
    if dtype != "float32":
        config = config.model_copy(update={"vision_dtype": dtype})
    tower = load_vision_tower(folder / "vision_tower", getattr(torch, config.vision_dtype)).to(device)
    llm = AutoModelForCausalLM.from_pretrained(folder / "llm", dtype=getattr(torch, dtype), trust_remote_code=False)
    projector = Projector(tower.width * len(config.images.scales), llm.config.hidden_size).to(getattr(torch, dtype))
    load_projector(projector, folder)
    vlm = VisionLanguageModel(projector, llm).to(device).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer", trust_remote_code=False)
    return LoadedModel(config, tower, vlm, tokenizer)


def _float32(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().float().cpu().contiguous() for name, tensor in state.items()}
