"""What all planters share: a sample is changed in place, and the planter says at which turn."""

import re
from collections.abc import Callable
from random import Random
from typing import Any

from pipeline.data.samples import IMAGE_TOKEN

Sample = dict[str, Any]
"""A row of ``SAMPLE_SCHEMA``."""

Planter = Callable[[Sample, Random], int | None]
"""Plants one defect; returns the turn, None for the conversation as a whole. Raises ``UnsuitableSampleError``."""


class UnsuitableSampleError(Exception):
    """The sample has no place for this defect."""


def pick_turn(
    sample: Sample, rng: Random, suits: Callable[[dict[str, str]], object], *, role: str | None = "assistant"
) -> int:
    """The index of a turn of the role (None: any) that suits."""
    places = [
        index
        for index, turn in enumerate(sample["turns"])
        if (role is None or turn["role"] == role) and turn["text"] and suits(turn)
    ]
    if not places:
        raise UnsuitableSampleError
    return rng.choice(places)


def text_of(sample: Sample, index: int) -> str:
    return sample["turns"][index]["text"]


def set_text(sample: Sample, index: int, text: str) -> int:
    """Write a turn's text; a text that is not changed is no defect."""
    if sample["turns"][index]["text"] == text:
        raise UnsuitableSampleError
    sample["turns"][index]["text"] = text
    return index


def is_prose(turn: dict[str, str], *, length: int = 15) -> bool:
    """Japanese sentences without code and addresses."""
    text = turn["text"]
    return len(text) >= length and text.rstrip().endswith("。") and "```" not in text and "http" not in text


def sentences_of(text: str) -> list[str]:
    """The sentences with the line breaks after them, so that they can be put together again."""
    return re.findall(r"[^。]*。\s*|[^。]+$", text)


def without_image_token(text: str) -> str:
    return text.replace(IMAGE_TOKEN, "").strip()
