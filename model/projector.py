"""The only new weights of a LLaVA: an MLP from vision features to LLM embeddings."""

# Shape suffixes: B = images, T = vision tokens per image, V = vision width, L = LLM width.

import torch
from torch import nn


class Projector(nn.Module):
    """Two linear layers with an exact GELU between them (``mlp2x_gelu`` in LLaVA).

    Args:
        vision_width: channels per vision token; with S2, the tower's width times the number of scales.
        llm_width: the LLM's embedding size.
    """

    def __init__(self, vision_width: int, llm_width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(vision_width, llm_width), nn.GELU(), nn.Linear(llm_width, llm_width))

    @property
    def vision_width(self) -> int:
        """Channels per vision token that the projector takes."""
        first = self.layers[0]
        assert isinstance(first, nn.Linear)
        return first.in_features

    @property
    def weight(self) -> torch.Tensor:
        """The first layer's weight; it tells the device and the number format."""
        first = self.layers[0]
        assert isinstance(first, nn.Linear)
        return first.weight

    def forward(self, features_BTV: torch.Tensor) -> torch.Tensor:
        """Returns embeddings, ``[B, T, L]``."""
        embeddings_BTL: torch.Tensor = self.layers(features_BTV)
        return embeddings_BTL
