"""What ``bench_train`` trains: shapes, samples without meaning, and features in our own shards."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from model.config import Stage
from model.conversation.encode import IGNORED_LABEL, IMAGE_TOKEN_ID, Encoded
from model.projector import Projector
from pipeline.compute.flops import ModelSizes, Trained, sizes_of
from pipeline.config.architectures import known_architectures
from pipeline.config.experiment import ExperimentConfig, StageConfig, load_experiment
from pipeline.planning.memory import MemoryRequest, StageMemory, stage_memory
from pipeline.training.dataset import TrainingSample
from tests.benchmarks import cache_ours
from tests.benchmarks.cache_rows import feature_rows
from tests.benchmarks.sample_lengths import NUM_VISION_TOKENS, Lengths, caption_lengths, conversation_lengths

LLM = "llm-jp/llm-jp-1.3b-v1.0"
TOWER: dict[str, Any] = {
    "tile_size": 384,
    "patch_size": 14,
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
}
TINY_TOWER: dict[str, Any] = {
    "tile_size": 56,
    "patch_size": 14,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
}
TINY_LLM: dict[str, Any] = {
    "model_type": "gpt2",
    "vocab_size": 1000,
    "n_positions": 512,
    "n_embd": 128,
    "n_layer": 4,
    "n_head": 4,
    "n_inner": 512,
}


@dataclass(frozen=True)
class Shapes:
    """Real ones on a GPU, tiny ones without."""

    llm: dict[str, Any]
    tower: dict[str, Any]
    num_images: int
    num_optimizer_steps: int
    warmup_steps: int
    scale_of_lengths: float
    """Tokens for one of ``sample_lengths``."""

    @property
    def num_vision_tokens(self) -> int:
        side: int = self.tower["tile_size"] // self.tower["patch_size"]
        return side**2

    @property
    def num_channels(self) -> int:
        width: int = self.tower["hidden_size"]
        return 2 * width

    def build_llm(self, device: torch.device, dtype: torch.dtype, *, attention: str = "sdpa") -> PreTrainedModel:
        """Random weights, made where they are needed. GPT-2's dropout of 0.1 stays as it is."""
        fields = dict(self.llm)
        config = AutoConfig.for_model(fields.pop("model_type"), **fields, bos_token_id=0, eos_token_id=0)
        config.use_cache = False
        with device:
            return AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation=attention)

    def projector(self, device: torch.device, dtype: torch.dtype) -> Projector:
        return Projector(self.num_channels, self.llm["n_embd"]).to(device, dtype)


REAL = Shapes(dict(known_architectures()[LLM]), TOWER, 512, 12, 3, 1.0)
TINY = Shapes(TINY_LLM, TINY_TOWER, 32, 4, 1, 16 / NUM_VISION_TOKENS)


class Samples(Sequence[TrainingSample]):
    """Random tokens of given lengths; a third of a conversation's text is asked, the rest supervised."""

    def __init__(self, shapes: Shapes, stage: Stage, count: int) -> None:
        lengths = caption_lengths(count) if stage == "pretrain" else conversation_lengths(count)
        self._shapes, self._stage = shapes, stage
        text = np.where(lengths > NUM_VISION_TOKENS, lengths - NUM_VISION_TOKENS, lengths)
        self._has_image = lengths > NUM_VISION_TOKENS
        self._text = text if shapes.scale_of_lengths == 1.0 else (text * shapes.scale_of_lengths).astype(int) + 6
        self.lengths: Lengths = (self._text + self._has_image * shapes.num_vision_tokens).astype(np.int32)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> TrainingSample:  # type: ignore[override]
        length = int(self._text[index])
        words = np.random.default_rng(index).integers(1, self._shapes.llm["vocab_size"], length).tolist()
        asked = 2 if self._stage == "pretrain" else length // 3
        labels = [IGNORED_LABEL] * asked + words[asked:]
        if not self._has_image[index]:
            return TrainingSample(str(index), Encoded(tuple(words), tuple(labels)), ())
        ids = (words[0], IMAGE_TOKEN_ID, *words[1:])
        with_image = Encoded(ids, (IGNORED_LABEL, IGNORED_LABEL, *labels[1:]))
        return TrainingSample(str(index), with_image, (f"{index % self._shapes.num_images:064x}",))


def write_features(folder: Path, shapes: Shapes) -> Path:
    """Shards of bfloat16 features on the disk; returns the features artifact."""
    shape = (2, shapes.num_vision_tokens, shapes.tower["hidden_size"])
    cache_ours.write(folder, feature_rows(shapes.num_images, shape=shape), form="exact")
    (directory,) = (folder / "artifacts" / "features").iterdir()
    return directory


def stage_of(stage: Stage) -> tuple[ExperimentConfig, StageConfig]:
    config = load_experiment("llava-jp-v1.1")
    return config, config.pretrain if stage == "pretrain" else config.finetune


def memory_request(shapes: Shapes, stage: Stage, config: StageConfig) -> MemoryRequest:
    """What ``llava-jp show`` would predict for these shapes."""
    llm = shapes.build_llm(torch.device("meta"), torch.bfloat16)
    projector = sum(one.numel() for one in shapes.projector(torch.device("meta"), torch.bfloat16).parameters())
    sizes: ModelSizes = sizes_of(llm, num_projector=projector)
    finetunes = stage == "finetune"
    numbers = shapes.num_vision_tokens * shapes.num_channels
    return MemoryRequest(
        config=config,
        sizes=sizes,
        trained=Trained(sizes.num_body, sizes.num_head) if finetunes else Trained(),
        num_trained=sizes.num_parameters if finetunes else sizes.num_projector,
        num_trained_embeddings=sizes.num_embeddings if finetunes else 0,
        num_devices=1,
        feature_bytes=2 * numbers,
        feature_numbers=numbers,
    )


def chosen_config(shapes: Shapes, stage: Stage, *, memory_bytes: int) -> tuple[StageConfig, StageMemory]:
    """The article's stage with the largest micro-batch that fits, without recomputing activations if that fits."""
    _, article = stage_of(stage)
    micro_sizes = [size for size in (8, 4, 2, 1) if article.global_batch_size % size == 0]
    for recomputes in (False, True):
        for size in micro_sizes:
            config = article.model_copy(update={"micro_batch_size": size, "gradient_checkpointing": recomputes})
            memory = stage_memory(
                memory_request(shapes, stage, config), zero_stage=0, gradient_checkpointing=recomputes
            )
            if memory.fits(memory_bytes):
                return config, memory
    raise SystemExit(f"{stage} does not fit {memory_bytes / 2**30:.0f} GiB by any micro-batch")
