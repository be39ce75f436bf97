"""A model with one scale as Transformers' own LLaVA."""

import json
from dataclasses import replace

import pytest
import torch
from PIL import Image
from tokenizers.pre_tokenizers import Metaspace
from transformers import AutoModelForImageTextToText, AutoProcessor, AutoTokenizer, LlavaForConditionalGeneration

from model.config import GenerationConfig
from model.disk.checkpoint import LoadedModel
from model.disk.llava_folder import NotALlavaError, write_llava
from model.disk.published import load_published
from tests.model_tests.test_release_folder import features_of, model_of, prompt_of
from tests.support.published_model import gpt2, published, so400m
from tests.support.released_user import QUESTIONS, conversation
from tests.support.shared_data import shared_data

CPU = torch.device("cpu")


def assert_same_answers(model: LoadedModel, folder, tmp_path):
    write_llava(model, folder, dtype="float32")
    assert json.loads((folder / "config.json").read_text())["model_type"] == "llava"
    assert not list(folder.glob("*.py"))
    processor = AutoProcessor.from_pretrained(folder)
    llava = AutoModelForImageTextToText.from_pretrained(folder)
    assert type(llava) is LlavaForConditionalGeneration
    image = Image.effect_noise((50, 40), 90).convert("RGB")
    image.save(tmp_path / "noise.png")
    conversations = [conversation(question, image) for question in QUESTIONS]
    batch = processor.apply_chat_template(
        conversations,
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        processor_kwargs={"return_tensors": "pt", "padding": True},
    )
    features = features_of(model, tmp_path / "noise.png", tmp_path / "noise.png")
    prompts = [prompt_of(model, question) for question in QUESTIONS]
    length = len(prompts[0]) - 1 + features.shape[1]
    with torch.no_grad():
        unpadded = {name: batch[name][:1, -length:] for name in ("input_ids", "attention_mask")}
        theirs = llava(**unpadded, pixel_values=batch["pixel_values"][:1]).logits[0]
        ids = torch.tensor(prompts[0])
        ids = ids.repeat_interleave(torch.where(ids < 0, features.shape[1], 1))
        ours = model.vlm.llm(inputs_embeds=model.vlm.embed(ids[None], features[:1])).logits[0]
    assert int(batch["attention_mask"][0].sum()) == length
    assert torch.allclose(theirs[:, : ours.shape[1]], ours, atol=1e-4)
    end, pad = model.tokenizer.eos_token_id, model.tokenizer.pad_token_id
    expected = model.vlm.generate(
        prompts, [[image] for image in features], GenerationConfig(max_new_tokens=6), eos_token_id=end, pad_token_id=pad
    )
    answers = llava.generate(**batch, max_new_tokens=6)[:, batch["input_ids"].shape[1] :].tolist()
    assert [answer[: answer.index(end)] if end in answer else answer for answer in answers] == expected


@pytest.mark.parametrize(
    ("family", "tower", "layout"),
    [("gpt2", "siglip", "square"), ("llama", "clip", "square"), ("gpt_neox", "siglip", "llava-jp-v1.1")],
)
def test_one_scale_becomes_transformers_own_llava(tmp_path, family, tower, layout):
    model = model_of(family, tower=tower, layout=layout, scales=(1.0,))
    assert_same_answers(model, tmp_path / "llava", tmp_path)


def test_the_published_v1_0_becomes_one_with_the_tokens_of_llm_jp(tmp_path):
    reference = published(
        lambda: gpt2(vocab_size=50688), lambda: so400m(image_size=30, num_attention_heads=4), scales=(1.0,)
    )
    folder = reference.write(tmp_path / "published", tokenizer=shared_data() / "llmjp_tokenizer")
    reference.tower.config.save_pretrained(folder / "vision_tower")
    assert_same_answers(load_published(folder, device=CPU), tmp_path / "llava", tmp_path)


def test_what_the_class_cannot_have_is_said(tmp_path):
    with pytest.raises(NotALlavaError, match=r"cannot have S2 with the scales \[1.0, 0.5\]; export with --form llava"):
        write_llava(model_of("gpt2"), tmp_path / "llava", dtype="float32")
    with pytest.raises(NotALlavaError, match="cannot have a siglip2_vision_model tower, whose patches are cut before"):
        write_llava(model_of("gpt2", tower="siglip2", scales=(1.0,)), tmp_path / "llava", dtype="float32")
    assert not (tmp_path / "llava").exists()


def test_a_tokenizer_that_joins_what_stands_around_the_image_is_refused(tmp_path):
    model = model_of("gpt2", scales=(1.0,))
    tokenizer = AutoTokenizer.from_pretrained(shared_data() / "llmjp_tokenizer")
    tokenizer.backend_tokenizer.normalizer = None
    tokenizer.backend_tokenizer.pre_tokenizer = Metaspace(prepend_scheme="first")  # as Llama's
    with pytest.raises(NotALlavaError, match="cuts a whole prompt in another way"):
        write_llava(replace(model, tokenizer=tokenizer), tmp_path / "llava", dtype="float32")
