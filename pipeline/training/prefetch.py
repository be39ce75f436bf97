"""Batches read ahead of the device, and copied to it while it still computes."""

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import torch

from pipeline.training.collate import Batch, collate
from pipeline.training.dataset import TrainingSample
from pipeline.training.feature_source import FeatureSource

STEPS_AHEAD = 2
"""Optimizer steps whose batches are read while one is computed. With those of the one they are all that is in memory:
three times this process's part of a global batch."""


def prefetch(
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


class DevicePrefetcher:
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
