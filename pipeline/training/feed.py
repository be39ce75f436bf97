"""From the host to the device: a batch is copied beside the computation of the one before it."""

from collections.abc import Iterator, Sequence

import torch

from pipeline.features.sources import FeatureSource
from pipeline.training.batches import Batch

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
