"""Configs with sizes that no model has are refused before anything is built of them."""

import json
import time

import pytest
import torch
from transformers import GPT2Config, LlamaConfig, Qwen3Config, SiglipVisionConfig

from model.config_limits import ModelSizeError, read_record, refuse_impossible_sizes, require_possible_sizes
from model.disk.open import load_any_model
from model.disk.published import ModelFolderError
from model.vision.tower import load_vision_tower


def folder_with(path, **config):
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(json.dumps(config))
    return path


@pytest.mark.parametrize(
    "config",
    [
        {"num_hidden_layers": 10**9},
        {"n_layer": 10**9},
        {"text_config": {"num_hidden_layers": 10**9}},
        {"vision_config": {"depths": [2, 10**9]}},
        {"hidden_size": 10**9},
        {"vocab_size": 10**12},
        {"num_attention_heads": -(10**9)},
        {"max_position_embeddings": 10**12},
        {"num_local_experts": 10**7},
        {"image_size": 10**7},
        {"num_hidden_layers": 1e300},
    ],
)
def test_a_size_that_no_model_has_is_refused(config):
    with pytest.raises(ModelSizeError, match=r"^here cannot be that of a model: \w+ is .*, and more than \d+ are not"):
        refuse_impossible_sizes(config, where="here")


@pytest.mark.parametrize("config_class", [GPT2Config, LlamaConfig, Qwen3Config, SiglipVisionConfig])
def test_configs_of_models_are_possible(config_class):
    refuse_impossible_sizes(config_class().to_dict(), where="here")
    refuse_impossible_sizes({"num_hidden_layers": 126, "vocab_size": 262_144, "hidden_size": 16_384}, where="here")


def test_a_folder_with_layers_without_number_is_refused_at_once(tmp_path):
    qwen = folder_with(tmp_path / "llm", model_type="qwen3", num_hidden_layers=10**9)
    tower = folder_with(tmp_path / "tower", model_type="siglip_vision_model", num_hidden_layers=10**9)
    published = folder_with(tmp_path / "published", mm_vision_tower="a", n_layer=10**9)
    own = folder_with(tmp_path / "own", images={}, template="v1")
    folder_with(own / "llm", model_type="qwen3", num_hidden_layers=10**9)
    started = time.monotonic()
    with pytest.raises(ModelSizeError, match="num_hidden_layers is 1000000000"):
        require_possible_sizes(qwen)
    with pytest.raises(ValueError, match="num_hidden_layers is 1000000000"):
        load_vision_tower(tower, torch.float32)
    for folder in (published, own):
        with pytest.raises(ModelFolderError, match="is 1000000000, and more than 1000 are not read"):
            load_any_model(folder, device=torch.device("cpu"))
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("text", "message"), [("[" * 100_000, "is not JSON"), ("[]", "is no JSON object"), ("{", "not J")]
)
def test_what_is_no_config_is_said(tmp_path, text, message):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ModelSizeError, match=message):
        read_record(tmp_path / "config.json")
