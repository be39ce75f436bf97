"""A released folder in a Python that has torch, Transformers and Pillow alone gives the answers of the model."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers.pre_tokenizers import Metaspace
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from model.config import GenerationConfig, ImageConfig
from model.conversation.encode import IMAGE_TOKEN_ID, encode_prompt
from model.disk.checkpoint import LoadedModel
from model.disk.published import load_published
from model.disk.release_folder import is_released, load_release, write_release
from model.release.modeling_llava_jp import LlavaJpModel
from model.release.processing_llava_jp import LlavaJpImageProcessor, LlavaJpProcessor
from model.vision.s2 import join_scales
from model.vision.tower import build_vision_tower, pixels_of
from model.vlm import expand_image
from tests.support.published_model import published, so400m
from tests.support.released_user import QUESTIONS, conversation
from tests.support.small_model import build_model, build_vlm, tower_config
from tests.support.small_site import run_alone, small_site

CPU = torch.device("cpu")


def model_of(
    family: str, *, tower: str = "siglip", layout: str = "square", scales=(1.0, 0.5), width: int = 32
) -> LoadedModel:
    """Tiles of 32 pixels with sixteen patches."""
    model = build_model(family)
    images = ImageConfig(image_size=32 * len(scales), scales=scales, layout=layout)
    vision_tower = build_vision_tower(tower_config(model_type=tower, tile_size=32))
    vlm = build_vlm(family, vision_width=len(scales) * vision_tower.width, width=width)
    config = model.config.model_copy(update={"images": images})
    return replace(model, config=config, vision_tower=vision_tower, vlm=vlm)


MODELS = {
    "gpt2, S2": lambda folder: model_of("gpt2"),
    "gpt_neox, CLIP, one scale": lambda folder: model_of("gpt_neox", tower="clip", scales=(1.0,)),
    "llama, SigLIP 2": lambda folder: model_of("llama", tower="siglip2"),
    "llama, CLIP, published layout": lambda folder: model_of("llama", tower="clip", layout="llava-jp-v1.1"),
    "gpt2, published layout": lambda folder: model_of("gpt2", layout="llava-jp-v1.1"),
    "published": lambda folder: load_published(
        published(tower=lambda: so400m(image_size=30)).write(folder), device=CPU
    ),
}


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    Image.new("RGB", (40, 30), (128, 128, 128)).save(folder / "grey.png")
    noise = np.random.default_rng(3).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "noisy.png")
    return folder


@pytest.fixture(scope="module")
def released(tmp_path_factory, images):
    """The models, and what a user sees of each in a Python of its own."""
    folder = tmp_path_factory.mktemp("released")
    models = {}
    for index, (name, build) in enumerate(MODELS.items()):
        source = folder / f"published-{index}"
        source.mkdir()
        so400m(image_size=30).config.save_pretrained(source / "vision_tower")
        models[name] = build(source)
        write_release(models[name], folder / str(index), dtype="float32")
    write_release(models["gpt2, S2"], folder / "bfloat16", dtype="bfloat16")
    script = Path(__file__).parents[1] / "support" / "released_user.py"
    folders = [*(str(folder / str(index)) for index in range(len(models))), str(folder / "bfloat16")]
    done = run_alone(script, str(images), *folders, site=small_site(folder / "site"), home=folder)
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr
    seen = [json.loads(line) for line in done.stdout.splitlines()]
    return folder, dict(zip(models, zip(models.values(), seen, strict=False), strict=True)), seen[-1]


@torch.no_grad()
def features_of(model, *files):
    pixels = torch.stack([pixels_of(Image.open(file), image_size=model.config.images.image_size) for file in files])
    return join_scales(model.vision_tower.encode(pixels, model.config.images))


def prompt_of(model, question, *, num_images=1):
    return encode_prompt(question, num_images=num_images, template=model.config.template, tokenizer=model.tokenizer)


@pytest.mark.parametrize("name", MODELS)
def test_the_ids_and_the_logits_are_those_of_the_model(released, images, name):
    model, seen = released[1][name]
    features = features_of(model, images / "noisy.png")
    prompt = torch.tensor(prompt_of(model, QUESTIONS[0]))
    ids = expand_image(prompt, features.shape[1])
    with torch.no_grad():
        logits = model.vlm.llm(inputs_embeds=model.vlm.embed(ids[None], features)).logits[0]
    assert [token for token in seen["ids"] if token < len(model.tokenizer)] == [i for i in ids if i != IMAGE_TOKEN_ID]
    assert len(seen["ids"]) == len(ids)
    assert torch.allclose(torch.tensor(seen["logits"]), logits, atol=1e-5)
    assert logits.std() > 0.1


@pytest.mark.parametrize("name", MODELS)
def test_a_batch_of_questions_gets_the_answers_of_the_model(released, images, name):
    model, seen = released[1][name]
    end, pad = model.tokenizer.eos_token_id, model.tokenizer.pad_token_id
    features = features_of(model, images / "grey.png", images / "noisy.png")
    prompts = [prompt_of(model, QUESTIONS[0]), prompt_of(model, QUESTIONS[1])]
    prompts += [prompt_of(model, QUESTIONS[0], num_images=0), prompt_of(model, QUESTIONS[1], num_images=2)]
    grey, noisy = features
    config = GenerationConfig(max_new_tokens=6, repetition_penalty=1.2)
    answers = model.vlm.generate(
        prompts, [[grey], [noisy], [], [noisy, grey]], config, eos_token_id=end, pad_token_id=pad
    )
    theirs = [answer[: answer.index(end)] if end in answer else answer for answer in seen["answers"]]
    assert theirs == answers
    assert seen["eos"] == end
    assert all(QUESTIONS[0] in text for text in seen["texts"][::2])


def test_the_prompt_is_the_templates(released):
    _, seen = released[1]["gpt2, S2"]
    assert seen["prompt"].endswith(f" ユーザー: <image>\n{QUESTIONS[0]} システム: ")
    assert seen["type"] == "LlavaJpConfig"
    assert seen["ours"] == []


def test_bfloat16_is_loaded_as_it_is_stored(released):
    folder, _, seen = released
    assert seen["dtype"] == "torch.bfloat16"
    sizes = [(folder / name / "model.safetensors").stat().st_size for name in ("bfloat16", "0")]
    assert sizes[0] < 0.6 * sizes[1]


def test_a_released_folder_names_no_folder_of_this_machine(released):
    folder = released[0]
    for path in (folder / "5").iterdir():
        if path.suffix in (".json", ".py", ".jinja"):
            assert str(folder) not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize("name", ["gpt2, S2", "published"])
def test_a_released_folder_is_read_back(released, name, capsys):
    folder, models, _ = released
    model = models[name][0]
    released_folder = folder / str(list(MODELS).index(name))
    assert is_released(released_folder)
    loaded = load_release(released_folder, device=CPU)
    assert loaded.config.images == model.config.images
    state, other = model.vlm.state_dict(), loaded.vlm.state_dict()
    assert state.keys() == other.keys()
    assert all(torch.equal(state[key], other[key]) for key in state)
    assert prompt_of(loaded, QUESTIONS[0]) == prompt_of(model, QUESTIONS[0])
    assert "custom code" not in capsys.readouterr().out


@pytest.fixture(scope="module", params=["gpt2", "gpt_neox", "llama"])
def served(request, tmp_path_factory):
    """A model whose tokenizer adds tokens to every text, and its released folder."""
    model = model_of(request.param)
    special = [(token, model.tokenizer.convert_tokens_to_ids(token)) for token in ("<s>", "</s>")]
    model.tokenizer.backend_tokenizer.post_processor = TemplateProcessing("<s> $A </s>", special_tokens=special)
    folder = tmp_path_factory.mktemp("served") / request.param
    write_release(model, folder, dtype="float32")
    return model, folder


def processor_of(folder: Path) -> LlavaJpProcessor:
    """The processor of a released folder, without running the folder's own copy of the code."""
    settings = json.loads((folder / "processor_config.json").read_text(encoding="utf-8"))
    return LlavaJpProcessor(
        LlavaJpImageProcessor.from_pretrained(folder),
        AutoTokenizer.from_pretrained(folder, trust_remote_code=False),
        chat_template=(folder / "chat_template.jinja").read_text(encoding="utf-8"),
        **{name: settings[name] for name in ("num_image_tokens", "adds_special_tokens")},
    )


