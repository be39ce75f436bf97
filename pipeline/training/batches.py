"""Training batches: samples with their labels and features, read ahead of the device."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch.nn.utils.rnn import pad_sequence

from model.conversation import IGNORED_LABEL, IMAGE_TOKEN_ID
from model.vlm import expand_image
from pipeline.features.sources import NO_IMAGES, FeatureSource
from pipeline.training.samples import TrainingSample


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
