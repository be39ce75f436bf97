"""The frozen vision tower: images to pixels, pixels to patch features (SigLIP or CLIP, the layer before the last)."""

# Shape suffixes: N = tiles, P = patches per tile, V = tower width, B = images, S = scales, T = vision tokens,
# H/W = pixels.

from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from transformers import (
    AutoConfig,
    CLIPVisionConfig,
    CLIPVisionModel,
    PreTrainedModel,
    Siglip2VisionConfig,
    Siglip2VisionModel,
    SiglipVisionConfig,
    SiglipVisionModel,
)
from transformers.image_utils import IMAGENET_STANDARD_MEAN, IMAGENET_STANDARD_STD, OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from model.config import GridLayout, HubFolder, ImageConfig, LocalFolder, RandomVisionTower, VisionTowerConfig
from model.config_limits import require_possible_sizes
from model.foreign_code import require_no_code
from model.hub import fetched_folder, guard_hub_answers
from model.vision.s2 import multiscale_features, published_grid, square_grid
from model.whole_files import require_whole

FEATURE_LAYER = -2
"""Index into the hidden states: the output of the layer before the last, without the final norm, as in LLaVA."""

MODEL_CLASSES = {
    "siglip": SiglipVisionModel,
    "siglip_vision_model": SiglipVisionModel,
    "siglip2": Siglip2VisionModel,
    "siglip2_vision_model": Siglip2VisionModel,
    "clip": CLIPVisionModel,
    "clip_vision_model": CLIPVisionModel,
}
"""By ``model_type`` of the repository's config. SigLIP 2 with a fixed resolution is ``siglip``; ``siglip2`` is NaFlex,
which here sees square tiles of the resolution its position embeddings were made for."""


