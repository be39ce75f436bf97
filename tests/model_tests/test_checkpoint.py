import pytest
import torch
from safetensors import safe_open

from model.config import GenerationConfig
from model.conversation.encode import encode_prompt
from model.disk.checkpoint import load_model, load_projector, save_model, save_projector
from model.projector import Projector
from model.vision.s2 import join_scales
from tests.support.small_model import FAMILIES, build_model

QUESTION = "左上の図形は何色ですか。"


def answers(model) -> list[list[int]]:
    """Ids of the answers to a question about a grey and a noisy image, and to one without an image."""
    generator = torch.Generator().manual_seed(3)
    pixels = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=generator)
    pixels[0] = 128
    features = join_scales(model.vision_tower.encode(pixels, model.config.images))
    prompts = [
        encode_prompt(QUESTION, num_images=num_images, template=model.config.template, tokenizer=model.tokenizer)
        for num_images in (1, 1, 0)
    ]
    end, pad = model.tokenizer.eos_token_id, model.tokenizer.pad_token_id
    config = GenerationConfig(max_new_tokens=6)
    return model.vlm.generate(
        prompts, [*([image] for image in features), []], config, eos_token_id=end, pad_token_id=pad
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_gives_the_same_answers_after_it_was_saved(tmp_path, family):
    model = build_model(family)
    save_model(model, tmp_path)
    loaded = load_model(tmp_path, device=torch.device("cpu"))
    assert loaded.config == model.config
    assert answers(loaded) == answers(model)
    assert any(answers(model))


def test_every_weight_comes_back_to_the_bit_and_ready_to_answer(tmp_path):
    model = build_model("gpt2")
    save_model(model, tmp_path)
    loaded = load_model(tmp_path, device=torch.device("cpu"))
    for part, other in ((model.vlm, loaded.vlm), (model.vision_tower, loaded.vision_tower)):
        state, other_state = part.state_dict(), other.state_dict()
        assert state.keys() == other_state.keys()
        assert all(torch.equal(state[name], other_state[name]) for name in state)
    assert not loaded.vlm.training


def test_a_model_folder_has_safetensors_and_nothing_that_runs_code(tmp_path):
    save_model(build_model("llama"), tmp_path)
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    weights = {name for name in files if not name.endswith((".json", ".jinja", ".txt"))}
    assert weights == {"projector.safetensors", "llm/model.safetensors", "vision_tower/model.safetensors"}
    assert {"config.json", "tokenizer/tokenizer.json"} <= files
    assert not [name for name in files if name.endswith((".bin", ".pt", ".pth", ".pkl", ".ckpt"))]


def test_a_projector_is_stored_in_float32_and_fills_another(tmp_path):
    projector, other = Projector(4, 8).to(torch.bfloat16), Projector(4, 8)
    save_projector(projector.state_dict(), tmp_path)
    load_projector(other, tmp_path)
    with safe_open(tmp_path / "projector.safetensors", framework="pt") as stored:
        assert {name: str(stored.get_tensor(name).dtype) for name in stored.keys()} == {  # noqa: SIM118
            "layers.0.weight": "torch.float32",
            "layers.0.bias": "torch.float32",
            "layers.2.weight": "torch.float32",
            "layers.2.bias": "torch.float32",
        }
    inputs = torch.ones(1, 2, 4)
    assert torch.equal(other(inputs), Projector.forward(projector.float(), inputs))


def test_a_projector_of_another_shape_is_refused(tmp_path):
    save_projector(Projector(4, 8).state_dict(), tmp_path)
    with pytest.raises(RuntimeError, match="size mismatch for layers.0.weight"):
        load_projector(Projector(6, 8), tmp_path)
