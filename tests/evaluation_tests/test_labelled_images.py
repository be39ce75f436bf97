"""Models that take one image get all of a question as one picture, each with its number."""

import pytest
from PIL import Image

from pipeline.core.errors import DataError
from pipeline.evaluation.answers import AnsweredInPartError, Question, Unanswered
from pipeline.evaluation.labelled_images import LabelledTogether, labelled_together

RED, BLUE, WHITE = (200, 0, 0), (0, 0, 200), (255, 255, 255)


def plain(width: int, height: int, colour=RED) -> Image.Image:
    return Image.new("RGB", (width, height), colour)


def test_upright_images_stand_side_by_side_in_their_order():
    whole = labelled_together([plain(50, 100), plain(50, 100, BLUE)])
    assert whole.size == (504 + 504, 1008)
    assert [whole.getpixel((x, 500)) for x in (0, 503, 504, 1007)] == [RED, RED, BLUE, BLUE]


def test_wide_images_stand_one_below_the_other():
    whole = labelled_together([plain(100, 50), plain(100, 50, BLUE)])
    assert whole.size == (1008, 504 + 504)
    assert [whole.getpixel((500, y)) for y in (70, 503, 504 + 70, 1007)] == [RED, RED, BLUE, BLUE]


@pytest.mark.parametrize(
    ("sizes", "size"),
    [
        ([(100, 100), (100, 100)], (2016, 1008)),  # as elongated either way: side by side
        ([(100, 100)], (1008, 1008)),
        ([(300, 100)], (1008, 336)),
        ([(100, 300)], (336, 1008)),
        ([(100, 100), (50, 100), (100, 200)], (1008 + 504 + 504, 1008)),
    ],
)
def test_the_less_elongated_of_the_two_is_taken(sizes, size):
    assert labelled_together([plain(*one) for one in sizes]).size == size


def test_every_image_has_its_number_on_a_white_square_at_its_top_left():
    whole = labelled_together([plain(50, 100), plain(50, 100, BLUE)])
    first, second = whole.crop((0, 0, 60, 60)), whole.crop((504, 0, 564, 60))
    assert [label.getpixel(place) for label in (first, second) for place in ((0, 0), (59, 59))] == [WHITE] * 4
    assert first.tobytes() != second.tobytes()
    assert {label.convert("L").getextrema()[0] < 100 for label in (first, second)} == {True}
    assert (whole.getpixel((60, 30)), whole.getpixel((564, 30))) == (RED, BLUE)


def test_a_picture_too_large_to_be_decoded_is_refused_before_it_is_made():
    with pytest.raises(DataError, match=r"2 images together are 20160001x1008 pixels, more than 178956970"):
        labelled_together([plain(1, 20_000), plain(20_000, 1)])


class Looks:
    max_images = 1

    def answer(self, questions):
        return [
            f"{len(question.images)}x{question.images[0].width}" if question.images else "" for question in questions
        ]


class Breaks(Looks):
    def answer(self, questions):
        raise AnsweredInPartError(["yes"] * len(questions), RuntimeError("away"))


def question(*images: Image.Image) -> Question:
    return Question("a", "何。", images, tuple("abc"[: len(images)]))


def test_a_model_of_one_image_answers_questions_on_several_and_on_none():
    asked = [question(plain(50, 100), plain(50, 100)), question(), question(plain(1, 20_000), plain(20_000, 1))]
    first, second, third = LabelledTogether(Looks()).answer(asked)
    assert (first, second) == ("1x1008", "")
    assert isinstance(third, Unanswered)


def test_answers_that_there_are_stay_in_their_places_when_the_rest_fails():
    asked = [question(plain(1, 20_000), plain(20_000, 1)), question()]
    with pytest.raises(AnsweredInPartError) as error:
        LabelledTogether(Breaks()).answer(asked)
    assert error.value.answers[1] == "yes"
    assert isinstance(error.value.answers[0], Unanswered)
