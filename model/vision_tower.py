"""The frozen vision tower: images to pixels, pixels to patch features (SigLIP, the layer before the last)."""

# Shape suffixes: N = tiles, P = patches per tile, V = tower width, B = images, S = scales, T = vision tokens,
# H/W = pixels.

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from transformers import SiglipVisionConfig, SiglipVisionModel

from model.config import HubFolder, ImageConfig, LocalFolder, VisionTowerConfig
from model.s2 import multiscale_features

FEATURE_LAYER = -2
"""Index into the hidden states: the output of the layer before the last, without the final norm, as in LLaVA."""
PIXEL_MEAN = PIXEL_STD = 0.5
"""SigLIP's normalisation of pixel values in [0, 1]."""


class VisionTower(nn.Module):
    """A SigLIP whose weights never change."""

    def __init__(self, siglip: SiglipVisionModel) -> None:
        super().__init__()
        self.siglip = siglip.eval().requires_grad_(False)

    @property
    def tile_size(self) -> int:
        """Side of one input tile, in pixels."""
        return int(self.siglip.config.image_size)

    @property
    def width(self) -> int:
        """Channels per patch."""
        return int(self.siglip.config.hidden_size)

    @property
    def num_patches(self) -> int:
        """Patches of one tile."""
        return int((self.siglip.config.image_size // self.siglip.config.patch_size) ** 2)

    @torch.no_grad()
    def forward(self, tiles_N3HW: torch.Tensor) -> torch.Tensor:
        """Features of tiles, ``[N, P, V]``."""
        output = self.siglip(pixel_values=tiles_N3HW, output_hidden_states=True)
        features_NPV: torch.Tensor = output.hidden_states[FEATURE_LAYER]
        return features_NPV

    @torch.no_grad()
    def encode(self, pixels_B3HW: torch.Tensor, config: ImageConfig) -> torch.Tensor:
        """Features of uint8 images at every scale, ``[B, S, T, V]``, in the tower's number format."""
        weight = self.siglip.embeddings.patch_embedding.weight
        images = normalise(pixels_B3HW.to(weight.device)).to(weight.dtype)
        return multiscale_features(self, images, sides=config.sides, tile_size=self.tile_size)


def pixels_of(image: Image.Image, *, image_size: int) -> torch.Tensor:
    """An RGB image resized to a square without keeping its aspect, uint8 ``[3, image_size, image_size]``.

    Bicubic with Pillow, as the SiglipImageProcessor of LLaVA-JP's time (there: ``image_aspect_ratio square``).
    """
    resized = image.resize((image_size, image_size), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(resized, dtype=np.uint8)).permute(2, 0, 1).contiguous()


def normalise(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 pixels to float32 in [-1, 1]."""
    return (pixels.float() / 255 - PIXEL_MEAN) / PIXEL_STD


def _pretrained(name: str | Path, dtype: torch.dtype, **options: str) -> SiglipVisionModel:
    """Weights are read from safetensors only: a pickle can run code."""
    return SiglipVisionModel.from_pretrained(name, use_safetensors=True, dtype=dtype, **options)


def build_vision_tower(config: VisionTowerConfig) -> VisionTower:
    """The tower of an experiment, on the CPU, in its number format."""
    weights = config.weights
    dtype = getattr(torch, config.dtype)
    if isinstance(weights, HubFolder):
        return VisionTower(_pretrained(weights.id, dtype, revision=weights.revision))
    if isinstance(weights, LocalFolder):
        return VisionTower(_pretrained(weights.folder, dtype))
    architecture = SiglipVisionConfig(
        hidden_size=weights.hidden_size,
        intermediate_size=weights.intermediate_size,
        num_hidden_layers=weights.num_hidden_layers,
        num_attention_heads=weights.num_attention_heads,
        image_size=weights.tile_size,
        patch_size=weights.patch_size,
        vision_use_head=False,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(weights.seed)
        siglip = SiglipVisionModel(architecture)
    siglip.embeddings.patch_embedding.weight.data.mul_(weights.patch_gain)
    return VisionTower(siglip.to(dtype))
