"""Models small enough to run in milliseconds, built by the same functions as the large ones."""

import torch

from model.config import BundledTokenizer, ImageConfig, LlmConfig, RandomLlm, RandomVisionTower, VisionTowerConfig
from model.disk.checkpoint import CheckpointConfig, LoadedModel
from model.language_model import build_llm, load_tokenizer
from model.projector import Projector
from model.vision.tower import build_vision_tower
from model.vlm import VisionLanguageModel
from pipeline.config.experiment import TOKENIZER_FOLDER

FAMILIES = ("gpt2", "gpt_neox", "llama")
VISION_WIDTH = 6


def tower_config(*, seed: int = 0, dtype: str = "float32", **changes: object) -> VisionTowerConfig:
    """Tiles of 16 pixels with four patches of 8."""
    weights = {
        "kind": "random",
        "seed": seed,
        "tile_size": 16,
        "patch_size": 8,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        **changes,
    }
    return VisionTowerConfig(weights=RandomVisionTower.model_validate(weights), dtype=dtype)


def llm_config(family: str, *, seed: int = 0, width: int = 32) -> LlmConfig:
    """Two layers over the bundled tokenizer; weights large enough to give different answers."""
    weights = RandomLlm(
        kind="random",
        seed=seed,
        model_type=family,
        hidden_size=width,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=128,
        initializer_range=0.3,
    )
    return LlmConfig(weights=weights, tokenizer=BundledTokenizer(kind="bundled", name="shapes-ja"))


def build_tokenizer():
    """The bundled tokenizer."""
    return load_tokenizer(llm_config("llama"), bundled=TOKENIZER_FOLDER)


def build_vlm(family: str, *, vision_width: int = VISION_WIDTH, width: int = 32) -> VisionLanguageModel:
    """A projector and an LLM with fixed random weights, not dropping anything out."""
    llm = build_llm(llm_config(family, width=width), build_tokenizer())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        projector = Projector(vision_width, width)
    return VisionLanguageModel(projector, llm).eval()


def build_model(family: str) -> LoadedModel:
    """Everything that answering a question needs, with S2 at 32 and 16 pixels."""
    config = CheckpointConfig(
        images=ImageConfig(image_size=32, scales=(1.0, 0.5)), template="v1", vision_dtype="float32"
    )
    tower = build_vision_tower(tower_config())
    return LoadedModel(config, tower, build_vlm(family, vision_width=2 * tower.width), build_tokenizer())