def one_row_a_token(module, query, key, value, attention_mask, **kwargs):
    """Attention as engines give it back: ``[tokens, width]`` without a batch."""
    output, _ = ALL_ATTENTION_FUNCTIONS["sdpa"](module, query, key, value, attention_mask, is_causal=True, **kwargs)
    return output.flatten(0, 1).flatten(1), None


@torch.no_grad()
def test_an_engine_with_attention_of_its_own_gets_the_hidden_states_of_the_model(served, images):
    model, folder = served
    ALL_ATTENTION_FUNCTIONS.register("one_row_a_token", one_row_a_token)
    headless = LlavaJpModel.from_pretrained(folder, attn_implementation={"text_config": "one_row_a_token"})
    features = features_of(model, images / "noisy.png")
    embeddings = model.vlm.embed(
        expand_image(torch.tensor(prompt_of(model, QUESTIONS[0])), features.shape[1])[None], features
    )
    hidden = headless(inputs_embeds=embeddings, use_cache=False, return_dict=False)[0]
    logits = model.vlm.llm.get_output_embeddings()(hidden)
    assert torch.allclose(logits, model.vlm.llm(inputs_embeds=embeddings).logits, atol=1e-5)
    pixels = LlavaJpImageProcessor.from_pretrained(folder)(Image.open(images / "noisy.png"), return_tensors="pt")
    tokens = headless.get_image_features(**pixels, return_dict=True).pooler_output
    assert torch.allclose(tokens, model.vlm.projector(features), atol=1e-5)


