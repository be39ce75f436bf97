import torch
from transformers.activations import NewGELUActivation

from model.language_model import fuse_activations
from tests.support.small_model import build_vlm


def test_the_fused_activation_of_gpt2_is_the_same_function():
    slow, fast = build_vlm("gpt2").llm, build_vlm("gpt2").llm
    assert fuse_activations(fast) == 2
    assert fuse_activations(fast) == 0
    assert not any(isinstance(module, NewGELUActivation) for module in fast.modules())
    ids = torch.tensor([[5, 6, 7, 8]])
    torch.testing.assert_close(fast(ids).logits, slow(ids).logits, rtol=1e-5, atol=1e-5)


def test_other_families_are_left_as_they_are():
    assert fuse_activations(build_vlm("llama").llm) == 0
