"""A file of a model that is not what its name says is named, with its size and what to do."""

import json
import shutil
import zipfile

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save_file
from transformers import GPT2Config, GPT2LMHeadModel

from model.config import HubFolder, LlmConfig
from model.language_model import build_llm, load_tokenizer
from model.layer_counts import missing_layers
from model.whole_files import ModelFolderError, require_whole
from pipeline.config.experiment import load_experiment
from pipeline.config.model_files import require_whole_models
from pipeline.core.errors import ConfigError

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1\nsize 9\n"
SHARDS = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}


@pytest.fixture
def folder(tmp_path):
    """A whole model: two shards and their index, a config, a tokenizer."""
    for name, shard in SHARDS["weight_map"].items():
        save_file({name: torch.ones(100)}, tmp_path / shard)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(SHARDS))
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "tokenizer.json").write_text("{}")
    return tmp_path


def problem(folder, **options):
    with pytest.raises(ModelFolderError) as caught:
        require_whole(folder, **options)
    return str(caught.value).replace(str(folder), "")


def test_a_whole_model_is_whole_and_files_that_are_not_read_are_not_looked_at(folder):
    (folder / "notes.json").write_text("// not JSON")
    (folder / "consolidated.safetensors").write_bytes(POINTER)  # the index does not name it
    (folder / "pytorch_model.bin").write_bytes(POINTER)  # there are safetensors
    require_whole(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has 0 bytes, so it is empty; fetch the file again"),
        (
            POINTER,
            "has 104 bytes, it is a pointer of Git LFS and not the file; `git lfs pull` in its folder fetches that",
        ),
        (
            b"\n<!DOCTYPE html><html>",
            "has 22 bytes, it is a web page and not the file; fetch it from the page",
        ),
    ],
)
@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model-00002-of-00002.safetensors"])
def test_what_lies_in_place_of_a_file_is_named(folder, name, content, message):
    (folder / name).write_bytes(content)
    assert problem(folder).startswith(f"/{name} {message}")


def test_a_cut_or_damaged_file_of_weights_is_told_by_its_header(folder):
    path = folder / "model-00001-of-00002.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    assert problem(folder) == (
        f"/{path.name} has {len(whole) - 7} bytes, and its header speaks of {len(whole)}: it was cut or changed; "
        "fetch the file again"
    )
    path.write_bytes(whole[:20])
    assert "has 20 bytes, and its header alone should have" in problem(folder)
    path.write_bytes(whole[:8] + b"[" + whole[9:])
    assert "and its header is damaged" in problem(folder)


def test_a_missing_file_of_an_index_is_named(folder):
    (folder / "model-00002-of-00002.safetensors").unlink()
    expected = (
        "/model-00002-of-00002.safetensors is missing, and model.safetensors.index.json says that weights lie there"
    )
    assert problem(folder).startswith(expected)
    require_whole(folder, has_weights=False)  # its tokenizer can be used all the same


def test_pytorchs_own_format_is_looked_at_where_nothing_else_is_there(tmp_path):
    path = tmp_path / "pytorch_model.bin"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", b"x" * 1000)
    require_whole(tmp_path)
    path.write_bytes(path.read_bytes()[:500])
    assert problem(tmp_path) == "/pytorch_model.bin has 500 bytes, and its end is missing; fetch the file again"


def test_json_that_is_none_is_named(folder):
    (folder / "tokenizer_config.json").write_text("{", encoding="utf-8")
    assert problem(folder).startswith("/tokenizer_config.json has 1 bytes, and is not JSON (Expecting property name")


@pytest.mark.parametrize("part", ["llm.weights", "llm.tokenizer", "vision_tower.weights"])
def test_every_model_of_an_experiment_is_looked_at_before_anything_runs(tmp_path, part):
    (tmp_path / "config.json").write_bytes(POINTER)
    config = load_experiment("smoke", [f"{part}={{kind: local, folder: {tmp_path}}}"])
    with pytest.raises(ConfigError, match="config.json has 104 bytes, it is a pointer of Git LFS"):
        require_whole_models(config)


COMMIT = "1" * 40


