"""Reads the checkpoints of LLaVA-JP (tosiyuki/LLaVA-JP; ``toshi456/llava-jp-*`` on the Hub) as they were published.

Such a folder is a causal LM with the vision tower and the projector among its weights:

    config.json        the LLM's config with ``mm_vision_tower``, ``scales`` and other ``mm_*`` fields
    *.safetensors      ``transformer.*`` (or ``model.layers.*``), ``model.vision_tower.vision_tower.*``,
                       ``model.mm_projector.{0,2}.*``; one file, or several with an index
    tokenizer.json     and its companions

Nothing is fetched: the tower is built from the weights' shapes and what is known about the tower that the config names.
The pretraining repositories hold ``mm_projector.bin`` alone, which is read as plain tensors.
"""

import json
import logging
from collections.abc import Mapping
from math import isqrt
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import safe_open
from transformers import (
    AutoModelForCausalLM,
    CLIPVisionConfig,
    CLIPVisionModel,
    GPT2Config,
    LlamaConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from model.config import Dtype, GridLayout, ImageConfig
from model.disk.checkpoint import CheckpointConfig, LoadedModel
from model.projector import Projector
from model.vision.tower import FEATURE_LAYER, VisionTower
from model.vlm import VisionLanguageModel
from model.whole_files import ModelFolderError, require_whole, require_whole_weights

log = logging.getLogger(__name__)

PICKLED_PROJECTOR = "mm_projector.bin"
INDEX = "model.safetensors.index.json"
TOWER_PREFIX = "model.vision_tower.vision_tower."
PROJECTOR_MARK = "mm_projector."
LLM_FAMILIES: Mapping[str, tuple[type[PreTrainedConfig], tuple[str, ...]]] = {
    "transformer.wte.weight": (GPT2Config, ("transformer.", "lm_head.")),
    "model.embed_tokens.weight": (LlamaConfig, ("model.", "lm_head.")),
}
"""By the name of the token embeddings: the family's config, and how the names of its weights begin."""

FOREIGN_FIELDS = (
    "architectures",
    "auto_map",
    "dtype",
    "freeze_backbone",
    "image_aspect_ratio",
    "model_type",
    "scales",
    "torch_dtype",
    "transformers_version",
    "tune_",
    "use_mm_proj",
    "vision_",
)
"""Beginnings of fields of the config that are not the LLM's, or that are true of the published file alone."""

State = dict[str, torch.Tensor]


class KnownTower(NamedTuple):
    """What the shapes of a tower's weights do not tell."""

    tile_size: int
    num_heads: int


KNOWN_TOWERS: Mapping[str, KnownTower] = {
    "google/siglip-base-patch16-224": KnownTower(224, 12),
    "google/siglip-base-patch16-256-multilingual": KnownTower(256, 12),
    "google/siglip-base-patch16-384": KnownTower(384, 12),
    "google/siglip-so400m-patch14-224": KnownTower(224, 16),
    "google/siglip-so400m-patch14-384": KnownTower(384, 16),
    "openai/clip-vit-large-patch14": KnownTower(224, 16),
    "openai/clip-vit-large-patch14-336": KnownTower(336, 16),
}


def is_published(folder: Path) -> bool:
    """Whether a folder has the layout of LLaVA-JP."""
    config = folder / "config.json"
    return config.is_file() and "mm_vision_tower" in json.loads(config.read_text(encoding="utf-8"))


def load_published(folder: Path, *, device: torch.device, dtype: Dtype = "float32") -> LoadedModel:
    """A published LLaVA-JP, ready to answer, all weights in ``dtype``.

    The LLM's config keeps the dropout it was trained with (0.1); it is off until somebody calls ``train``.

    Raises:
        ModelFolderError: the folder has another layout or lacks something.
    """
    record = _record(folder)
    state = _weights(folder, getattr(torch, dtype))
    tower = VisionTower(_tower(record, state, folder))
    images = _images(record, tower, folder)
    projector = _projector(_below_projector(state), folder).to(getattr(torch, dtype))
    llm = _llm(record, state, folder)
    if (given := projector.vision_width) != (needed := tower.width * len(images.scales)):
        raise ModelFolderError(
            f"{folder}: the projector takes {given} channels, but {len(images.scales)} scales {list(images.scales)} of "
            f"a tower with {tower.width} channels give {needed}; correct `scales` in config.json"
        )
    config = CheckpointConfig(images=images, template="v1", vision_dtype=dtype)
    vlm = VisionLanguageModel(projector, llm).to(device).eval()
    return LoadedModel(config, tower.to(device), vlm, _tokenizer(folder))


def load_published_llm(folder: Path) -> PreTrainedModel:
    """The LLM alone, in float32 and with the dropout it was trained with.

    Raises:
        ModelFolderError: the folder has another layout or lacks something.
    """
    return _llm(_record(folder), _weights(folder, torch.float32), folder)


def load_published_projector(folder: Path) -> Projector:
    """The projector alone, in float32: of ``mm_projector.bin`` or of a whole checkpoint.

    Raises:
        ModelFolderError: the folder has neither.
    """
    path = folder / PICKLED_PROJECTOR
    if not path.is_file():
        return _projector(_below_projector(_weights(folder, torch.float32)), folder)
    require_whole_weights(path)
    stored = torch.load(path, map_location="cpu", weights_only=True)
    return _projector(_below_projector(stored), folder)


def _record(folder: Path) -> dict[str, Any]:
    """The config, with everything refused that would give other results than the original."""
    require_whole(folder)
    record: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    supported = {
        "mm_projector_type": ("mlp2x_gelu",),
        "mm_vision_select_layer": (FEATURE_LAYER,),
        "mm_vision_select_feature": ("patch", "cls_patch"),
        "image_aspect_ratio": ("square",),
        "vision_encoder_type": ("clip", "siglip"),
    }
    problems = [
        f"{name} is {record[name]!r}, and only {' or '.join(map(repr, known))} can be read"
        for name, known in supported.items()
        if record.get(name) not in (None, *known)
    ]
    if problems:
        raise ModelFolderError(f"{folder / 'config.json'}: {'; '.join(problems)}")
    return record


def _weights(folder: Path, dtype: torch.dtype) -> State:
    """All tensors of the checkpoint, each read into ``dtype``: there is never a second copy of them all."""
    index = folder / INDEX
    if index.is_file():
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    else:
        names = sorted(path.name for path in folder.glob("*.safetensors"))
    if missing := [name for name in names if not (folder / name).is_file()]:
        raise ModelFolderError(f"{folder}: {missing} of {INDEX} are not there; fetch the whole repository")
    if not names and (folder / PICKLED_PROJECTOR).is_file():
        raise ModelFolderError(
            f"{folder} holds a pretrained projector ({PICKLED_PROJECTOR}) and no LLM, so it cannot answer; "
            "a finetuning stage can start from it"
        )
    if not names:
        raise ModelFolderError(
            f"{folder} has no .safetensors file; other formats are not read, because a pickle can run code"
        )
    state: State = {}
    for name in names:
        with safe_open(folder / name, framework="pt") as file:
            for key in file.keys():  # noqa: SIM118  # it is no dict
                tensor = file.get_tensor(key)
                state[key] = tensor.to(dtype) if tensor.is_floating_point() else tensor
    return state


def _below_projector(state: Mapping[str, torch.Tensor]) -> State:
    return {name.split(PROJECTOR_MARK)[1]: tensor for name, tensor in state.items() if PROJECTOR_MARK in name}


def _projector(state: State, folder: Path) -> Projector:
    expected = {"0.weight", "0.bias", "2.weight", "2.bias"}
    if set(state) != expected:
        raise ModelFolderError(
            f"{folder}: the projector has the weights {sorted(state)}; two linear layers have {sorted(expected)}"
        )
    llm_width, vision_width = state["0.weight"].shape
    projector = Projector(vision_width, llm_width)
    projector.load_state_dict({f"layers.{name}": tensor.float() for name, tensor in state.items()})
    return projector


def _llm(record: Mapping[str, Any], state: State, folder: Path) -> PreTrainedModel:
    family = next((LLM_FAMILIES[name] for name in LLM_FAMILIES if name in state), None)
    if family is None:
        raise ModelFolderError(f"{folder}: there is no {' or '.join(LLM_FAMILIES)} among the weights; no known LLM")
    config_class, prefixes = family
    foreign = ("mm_", "tokenizer_", *FOREIGN_FIELDS)
    config = config_class.from_dict({name: value for name, value in record.items() if not name.startswith(foreign)})
    own = {
        name: tensor
        for name, tensor in state.items()
        if name.startswith(prefixes) and not name.startswith(TOWER_PREFIX) and PROJECTOR_MARK not in name
    }
    return _filled(AutoModelForCausalLM, config, own, folder)


def _tower(record: Mapping[str, Any], state: State, folder: Path) -> PreTrainedModel:
    """The tower among the weights; its heads and tile size from the config of the tower that is named."""
    own = {
        name.removeprefix(TOWER_PREFIX).removeprefix("vision_model."): tensor
        for name, tensor in state.items()
        if name.startswith(TOWER_PREFIX)
    }
    if "embeddings.patch_embedding.weight" not in own:
        raise ModelFolderError(f"{folder}: there is no vision tower among the weights ({TOWER_PREFIX}…)")
    is_clip = "embeddings.class_embedding" in own
    name = str(record["mm_vision_tower"])
    config_class, model_class = (
        (CLIPVisionConfig, CLIPVisionModel) if is_clip else (SiglipVisionConfig, SiglipVisionModel)
    )
    config = _config_beside(folder, name, config_class) or _config_of_shapes(own, name, folder, config_class)
    if not is_clip:
        config.vision_use_head = "head.probe" in own
    return _filled(model_class, config, own, folder)


def _config_beside(folder: Path, name: str, config_class: type[PreTrainedConfig]) -> PreTrainedConfig | None:
    """The tower's config from ``vision_tower/config.json`` beside the weights, or from the folder that is named."""
    for place in (folder / "vision_tower", Path(name)):
        if (place / "config.json").is_file():
            return config_class.from_pretrained(place)
    return None


def _config_of_shapes(own: State, name: str, folder: Path, config_class: type[PreTrainedConfig]) -> PreTrainedConfig:
    width, _, patch_size, _ = own["embeddings.patch_embedding.weight"].shape
    num_positions = own["embeddings.position_embedding.weight"].shape[0] - ("embeddings.class_embedding" in own)
    if name not in KNOWN_TOWERS:
        raise ModelFolderError(
            f"{folder}: the number of heads and the tile size of the vision tower {name!r} are not known; "
            f"put its config.json into {folder / 'vision_tower'}"
        )
    known = KNOWN_TOWERS[name]
    if (known.tile_size // patch_size) ** 2 != num_positions or width % known.num_heads:
        raise ModelFolderError(
            f"{folder}: a tower with {width} channels and {num_positions} patches of {patch_size} pixels is not "
            f"{name!r}; put the config.json of the right one into {folder / 'vision_tower'}"
        )
    layers = {key.split(".")[2] for key in own if key.startswith("encoder.layers.")}
    return config_class(
        hidden_size=width,
        intermediate_size=own["encoder.layers.0.mlp.fc1.weight"].shape[0],
        num_hidden_layers=len(layers),
        num_attention_heads=known.num_heads,
        patch_size=patch_size,
        image_size=known.tile_size,
    )


def _filled(model_class: Any, config: PreTrainedConfig, state: State, folder: Path) -> PreTrainedModel:
    """A model with these weights and no others. Surplus ones (copies, buffers of older versions) are left out.

    Raises:
        ModelFolderError: a weight is missing or has another shape.
    """
    build = model_class.from_config if model_class is AutoModelForCausalLM else model_class
    with torch.device("meta"):
        empty = build(config)
    shapes = {name: tensor.shape for name, tensor in empty.state_dict().items()}
    tied = set(empty.all_tied_weights_keys)
    problems = [f"{name} is missing" for name in shapes if name not in state and name not in tied]
    problems += [
        f"{name} is {list(state[name].shape)}, not {list(shape)}"
        for name, shape in shapes.items()
        if name in state and state[name].shape != shape
    ]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise ModelFolderError(f"{folder}: the weights do not fit the config: {', '.join(problems[:3])}{more}")
    own = {name: tensor for name, tensor in state.items() if name in shapes}
    if surplus := sorted(set(state) - set(own)):
        log.debug("%s: %d weights that no part of the model has, such as %s", folder, len(surplus), surplus[0])
    for name, source in empty.all_tied_weights_keys.items():
        if name in own and not torch.equal(own[name], own[source]):
            log.warning("%s: %s differs from %s, so they are not tied", folder, name, source)
    dtype = next(tensor.dtype for tensor in own.values() if tensor.is_floating_point())
    filled: PreTrainedModel = type(empty).from_pretrained(None, config=config, state_dict=own, dtype=dtype)
    return filled


def _images(record: Mapping[str, Any], tower: VisionTower, folder: Path) -> ImageConfig:
    """The image's side is not in the config: LLaVA-JP's own demo takes one tile for every scale."""
    scales = tuple(float(scale) for scale in record.get("scales") or (1.0,))
    keeps_all = record.get("mm_vision_select_feature", "patch") == "cls_patch"
    if keeps_all and tower.num_class_tokens:
        raise ModelFolderError(f"{folder}: mm_vision_select_feature 'cls_patch' keeps the class token; not supported")
    layout: GridLayout = "square" if keeps_all else "llava-jp-v1.1"
    try:
        images = ImageConfig(image_size=tower.tile_size * len(scales), scales=scales, layout=layout)
    except ValueError as error:
        raise ModelFolderError(f"{folder}: `scales` in config.json: {error}") from error
    if wrong := [side for side in images.sides if side % tower.tile_size]:
        raise ModelFolderError(
            f"{folder}: scales {list(scales)} of {images.image_size} pixels give {wrong} pixels, "
            f"not multiples of the tower's {tower.tile_size}"
        )
    if isqrt(tower.num_patches) ** 2 != tower.num_patches:
        raise ModelFolderError(f"{folder}: the tower's {tower.num_patches} patches are not a square")
    return images


def _tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """As ``tokenizer.json`` has it. AutoTokenizer would go by the LLM's family where no class is written down."""
    if not (folder / "tokenizer.json").is_file():
        raise ModelFolderError(f"{folder} has no tokenizer.json; put the files of the LLM's tokenizer there")
    return PreTrainedTokenizerFast.from_pretrained(folder)
