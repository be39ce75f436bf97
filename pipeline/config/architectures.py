"""Sizes of models on the Hub that are known without asking it."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from model.config import HubFolder, LlavaJpWeights, LlmWeights, RandomLlm, RandomVisionTower, TowerWeights

ARCHITECTURES_FILE = "architectures.yaml"


@cache
def known_architectures() -> Mapping[str, Mapping[str, Any]]:
    """The fields of ``config.json`` that say a model's size, by its name on the Hub."""
    loaded = yaml.safe_load((files("pipeline.config") / ARCHITECTURES_FILE).read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def known_architecture(weights: LlmWeights | TowerWeights) -> Mapping[str, Any] | None:
    """Of one model, or None when they have to be read from its ``config.json``."""
    where = weights.source if isinstance(weights, LlavaJpWeights) else weights
    return known_architectures().get(where.id) if isinstance(where, HubFolder) else None


def longest_sequence(weights: LlmWeights) -> int | None:
    """Positions that an LLM has, where that is known without asking."""
    if isinstance(weights, RandomLlm):
        return weights.max_position_embeddings
    known = known_architecture(weights) or {}
    return known.get("max_position_embeddings") or known.get("n_positions")


def tile_size(weights: TowerWeights) -> int | None:
    """Side of a vision tower's tiles in pixels, where that is known without asking."""
    if isinstance(weights, RandomVisionTower):
        return weights.tile_size
    return (known_architecture(weights) or {}).get("image_size")
