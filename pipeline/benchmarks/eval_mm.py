"""What the tasks of llm-jp/llm-jp-eval-mm share (Apache-2.0, as of commit 9f450a5): the protocol's name, and its words.

The model gets all images of an item, then one text, from which every ``<image>`` is taken out. The strings are the
harness's own, to the letter.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from pipeline.benchmarks.benchmark import Protocol, talk

EVAL_MM = "eval-mm-9f450a5"
"""The protocol's name: which questions, which words around them, which scorer, and how answers are generated."""
ONE_IMAGE = f"{EVAL_MM}-one-image"
"""The same with the images of each item as one picture, as the harness asks models that take one."""
eval_mm_protocol = partial(Protocol, generation="greedy-256")

IMAGE_TAG = "<image>"
MULTI_CHOICE_PROMPT = "与えられた選択肢の中から最も適切な回答のアルファベットを直接記入してください。"
OPEN_ENDED_PROMPT = "質問に対する回答を単語や短いフレーズで記入してください。"


def letter(index: int) -> str:
    """A, B, C, ... for 0, 1, 2, ...

    Raises:
        ValueError: there is no such letter.
    """
    if not 0 <= index < 26:
        raise ValueError(f"{index} is not the number of a choice")
    return chr(ord("A") + index)


def multiple_choice(question: str, options: Sequence[str]) -> str:
    """A question with its choices, and how to answer it."""
    choices = "\n".join(f"{letter(index)}. {option}" for index, option in enumerate(options))
    return f"{question}\n{choices}\n\n{MULTI_CHOICE_PROMPT}"


def record(
    id: str,
    question: str,
    reference: str,
    *,
    images: Sequence[Any] = (),
    name: str | None = None,
    category: str | None = None,
    scoring: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Any], tuple[bytes, ...]]:
    """A record in LLaVA's form with the bytes of its images.

    Args:
        id: of the item.
        question: what the model gets; every ``<image>`` in it is taken out, blanks around it stay.
        reference: the right answer.
        images: as Datasets stores them, ``{"bytes": ..., "path": ...}``.
        name: what the images are called; default: the id.
        category: group of the item in tables.
        scoring: what scorers and judges need besides.
    """
    text = question.replace(IMAGE_TAG, "")
    contents = tuple(_bytes_of(image) for image in images)
    names = [f"{name or id}-{number}{_suffix(image)}" for number, image in enumerate(images)]
    shown = {"image": names[0]} if len(names) == 1 else {"images": names} if names else {}
    return {
        "id": id,
        **shown,
        "category": category,
        "question": text,
        "scoring": None if scoring is None else dict(scoring),
        "conversations": talk([(text, reference)], num_images=len(names)),
    }, contents


def _bytes_of(image: Any) -> bytes:
    content = image["bytes"]
    if not isinstance(content, bytes):
        raise ValueError("its image has no bytes")
    return content


def _suffix(image: Any) -> str:
    path = image.get("path")
    return PurePosixPath(path).suffix[:8] if isinstance(path, str) else ""
