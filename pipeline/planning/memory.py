"""Memory of one device while it trains: what lies on it under each ZeRO stage, before anything starts.

Weights, gradients, master copies and optimizer states are counted as DeepSpeed holds them; activations as PyTorch keeps
them for the backward pass, with a causal attention that keeps no scores (flash). The larger of two moments counts: the
end of the forward pass with all activations and the logits, and the update, for which ZeRO 2 and 3 copy the gradients.
Not counted: what the allocator loses between blocks, and CUDA's own context, together ``OVERHEAD_BYTES``.
"""

from dataclasses import dataclass
from typing import Literal

from model.loss import CHUNK_BYTES
from pipeline.compute.flops import ModelSizes, Trained
from pipeline.config.experiment import StageConfig
from pipeline.core.settings import Offload

OVERHEAD_BYTES = 1_500_000_000
"""CUDA's context and the allocator's rounding, about; added before the question whether it fits."""
BUCKET_NUMBERS = 500_000_000
"""Gradients that ZeRO 1 and 2 send together at most, DeepSpeed's default: two such buffers where there are ranks."""
SUB_GROUP_NUMBERS = 1_000_000_000
"""Weights that ZeRO-3 changes at a time, DeepSpeed's default."""
LARGEST_LAYERS_GATHERED = 3
"""Layers whose weights ZeRO-3 holds whole at a time, computing or fetched ahead, about; and the output layer always."""
RESIDUAL_DROPOUTS = {"gpt2": 2}
"""Dropout masks of a layer, a byte for each channel; other families have no dropout by default."""

SAVED_NUMBERS = {
    ("gpt2", False): (6, 1),
    ("gpt2", True): (8, 2),
    ("gpt_neox", False): (7, 1),
    ("gpt_neox", True): (10, 2),
    ("llama", False): (8, 3),
    ("llama", True): (12, 4),
}
"""Numbers that a layer keeps of every token for the backward pass, by family and whether its weights train: for each
channel, and for each channel inside the MLP. Counted with PyTorch's hooks for saved tensors, which a test repeats.
Frozen layers keep less: the input of a product is needed for the gradient of its weight only."""


@dataclass(frozen=True, slots=True)
class StageMemory:
    """Bytes on one device."""

    zero_stage: int
    gradient_checkpointing: bool
    weights: int
    gradients: int
    """In float32, where they are added over the forward passes of an optimizer step."""
    master_copies: int
    """Trained weights in float32, beside those that compute."""
    optimizer_states: int
    activations: int
    """Kept for the backward pass of one micro-batch."""
    logits: int
    """Of the largest chunk of supervised tokens."""
    features: int
    """Of one micro-batch: as they are stored, and as numbers."""
    update: int
    """Gradients that are copied when the weights change; the activations are gone by then."""

    @property
    def num_bytes(self) -> int:
        """At the worst moment."""
        kept = self.weights + self.gradients + self.master_copies + self.optimizer_states + self.features
        return kept + max(self.activations + self.logits, self.update)

    def fits(self, memory_bytes: int) -> bool:
        return self.num_bytes + OVERHEAD_BYTES <= memory_bytes


@dataclass(frozen=True, slots=True)
class MemoryRequest:
    """What the memory of a stage follows from."""

    config: StageConfig
    sizes: ModelSizes
    trained: Trained
    num_trained: int
    """All trained parameters: those of ``trained``, embeddings and projector as well."""
    num_trained_embeddings: int
    """Of these, the ones whose moments stay in 32 bits."""
    num_devices: int
    feature_bytes: int
    """A sample's images as they are stored."""
    feature_numbers: int
    """The features of a sample's images: vision tokens times channels."""
    offload: Offload = "none"


