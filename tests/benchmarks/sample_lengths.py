"""Lengths of training samples like those of v1.1: 729 vision tokens, then a caption or a conversation.

Captions: 77 Japanese ones have 25 to 36 tokens (5 % to 95 %) with llm-jp's tokenizer; those of the web spread wider.
Conversations: 3,000 generated ones (``tests.planted_defects.corpus``, in the shape of LLaVA-Instruct) have 154 tokens
on average, 32 to 280; here with the words of the template, and a tail of detailed descriptions up to the limit of 1,532
tokens. One in twenty has no image.
"""

import numpy as np
import numpy.typing as npt

NUM_VISION_TOKENS = 729
MAX_LENGTH = 1532
Lengths = npt.NDArray[np.int32]


def caption_lengths(count: int, *, seed: int = 0) -> Lengths:
    text = np.random.default_rng(seed).lognormal(np.log(30), 0.4, count).clip(8, 200)
    return (NUM_VISION_TOKENS + 3 + text).astype(np.int32)


def conversation_lengths(count: int, *, seed: int = 0) -> Lengths:
    random = np.random.default_rng(seed)
    usual = random.gamma(4.9, 154 / 4.9, count)
    detailed = random.lognormal(np.log(330), 0.4, count)
    text = np.where(random.random(count) < 0.15, detailed, usual) + 45
    has_image = random.random(count) >= 0.05
    return (text + np.where(has_image, NUM_VISION_TOKENS, 0)).clip(20, MAX_LENGTH).astype(np.int32)