@pytest.fixture
def cached(monkeypatch, tmp_path):
    """The snapshot of a repository in the cache of ``huggingface_hub``, whose files lead to their contents."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("transformers.utils.hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    repository = tmp_path / "models--team--llm"
    (repository / "blobs").mkdir(parents=True)
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    config = GPT2Config(n_layer=2, n_embd=8, n_head=2, vocab_size=16, n_positions=8)
    GPT2LMHeadModel(config).save_pretrained(tmp_path / "made")
    for path in (tmp_path / "made").iterdir():
        shutil.move(path, repository / "blobs" / path.name)
        (snapshot / path.name).symlink_to(repository / "blobs" / path.name)
    return snapshot


def llm_of_the_hub():
    hub = HubFolder(kind="hub", id="team/llm", revision=COMMIT)
    return build_llm(LlmConfig(weights=hub, tokenizer=hub), None)


def test_a_model_of_the_hub_is_read_from_the_cache(cached):
    assert llm_of_the_hub().config.n_layer == 2


@pytest.mark.parametrize(
    ("content", "problem"),
    [(POINTER, "it is a pointer of Git LFS and not the file"), (None, "and its header speaks of")],
)
def test_a_file_of_the_hub_that_is_not_what_its_name_says_is_named(cached, content, problem):
    path = cached / "model.safetensors"
    path.resolve().write_bytes(path.read_bytes()[:-1] if content is None else content)
    with pytest.raises(ModelFolderError) as caught:
        llm_of_the_hub()
    assert str(caught.value).startswith(f"{path} has {path.stat().st_size} bytes, {problem}")
    assert str(caught.value).endswith(f"; delete {path.resolve()}, and it is fetched again")


def test_a_tokenizer_of_the_hub_that_was_cut_is_named(cached):
    (cached / "tokenizer.json").write_text('{"version": "1.0", "trunc')
    hub = HubFolder(kind="hub", id="team/llm", revision=COMMIT)
    with pytest.raises(ModelFolderError, match=r"tokenizer.json has 25 bytes, and is not JSON \(Unterminated"):
        load_tokenizer(LlmConfig(weights=hub, tokenizer=hub), bundled=cached)


def test_layers_that_the_weights_lack_are_not_drawn_at_random(cached):
    config = json.loads((cached / "config.json").read_text())
    (cached / "config.json").resolve().write_text(json.dumps({**config, "n_layer": 3}))
    with pytest.raises(
        ModelFolderError, match=r"config.json is not that of the weights .*: n_layer is 3, and the .* 2;"
    ):
        llm_of_the_hub()


@pytest.mark.parametrize(
    ("config", "names", "problem"),
    [
        ({"num_hidden_layers": 2}, ["model.layers.0.w", "model.layers.1.w", "lm_head.weight"], ""),
        ({"num_hidden_layers": 2}, ["model.layers.0.w", "model.layers.1.w", "model.layers.2.extra.w"], ""),
        ({"n_layer": 2}, ["h.0.w"], "n_layer is 2, and the weights have 1"),
        (
            {"text_config": {"num_hidden_layers": 12}, "vision_config": {"num_hidden_layers": 27}},
            ["text_model.encoder.layers.11.w", "vision_model.encoder.layers.25.w"],
            "vision_config.num_hidden_layers is 27, and the weights have 26",
        ),
        ({"num_hidden_layers": 2}, ["model.layers.1.experts.63.w"], ""),
        ({"num_hidden_layers": 2}, ["projector.weight"], ""),  # nothing is numbered
        ({"num_hidden_layers": True, "num_layers": "3"}, ["layers.0.w"], ""),
        ([], ["layers.0.w"], ""),
    ],
)
def test_what_a_config_says_of_layers_is_compared_with_the_weights(config, names, problem):
    assert missing_layers(config, names) == problem


def test_the_index_of_files_of_pytorch_says_what_layers_they_have(tmp_path):
    (tmp_path / "config.json").write_text('{"num_hidden_layers": 3}')
    torch.save({"model.layers.1.w": torch.ones(1)}, tmp_path / "pytorch_model-00001-of-00001.bin")
    index = {"weight_map": {"model.layers.1.w": "pytorch_model-00001-of-00001.bin"}}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    assert "num_hidden_layers is 3, and the weights have 2" in problem(tmp_path)
