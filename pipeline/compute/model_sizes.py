"""Sizes of models from their configuration alone, and the speed of this machine."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]
from transformers import AutoConfig, PreTrainedConfig

from model.config import (
    GridLayout,
    HubFolder,
    LlavaJpWeights,
    LlmConfig,
    LocalFolder,
    RandomLlm,
    RandomVisionTower,
    VisionTowerConfig,
)
from model.config_limits import require_possible_sizes
from model.disk.published import load_published_llm
from model.foreign_code import require_no_code
from model.hub import guard_hub_answers
from model.language_model import llava_jp_folder, load_tokenizer, random_llm_config
from model.vision.tower import model_class_of, tile_size_of
from model.whole_files import ModelFolderError
from pipeline.config.architectures import known_architecture
from pipeline.config.experiment import TOKENIZER_FOLDER
from pipeline.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Tower:
    """Sizes of a vision tower."""

    num_patches: int
    tile_size: int
    width: int
    num_parameters: int
    num_layers: int
    parameters_per_layer: int
    num_class_tokens: int

    def num_tokens(self, layout: GridLayout) -> int:
        """Vision tokens of an image; the published layout drops the first patch where there is no class token."""
        return self.num_patches - (1 - self.num_class_tokens if layout == "llava-jp-v1.1" else 0)

    @property
    def flops_per_tile(self) -> float:
        """Two for each parameter and token of all layers but the last, and the two products of attention."""
        num_tokens = self.num_patches + self.num_class_tokens
        per_layer = 2.0 * self.parameters_per_layer * num_tokens + 4.0 * num_tokens**2 * self.width
        return (self.num_layers - 1) * per_layer


def tower_sizes(config: VisionTowerConfig) -> Tower:
    """Sizes from the configuration alone; no weights are loaded."""
    weights = config.weights
    if isinstance(weights, RandomVisionTower):
        sizes: dict[str, Any] = weights.model_dump()
        side, patch, family = weights.tile_size, weights.patch_size, weights.model_type
    else:
        loaded = _vision_config(weights)
        sizes, side, patch, family = loaded.to_dict(), tile_size_of(loaded), loaded.patch_size, loaded.model_type
    width, inner, layers = sizes["hidden_size"], sizes["intermediate_size"], sizes["num_hidden_layers"]
    num_patches = (side // patch) ** 2
    per_layer = 4 * width * (width + 1) + 2 * width * inner + width + inner + 4 * width
    num_parameters = layers * per_layer + num_patches * width + 3 * patch * patch * width + width
    return Tower(num_patches, side, width, num_parameters, layers, per_layer, int(family.startswith("clip")))


def _vision_config(weights: HubFolder | LocalFolder) -> Any:
    if known := known_architecture(weights):
        return AutoConfig.for_model(**known)
    with explained_loading(weights):
        _require_possible_sizes(weights)
        if isinstance(weights, HubFolder):
            guard_hub_answers()
            loaded = AutoConfig.from_pretrained(weights.id, revision=weights.revision, trust_remote_code=False)
        else:
            require_no_code(weights.folder)
            loaded = AutoConfig.from_pretrained(weights.folder, trust_remote_code=False)
        model_class_of(loaded, weights.id if isinstance(weights, HubFolder) else weights.folder)
    return getattr(loaded, "vision_config", loaded)


def _require_possible_sizes(weights: HubFolder | LocalFolder) -> None:
    if isinstance(weights, HubFolder):
        require_possible_sizes(weights.id, revision=weights.revision)
    else:
        require_possible_sizes(weights.folder)


@contextmanager
def explained_loading(weights: object) -> Iterator[None]:
    """An error of Transformers in one line that says what to do.

    Raises:
        ConfigError: in place of the errors that Transformers raises for a wrong name, folder or connection.
    """
    try:
        yield
    except ModelFolderError as error:
        raise ConfigError(str(error)) from error
    except (OSError, ValueError, RecursionError, HTTPError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ConfigError(
            f"{weights} cannot be loaded: {reason} Check id, revision and connection (HF_TOKEN for a gated one), "
            "or fetch it elsewhere and name its folder: {kind: local, folder: ...}"
        ) from error


def llm_architecture(config: LlmConfig) -> PreTrainedConfig:
    """The LLM's architecture; the network is needed only for a model that ``architectures.yaml`` does not list.

    Raises:
        ConfigError: the Hub, the folder or the tokenizer cannot be read.
    """
    weights = config.weights
    with explained_loading(weights):
        if isinstance(weights, RandomLlm):
            return random_llm_config(weights, load_tokenizer(config, bundled=TOKENIZER_FOLDER))
        if known := known_architecture(weights):
            return AutoConfig.for_model(**known)
        if isinstance(weights, LlavaJpWeights):
            return load_published_llm(llava_jp_folder(weights)).config
        _require_possible_sizes(weights)
        if isinstance(weights, HubFolder):
            guard_hub_answers()
            return AutoConfig.from_pretrained(weights.id, revision=weights.revision, trust_remote_code=False)
        require_no_code(weights.folder)
        return AutoConfig.from_pretrained(weights.folder, trust_remote_code=False)


@cache
def matrix_rate() -> float:
    """Floating-point operations per second of a matrix product on this machine's device: the fastest in 0.3 seconds.

    Not their mean, which other programs lower that happen to run.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    side, dtype = (4096, torch.bfloat16) if device.type == "cuda" else (768, torch.float32)
    matrix = torch.rand(side, side, device=device, dtype=dtype)
    float((matrix @ matrix)[0, 0])
    fastest, started = math.inf, time.monotonic()
    while time.monotonic() - started < 0.3:
        began = time.perf_counter()
        float((matrix @ matrix)[0, 0])
        fastest = min(fastest, time.perf_counter() - began)
    return 2.0 * side**3 / fastest
