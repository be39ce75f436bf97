"""Losses that are not as they should be: spikes are noted, and what is no number stops the training.

A spike is a loss above the median of the last ``WINDOW`` optimizer steps by more than ``DEVIATIONS`` standard
deviations, which are estimated from the median absolute deviation, so that earlier spikes do not hide later ones.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from pipeline.errors import TrainingError
from pipeline.training.checkpoint_folder import whole_checkpoints

WINDOW = 100
FEWEST = 20
"""Optimizer steps before which nothing is called a spike."""
DEVIATIONS = 6.0
DEVIATION_PER_MAD = 1.4826
"""Of a normal distribution."""
SMALLEST_DEVIATION = 0.01
"""Of the median: a constant loss has no deviation of its own."""


def spike_limit(earlier: Sequence[float]) -> float:
    """The loss above which the next one is a spike; infinite in the beginning."""
    window = earlier[-WINDOW:]
    if len(window) < FEWEST:
        return math.inf
    middle = median(window)
    deviation = DEVIATION_PER_MAD * median(abs(loss - middle) for loss in window)
    return middle + DEVIATIONS * max(deviation, SMALLEST_DEVIATION * abs(middle))


class SpikeWatch:
    """Finds the spikes of a training; those of an earlier run come back from its metrics."""

    def __init__(self, samples_of: Callable[[int], Sequence[str]]) -> None:
        self._samples_of = samples_of
        """Ids of the samples of an optimizer step."""
        self._losses: list[float] = []
        self.spikes: list[dict[str, Any]] = []

    def take(self, row: dict[str, float]) -> dict[str, Any] | None:
        """Look at the next optimizer step; its row of the table if its loss is a spike."""
        limit = spike_limit(self._losses)
        self._losses = [*self._losses[-WINDOW:], row["loss"]]
        if row["loss"] <= limit:
            return None
        optimizer_step = int(row["optimizer_step"])
        spike = {
            "optimizer_step": optimizer_step,
            "loss": row["loss"],
            "limit": limit,
            "gradient_norm": row["gradient_norm"],
            "samples": ", ".join(self._samples_of(optimizer_step)),
        }
        self.spikes.append(spike)
        return spike


def require_finite(value: float, what: str, optimizer_step: int, samples: Sequence[str], checkpoints: Path) -> None:
    """Stop before an optimizer step whose loss or gradient norm is no number gets into a checkpoint.

    Raises:
        TrainingError: with the samples and the checkpoint that the same command goes on from.
    """
    if math.isfinite(value):
        return
    whole = whole_checkpoints(checkpoints)
    start = f"{whole[-1]}" if whole else "the beginning, since there is no whole checkpoint yet"
    raise TrainingError(
        f"the {what} is {value} at optimizer step {optimizer_step}; this step is in no checkpoint. The same command "
        f"goes on from {start} and would come here again: look at the samples, or lower the learning rate. "
        f"the samples were: {', '.join(samples)}"
    )