def test_an_engine_that_tokenises_a_prompt_as_one_text_gets_the_tokens_of_training(served):
    model, folder = served
    config = json.loads((folder / "config.json").read_text())
    assert config["auto_map"]["AutoModel"] == "modeling_llava_jp.LlavaJpModel"
    processor = processor_of(folder)
    text = processor.apply_chat_template(conversation(QUESTIONS[0], "a picture"), add_generation_prompt=True)
    ids = processor.tokenizer(text)["input_ids"]
    assert [IMAGE_TOKEN_ID if i == processor.image_token_id else i for i in ids] == list(prompt_of(model, QUESTIONS[0]))
    made = processor(images=Image.new("RGB", (9, 9)), text=text, return_text_replacement_offsets=True)
    ((place,),) = made["text_replacement_offsets"]
    assert (place["type"], place["replacement"]) == ("image", "<image>" * 16)
    assert made["input_ids"][0] == processor.tokenizer(text.replace("<image>", "<image>" * 16))["input_ids"]
    sizes = processor._get_num_multimodal_tokens(image_sizes=[(30, 40), (9, 9)])
    assert (sizes["num_image_tokens"], sizes["num_image_patches"]) == ([16, 16], [1, 1])


def test_a_folder_read_back_adds_the_tokens_of_training_again(served):
    model, folder = served
    loaded = load_release(folder, device=CPU)
    for num_images in (1, 0):
        assert prompt_of(loaded, QUESTIONS[0], num_images=num_images) == prompt_of(
            model, QUESTIONS[0], num_images=num_images
        )


def test_a_tokenizer_that_joins_what_stands_around_the_image_is_exported_with_a_warning(tmp_path, images, caplog):
    model = model_of("gpt2")
    model.tokenizer.backend_tokenizer.pre_tokenizer = Metaspace(prepend_scheme="first")  # as Llama's
    write_release(model, tmp_path / "out", dtype="float32")
    assert "vLLM, which tokenises a prompt as one text, will give other answers: this tokenizer cuts" in caplog.text
    processor = processor_of(tmp_path / "out")
    text = processor.apply_chat_template(conversation(QUESTIONS[0], "a picture"), add_generation_prompt=True)
    ids = processor(images=Image.open(images / "grey.png"), text=text)["input_ids"][0]
    ours = [i for i in prompt_of(model, QUESTIONS[0]) if i != IMAGE_TOKEN_ID]
    assert [i for i in ids if i != processor.image_token_id] == ours
