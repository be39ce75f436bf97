import json
import pickle

import pytest
import torch
from transformers import AutoTokenizer

from model.conversation.encode import IMAGE_TOKEN_ID, encode_prompt
from model.disk.published import ModelFolderError, is_published, load_published, load_published_projector
from model.vision.s2 import join_scales
from model.vlm import expand_image
from tests.support.published_model import clip, gpt2, llama, published, so400m
from tests.support.shared_data import shared_data

CPU = torch.device("cpu")
BEFORE, AFTER = [31, 50, 7], [12, 13, 60, 14]


def noise(side: int) -> torch.Tensor:
    return torch.randint(0, 256, (3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


@torch.no_grad()
def our_logits(model, pixels) -> torch.Tensor:
    features = join_scales(model.vision_tower.encode(pixels[None], model.config.images))
    ids = expand_image(torch.tensor([*BEFORE, IMAGE_TOKEN_ID, *AFTER]), features.shape[1])
    return model.vlm.llm(inputs_embeds=model.vlm.embed(ids[None], features)).logits[0]


def assert_same_logits(model, reference):
    pixels = noise(model.config.images.image_size)
    ours, theirs = our_logits(model, pixels), reference.logits(BEFORE, pixels, AFTER)
    assert ours.shape == theirs.shape
    assert torch.allclose(ours, theirs, atol=1e-5), float((ours - theirs).abs().max())
    assert theirs.std() > 0.1


def test_v1_1_gives_the_logits_of_the_published_computation(tmp_path):
    reference = published()
    model = load_published(reference.write(tmp_path), device=CPU)
    assert model.config.images.image_size == 768
    assert model.config.images.scales == (1.0, 0.5)
    assert (model.config.images.layout, model.config.template) == ("llava-jp-v1.1", "v1")
    assert model.vision_tower.num_tokens(model.config.images.layout) == 728
    assert_same_logits(model, reference)


def test_v1_0_sees_one_tile(tmp_path):
    reference = published(scales=(1.0,))
    model = load_published(reference.write(tmp_path), device=CPU)
    assert (model.config.images.image_size, model.config.images.scales) == (384, (1.0,))
    assert_same_logits(model, reference)


def test_shards_surplus_weights_and_a_tied_head_are_read(tmp_path):
    reference = published(scales=(1.0,))
    surplus = {"model.transformer.wte.weight": torch.ones(3), "transformer.h.0.attn.masked_bias": torch.ones(1)}
    folder = reference.write(tmp_path, num_shards=3, **surplus, **{"lm_head.weight": None})
    model = load_published(folder, device=CPU)
    assert model.vlm.llm.lm_head.weight is model.vlm.llm.transformer.wte.weight
    assert_same_logits(model, reference)


def test_a_head_of_its_own_is_kept(tmp_path):
    reference = published(lambda: gpt2(tie_word_embeddings=False), scales=(1.0,))
    model = load_published(reference.write(tmp_path), device=CPU)
    assert model.vlm.llm.lm_head.weight is not model.vlm.llm.transformer.wte.weight
    assert_same_logits(model, reference)


def test_a_tower_in_bfloat16_is_computed_in_float32(tmp_path):
    reference = published(scales=(1.0,))
    reference.tower.bfloat16().float()
    half = {name: tensor.bfloat16() for name, tensor in reference.weights().items() if ".vision_tower." in name}
    model = load_published(reference.write(tmp_path, **half), device=CPU)
    assert model.vision_tower.dtype == torch.float32
    assert_same_logits(model, reference)
    assert load_published(tmp_path, device=CPU, dtype="bfloat16").vision_tower.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("llm", "tower", "fields"),
    [
        (llama, None, {}),
        (None, clip, {"mm_vision_tower": "openai/clip-vit-large-patch14-336"}),
        (None, None, {"mm_vision_select_feature": "cls_patch"}),
        (None, lambda: so400m(vision_use_head=False), {"vision_encoder_type": "siglip"}),
    ],
    ids=["a Llama", "a CLIP", "no dropped patch", "no pooling head"],
)
def test_other_members_of_the_family_are_read(tmp_path, llm, tower, fields):
    reference = published(llm, tower, scales=(1.0,), **fields)
    assert_same_logits(load_published(reference.write(tmp_path), device=CPU), reference)


def test_the_config_of_an_unknown_tower_is_read_beside_the_weights(tmp_path):
    small = {"num_attention_heads": 4, "image_size": 30}
    reference = published(tower=lambda: so400m(**small), mm_vision_tower="somebody/siglip-tiny")
    folder = reference.write(tmp_path)
    with pytest.raises(ModelFolderError, match="tile size of the vision tower 'somebody/siglip-tiny' are not known"):
        load_published(folder, device=CPU)
    reference.tower.config.save_pretrained(folder / "vision_tower")
    model = load_published(folder, device=CPU)
    assert model.config.images.image_size == 60
    assert_same_logits(model, reference)


def test_a_tower_in_a_folder_of_its_own_tells_its_config(tmp_path):
    reference = published(tower=lambda: so400m(num_attention_heads=4, image_size=30))
    reference.tower.save_pretrained(tmp_path / "siglip-tiny")
    reference.fields["mm_vision_tower"] = str(tmp_path / "siglip-tiny")
    assert_same_logits(load_published(reference.write(tmp_path / "model"), device=CPU), reference)


def test_nothing_is_dropped_out_and_the_config_keeps_the_dropout_for_training(tmp_path):
    model = load_published(published(scales=(1.0,)).write(tmp_path), device=CPU)
    assert not model.vlm.training
    assert model.vlm.llm.config.resid_pdrop == 0.1
    assert not hasattr(model.vlm.llm.config, "mm_vision_tower")


@pytest.mark.parametrize("left_out", ["nothing", "tokenizer_config.json"])
def test_the_tokens_of_the_demo_are_those_of_the_original(tmp_path, left_out):
    tokenizer = shared_data() / "llmjp_tokenizer"
    reference = published(lambda: gpt2(vocab_size=50688), scales=(1.0,))
    folder = reference.write(tmp_path, tokenizer=tokenizer)
    (folder / left_out).unlink(missing_ok=True)
    model = load_published(folder, device=CPU)
    ids = encode_prompt("猫の隣には何がありますか？", num_images=1, template="v1", tokenizer=model.tokenizer)
    assert len(ids) == 54
    assert ids[ids.index(IMAGE_TOKEN_ID) - 1] == 7
    assert ids[-1] == AutoTokenizer.from_pretrained(tokenizer).convert_tokens_to_ids("▁")
    assert model.tokenizer.eos_token_id == 7


def test_a_pretrained_projector_is_read_from_its_pickle(tmp_path):
    reference = published()
    (tmp_path / "config.json").write_text(json.dumps(reference.config()))
    stored = {name: tensor for name, tensor in reference.weights().items() if "mm_projector" in name}
    torch.save(stored, tmp_path / "mm_projector.bin")
    projector = load_published_projector(tmp_path)
    features = torch.randn(1, 5, 64)
    assert torch.equal(projector(features), reference.projector(features))
    with pytest.raises(ModelFolderError, match="holds a pretrained projector .* so it cannot answer"):
        load_published(tmp_path, device=CPU)
    assert torch.equal(load_published_projector(published().write(tmp_path / "whole"))(features), projector(features))


class Evil:
    def __reduce__(self):
        return (print, ("code was run",))


def test_a_pickle_that_runs_code_is_refused(tmp_path, capsys):
    (tmp_path / "config.json").write_text(json.dumps(published().config()))
    torch.save({"model.mm_projector.0.weight": Evil()}, tmp_path / "mm_projector.bin")
    with pytest.raises(pickle.UnpicklingError):
        load_published_projector(tmp_path)
    assert "code was run" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mm_projector_type": "linear"}, "mm_projector_type is 'linear', and only 'mlp2x_gelu' can be read"),
        ({"mm_vision_select_layer": -1}, "mm_vision_select_layer is -1, and only -2 can be read"),
        ({"image_aspect_ratio": "pad"}, "image_aspect_ratio is 'pad', and only 'square' can be read"),
        ({"n_inner": 72}, "the weights do not fit the config: .*c_fc.weight is \\[32, 64\\], not \\[32, 72\\]"),
        ({"scales": [1.0, 0.3]}, "`scales` in config.json: "),
        ({"scales": [1.0, 0.25]}, "scales \\[1.0, 0.25\\] of 768 pixels give \\[192\\] pixels"),
        (
            {"scales": None},
            "the projector takes 64 channels, but 1 scales \\[1.0\\] of a tower with 32 channels give 32",
        ),
    ],
)
def test_what_would_give_other_answers_is_refused(tmp_path, fields, message):
    with pytest.raises(ModelFolderError, match=message):
        reference = published(scales=fields.get("scales") or (1.0, 0.5))
        reference.fields = fields
        load_published(reference.write(tmp_path), device=CPU)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ("transformer.ln_f.weight", "transformer.ln_f.weight is missing"),
        ("model.mm_projector.2.bias", "two linear layers have"),
        ("transformer.wte.weight", "no known LLM"),
        ("model.vision_tower.vision_tower.vision_model.embeddings.patch_embedding.weight", "no vision tower"),
    ],
)
def test_a_missing_weight_is_named(tmp_path, weight, message):
    folder = published(scales=(1.0,)).write(tmp_path, **{weight: None})
    with pytest.raises(ModelFolderError, match=message):
        load_published(folder, device=CPU)


def test_other_folders_are_not_taken_for_published_ones(tmp_path):
    assert not is_published(tmp_path)
    folder = published(scales=(1.0,)).write(tmp_path)
    assert is_published(folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelFolderError, match="has no tokenizer.json; put the files of the LLM's tokenizer there"):
        load_published(folder, device=CPU)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelFolderError, match="has no .safetensors file; other formats are not read"):
        load_published(folder, device=CPU)
