"""A small LLaVA of Transformers' own class, asked alone and in batches."""

import json
from dataclasses import dataclass

import pytest
import torch
from PIL import Image

from model.config import GENERATION_PRESETS, GenerationConfig
from model.disk.checkpoint import save_model
from model.disk.llava_folder import write_llava
from pipeline.core.errors import ConfigError
from pipeline.evaluation.answers import Question, Unanswered
from pipeline.evaluation.models.checkpoint import CheckpointUnderTest, in_halves
from pipeline.evaluation.models.presets import Preset, preset_of, presets
from pipeline.evaluation.models.transformers import TransformersUnderTest
from tests.model_tests.test_release_folder import model_of

TEXTS = ("何色ですか。", "左上の図形は何色ですか。大きな札の模様も答えてください。", "図形はいくつありますか。", "丸?")
GENERATIONS = {
    "greedy": GenerationConfig(max_new_tokens=8),
    "sakana": GENERATION_PRESETS["sakana"].model_copy(update={"max_new_tokens": 8, "num_beams": 2}),
    "heron": GENERATION_PRESETS["heron"].model_copy(update={"max_new_tokens": 8}),
    "sampling": GenerationConfig(max_new_tokens=8, do_sample=True, temperature=2.0),
}


def questions(*, has_image: tuple[bool, ...] = (True, True, True, True)) -> list[Question]:
    return [
        Question(str(number), text, (Image.effect_noise((40, 30 + number), 90).convert("RGB"),), (str(number),))
        if shown
        else Question(str(number), text)
        for number, (text, shown) in enumerate(zip(TEXTS, has_image, strict=True))
    ]


@pytest.fixture(scope="module")
def llava(tmp_path_factory):
    folder = tmp_path_factory.mktemp("llava") / "model"
    write_llava(model_of("llama", scales=(1.0,)), folder, dtype="float32")
    return folder


@pytest.mark.parametrize("name", GENERATIONS)
def test_a_batch_gives_the_answers_of_questions_asked_alone(name, llava):
    model = TransformersUnderTest(llava, GENERATIONS[name], dtype="float32")
    asked = questions(has_image=(True, True, False, True))
    together = model.answer(asked)
    assert together == [answer for question in asked for answer in model.answer([question])]
    assert all(isinstance(answer, str) for answer in together)
    assert len(set(together)) > 1


def test_a_model_of_transformers_answers_as_the_checkpoint_it_was_made_of(tmp_path):
    model = model_of("llama", scales=(1.0,))
    write_llava(model, tmp_path / "llava", dtype="float32")
    save_model(model, tmp_path / "checkpoint")
    penalised = GenerationConfig(max_new_tokens=8, repetition_penalty=1.5, no_repeat_ngram_size=2)
    asked = questions()  # noise: other images every time
    theirs = TransformersUnderTest(tmp_path / "llava", penalised, dtype="float32").answer(asked)
    assert theirs == CheckpointUnderTest(tmp_path / "checkpoint", penalised).answer(asked)


def test_a_preset_replaces_the_chat_template(llava):
    preset = Preset(
        models=(),
        prompt="問い: {image}{question} 答え: ",
        add_special_tokens=True,
        end_strings=("##",),
        needs_remote_code=False,
        source="here",
        not_verified="",
    )
    asked = questions()
    plain = TransformersUnderTest(llava, GENERATIONS["greedy"], dtype="float32").answer(asked)
    assert TransformersUnderTest(llava, GENERATIONS["greedy"], preset=preset, dtype="float32").answer(asked) != plain
    assert preset.ask("何?", image="<image>") == "問い: <image>何? 答え: "
    assert preset.answer(" 赤です。## 青") == "赤です。"


def test_a_question_that_the_processor_refuses_fails_alone(llava, monkeypatch):
    model = TransformersUnderTest(llava, GENERATIONS["greedy"], dtype="float32")
    process = model._processor.image_processor.__class__.preprocess

    def narrow_is_refused(self, images, **options):
        if any(image.height == 31 for (image,) in images):
            raise ValueError("the image is too narrow")
        return process(self, images, **options)

    monkeypatch.setattr(model._processor.image_processor.__class__, "preprocess", narrow_is_refused)
    first, refused, *others = model.answer(questions())
    assert refused == Unanswered("the processor refuses it: the image is too narrow")
    assert all(isinstance(answer, str) for answer in (first, *others))


def test_a_question_that_leaves_no_room_for_an_answer_fails_alone(llava):
    model = TransformersUnderTest(llava, GENERATIONS["greedy"], dtype="float32")
    short, *_ = questions()
    images = (Image.new("RGB", (40, 30), "red"),)
    answer, long = model.answer([short, Question("long", "丸は何色ですか。" * 100, images)])
    assert isinstance(answer, str)
    assert "of answer are more than the model's" in long.reason


@dataclass
class Memory:
    """A device that holds some questions at once."""

    room: int
    asked: list[int]

    def answer(self, batch):
        self.asked.append(len(batch))
        if len(batch) > self.room or any(question.text == "大きい" for question in batch):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return [question.text for question in batch]


def test_a_batch_that_does_not_fit_is_asked_in_halves():
    asked = [Question(str(number), str(number)) for number in range(5)]
    memory = Memory(2, [])
    assert in_halves(memory.answer, asked) == ["0", "1", "2", "3", "4"]
    assert memory.asked == [5, 2, 3, 1, 2]


def test_a_question_that_does_not_fit_alone_fails_alone():
    asked = [Question("a", "小さい"), Question("b", "大きい")]
    small, large = in_halves(Memory(2, []).answer, asked)
    assert small == "小さい"
    assert large.reason.startswith("the device has too little memory for this one question: CUDA out of memory")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"model_type": "video_blip"},
            "of the type 'video_blip', which Transformers does not know and that has no code",
        ),
        ({"model_type": "jsvlm", "auto_map": {}}, "of the type 'jsvlm', which needs Python files.*--trust-remote-code"),
        ({"model_type": "bert"}, "Transformers cannot load .* as an image-text-to-text model"),
    ],
)
def test_what_cannot_be_loaded_is_said(tmp_path, config, message):
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match=message):
        TransformersUnderTest(tmp_path, GENERATIONS["greedy"])


def test_a_model_without_a_chat_template_needs_a_preset(llava, tmp_path):
    for path in llava.iterdir():
        if "chat_template" not in path.name:
            (tmp_path / path.name).symlink_to(path)
    with pytest.raises(ConfigError, match=r"has no chat template, so nobody knows .* choose a preset"):
        TransformersUnderTest(tmp_path, GENERATIONS["greedy"])


def test_the_presets_are_the_four_models_of_the_article():
    assert list(presets()) == [
        "japanese-stable-vlm",
        "evovlm-jp-v1-7b",
        "heron-blip-ja-stablelm-base-7b-v1-llava-620k",
        "heron-git-ja-stablelm-base-7b-v1",
    ]
    assert preset_of("SakanaAI/EvoVLM-JP-v1-7B") == "evovlm-jp-v1-7b"
    assert preset_of("SakanaAI/EvoVLM-JP-v2") is None
    heron = presets()["heron-git-ja-stablelm-base-7b-v1"]
    assert heron.ask("何?", image="") == "##human: 何?\n##gpt: "
    assert heron.answer("犬です。\n猫です。") == "犬です。"
    assert presets()["evovlm-jp-v1-7b"].ask("何?", image="<image>").endswith("<</SYS>>\n\n<image>\n何? [/INST]")
    assert all("{question}" in preset.prompt and preset.source for preset in presets().values())
