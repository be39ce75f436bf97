"""Training batches: samples with their labels and features, padded."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.utils.rnn import pad_sequence

from model.conversation.encode import IGNORED_LABEL, IMAGE_TOKEN_ID
from model.vlm import Places, expand_image, places_of
from pipeline.training.dataset import TrainingSample
from pipeline.training.feature_source import NO_IMAGES, FeatureSource


@dataclass(frozen=True, slots=True)
class Batch:
    """One forward pass, on the host. Vision tokens are expanded in ``input_ids``."""

    input_ids: torch.Tensor
    labels: torch.Tensor
    lengths: torch.Tensor
    """Tokens of every sample, without its padding; the row of a batch without samples is none."""
    places: Places
    images: torch.Tensor
    """What ``FeatureSource.on_device`` makes the features from, in image order; empty without images."""

    @property
    def num_supervised_tokens(self) -> int:
        """Labels that the loss counts; the first position of a row has nothing before it to be predicted from."""
        return len(self.places.targets_K)

    @property
    def num_samples(self) -> int:
        return len(self.lengths)


def collate(samples: Sequence[TrainingSample], *, features: FeatureSource) -> Batch:
    """Pad on the right. No samples make a batch of one unsupervised token, so that every process takes part.

    The parts that go to the device are in pinned memory where there is a GPU.
    """
    if not samples:
        one = torch.zeros(1, dtype=torch.long)
        return _batch([one], [torch.full_like(one, IGNORED_LABEL)], NO_IMAGES, num_samples=0)
    ids, labels = [], []
    for sample in samples:
        sample_ids = torch.tensor(sample.encoded.input_ids)
        repeats = torch.where(sample_ids == IMAGE_TOKEN_ID, features.num_vision_tokens, 1)
        ids.append(expand_image(sample_ids, features.num_vision_tokens))
        labels.append(torch.tensor(sample.encoded.labels).repeat_interleave(repeats))
    images = [image for sample in samples for image in sample.images]
    return _batch(ids, labels, features.load(images) if images else NO_IMAGES, num_samples=len(samples))


def _batch(
    ids: Sequence[torch.Tensor], labels: Sequence[torch.Tensor], images: torch.Tensor, *, num_samples: int
) -> Batch:
    input_ids = pad_sequence(list(ids), batch_first=True, padding_value=0)
    padded_labels = pad_sequence(list(labels), batch_first=True, padding_value=IGNORED_LABEL)
    places = places_of(input_ids, padded_labels)
    return Batch(
        input_ids=_pinned(input_ids),
        labels=padded_labels,
        lengths=torch.tensor([len(row) for row in ids[:num_samples]]),
        places=Places(*map(_pinned, places)),
        images=images,
    )


def _pinned(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.pin_memory() if torch.cuda.is_available() else tensor
