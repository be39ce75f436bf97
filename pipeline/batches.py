"""Training batches: samples with their labels and features, in an order that depends on the seed and nothing else.

The order, the global batches and what each supervised token weighs are the same for any number of processes.
"""

import random
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedTokenizerBase

from model.config import TemplateName
from model.conversation import IGNORED_LABEL, IMAGE_TOKEN_ID, Encoded, Exchange, encode_conversation
from model.vlm import expand_image
from pipeline.features.sources import NO_IMAGES, FeatureSource
from pipeline.samples import exchanges_of


@dataclass(frozen=True, slots=True)
class TrainingSample:
    """A tokenised conversation and the image it is about, if any."""

    sample_id: str
    encoded: Encoded
    image_sha256: str | None


@dataclass(frozen=True, slots=True)
class TrainingSamples:
    """What can be trained on, and how much of the accepted data cannot."""

    samples: tuple[TrainingSample, ...]
    num_without_features: int
    num_too_long: int
    num_shortened: int


@dataclass(frozen=True, slots=True)
class Batch:
    """One forward pass. Vision tokens are expanded in ``input_ids``."""

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    labels: torch.Tensor
    images: torch.Tensor
    """What ``FeatureSource.on_device`` makes the features from, in image order; empty without images."""

    @property
    def num_supervised_tokens(self) -> int:
        """Labels that the loss counts; the first position of a row has nothing before it to be predicted from."""
        return int((self.labels[:, 1:] != IGNORED_LABEL).sum())


def load_samples(
    samples_file: Path,
    accepted_file: Path,
    *,
    features: FeatureSource,
    tokenizer: PreTrainedTokenizerBase,
    template: TemplateName,
    max_length: int,
) -> TrainingSamples:
    """The accepted samples, tokenised. What does not fit is cut after a whole answer, or counted and left out."""
    accepted = set(pq.read_table(accepted_file).column("sample_id").to_pylist())
    ready: list[TrainingSample] = []
    num_without_features = num_too_long = num_shortened = 0
    for row in pq.read_table(samples_file, columns=["sample_id", "image_sha256", "turns"]).to_pylist():
        if row["sample_id"] not in accepted:
            continue
        image = row["image_sha256"]
        if image is not None and image not in features:
            num_without_features += 1
            continue
        exchanges = exchanges_of(row["turns"])
        room = max_length - (features.num_vision_tokens - 1 if image else 0)
        encoded, num_kept = _fitted(exchanges, image is not None, template, tokenizer, room)
        if encoded is None or not encoded.num_supervised:
            num_too_long += 1
            continue
        num_shortened += num_kept < len(exchanges)
        ready.append(TrainingSample(row["sample_id"], encoded, image))
    return TrainingSamples(tuple(ready), num_without_features, num_too_long, num_shortened)


def _fitted(
    exchanges: list[Exchange],
    has_image: bool,
    template: TemplateName,
    tokenizer: PreTrainedTokenizerBase,
    room: int,
) -> tuple[Encoded | None, int]:
    for num_kept in range(len(exchanges), 0, -1):
        encoded = encode_conversation(exchanges[:num_kept], has_image=has_image, template=template, tokenizer=tokenizer)
        if len(encoded.input_ids) <= room:
            return encoded, num_kept
    return None, 0


def global_batches(num_samples: int, *, batch_size: int, num_epochs: int, seed: int) -> list[list[int]]:
    """Indices of the samples of every optimizer step. Each epoch has its own order; its last batch may be smaller."""
    batches = []
    for epoch in range(num_epochs):
        order = list(range(num_samples))
        random.Random(f"{seed}/{epoch}").shuffle(order)
        batches += [order[start : start + batch_size] for start in range(0, num_samples, batch_size)]
    return batches


def num_micro_batches(*, global_batch_size: int, micro_batch_size: int, num_processes: int) -> int:
    """Forward passes of each process per optimizer step (gradient accumulation)."""
    return -(-global_batch_size // (micro_batch_size * num_processes))


def micro_batches(batch: Sequence[int], *, count: int, rank: int, num_processes: int) -> list[list[int]]:
    """This process's part of a global batch in exactly ``count`` pieces of nearly equal size, some perhaps empty."""
    own = list(batch[rank::num_processes])
    bounds = [round(index * len(own) / count) for index in range(count + 1)]
    return [own[start:end] for start, end in pairwise(bounds)]


def collate(samples: Sequence[TrainingSample], *, features: FeatureSource) -> Batch:
    """Pad on the right. No samples make a batch of one unsupervised token, so that every process takes part."""
    if not samples:
        one = torch.zeros(1, 1, dtype=torch.long)
        return Batch(one, torch.ones_like(one), torch.full_like(one, IGNORED_LABEL), NO_IMAGES)
    ids, labels = [], []
    for sample in samples:
        sample_ids = torch.tensor(sample.encoded.input_ids)
        repeats = torch.where(sample_ids == IMAGE_TOKEN_ID, features.num_vision_tokens, 1)
        ids.append(expand_image(sample_ids, features.num_vision_tokens))
        labels.append(torch.tensor(sample.encoded.labels).repeat_interleave(repeats))
    images = [sample.image_sha256 for sample in samples if sample.image_sha256 is not None]
    return Batch(
        input_ids=pad_sequence(ids, batch_first=True, padding_value=0),
        attention_mask=pad_sequence([torch.ones_like(row) for row in ids], batch_first=True, padding_value=0),
        labels=pad_sequence(labels, batch_first=True, padding_value=IGNORED_LABEL),
        images=features.load(images) if images else NO_IMAGES,
    )


STEPS_AHEAD = 2
"""Optimizer steps whose batches are read while one is computed."""


def batches_ahead(
    plan: Sequence[Sequence[Sequence[int]]], samples: Sequence[TrainingSample], features: FeatureSource
) -> Iterator[list[Batch]]:
    """The micro-batches of each optimizer step; those of the next steps are read while this one is computed."""

    def load(pieces: Sequence[Sequence[int]]) -> list[Batch]:
        return [collate([samples[index] for index in piece], features=features) for piece in pieces]

    with ThreadPoolExecutor(STEPS_AHEAD) as pool:
        ahead = deque(pool.submit(load, pieces) for pieces in plan[:STEPS_AHEAD])
        for number in range(len(plan)):
            current = ahead.popleft().result()
            ahead.extend(pool.submit(load, pieces) for pieces in plan[number + STEPS_AHEAD : number + STEPS_AHEAD + 1])
            yield current
