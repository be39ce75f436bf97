"""The forms in which features are stored, and how they become features again on the device that trains.

A payload is one image's features at one S2 scale, always of the same length:

    exact       the tower's numbers, token after token
    exact-zstd  the same bytes, all low bytes before all high bytes (that is what compresses); Parquet compresses them
    int8        a float32 scale per token, then one signed byte per channel; each channel divided by its RMS first

The channel RMS of ``int8`` comes from a calibration (``pipeline.features.calibration``). Without it a few outlier
channels would own every token's scale, and the others lose 14 % instead of 0.9 % (LLM.int8(), arXiv 2208.07339,
describes them).
"""

# Shape suffixes: B = images, S = S2 scales, T = vision tokens, V = tower width, P = bytes of a payload.

from dataclasses import asdict, dataclass
from typing import Any, Self

import torch

from model.config import Dtype
from pipeline.config.experiment import StorageFormat

INT8_MAX = 127


@dataclass(frozen=True, slots=True)
class FeatureShape:
    """What the payloads of an encoder hold."""

    sides: tuple[int, ...]
    """Side of the image at each S2 scale, in pixels, in channel order."""
    num_tokens: int
    width: int
    dtype: Dtype
    form: StorageFormat

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Read what ``to_json`` made."""
        return cls(**{**values, "sides": tuple(values["sides"])})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def num_scales(self) -> int:
        return len(self.sides)

    @property
    def num_channels(self) -> int:
        """Channels per vision token, all scales side by side."""
        return self.num_scales * self.width

    @property
    def item_bytes(self) -> int:
        """Bytes of one number as the tower makes it."""
        return 4 if self.dtype == "float32" else 2

    @property
    def payload_bytes(self) -> int:
        """Bytes of one payload before Parquet compresses it."""
        if self.form == "int8":
            return self.num_tokens * (4 + self.width)
        return self.num_tokens * self.width * self.item_bytes

    @property
    def image_bytes(self) -> int:
        """Bytes of one image's payloads, all scales, before Parquet compresses them."""
        return self.num_scales * self.payload_bytes

    @property
    def columns(self) -> tuple[str, ...]:
        """The Parquet column of each scale."""
        return tuple(f"features_{side}" for side in self.sides)


def pack(features_BSTV: torch.Tensor, shape: FeatureShape, channel_rms_SV: torch.Tensor | None) -> torch.Tensor:
    """Features as payloads, uint8 ``[B, S, P]``, on the device where they are."""
    if shape.form == "int8":
        return _quantised(features_BSTV, _required(channel_rms_SV))
    bytes_BSP = features_BSTV.contiguous().flatten(2).view(torch.uint8)
    if shape.form == "exact":
        return bytes_BSP
    B, S, _ = bytes_BSP.shape
    return bytes_BSP.reshape(B, S, -1, shape.item_bytes).transpose(2, 3).reshape(B, S, -1)


def unpack(payloads_BSP: torch.Tensor, shape: FeatureShape, channel_rms_SV: torch.Tensor | None) -> torch.Tensor:
    """The features ``[B, S, T, V]`` in the tower's number format, on the device where the payloads are.

    May share memory with the payloads. ``int8`` gives each number within half a step of its token's scale.
    """
    B, S, _ = payloads_BSP.shape
    dtype = getattr(torch, shape.dtype)
    if shape.form == "int8":
        split = 4 * shape.num_tokens
        scales_BST1 = (
            payloads_BSP[..., :split].clone(memory_format=torch.contiguous_format).view(torch.float32)[..., None]
        )
        steps = payloads_BSP[..., split:].view(torch.int8).reshape(B, S, shape.num_tokens, shape.width)
        rms_S1V = _required(channel_rms_SV).to(payloads_BSP.device)[:, None]
        return (steps * scales_BST1 * rms_S1V).to(dtype)
    if shape.form == "exact-zstd":
        planes = payloads_BSP.reshape(B, S, shape.item_bytes, -1)
        payloads_BSP = planes.transpose(2, 3).reshape(B, S, -1)
    return payloads_BSP.view(dtype).reshape(B, S, shape.num_tokens, shape.width)


def _quantised(features_BSTV: torch.Tensor, channel_rms_SV: torch.Tensor) -> torch.Tensor:
    even_BSTV = features_BSTV.float() / channel_rms_SV.to(features_BSTV.device)[:, None]
    largest_BST1 = even_BSTV.abs().amax(dim=-1, keepdim=True)
    scales_BST1 = torch.where(largest_BST1 == 0, 1.0, largest_BST1 / INT8_MAX)
    steps = (even_BSTV / scales_BST1).round().clamp(-INT8_MAX, INT8_MAX).to(torch.int8)
    return torch.cat([scales_BST1.flatten(2).view(torch.uint8), steps.flatten(2).view(torch.uint8)], dim=-1)


def _required(channel_rms_SV: torch.Tensor | None) -> torch.Tensor:
    if channel_rms_SV is None:
        raise ValueError("int8 features need the channel RMS of their calibration")
    return channel_rms_SV
