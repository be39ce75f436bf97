"""How the next token follows from the logits: penalties and seeded sampling.

Transformers makes such processors itself when it is told the settings. Ours are handed over ready-made: its own
repetition penalty takes the padding on the left for a part of the answer when embeddings are given, and its sampling
has one seed for a whole batch. With these an item's answer does not depend on what it is answered together with.
"""

import hashlib
from collections.abc import Sequence

import torch
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
)

from model.config import GenerationConfig


def logits_processors(config: GenerationConfig, seeds: Sequence[int] | None) -> LogitsProcessorList:
    """In the order in which Transformers applies its own; penalties see the answer only, not the prompt.

    Raises:
        ValueError: sampling without seeds.
    """
    processors = LogitsProcessorList()
    if config.repetition_penalty != 1:
        processors.append(AnswerOnly(RepetitionPenaltyLogitsProcessor(config.repetition_penalty)))
    if config.no_repeat_ngram_size:
        processors.append(AnswerOnly(NoRepeatNGramLogitsProcessor(config.no_repeat_ngram_size)))
    if config.do_sample:
        if seeds is None:
            raise ValueError("sampling needs a seed for each prompt; without one an answer could not be repeated")
        processors.append(SeededSampling(config, seeds))
    return processors


class AnswerOnly(LogitsProcessor):  # type: ignore[misc]
    """A processor that does not see the prompt, whose padding depends on what is answered together.

    What is there at its first call is the prompt; so there is one for each call of ``generate``. Without a processor it
    only finds out how long the prompt is.
    """

    def __init__(self, processor: LogitsProcessor | None = None) -> None:
        self.processor = processor
        self.prompt_length: int | None = None

    def __call__(self, input_ids_BT: torch.Tensor, scores_BC: torch.Tensor) -> torch.Tensor:
        """The scores after the answers' tokens so far."""
        if self.prompt_length is None:
            self.prompt_length = input_ids_BT.shape[1]
        if self.processor is None:
            return scores_BC
        scores: torch.Tensor = self.processor(input_ids_BT[:, self.prompt_length :], scores_BC)
        return scores


class SeededSampling(LogitsProcessor):  # type: ignore[misc]
    """Turns taking the likeliest token into drawing one: the Gumbel-max method, with a stream of noise for each row.

    The likeliest token after Gumbel noise was added to the logits is distributed as a token drawn from their softmax. A
    row's noise depends on its seed and on the place in its answer alone, not on the rows beside it. What a batch still
    can change is the last digits of the logits themselves, which matter where two noisy logits all but tie.

    Args:
        config: temperature and top_p.
        seeds: one for each row, in order.
    """

    def __init__(self, config: GenerationConfig, seeds: Sequence[int]) -> None:
        self.config = config
        self.streams = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids_BT: torch.Tensor, scores_BC: torch.Tensor) -> torch.Tensor:
        """The noisy scores; the largest one of each row is the token drawn.

        Raises:
            ValueError: there is not one seed for each row.
        """
        if len(scores_BC) != len(self.streams):
            raise ValueError(f"{len(self.streams)} seeds for {len(scores_BC)} rows")
        warm_BC = scores_BC.double() / self.config.temperature
        if self.config.top_p < 1:
            warm_BC = _only_likely(warm_BC, top_p=self.config.top_p)
        noise = [torch.rand(scores_BC.shape[1], generator=stream, dtype=torch.float64) for stream in self.streams]
        uniform_BC = torch.stack(noise).clamp(min=torch.finfo(torch.float64).tiny)  # drawn on the CPU on every machine
        return warm_BC - (-uniform_BC.log()).log().to(warm_BC.device)


def _only_likely(scores_BC: torch.Tensor, *, top_p: float) -> torch.Tensor:
    """The scores with all but the likeliest tokens, up to ``top_p`` together, at minus infinity; one always stays."""
    sorted_BC, order_BC = scores_BC.sort(dim=-1, descending=True)
    probability_BC = sorted_BC.softmax(dim=-1)
    is_left_out_BC = probability_BC.cumsum(dim=-1) - probability_BC >= top_p
    return scores_BC.masked_fill(is_left_out_BC.scatter(-1, order_BC, is_left_out_BC), -torch.inf)


def item_seed(seed: int, item_id: str) -> int:
    """The seed of one item's draws, below 2**63."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{item_id}".encode()).digest()[:8], "big") >> 1
