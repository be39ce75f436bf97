"""The order of a training's samples and how they are cut into batches: from the seed and nothing else.

The order, the global batches and what each supervised token weighs are the same for any number of processes.
"""

import random
from collections.abc import Sequence
from itertools import pairwise


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
