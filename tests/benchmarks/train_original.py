"""The original recipe as ``bench_train`` measures it: LLaVA-JP's scripts in plain PyTorch, without its data loading.

What makes it the original (``scripts/pretrain``, ``scripts/finetune`` and ``train_llava.py`` there):

    - the vision tower runs in the training loop, a call for each S2 scale, all layers, in bfloat16
    - the LLM has float32 weights, also where it is frozen, under bfloat16 autocast; GPT-2's dropout is active
    - gradient checkpointing; GPT-2's own attention (its Transformers, 4.38, has no SDPA for GPT-2)
    - logits of all positions, in float32
    - micro-batch 8 with 4 accumulation steps in pretraining, 1 with 16 in finetuning; padded to the longest
    - AdamW in pretraining, 8-bit AdamW of bitsandbytes in finetuning; gradients clipped to 1

In its favour: images are pixels in memory already, so nothing is decoded.
"""

import importlib.util
import time
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from model.config import Dtype, RandomVisionTower, Stage, VisionTowerConfig
from model.conversation.encode import IGNORED_LABEL, IMAGE_TOKEN_ID
from model.vision.s2 import join_scales
from model.vision.tower import VisionTower, build_vision_tower
from model.vlm import VisionLanguageModel
from pipeline.config.experiment import FeatureConfig
from pipeline.training.dataset import TrainingSample
from tests.benchmarks.bench_encode import plain
from tests.benchmarks.train_shapes import Samples, Shapes

MICRO_BATCH = {"pretrain": 8, "finetune": 1}


class Original:
    """The model and its optimizer on one device."""

    def __init__(self, shapes: Shapes, stage: Stage, device: torch.device, *, attention: str) -> None:
        self.stage, self.device, self.shapes = stage, device, shapes
        tower = VisionTowerConfig(weights=RandomVisionTower(kind="random", **shapes.tower), dtype=_tower_dtype(device))
        self.tower: VisionTower = build_vision_tower(tower).to(device)
        self.images = FeatureConfig(image_size=2 * shapes.tower["tile_size"], scales=(1.0, 0.5))
        llm = shapes.build_llm(device, torch.float32, attention=attention)
        llm.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        self.model = VisionLanguageModel(shapes.projector(device, torch.float32), llm).train()
        llm.requires_grad_(stage == "finetune")
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimizer = _optimizer(trained, stage)
        side = self.images.image_size
        count = MICRO_BATCH[stage]
        self.pixels = torch.randint(256, (count, 3, side, side), dtype=torch.uint8)

    def micro_batch(self, samples: Sequence[TrainingSample]) -> torch.Tensor:
        """Forward and backward pass; the mean loss."""
        num_vision = self.shapes.num_vision_tokens
        rows = [_expanded(sample, num_vision) for sample in samples]
        ids = pad_sequence([ids for ids, _ in rows], batch_first=True).to(self.device)
        labels = pad_sequence([labels for _, labels in rows], batch_first=True, padding_value=IGNORED_LABEL)
        mask = pad_sequence([torch.ones_like(ids) for ids, _ in rows], batch_first=True).to(self.device)
        num_images = sum(len(sample.images) for sample in samples)
        features = torch.zeros(0, 0, 0, device=self.device)
        if num_images:
            features = join_scales(plain(self.tower, self.pixels[:num_images].to(self.device), self.images))
        with torch.autocast(self.device.type, torch.bfloat16):
            embeddings = self.model.embed(ids, features)
            logits = self.model.llm(inputs_embeds=embeddings, attention_mask=mask).logits.float()
            targets = labels.to(self.device)[:, 1:].flatten()
            loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), targets, ignore_index=IGNORED_LABEL)
        loss.backward()
        return loss.detach()

    def step(self, samples: Samples, batch: Sequence[int]) -> float:
        size = MICRO_BATCH[self.stage]
        pieces = [batch[start : start + size] for start in range(0, len(batch), size)]
        losses = [self.micro_batch([samples[index] for index in piece]) for piece in pieces]
        for parameter in self.model.parameters():
            if parameter.grad is not None:
                parameter.grad /= len(pieces)
        nn.utils.clip_grad_norm_([p for p in self.model.parameters() if p.requires_grad], 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return float(torch.stack(losses).mean())


def seconds_of(original: Original, samples: Samples, plan: Sequence[Sequence[int]], *, warmup_steps: int) -> float:
    """Of the optimizer steps after the first ones."""
    began = time.perf_counter()
    for number, batch in enumerate(plan):
        if number == warmup_steps:
            began = time.perf_counter()
        original.step(samples, batch)  # reads the loss, so the device is done
    return time.perf_counter() - began


def _tower_dtype(device: torch.device) -> Dtype:
    """CPUs without bfloat16 of their own take seconds for a convolution in it."""
    return "bfloat16" if device.type == "cuda" else "float32"


def has_eight_bit(device: torch.device) -> bool:
    return device.type == "cuda" and importlib.util.find_spec("bitsandbytes") is not None


def _optimizer(trained: list[nn.Parameter], stage: Stage) -> torch.optim.Optimizer:
    rate = 1e-3 if stage == "pretrain" else 2e-5
    if stage == "finetune" and has_eight_bit(trained[0].device):
        from bitsandbytes.optim import AdamW

        eight_bit: torch.optim.Optimizer = AdamW(trained, lr=rate, weight_decay=0.0, optim_bits=8)
        return eight_bit
    return torch.optim.AdamW(trained, lr=rate, weight_decay=0.0)


def _expanded(sample: TrainingSample, num_vision: int) -> tuple[torch.Tensor, torch.Tensor]:
    ids, labels = torch.tensor(sample.encoded.input_ids), torch.tensor(sample.encoded.labels)
    repeats = torch.where(ids == IMAGE_TOKEN_ID, num_vision, 1)
    return ids.repeat_interleave(repeats), labels.repeat_interleave(repeats)
