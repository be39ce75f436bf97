"""Floating-point operations of training a vision-language model: the numerator of model FLOPs utilisation.

A weight costs two operations for each token it is applied to in the forward pass, two in the backward pass through the
activations, and two more for its own gradient if it is trained. Attention costs ``2 t^2 width`` a layer for a sequence
of t tokens in the forward pass (two products; causal, so half of each) and twice that in the backward pass. So, for a
batch with T tokens, of which I are vision tokens and K are supervised, and S, the sum of its squared lengths:

    (4 N_body  + 2 N_body,trained)  T       the LLM's weights except embeddings and output layer
  + (4 N_head  + 2 N_head,trained)  K       the output layer, at supervised tokens only
  + (4 N_projector + 2 N_projector) I
  + 6 layers width S                        attention

Only work that the result needs is counted: no padding, no logits that nobody asked for, no recomputation, no vision
tower. Utilisation is this over seconds and the device's peak (``pipeline.compute.gpus``), as PaLM defines it
(arXiv 2204.02311, appendix B); counting causal attention in full, as many do, would give a higher figure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn


@dataclass(frozen=True, slots=True)
class ModelSizes:
    """What the operations and the memory of a training follow from."""

    num_body: int
    """Parameters of the LLM without embeddings and output layer."""
    num_head: int
    """Of the output layer, whether or not it is the embeddings' table as well."""
    num_embeddings: int
    """Of the embeddings of tokens and positions."""
    is_head_tied: bool
    num_projector: int
    num_layers: int
    width: int
    inner_width: int
    """Of the MLPs."""
    vocabulary_size: int
    family: str
    """``model_type`` in Transformers."""

    @property
    def num_llm(self) -> int:
        """Parameters of the LLM, each once."""
        return self.num_body + self.num_embeddings + (0 if self.is_head_tied else self.num_head)

    @property
    def num_parameters(self) -> int:
        return self.num_llm + self.num_projector


@dataclass(frozen=True, slots=True)
class Trained:
    """Trained parameters of the LLM, without its embeddings: low-rank updates, all weights, or none."""

    num_body: int = 0
    num_head: int = 0


@dataclass(frozen=True, slots=True)
class Work:
    """What a batch, or a whole stage, computes on; padding is not work."""

    num_tokens: float
    num_supervised: float
    num_vision_tokens: float
    sum_of_squares: float
    """Of the sequences' lengths."""


def sizes_of(llm: Any, *, num_projector: int) -> ModelSizes:
    """Count an LLM of Transformers, which may be without storage (``torch.device("meta")``)."""
    head, config = llm.get_output_embeddings(), llm.config
    is_tied = head.weight is llm.get_input_embeddings().weight
    num_head, num_embeddings = _count(head.parameters()), _count(_tables(llm))
    inner = getattr(config, "intermediate_size", None) or getattr(config, "n_inner", None) or 4 * config.hidden_size
    return ModelSizes(
        num_body=_count(llm.parameters()) - num_embeddings - (0 if is_tied else num_head),
        num_head=num_head,
        num_embeddings=num_embeddings,
        is_head_tied=is_tied,
        num_projector=num_projector,
        num_layers=config.num_hidden_layers,
        width=config.hidden_size,
        inner_width=inner,
        vocabulary_size=config.vocab_size,
        family=config.model_type,
    )


def trained_of(llm: Any) -> Trained:
    """What of a model on its stage is trained."""
    head = llm.get_output_embeddings()
    elsewhere = {id(parameter) for parameter in (*head.parameters(), *_tables(llm))}
    body = (one for one in llm.parameters() if one.requires_grad and id(one) not in elsewhere)
    return Trained(_count(body), _count(one for one in head.parameters() if one.requires_grad))


def _tables(llm: Any) -> list[nn.Parameter]:
    """The weights of the embeddings of tokens and positions."""
    return [table for module in llm.modules() if isinstance(module, nn.Embedding) for table in module.parameters()]


def _count(parameters: Iterable[nn.Parameter]) -> int:
    """Numbers in some parameters, each once; under ZeRO-3 a process holds a part of them only."""
    different = {id(parameter): parameter for parameter in parameters}.values()
    return sum(getattr(parameter, "ds_numel", parameter.numel()) for parameter in different)


def training_flops(sizes: ModelSizes, work: Work, *, trained: Trained) -> float:
    """Operations of forward and backward pass, as this module's docstring counts them."""
    return (
        (4.0 * sizes.num_body + 2.0 * trained.num_body) * work.num_tokens
        + (4.0 * sizes.num_head + 2.0 * trained.num_head) * work.num_supervised
        + 6.0 * sizes.num_projector * work.num_vision_tokens
        + 6.0 * sizes.num_layers * sizes.width * work.sum_of_squares
    )


def sum_of_squares(lengths: Sequence[int] | np.ndarray[Any, Any]) -> float:
    """Of some sequences' lengths, for ``Work``."""
    return float(np.square(np.asarray(lengths, dtype=np.float64)).sum())
