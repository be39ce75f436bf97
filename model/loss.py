"""Cross-entropy over an LLM's vocabulary that never holds the logits of all tokens at once.

The logits of some tokens are made, turned into their loss and their gradient, and thrown away. That is the idea of
Liger's fused linear cross-entropy (arXiv 2410.10989) in plain PyTorch: gradients are made in the forward pass, and
scaled in the backward pass. So the output layer's weight is needed in the forward pass only, once for all chunks: under
ZeRO-3 every rank gathers it the same number of times, however many tokens it has.
"""

# Shape suffixes: K = supervised tokens, L = LLM width, C = vocabulary.

from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

CHUNK_BYTES = 256 * 2**20
"""Largest float32 logits that are held at once."""


def summed_cross_entropy(
    hidden_KL: torch.Tensor,
    weight_CL: torch.Tensor,
    targets_K: torch.Tensor,
    *,
    bias_C: torch.Tensor | None = None,
    z_loss: float = 0.0,
    chunk_bytes: int = CHUNK_BYTES,
) -> torch.Tensor:
    """Sum over the tokens of ``-log softmax(hidden @ weight.T + bias)[target]``, in float32; 0 without tokens.

    The softmax is computed in float32. The gradient of the weight is summed over the chunks in the weight's own format.

    Args:
        hidden_KL: last hidden states of the supervised tokens.
        weight_CL: of the output layer; frozen or trained, tied or not.
        targets_K: token ids.
        bias_C: of the output layer.
        z_loss: adds ``z_loss * log(Z)**2`` a token, where Z is the softmax's denominator: it keeps log(Z) near 0
            (Mesh TensorFlow; PaLM, arXiv 2204.02311, section 5, uses 1e-4).
        chunk_bytes: logits that are held at once, in float32.
    """
    chunk = max(1, chunk_bytes // (4 * len(weight_CL)))
    needs_gradients = torch.is_grad_enabled() and any(
        tensor is not None and tensor.requires_grad for tensor in (hidden_KL, weight_CL, bias_C)
    )
    loss: torch.Tensor = _ChunkedCrossEntropy.apply(  # type: ignore[no-untyped-call]
        hidden_KL, weight_CL, bias_C, targets_K, z_loss, chunk, needs_gradients
    )
    return loss


class _ChunkedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden_KL: torch.Tensor,
        weight_CL: torch.Tensor,
        bias_C: torch.Tensor | None,
        targets_K: torch.Tensor,
        z_loss: float,
        chunk: int,
        needs_gradients: bool,
    ) -> torch.Tensor:
        tensors = (hidden_KL, weight_CL, bias_C)
        gradients = [
            torch.zeros_like(tensor) if tensor is not None and needs_gradients and needed else None
            for tensor, needed in zip(tensors, ctx.needs_input_grad[:3], strict=True)
        ]
        total = torch.zeros((), dtype=torch.float32, device=hidden_KL.device)
        for start in range(0, len(hidden_KL), chunk):
            part = slice(start, start + chunk)
            loss, slope_KC = _loss_and_slope(hidden_KL[part], weight_CL, bias_C, targets_K[part], z_loss)
            total += loss
            if needs_gradients:
                _add_gradients(gradients, slope_KC.to(weight_CL.dtype), hidden_KL, weight_CL, part)
        ctx.save_for_backward(*gradients)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        scaled = (None if gradient is None else gradient * slope for gradient in ctx.saved_tensors)
        return (*scaled, None, None, None, None)


def _loss_and_slope(
    hidden_KL: torch.Tensor,
    weight_CL: torch.Tensor,
    bias_C: torch.Tensor | None,
    targets_K: torch.Tensor,
    z_loss: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The summed loss of a chunk, and its derivative by the logits, ``[K, C]``, in float32."""
    logits_KC = F.linear(hidden_KL, weight_CL, bias_C)
    targets_K1 = targets_K[:, None]
    log_probabilities_KC = F.log_softmax(logits_KC, dim=-1, dtype=torch.float32)
    chosen_K1 = log_probabilities_KC.gather(1, targets_K1)
    log_z_K1 = logits_KC.gather(1, targets_K1).float() - chosen_K1
    slope_KC = log_probabilities_KC.exp_()
    loss = -chosen_K1.sum()
    if z_loss:
        loss = loss + z_loss * log_z_K1.square().sum()
        slope_KC *= 1 + 2 * z_loss * log_z_K1
    return loss, slope_KC.scatter_add_(1, targets_K1, torch.full_like(chosen_K1, -1.0))


def _add_gradients(
    gradients: list[torch.Tensor | None],
    slope_KC: torch.Tensor,
    hidden_KL: torch.Tensor,
    weight_CL: torch.Tensor,
    part: slice,
) -> None:
    hidden, weight, bias = gradients
    if hidden is not None:
        torch.mm(slope_KC, weight_CL, out=hidden[part])
    if weight is not None:
        weight.addmm_(slope_KC.T, hidden_KL[part])
    if bias is not None:
        bias += slope_KC.sum(dim=0)
