"""Rows with the statistics of ViT features, for storages whose speed or size depends on what they hold.

A few channels are 20 to 60 times as large as the others, neighbouring tokens are alike, and no two rows are the same.
"""

import numpy as np
import numpy.typing as npt
import torch

from tests.benchmarks.cache_contender import RowShape

SHAPE: RowShape = (2, 729, 1152)
"""One image of v1.1: 3,359,232 bytes."""
OUTLIERS_PER_CHANNEL = 24 / 2304
COARSE_TOKENS = 36
"""Independent vectors an image's tokens are mixed from."""


def feature_rows(num_rows: int, *, shape: RowShape = SHAPE, seed: int = 0) -> npt.NDArray[np.uint16]:
    """Rows ``[N, S, T, V]``: bfloat16 values as uint16."""
    random = np.random.default_rng(seed)
    num_scales, num_tokens, width = shape
    channels = (num_scales, 1, width)
    scale_S1V = random.lognormal(0, 0.3, channels).astype(np.float32)
    outliers = random.choice(
        num_scales * width, max(1, round(num_scales * width * OUTLIERS_PER_CHANNEL)), replace=False
    )
    scale_S1V.reshape(-1)[outliers] *= random.uniform(20, 60, len(outliers)).astype(np.float32)
    mean_S1V = random.standard_normal(channels, np.float32)
    mixture_TK = random.dirichlet(np.full(COARSE_TOKENS, 0.3), num_tokens).astype(np.float32)
    rows = np.empty((num_rows, *shape), np.uint16)
    for row in rows:
        coarse_SKV = random.standard_normal((num_scales, COARSE_TOKENS, width), np.float32)
        values_STV = random.standard_normal(shape, np.float32)
        values_STV *= 0.4
        values_STV += mixture_TK @ coarse_SKV + mean_S1V
        values_STV *= scale_S1V
        row[:] = torch.from_numpy(values_STV).bfloat16().view(torch.uint16).numpy()
    return rows