def stage_memory(request: MemoryRequest, *, zero_stage: int, gradient_checkpointing: bool) -> StageMemory:
    """Of one device of ``num_devices``. In bfloat16 a training under ZeRO 0 is one under ZeRO 1."""
    config, parts = request.config, request.num_devices
    item = 4 if config.precision == "float32" else 2
    sharing = max(zero_stage, int(item == 2))

    def part(kind: Literal["states", "gradients", "weights"], num_bytes: int) -> int:
        """What of it lies on this device."""
        is_moved = request.offload == "all" or (request.offload == "optimizer" and kind != "weights")
        if is_moved and sharing >= (3 if kind == "weights" else 1):
            return 0
        return num_bytes // parts if sharing >= {"states": 1, "gradients": 2, "weights": 3}[kind] else num_bytes

    trained, sizes = request.num_trained, request.sizes
    gathered = LARGEST_LAYERS_GATHERED * sizes.num_body // sizes.num_layers + sizes.num_head if zero_stage == 3 else 0
    copied = {2: part("gradients", trained), 3: min(part("gradients", trained), SUB_GROUP_NUMBERS)}.get(sharing, 0)
    buffers = min(trained, BUCKET_NUMBERS) * item * 2 if parts > 1 and sharing in (1, 2) else 0
    return StageMemory(
        zero_stage=zero_stage,
        gradient_checkpointing=gradient_checkpointing,
        weights=part("weights", sizes.num_parameters * item) + gathered * item,
        gradients=part("gradients", trained * 4) + buffers,
        master_copies=part("states", trained * 4) if sharing else 0,
        optimizer_states=part("states", _moment_bytes(request)),
        activations=_activation_bytes(request, item, gradient_checkpointing=gradient_checkpointing),
        logits=_logit_bytes(request, item),
        features=config.micro_batch_size * (request.feature_bytes + request.feature_numbers * item),
        update=copied * 4,
    )


def under_each_zero_stage(request: MemoryRequest, *, gradient_checkpointing: bool) -> tuple[StageMemory, ...]:
    """ZeRO 0 to 3."""
    return tuple(
        stage_memory(request, zero_stage=stage, gradient_checkpointing=gradient_checkpointing) for stage in range(4)
    )


def _moment_bytes(request: MemoryRequest) -> int:
    """Two moments a parameter: float32, or a byte with a float32 scale for 256 of them except in embeddings."""
    if request.config.optimizer == "adamw":
        return request.num_trained * 8
    in_eight_bits = request.num_trained - request.num_trained_embeddings
    return in_eight_bits * 2 + in_eight_bits * 2 * 4 // 256 + request.num_trained_embeddings * 8


def _activation_bytes(request: MemoryRequest, item: int, *, gradient_checkpointing: bool) -> int:
    """Of a micro-batch whose samples all have the longest length."""
    config, sizes = request.config, request.sizes
    num_tokens = config.micro_batch_size * config.max_length
    layer = num_tokens * _layer_bytes(request, item)
    ends = num_tokens * sizes.width * item * 4  # embeddings, the last norm and the hidden states behind it
    if gradient_checkpointing:
        return sizes.num_layers * num_tokens * sizes.width * item + layer + ends
    return sizes.num_layers * layer + ends


def _layer_bytes(request: MemoryRequest, item: int) -> int:
    """Of one token in one layer."""
    sizes, config = request.sizes, request.config
    is_trained = request.trained.num_body > 0
    outer, inner = SAVED_NUMBERS.get((sizes.family, is_trained), SAVED_NUMBERS["llama", True])
    has_dropout = is_trained or config.frozen_dropout
    masks = RESIDUAL_DROPOUTS.get(sizes.family, 0) * sizes.width if has_dropout else 0
    return (outer * sizes.width + inner * sizes.inner_width) * item + masks


def _logit_bytes(request: MemoryRequest, item: int) -> int:
    """A chunk in the number format, in float32 and its slope; and the weight's gradient, made in the forward pass."""
    config, sizes = request.config, request.sizes
    num_rows = min(config.micro_batch_size * config.max_length, max(1, CHUNK_BYTES // (4 * sizes.vocabulary_size)))
    gradient = sizes.num_head * item if request.trained.num_head else 0
    return num_rows * sizes.vocabulary_size * (4 + 2 * item) + gradient
