"""A file of a model that is not what its name says is named, with its size and what to do."""

import json
import zipfile

import pytest
import torch
from safetensors.torch import save_file

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
