"""Reads a model folder of any layout that this project knows."""

import json
from pathlib import Path

import torch

from model.config import Dtype
from model.config_limits import ModelSizeError, read_record
from model.disk.checkpoint import LoadedModel, load_model
from model.disk.published import is_published, load_published
from model.disk.release_folder import is_released, load_release
from model.foreign_code import ForeignCodeError, require_no_code
from model.whole_files import ModelFolderError, require_whole, require_whole_json

PARTS = ("llm", "vision_tower", "tokenizer")
"""Folders in it that Transformers reads, where there are any."""
OWN_FIELDS = {"images", "template"}
"""In the config.json that training writes."""


def load_any_model(folder: Path, *, device: torch.device, dtype: Dtype = "float32") -> LoadedModel:
    """A folder that training wrote, a released one, or a published LLaVA-JP.

    Args:
        folder: where it lies.
        device: where it runs.
        dtype: number format of the weights, into which each is read. With float32 the vision tower of a folder that
            training wrote has the format in which it ran there.

    Raises:
        ModelFolderError: it is none of them, or it is damaged.
    """
    config = folder / "config.json"
    if not config.is_file():
        raise ModelFolderError(f"{folder} has no config.json, so it is not the folder of a model")
    require_whole(folder)
    try:
        for place in (folder, folder / "llm", folder / "vision_tower"):
            if (place / "config.json").is_file():
                read_record(place / "config.json")
        require_no_code(folder, has_our_class=True)
        for name in PARTS:
            require_no_code(folder / name)
    except (ForeignCodeError, ModelSizeError) as error:
        raise ModelFolderError(str(error)) from error
    if is_published(folder):
        return load_published(folder, device=device, dtype=dtype)
    if is_released(folder):
        return load_release(folder, device=device, dtype=dtype)
    record = json.loads(config.read_text(encoding="utf-8"))
    if not set(record) >= OWN_FIELDS:
        raise ModelFolderError(
            f"{folder} is a {record.get('model_type', 'model')!r} of Transformers; what can be read are folders that "
            "training or `llava-jp export` wrote, and checkpoints of LLaVA-JP"
        )
    return load_model(folder, device=device, dtype=dtype)


def is_known_layout(folder: Path) -> bool:
    """Whether ``load_any_model`` knows the layout of a folder with a config.json; weights are not looked at.

    Raises:
        ModelFolderError: its config is damaged.
    """
    require_whole_json(folder / "config.json")
    if is_published(folder) or is_released(folder):
        return True
    return set(json.loads((folder / "config.json").read_text(encoding="utf-8"))) >= OWN_FIELDS
