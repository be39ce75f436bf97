"""Where the images of a conversation stand: one ``<image>`` in its questions for each of several images.

As many placeholders as images: each image stands at its own. No placeholder at all: all stand before the first
question, in order. Anything else cannot be known. A conversation with one image is not looked at: its image opens the
first question that names it, or the first of all.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate

from pipeline.data.record_forms import IMAGE_TOKEN


def question_of(text: str, *, num_images: int) -> tuple[str, list[int] | None]:
    """A question without placeholders, and how many of its characters stand before each of several images.

    None: all images stand before the question, one a line, and so does a single one.
    """
    parts = text.strip().split(IMAGE_TOKEN)
    if num_images < 2 or len(parts) < 2 or not "".join(parts[:-1]).strip():
        return text.replace(IMAGE_TOKEN, "").strip(), None
    return "".join(parts), list(accumulate(map(len, parts[:-1])))


def with_one_placeholder(turns: Sequence[Mapping[str, str | None]]) -> Sequence[Mapping[str, str | None]]:
    """Stored turns of several images with one placeholder before the first question.

    As they are where a turn has another number of placeholders than its original, unless no original has any.
    """
    counts = [(str(turn["text"]).count(IMAGE_TOKEN), (turn["original"] or "").count(IMAGE_TOKEN)) for turn in turns]
    known = [turn["original"] is not None for turn in turns]
    is_moved = any(here != there and is_known for (here, there), is_known in zip(counts, known, strict=True))
    if is_moved and any(there for _, there in counts):
        return turns
    return [
        {
            **turn,
            "text": _opened(turn["text"], is_first=not place),
            "original": _opened(turn["original"], is_first=not place),
        }
        for place, turn in enumerate(turns)
    ]


def _opened(text: str | None, *, is_first: bool) -> str | None:
    if text is None:
        return None
    clean = text.replace(IMAGE_TOKEN, "").strip() if IMAGE_TOKEN in text else text
    return f"{IMAGE_TOKEN}\n{clean}" if is_first else clean
