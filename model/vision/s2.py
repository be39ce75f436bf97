"""S2: one frozen tower sees an image at several scales, tile by tile (arXiv 2403.13043, bfshi/scaling_on_scales).

Each scale is cut into tiles of the size the tower was trained on, the tiles' features are put back in place, pooled to
the grid of a single tile, and joined along the channels. So the number of vision tokens stays that of one tile.
"""

# Shape suffixes: B = images, S = scales, T = vision tokens per image, V = tower width, N = tiles, H/W = pixels.

from collections.abc import Callable, Sequence
from math import isqrt

import torch
from torch.nn import functional as F

Encode = Callable[[torch.Tensor], torch.Tensor]
"""Tiles ``[N, 3, tile, tile]`` to patch features ``[N, T, V]``."""


def multiscale_features(
    encode: Encode, images_B3HW: torch.Tensor, *, sides: Sequence[int], tile_size: int, grid: tuple[int, int]
) -> torch.Tensor:
    """Features of square images at every scale, ``[B, S, T, V]``, T being the patches of one tile.

    Args:
        encode: the vision tower; it gets the tiles of all scales in one call.
        images_B3HW: normalised square images, float32.
        sides: side of the image at each scale, in pixels; a multiple of ``tile_size``. The order is the channel order.
        tile_size: side of the tower's input, in pixels.
        grid: rows and columns in which one tile's patches are laid out; their product is T.

    Raises:
        ValueError: a side is not a multiple of the tile size, or the tower's tokens do not fill the grid.
    """
    for side in sides:
        if side % tile_size:
            raise ValueError(f"a scale of {side} pixels is not a multiple of tile_size={tile_size}")
    B = images_B3HW.shape[0]
    tiles = [_tiles(_resized(images_B3HW, side), tile_size) for side in sides]
    features_NTV = encode(torch.cat(tiles))
    if features_NTV.shape[1] != grid[0] * grid[1]:
        raise ValueError(f"the tower returned {features_NTV.shape[1]} tokens, which is not a grid of {grid}")
    per_scale = torch.split(features_NTV, [len(part) for part in tiles])
    return torch.stack([_merged(part, B, grid) for part in per_scale], dim=1)


def square_grid(num_patches: int) -> tuple[int, int]:
    """Rows and columns of a square tile's patches.

    Raises:
        ValueError: the number is not a square.
    """
    side = isqrt(num_patches)
    if side * side != num_patches:
        raise ValueError(f"the tower returned {num_patches} tokens, which is not a square grid of patches")
    return side, side


def published_grid(num_tokens: int) -> tuple[int, int]:
    """Rows and columns that LLaVA-JP v1.1 takes its tokens for: 728 become 26 x 28.

    LLaVA-JP drops SigLIP's first patch as if it were a class token, and then computes the grid from what is left
    (tosiyuki/LLaVA-JP, llava/s2wrapper/core.py). Patches land in wrong places; the published weights were trained so.
    """
    height = isqrt(num_tokens)
    return height, num_tokens // height


def join_scales(features_BSTV: torch.Tensor) -> torch.Tensor:
    """The channels of all scales side by side: ``[B, T, S * V]``."""
    B, S, T, V = features_BSTV.shape
    return features_BSTV.permute(0, 2, 1, 3).reshape(B, T, S * V)


def _resized(images_B3HW: torch.Tensor, side: int) -> torch.Tensor:
    """Bicubic in float32, without antialiasing, as S2-Wrapper does it."""
    if images_B3HW.shape[-1] == side:
        return images_B3HW
    return F.interpolate(images_B3HW.float(), size=(side, side), mode="bicubic", align_corners=False)


def _tiles(images_B3HW: torch.Tensor, tile_size: int) -> torch.Tensor:
    """Tiles of every image row by row, ``[B * n * n, 3, tile, tile]``."""
    B, channels, side, _ = images_B3HW.shape
    n = side // tile_size
    tiles = images_B3HW.reshape(B, channels, n, tile_size, n, tile_size).permute(0, 2, 4, 1, 3, 5)
    return tiles.reshape(B * n * n, channels, tile_size, tile_size)


def _merged(features_NTV: torch.Tensor, B: int, grid: tuple[int, int]) -> torch.Tensor:
    """One scale's tiles put back in place and pooled to the grid of one tile, ``[B, T, V]``."""
    n = isqrt(len(features_NTV) // B)
    if n == 1:
        return features_NTV
    (rows, columns), V = grid, features_NTV.shape[-1]
    in_place = features_NTV.reshape(B, n, n, rows, columns, V).permute(0, 5, 1, 3, 2, 4)
    merged = in_place.reshape(B, V, n * rows, n * columns)
    pooled = F.interpolate(merged.float(), size=grid, mode="area").to(features_NTV.dtype)
    return pooled.flatten(2).transpose(1, 2)
