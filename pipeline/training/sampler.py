"""The order of a training's samples and how they are cut into batches: from the seed, the lengths and nothing else.

The order, the global batches and what each supervised token weighs are the same for any number of processes.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Lengths = npt.NDArray[np.integer]
"""Tokens of every sample, vision tokens included."""

BATCHES_SORTED_TOGETHER = 50
"""Global batches whose samples are sorted by length together. More make the lengths in a batch more alike, and the
batches less random (Transformers' ``LengthGroupedSampler``, which LLaVA follows, takes 50 at most)."""


def global_batches(
    num_samples: int, *, batch_size: int, num_epochs: int, seed: int, grouped_by: Lengths | None = None
) -> list[list[int]]:
    """Indices of the samples of every optimizer step. Each epoch has its own order; its last batch may be smaller.

    ``grouped_by``: batches are made of samples of like length, and come in random order. The first of all has the
    longest sample, so that a batch too large for the device is known at once and not after hours.
    """
    batches = []
    for epoch in range(num_epochs):
        generator = random.Random(f"{seed}/{epoch}")
        order = list(range(num_samples))
        generator.shuffle(order)
        if grouped_by is None:
            batches += list(_cut(order, batch_size))
        else:
            batches += _grouped(order, grouped_by, batch_size, generator)
    if grouped_by is not None and batches:
        num_whole = num_samples // batch_size
        longest = max(range(max(1, num_whole)), key=lambda number: max(grouped_by[batches[number]]))
        batches[0], batches[longest] = batches[longest], batches[0]
    return batches


def _grouped(order: list[int], lengths: Lengths, batch_size: int, generator: random.Random) -> list[list[int]]:
    """The samples of some batches sorted by length and cut; the whole batches shuffled, a smaller one last."""
    whole: list[list[int]] = []
    rest: list[list[int]] = []
    for together in _cut(order, batch_size * BATCHES_SORTED_TOGETHER):
        for batch in _cut(by_length(together, lengths), batch_size):
            (whole if len(batch) == batch_size else rest).append(batch)
    generator.shuffle(whole)
    return whole + rest


def by_length(indices: Sequence[int], lengths: Lengths) -> list[int]:
    """Longest first; samples of one length keep their order."""
    return sorted(indices, key=lambda index: -int(lengths[index]))


def _cut(indices: Sequence[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(indices), size):
        yield list(indices[start : start + size])


def num_micro_batches(*, global_batch_size: int, micro_batch_size: int, num_processes: int) -> int:
    """Forward passes of each process per optimizer step (gradient accumulation)."""
    return -(-global_batch_size // (micro_batch_size * num_processes))


def micro_batches(
    batch: Sequence[int], *, lengths: Lengths, count: int, rank: int, num_processes: int
) -> list[list[int]]:
    """This process's part of a global batch in exactly ``count`` pieces of nearly equal size, some perhaps empty.

    The batch is sorted by length and cut into ``count`` parts, and each part is dealt to the processes in turn. So a
    piece has samples of like length, which need little padding, and all processes have as much to do at the same time.
    The longest samples come first, where memory is tightest.
    """
    ordered = by_length(batch, lengths)
    dealt = [ordered[start : start + num_processes] for start in range(0, len(ordered), num_processes)]
    bounds = [round(index * len(dealt) / count) for index in range(count + 1)]
    return [[hand[rank] for hand in dealt[start:end] if rank < len(hand)] for start, end in pairwise(bounds)]


def num_padded_tokens(pieces: Sequence[Sequence[int]], lengths: Lengths) -> int:
    """Tokens that are computed for some micro-batches, padding included; a piece without samples has one."""
    return sum(len(piece) * int(lengths[list(piece)].max()) if piece else 1 for piece in pieces)
