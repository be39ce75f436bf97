"""Several images as one, each with its number, for models that take one image: as llm-jp-eval-mm's adapters do it.

Those of japanese-stable-vlm and japanese-instructblip-alpha at 9f450a5 do so with every question, one image included.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from PIL import Image, ImageDraw, ImageFont

from pipeline.core.errors import DataError
from pipeline.data.images import MAX_PIXELS
from pipeline.evaluation.answers import AnsweredInPartError, ModelUnderTest, Question, Unanswered

SIDE = 1008
"""The height of images side by side, the width of images one below the other, in pixels."""
LABEL_SIDE = 60
LABEL_PLACE = (10, 10)

Size = tuple[int, int]


def labelled_together(images: Sequence[Image.Image]) -> Image.Image:
    """The images side by side, or one below the other where that is the less elongated of the two.

    Raises:
        DataError: the picture would be larger than any that is decoded.
    """
    side_by_side = [_fitted(image.size, height=SIDE) for image in images]
    stacked = [_fitted(image.size, width=SIDE) for image in images]
    wide = sum(width for width, _ in side_by_side), SIDE
    high = SIDE, sum(height for _, height in stacked)
    is_stacked = wide[0] / wide[1] > high[1] / high[0]
    size, parts = (high, stacked) if is_stacked else (wide, side_by_side)
    if size[0] * size[1] > MAX_PIXELS:
        raise DataError(f"{len(images)} images together are {size[0]}x{size[1]} pixels, more than {MAX_PIXELS}")
    whole, place = Image.new("RGB", size), 0
    for number, (image, part) in enumerate(zip(images, parts, strict=True), start=1):
        whole.paste(_labelled(_resized(image.convert("RGB"), part), number), (0, place) if is_stacked else (place, 0))
        place += part[1] if is_stacked else part[0]
    return whole


def _fitted(size: Size, *, width: int | None = None, height: int | None = None) -> Size:
    """A size with this width or height and the same aspect."""
    if width is not None:
        return width, max(1, int(size[1] * width / size[0]))
    assert height is not None
    return max(1, int(size[0] * height / size[1])), height


def _resized(image: Image.Image, size: Size) -> Image.Image:
    """One direction after the other: at once, the pixels depend on Pillow's version."""
    narrow = image.resize((size[0], image.height), Image.Resampling.LANCZOS)
    return narrow.resize(size, Image.Resampling.LANCZOS)


def _labelled(image: Image.Image, number: int) -> Image.Image:
    label = Image.new("RGB", (LABEL_SIDE, LABEL_SIDE), "white")
    ImageDraw.Draw(label).text(LABEL_PLACE, f"[{number}]", fill="black", font=ImageFont.load_default())
    image.paste(label, (0, 0))
    return image


@dataclass(frozen=True, slots=True)
class LabelledTogether:
    """A model that gets all images of a question as one."""

    model: ModelUnderTest

    @property
    def max_images(self) -> int | None:
        return None

    def answer(self, questions: Sequence[Question]) -> Sequence[str | Unanswered]:
        """One answer for each question, in order."""
        made = [_with_one_image(question) for question in questions]
        try:
            return _in_order(made, self.model.answer([one for one in made if isinstance(one, Question)]))
        except AnsweredInPartError as error:
            raise AnsweredInPartError(_in_order(made, error.answers), error.problem) from error


def _in_order(made: Sequence[Question | Unanswered], answers: Sequence[str | Unanswered]) -> Sequence[str | Unanswered]:
    found = iter(answers)
    return [next(found) if isinstance(one, Question) else one for one in made]


def _with_one_image(question: Question) -> Question | Unanswered:
    if not question.images:
        return question
    try:
        image = labelled_together(question.images)
    except DataError as error:
        return Unanswered(str(error))
    name = hashlib.sha256("+".join(question.images_sha256).encode()).hexdigest()
    return replace(question, images=(image,), images_sha256=(name,), image_places=None)
