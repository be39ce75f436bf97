"""Training batches: samples with their labels and features, read ahead of the device."""

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
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
    images = [sample.image_sha256 for sample in samples if sample.image_sha256 is not None]
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


STEPS_AHEAD = 2
"""Optimizer steps whose batches are read while one is computed. With those of the one they are all that is in memory:
three times this process's part of a global batch."""


def batches_ahead(
    plan: Sequence[Sequence[Sequence[int]]], samples: Sequence[TrainingSample], features: FeatureSource
) -> Generator[list[Batch], None, None]:
    """The micro-batches of each optimizer step; those of the next steps are read while this one is computed.

    What goes wrong while reading is raised where the step's turn comes. When the iteration is given up, what has not
    been begun is not read any more.
    """

    def load(pieces: Sequence[Sequence[int]]) -> list[Batch]:
        return [collate([samples[index] for index in piece], features=features) for piece in pieces]

    pool = ThreadPoolExecutor(STEPS_AHEAD, thread_name_prefix="batches")
    waiting: deque[Future[list[Batch]]] = deque()
    try:
        for number in range(len(plan) + STEPS_AHEAD):
            if number < len(plan):
                waiting.append(pool.submit(load, plan[number]))
            if number >= STEPS_AHEAD:
                yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


ModelInput = tuple[torch.Tensor, ...]
"""What ``VisionLanguageModel.forward`` takes, in its order, on the device: token ids, places, features."""


class Feed:
    """Copies batches to the device of one process.

    On a GPU a stream of its own copies from pinned memory while the current stream still computes what was launched
    before; nothing waits for anything but the computation for its own batch. The features become numbers on the device,
    from the bytes as they are stored.
    """

    def __init__(self, features: FeatureSource, device: torch.device) -> None:
        self.features = features
        self._device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]

    def inputs(self, batches: Sequence[Batch]) -> Iterator[ModelInput]:
        """The batches one after the other; each is copied when it is asked for."""
        for batch in batches:
            parts = self._copied([batch.input_ids, *batch.places, batch.images])
            features = self.features.on_device(parts.pop(), self._device)
            yield (*parts, features)

    def _copied(self, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        if self._stream is None:
            return [tensor.to(self._device) for tensor in tensors]
        with torch.cuda.stream(self._stream):
            copies = [tensor.to(self._device, non_blocking=True) for tensor in tensors]
        computing = torch.cuda.current_stream(self._device)
        computing.wait_stream(self._stream)
        for copy in copies:
            copy.record_stream(computing)  # its memory is not given away before the computation is done with it
        return copies
