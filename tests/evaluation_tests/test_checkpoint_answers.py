import pytest
from PIL import Image

from model.config import GenerationConfig
from model.disk.checkpoint import save_model
from pipeline.evaluation.answers import Question, Unanswered
from pipeline.evaluation.models import checkpoint as checkpoint_answers
from pipeline.evaluation.models.checkpoint import CheckpointUnderTest
from pipeline.evaluation.models.weights import open_model
from pipeline.release.chat import Chat
from tests.support.small_model import build_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("model")
    save_model(build_model("llama"), path)
    return path


def question(item_id: str, text: str = "丸は何色ですか。", *, shade: int | None = None) -> Question:
    images = () if shade is None else (Image.new("RGB", (40, 30), (shade, 100, 255 - shade)),)
    return Question(item_id, text, images, () if shade is None else (f"{shade:064}",))


QUESTIONS = (question("a", shade=0), question("b"), question("c", "三角はどこにありますか。", shade=200))


@pytest.mark.parametrize(
    "fields", [{}, {"do_sample": True, "temperature": 2.0}, {"num_beams": 2, "repetition_penalty": 1.5}]
)
def test_a_batch_gives_the_same_answers_as_one_question_at_a_time(folder, fields):
    model = CheckpointUnderTest(folder, GenerationConfig(max_new_tokens=6, **fields))
    together = model.answer(QUESTIONS)
    assert together == [answer for one in QUESTIONS for answer in model.answer([one])]
    assert len(set(together)) > 1


def test_several_images_stand_where_the_question_says(folder):
    model = CheckpointUnderTest(folder, GenerationConfig(max_new_tokens=6))
    images = tuple(Image.new("RGB", (40, 30), (shade, 100, 255 - shade)) for shade in (0, 200))
    asked = Question("a", "左と<image>右の違いは。", images, ("x", "y"))
    placed = Question("b", "左と右の違いは。", images, ("x", "y"), image_places=(1, 3))
    swapped = Question("c", "左と右の違いは。", images[::-1], ("y", "x"), image_places=(1, 3))
    alone = [model.answer([one])[0] for one in (asked, placed, swapped)]
    assert model.answer([asked, placed, swapped]) == alone
    chat = Chat(open_model(folder), images, GenerationConfig(max_new_tokens=6))
    assert "".join(chat.answer("左<image>と右<image>の違いは。")).strip() == alone[1]


def test_the_tower_sees_an_image_once_for_all_its_questions(folder, monkeypatch):
    seen = []
    encode = checkpoint_answers.encode_images

    def counted(model, images):
        seen.append(len(images))
        return encode(model, images)

    monkeypatch.setattr(checkpoint_answers, "encode_images", counted)
    model = CheckpointUnderTest(folder, GenerationConfig(max_new_tokens=2))
    first = model.answer([question("a", shade=0), question("b", shade=0), question("c", shade=9)])
    again = model.answer([question("a", shade=0)])
    assert seen == [2]
    assert again == first[:1]


def test_a_prompt_that_leaves_no_room_for_an_answer_fails_alone(folder):
    model = CheckpointUnderTest(folder, GenerationConfig(max_new_tokens=4))
    short, long = model.answer([question("a"), question("b", "丸は何色ですか。" * 100)])
    assert isinstance(short, str)
    assert isinstance(long, Unanswered)
    assert "with 4 of answer are more than the LLM's 128 positions; lower max_new_tokens" in long.reason
