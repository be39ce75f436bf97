"""S2: one frozen tower sees an image at several scales, tile by tile (arXiv 2403.13043, bfshi/scaling_on_scales).

Each scale is cut into tiles of the size the tower was trained on, the tiles' features are put back in place, pooled to
the grid of a single tile, and joined along the channels. So the number of vision tokens stays that of one tile.
"""

# Shape suffixes: B = images, S = scales, T = vision tokens per image, V = tower width, N = tiles, H/W = pixels,
# G = side of one tile's patch grid.

from collections.abc import Callable, Sequence

import torch
from torch.nn import functional as F

Encode = Callable[[torch.Tensor], torch.Tensor]
"""Tiles ``[N, 3, tile, tile]`` to patch features ``[N, G*G, V]``."""


def multiscale_features(
    encode: Encode, images_B3HW: torch.Tensor, *, sides: Sequence[int], tile_size: int
) -> torch.Tensor:
    """Features of square images at every scale, ``[B, S, T, V]``, T being the patches of one tile.

    Args:
        encode: the vision tower.
        images_B3HW: normalised square images.
        sides: side of the image at each scale, in pixels; a multiple of ``tile_size``. The order is the channel order.
        tile_size: side of the tower's input, in pixels.

    Raises:
        ValueError: a side is not a multiple of the tile size, or the tower's tokens are not a square grid.
    """
    for side in sides:
        if side % tile_size:
            raise ValueError(f"a scale of {side} pixels is not a multiple of tile_size={tile_size}")
    per_scale = [_scale_features(encode, _resized(images_B3HW, side), tile_size=tile_size) for side in sides]
    return torch.stack(per_scale, dim=1)


def join_scales(features_BSTV: torch.Tensor) -> torch.Tensor:
    """The channels of all scales side by side: ``[B, T, S * V]``."""
    B, S, T, V = features_BSTV.shape
    return features_BSTV.permute(0, 2, 1, 3).reshape(B, T, S * V)


def _resized(images_B3HW: torch.Tensor, side: int) -> torch.Tensor:
    """Bicubic in float32, without antialiasing, as S2-Wrapper does it."""
    if images_B3HW.shape[-1] == side:
        return images_B3HW
    resized = F.interpolate(images_B3HW.float(), size=(side, side), mode="bicubic", align_corners=False)
    return resized.to(images_B3HW.dtype)


def _scale_features(encode: Encode, images_B3HW: torch.Tensor, *, tile_size: int) -> torch.Tensor:
    """One scale's features on the grid of one tile, ``[B, T, V]``."""
    B, channels, side, _ = images_B3HW.shape
    n = side // tile_size
    tiles = images_B3HW.reshape(B, channels, n, tile_size, n, tile_size).permute(0, 2, 4, 1, 3, 5)
    features = encode(tiles.reshape(B * n * n, channels, tile_size, tile_size))
    grid = round(features.shape[1] ** 0.5)
    if grid * grid != features.shape[1]:
        raise ValueError(f"the tower returned {features.shape[1]} tokens, which is not a square grid of patches")
    if n == 1:
        return features
    V = features.shape[-1]
    merged = features.reshape(B, n, n, grid, grid, V).permute(0, 5, 1, 3, 2, 4).reshape(B, V, n * grid, n * grid)
    pooled = F.interpolate(merged.float(), size=(grid, grid), mode="area").to(features.dtype)
    return pooled.flatten(2).transpose(1, 2)