class VisionTower(nn.Module):
    """A SigLIP, SigLIP 2 or CLIP whose weights never change."""

    def __init__(self, vit: PreTrainedModel) -> None:
        super().__init__()
        self.vit = vit.eval().requires_grad_(False)
        has_class_token = isinstance(vit, CLIPVisionModel)
        self.num_class_tokens = int(has_class_token)
        mean = OPENAI_CLIP_MEAN if has_class_token else IMAGENET_STANDARD_MEAN
        std = OPENAI_CLIP_STD if has_class_token else IMAGENET_STANDARD_STD
        self.pixel_mean = nn.Buffer(torch.tensor(mean)[:, None, None], persistent=False)
        self.pixel_std = nn.Buffer(torch.tensor(std)[:, None, None], persistent=False)

    @property
    def tile_size(self) -> int:
        """Side of one input tile, in pixels."""
        return tile_size_of(self.vit.config)

    @property
    def width(self) -> int:
        """Channels per patch."""
        return int(self.vit.config.hidden_size)

    @property
    def num_patches(self) -> int:
        """Patches of one tile."""
        return int((self.tile_size // self.vit.config.patch_size) ** 2)

    @property
    def dtype(self) -> torch.dtype:
        """Number format of weights and features."""
        dtype: torch.dtype = self.vit.dtype
        return dtype

    def num_tokens(self, layout: GridLayout) -> int:
        """Vision tokens of an image."""
        return self.num_patches - self._num_dropped(layout)

    def _num_dropped(self, layout: GridLayout) -> int:
        """LLaVA-JP drops the first token: the class token where there is one, otherwise the first patch."""
        return 1 - self.num_class_tokens if layout == "llava-jp-v1.1" else 0

    @torch.no_grad()
    def forward(self, tiles_N3HW: torch.Tensor) -> torch.Tensor:
        """Features of tiles, ``[N, P, V]``. Only the layers they come from are run."""
        hidden = self._embedded(tiles_N3HW.to(self.dtype))
        for layer in self.vit.encoder.layers[: FEATURE_LAYER + 1]:
            hidden = layer(hidden, attention_mask=None)
        features_NPV: torch.Tensor = hidden[:, self.num_class_tokens :]
        return features_NPV

    def _embedded(self, tiles_N3HW: torch.Tensor) -> torch.Tensor:
        """What the first layer gets."""
        embeddings = self.vit.embeddings
        if isinstance(self.vit, Siglip2VisionModel):
            patches = _patches(tiles_N3HW, self.vit.config.patch_size)
            embedded: torch.Tensor = embeddings.patch_embedding(patches) + embeddings.position_embedding.weight
            return embedded
        embedded = embeddings(tiles_N3HW)
        return self.vit.pre_layrnorm(embedded) if isinstance(self.vit, CLIPVisionModel) else embedded

    @torch.no_grad()
    def encode(self, pixels_B3HW: torch.Tensor, config: ImageConfig) -> torch.Tensor:
        """Features of uint8 images at every scale, ``[B, S, T, V]``, in the tower's number format."""
        num_dropped = self._num_dropped(config.layout)
        num_tokens = self.num_tokens(config.layout)
        return multiscale_features(
            lambda tiles_N3HW: self(tiles_N3HW)[:, num_dropped:],
            self.normalise(pixels_B3HW.to(self.pixel_mean.device, non_blocking=True)),
            sides=config.sides,
            tile_size=self.tile_size,
            grid=published_grid(num_tokens) if config.layout == "llava-jp-v1.1" else square_grid(num_tokens),
        )

    def normalise(self, pixels_B3HW: torch.Tensor) -> torch.Tensor:
        """uint8 pixels to float32 as the tower was trained: SigLIP sees [-1, 1]."""
        normalised: torch.Tensor = (pixels_B3HW.float() / 255 - self.pixel_mean) / self.pixel_std
        return normalised


def tile_size_of(config: Any) -> int:
    """Side of the tiles a tower was trained on, in pixels."""
    if config.model_type == "siglip2_vision_model":
        return int(isqrt(config.num_patches) * config.patch_size)
    return int(config.image_size)


def _patches(tiles_N3HW: torch.Tensor, patch_size: int) -> torch.Tensor:
    """Patches row by row, pixel by pixel with channels last, ``[N, P, patch * patch * 3]``, as NaFlex takes them."""
    N, channels, height, width = tiles_N3HW.shape
    rows, columns = height // patch_size, width // patch_size
    split = tiles_N3HW.reshape(N, channels, rows, patch_size, columns, patch_size).permute(0, 2, 4, 3, 5, 1)
    return split.reshape(N, rows * columns, patch_size * patch_size * channels)


def pixels_of(image: Image.Image, *, image_size: int) -> torch.Tensor:
    """An RGB image resized to a square without keeping its aspect, uint8 ``[3, image_size, image_size]``.

    Bicubic with Pillow, as the SiglipImageProcessor of LLaVA-JP's time (there: ``image_aspect_ratio square``). First in
    width, then in height: Pillow's single call did so until version 12 and gives other pixels since.
    """
    narrow = image.resize((image_size, image.height), Image.Resampling.BICUBIC)
    resized = narrow.resize((image_size, image_size), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(resized, dtype=np.uint8)).permute(2, 0, 1).contiguous()


def build_vision_tower(config: VisionTowerConfig) -> VisionTower:
    """The tower of an experiment, on the CPU, in its number format.

    Raises:
        ValueError: the weights are of a family that is not in ``MODEL_CLASSES``.
    """
    weights = config.weights
    dtype = getattr(torch, config.dtype)
    if isinstance(weights, HubFolder):
        guard_hub_answers()
        if cached := fetched_folder(weights.id, weights.commit):
            require_whole(cached)
        return load_vision_tower(weights.id, dtype, revision=weights.commit)
    if isinstance(weights, LocalFolder):
        require_whole(weights.folder)
        require_no_code(weights.folder)
        return load_vision_tower(weights.folder, dtype)
    return VisionTower(_random_vit(weights).to(dtype))


def load_vision_tower(name: str | Path, dtype: torch.dtype, **options: str) -> VisionTower:
    """The tower of a folder or a Hub repository. Read from safetensors only, and no Python of it: both can run code.

    Raises:
        ValueError: the weights are of a family that is not in ``MODEL_CLASSES``.
        ModelFolderError: a file of the folder is not what its name says.
    """
    if isinstance(name, Path):
        require_whole(name)
    require_possible_sizes(name, **options)
    model_class = model_class_of(AutoConfig.from_pretrained(name, trust_remote_code=False, **options), name)
    return VisionTower(
        model_class.from_pretrained(name, use_safetensors=True, dtype=dtype, trust_remote_code=False, **options)
    )


def model_class_of(config: Any, name: str | Path) -> Any:
    """The class that loads a repository's vision part.

    Raises:
        ValueError: the weights are of a family that is not in ``MODEL_CLASSES``.
    """
    if config.model_type not in MODEL_CLASSES:
        known = ", ".join(MODEL_CLASSES)
        raise ValueError(f"{name} is a {config.model_type!r}; a vision tower must be one of: {known}")
    return MODEL_CLASSES[config.model_type]


def _random_vit(weights: RandomVisionTower) -> PreTrainedModel:
    sizes = {
        "hidden_size": weights.hidden_size,
        "intermediate_size": weights.intermediate_size,
        "num_hidden_layers": weights.num_hidden_layers,
        "num_attention_heads": weights.num_attention_heads,
        "patch_size": weights.patch_size,
    }
    num_patches, side = (weights.tile_size // weights.patch_size) ** 2, weights.tile_size
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(weights.seed)
        match weights.model_type:
            case "siglip":
                vit = SiglipVisionModel(SiglipVisionConfig(**sizes, image_size=side, vision_use_head=False))
            case "siglip2":
                vit = Siglip2VisionModel(Siglip2VisionConfig(**sizes, num_patches=num_patches, vision_use_head=False))
            case "clip":
                vit = CLIPVisionModel(CLIPVisionConfig(**sizes, image_size=side))
    vit.embeddings.patch_embedding.weight.data.mul_(weights.patch_gain)
    return vit
