import pytest
import torch
from PIL import Image

from model.config import GenerationConfig
from model.conversation.encode import IMAGE_TOKEN_ID, encode_prompt
from model.disk.checkpoint import save_model
from model.disk.open import load_any_model
from model.disk.release_folder import write_release
from model.generator import Generator, NoRoomError, Prompt, encode_images
from model.language_model import max_sequence_length
from tests.support.llm_families import FAMILIES, LENGTH, build_model_of
from tests.support.published_model import published
from tests.support.small_model import build_model

CPU = torch.device("cpu")
IMAGE = Image.effect_noise((40, 30), 90).convert("RGB")
QUESTION = "丸は何色ですか。"
SHORT = GenerationConfig(max_new_tokens=6)


class Seen:
    """A streamer of Transformers that counts."""

    def __init__(self):
        self.num_tokens = 0

    def put(self, value):
        self.num_tokens += value.numel()

    def end(self):
        pass


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_of_every_family_answers_alone_as_in_a_batch_and_knows_its_room(family):
    model = build_model_of(family)
    generator = Generator.of(model)
    (features,) = encode_images(model, [IMAGE])
    prompts = [
        generator.prompt(QUESTION, [features]),
        generator.prompt("三角はどこにありますか。"),
        generator.prompt("では？", [features], history=[(QUESTION, "赤")]),
    ]
    together = generator.answer(prompts, SHORT)
    assert together == [answer for prompt in prompts for answer in generator.answer([prompt], SHORT)]
    assert len(set(together)) > 1
    _, length = FAMILIES[family]
    assert max_sequence_length(model.vlm.llm.config) == generator.max_length == length
    rooms = [generator.room(prompt) for prompt in prompts]
    assert rooms == [None if length is None else length - prompt.num_tokens for prompt in prompts]


@pytest.mark.parametrize("family", [family for family, (_, length) in FAMILIES.items() if length])
def test_an_answer_that_fills_the_last_position_can_be_made(family):
    generator = Generator.of(build_model_of(family))
    seen = Seen()
    prompt = Prompt((5,) * (LENGTH - 3), ())
    generator.answer([prompt], generator.fitted(SHORT, [prompt]), streamer=seen)
    assert 1 <= seen.num_tokens <= 3


def test_tokens_are_counted_with_those_of_the_image():
    model = build_model("llama")
    generator = Generator.of(model)
    (features,) = encode_images(model, [IMAGE])
    prompt = generator.prompt(QUESTION, [features])
    ids = encode_prompt(QUESTION, num_images=1, template="v1", tokenizer=model.tokenizer)
    assert prompt.token_ids == ids
    assert prompt.num_tokens == len(ids) - 1 + 4


def test_answers_are_as_short_as_the_longest_prompt_makes_necessary():
    generator = Generator.of(build_model("llama"))
    short, long = generator.prompt(QUESTION), generator.prompt(QUESTION * 3)
    room = generator.room(long)
    assert 0 < room < generator.room(short) < 128
    assert generator.fitted(GenerationConfig(max_new_tokens=500), [short, long]).max_new_tokens == room
    assert generator.fitted(SHORT, [short, long]) == SHORT
    with pytest.raises(NoRoomError, match="the model takes 128"):
        generator.fitted(SHORT, [short, generator.prompt(QUESTION * 100)])
    without_limit = Generator.of(build_model_of("bloom"))
    assert without_limit.fitted(SHORT, [without_limit.prompt(QUESTION * 100)]) == SHORT


def write_own(folder):
    save_model(build_model("llama"), folder)


def write_released(folder):
    write_release(build_model("llama"), folder, dtype="float32")


def write_published(folder):
    published(scales=(1.0,)).write(folder)


@pytest.mark.parametrize("write", [write_own, write_released, write_published])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_model_is_read_into_the_format_in_which_it_answers(tmp_path, write, dtype):
    write(tmp_path)
    model = load_any_model(tmp_path, device=CPU, dtype=dtype)
    weights = [*model.vlm.parameters(), *model.vision_tower.parameters()]
    assert {weight.dtype for weight in weights} == {getattr(torch, dtype)}
    assert model.config.vision_dtype == dtype
    (features,) = encode_images(model, [IMAGE])
    ids = model.vlm.generate([[IMAGE_TOKEN_ID, 5, 6]], [[features]], SHORT, eos_token_id=2, pad_token_id=3)
    assert len(ids[0]) > 0
    (exact,) = encode_images(load_any_model(tmp_path, device=CPU), [IMAGE])
    assert exact.dtype == torch.float32
    assert torch.allclose(features.float(), exact, atol=0.1, rtol=0.1)
