"""The chunked cross-entropy against that of all logits at once."""

import pytest
import torch
from torch.nn import functional as F

from model.loss import summed_cross_entropy

CHUNKS_OF_THREE = 3 * 4 * 50
"""Bytes of the float32 logits of three tokens over 50 words."""


def tensors(num_tokens: int = 10, *, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, ...]:
    """Hidden states, weight, bias and targets."""
    generator = torch.Generator().manual_seed(0)
    hidden, weight, bias = (
        torch.randn(*size, generator=generator).to(dtype).requires_grad_() for size in ((num_tokens, 8), (50, 8), (50,))
    )
    return hidden, weight, bias, torch.randint(50, (num_tokens,), generator=generator)


def plain(hidden, weight, bias, targets, *, z_loss=0.0):
    logits = F.linear(hidden, weight, bias).float()
    return F.cross_entropy(logits, targets, reduction="sum") + z_loss * logits.logsumexp(-1).square().sum()


def gradients(loss: torch.Tensor, inputs) -> list[torch.Tensor]:
    return list(torch.autograd.grad(3 * loss, inputs))


@pytest.mark.parametrize("z_loss", [0.0, 1e-2])
@pytest.mark.parametrize("chunk_bytes", [1, CHUNKS_OF_THREE, 2**20])
def test_loss_and_gradients_are_those_of_all_logits(chunk_bytes, z_loss):
    hidden, weight, bias, targets = tensors()
    expected = plain(hidden, weight, bias, targets, z_loss=z_loss)
    loss = summed_cross_entropy(hidden, weight, targets, bias_C=bias, z_loss=z_loss, chunk_bytes=chunk_bytes)
    torch.testing.assert_close(loss, expected)
    inputs = (hidden, weight, bias)
    for ours, theirs in zip(gradients(loss, inputs), gradients(expected, inputs), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_z_loss_is_the_squared_log_of_the_denominator():
    hidden, weight = torch.zeros(1, 2), torch.zeros(4, 2)
    loss = summed_cross_entropy(hidden, weight, torch.tensor([1]), z_loss=0.5)
    log_of_four = 1.3862944
    assert loss.item() == pytest.approx(log_of_four + 0.5 * log_of_four**2)


def test_in_bfloat16_the_softmax_is_computed_in_float32():
    hidden, weight, bias, targets = tensors(dtype=torch.bfloat16)
    loss = summed_cross_entropy(hidden, weight, targets, bias_C=bias, chunk_bytes=CHUNKS_OF_THREE)
    assert loss.dtype == torch.float32
    expected = plain(hidden, weight, bias, targets)
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=0)
    inputs = (hidden, weight)
    for ours, theirs in zip(gradients(loss, inputs), gradients(expected, inputs), strict=True):
        assert ours.dtype == torch.bfloat16
        torch.testing.assert_close(ours, theirs, rtol=0.03, atol=0.05)


def test_a_frozen_output_layer_gets_no_gradient_and_the_hidden_states_do():
    hidden, weight, _, targets = tensors()
    frozen = weight.detach()
    summed_cross_entropy(hidden, frozen, targets).backward()
    assert frozen.grad is None
    assert hidden.grad.abs().sum() > 0


def test_a_tied_output_layer_adds_its_gradient_to_that_of_the_embeddings():
    _, weight, _, targets = tensors()
    words = torch.tensor([1, 2, 3, 4, 5, 6, 7, 8, 9, 1])
    loss = summed_cross_entropy(F.embedding(words, weight), weight, targets, chunk_bytes=CHUNKS_OF_THREE)
    expected = F.cross_entropy(F.linear(F.embedding(words, weight), weight), targets, reduction="sum")
    for ours, theirs in zip(gradients(loss, [weight]), gradients(expected, [weight]), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_no_tokens_have_a_loss_of_zero_and_gradients_of_zero():
    hidden, weight, _, targets = tensors(0)
    loss = summed_cross_entropy(hidden, weight, targets)
    loss.backward()
    assert loss.item() == 0.0
    assert weight.grad.tolist() == torch.zeros(50, 8).tolist()


def test_without_gradients_none_are_made():
    hidden, weight, _, targets = tensors()
    with torch.no_grad():
        assert not summed_cross_entropy(hidden, weight, targets).requires_grad


@pytest.mark.gpu
@pytest.mark.parametrize("z_loss", [0.0, 1e-4])
def test_it_equals_liger_on_a_gpu(z_loss):
    liger = pytest.importorskip("liger_kernel.ops.fused_linear_cross_entropy")
    hidden, weight, _, targets = (tensor.detach().cuda() for tensor in tensors(1000))
    hidden.requires_grad_()
    weight.requires_grad_()
    theirs, *_ = liger.LigerFusedLinearCrossEntropyFunction.apply(
        hidden, weight, targets, None, None, -100, z_loss, 0.0, "sum"
    )
    expected = gradients(theirs, (hidden, weight))
    loss = summed_cross_entropy(hidden, weight, targets, z_loss=z_loss, chunk_bytes=CHUNKS_OF_THREE * 100)
    torch.testing.assert_close(loss, theirs, rtol=1e-5, atol=1e-4)
    for ours, other in zip(gradients(loss, (hidden, weight)), expected, strict=True):
        torch.testing.assert_close(ours, other, rtol=1e-3, atol=1e-3)
