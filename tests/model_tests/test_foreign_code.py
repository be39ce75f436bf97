import io
import json
import shutil
import sys

import pytest
import torch

from model.config import LocalFolder
from model.disk.checkpoint import save_model
from model.disk.open import load_any_model
from model.disk.published import ModelFolderError
from model.disk.release_folder import write_release
from model.foreign_code import ForeignCodeError, require_no_code
from model.language_model import build_llm, load_tokenizer
from model.vision.tower import build_vision_tower
from pipeline.compute.model_sizes import llm_architecture, tower_sizes
from pipeline.config.experiment import TOKENIZER_FOLDER
from pipeline.core.errors import ConfigError
from tests.support.small_model import build_model, build_tokenizer, llm_config, tower_config

CODES = {
    "AutoConfig": "evil.Config",
    "AutoModelForCausalLM": "evil.Model",
    "AutoModel": "evil.Model",
    "AutoTokenizer": ["evil.Tokenizer", "evil.Tokenizer"],
    "AutoProcessor": "evil.Processor",
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model in both of our layouts."""
    folder, model = tmp_path_factory.mktemp("saved"), build_model("llama")
    save_model(model, folder / "own")
    write_release(model, folder / "released", dtype="float32")
    return folder


@pytest.fixture
def evil(saved, tmp_path, monkeypatch):
    """A copy of the models; whoever asks standard input is answered ``y``."""
    shutil.copytree(saved, tmp_path / "models")
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n" * 20))
    return tmp_path / "models"


def plant(folder, *, file: str = "config.json", **changes: object) -> None:
    """Python that says that it ran, and a file that asks for it."""
    code = f"open({str(folder / 'ran')!r}, 'w').close()\nraise SystemExit('it ran')\n"
    (folder / "evil.py").write_text(code)
    record = json.loads((folder / file).read_text(encoding="utf-8"))
    (folder / file).write_text(json.dumps({**record, "auto_map": CODES, **changes}), encoding="utf-8")


def open_it(folder):
    return load_any_model(folder, device=torch.device("cpu"))


@pytest.mark.parametrize(
    ("part", "file"),
    [
        ("own/llm", "config.json"),
        ("own/vision_tower", "config.json"),
        ("own/tokenizer", "tokenizer_config.json"),
        ("released", "config.json"),
        ("released", "tokenizer_config.json"),
    ],
)
def test_a_model_that_needs_no_code_is_opened_without_the_code_that_lies_with_it(evil, part, file):
    plant(evil / part, file=file)
    open_it(evil / part.split("/")[0])
    assert not (evil / part / "ran").exists()


@pytest.mark.parametrize(
    ("part", "file", "changes", "message"),
    [
        (
            "own/llm",
            "config.json",
            {"model_type": "evil"},
            r"llm is a model of the type 'evil', which needs the Python",
        ),
        ("own/vision_tower", "config.json", {"model_type": "evil"}, r"vision_tower is a model of the type 'evil'"),
        ("own/tokenizer", "tokenizer_config.json", {"tokenizer_class": "Evil"}, r"with the tokenizer class 'Evil'"),
        (
            "released",
            "tokenizer_config.json",
            {"tokenizer_class": None},
            r"released is a model with the tokenizer class",
        ),
        (
            "own/llm",
            "config.json",
            {"_attn_implementation": "a/b"},
            r"asks for compiled code of the Hub \(a/b\), which",
        ),
        ("released", "config.json", {"text_config": {"attn_implementation": "a/b:c"}}, r"compiled code of the Hub"),
    ],
)
def test_a_model_that_needs_a_strangers_code_is_refused(evil, part, file, changes, message):
    plant(evil / part, file=file, **changes)
    with pytest.raises(ModelFolderError, match=message):
        open_it(evil / part.split("/")[0])
    assert not (evil / part / "ran").exists()


def test_parts_of_an_experiment_run_no_code_of_their_folders(evil):
    plant(evil / "own/llm", model_type="evil")
    plant(evil / "own/vision_tower", model_type="evil")
    plant(evil / "own/tokenizer", file="tokenizer_config.json", tokenizer_class="Evil")
    weights = {name: LocalFolder(kind="local", folder=evil / "own" / name) for name in ("llm", "vision_tower")}
    llm = llm_config("llama").model_copy(update={"weights": weights["llm"]})
    tower = tower_config().model_copy(update={"weights": weights["vision_tower"]})
    tokenizer = llm.model_copy(update={"tokenizer": LocalFolder(kind="local", folder=evil / "own/tokenizer")})
    for read in (lambda: build_llm(llm, build_tokenizer()), lambda: build_vision_tower(tower)):
        with pytest.raises(ForeignCodeError, match="is not run here"):
            read()
    with pytest.raises(ForeignCodeError, match="is not run here"):
        load_tokenizer(tokenizer, bundled=TOKENIZER_FOLDER)
    for plan in (lambda: llm_architecture(llm), lambda: tower_sizes(tower)):
        with pytest.raises(ConfigError, match="is not run here"):
            plan()
    assert not list(evil.rglob("ran"))


def test_a_file_that_is_no_json_is_left_to_whoever_reads_it(tmp_path):
    (tmp_path / "config.json").write_text("[" * 100_000)
    require_no_code(tmp_path)
