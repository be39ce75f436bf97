"""Where the images of a conversation stand: one ``<image>`` in its questions for each of several images.

As many placeholders as images: each image stands at its own. No placeholder at all: all stand before the first
question, in order. Anything else cannot be known. A conversation with one image is not looked at: its image opens the
first question that names it, or the first of all.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Protocol, TypeVar

from pipeline.data.record_forms import IMAGE_TOKEN


class _Turn(Protocol):
    role: str
    text: str
    original: str | None


Turn = TypeVar("Turn", bound=_Turn)


def with_placeholders(turns: Sequence[Turn], num_images: int) -> tuple[Turn, ...] | str:
    """The turns with one placeholder for each image, or the evidence that the two differ in number."""
    if num_images < 2:
        return tuple(turns)
    in_questions = sum(turn.text.count(IMAGE_TOKEN) for turn in turns if turn.role == "user")
    in_answers = sum(turn.text.count(IMAGE_TOKEN) for turn in turns if turn.role != "user")
    if in_questions == num_images and not in_answers:
        return tuple(turns)
    is_anywhere = in_questions or in_answers or any(IMAGE_TOKEN in (turn.original or "") for turn in turns)
    if not is_anywhere:  # a translation that lost them would be found nowhere else
        return (replace(turns[0], text=f"{IMAGE_TOKEN}\n" * num_images + turns[0].text), *turns[1:])
    beside = f" and {in_answers} in the answers" if in_answers else ""
    return f"{num_images} images, and {in_questions} {IMAGE_TOKEN} in the questions{beside}"


def question_of(text: str, *, num_images: int) -> tuple[str, list[int] | None]:
    """A question without placeholders, and how many of its characters stand before each of several images.

    None: all images stand before the question, one a line, and so does a single one.
    """
    parts = text.strip().split(IMAGE_TOKEN)
    if num_images < 2 or len(parts) < 2 or not "".join(parts[:-1]).strip():
        return text.replace(IMAGE_TOKEN, "").strip(), None
    return "".join(parts), list(accumulate(map(len, parts[:-1])))
