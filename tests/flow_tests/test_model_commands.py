"""``llava-jp export``, ``publish`` and ``chat``, as a user types them, in this process."""

import json
import os

import pytest
from huggingface_hub import constants
from PIL import Image
from transformers.utils import logging
from typer.testing import CliRunner

from flows.cli.main import app
from model.config import GenerationConfig
from model.disk.checkpoint import save_model
from pipeline.config.experiment import load_experiment
from pipeline.core.settings import load_settings
from pipeline.core.wording import printable
from pipeline.evaluation.models.weights import open_model
from pipeline.evaluation.predict import PredictionsSummary
from pipeline.evaluation.scores import ScoresSummary
from pipeline.planning.plan import plan_experiment
from pipeline.release.chat import Chat
from pipeline.store.artifacts import ArtifactStore
from pipeline.training.job import StageSummary
from tests.support.hub_server import running_hub
from tests.support.published_model import published, so400m
from tests.support.small_model import build_model
from tests.support.summaries import summary_with

QUESTION = "左上の図形は何色ですか。"
TOKEN = "hf_secretsecretsecret"


@pytest.fixture
def llava_jp(monkeypatch, trained):
    """``llava-jp ARGUMENTS`` on the store with the model of ``smoke``, in this process."""
    for name in [name for name in os.environ if name.startswith(("LLAVA_JP_", "HF_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LLAVA_JP_STORE", str(trained.directory.parents[2]))
    logging.disable_progress_bar()  # as the environment of the console script does

    def run(*arguments, **options):
        return CliRunner().invoke(app, [str(argument) for argument in arguments], **options)

    yield run
    logging.enable_progress_bar()


@pytest.fixture
def hub(monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # the server speaks LFS
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with running_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "noise.png"
    Image.effect_noise((40, 30), 90).convert("RGB").save(path)
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The model of ``smoke`` with its training and its scores, as a run leaves them. Tests only read it."""
    store = ArtifactStore(tmp_path_factory.mktemp("trained") / "store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLAVA_JP_STORE", str(store.root))
        return _run_of_smoke(store)


def _run_of_smoke(store):
    plan = {str(step.role): step.request for step in plan_experiment(load_experiment("smoke"), load_settings())}
    interval = {"mean": 61.25, "low": 50.0, "high": 70.0, "num_items": 24, "num_clusters": 24}
    summaries = {
        "dataset/pretrain": {},
        "dataset/finetune": {},
        "pretrain": summary_with(StageSummary, num_samples=96, num_optimizer_steps=12, final_loss=4.5),
        "finetune": summary_with(StageSummary, num_samples=32, num_optimizer_steps=4, final_loss=3.25),
        "predictions/shapes-ja": summary_with(PredictionsSummary),
        "scores/shapes-ja": summary_with(
            ScoresSummary, num_items=24, metrics={"exact_match": {"overall": {"overall": interval}}}
        ),
    }
    for role, said in summaries.items():

        def work(directory, role=role, said=said):
            if role == "finetune":
                save_model(build_model("gpt2"), directory)
            return said

        store.produce(plan[role], work)
    return store.find(plan["finetune"])


def assert_loads(folder):
    assert {"config.json", "README.md", "chat_template.jinja", "generation_config.json"} <= {
        path.name for path in folder.iterdir()
    }
    chat = Chat(open_model(folder), (), GenerationConfig(max_new_tokens=4))
    assert list(chat.answer(QUESTION))


def test_an_experiments_model_is_exported_with_a_card_of_what_the_store_knows(llava_jp, trained, tmp_path):
    folder = tmp_path / "out" / "smoke-model"
    done = llava_jp("export", "smoke", folder)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith(f"smoke: {folder}, ")
    assert_loads(folder)
    assert json.loads((folder / "config.json").read_text())["dtype"] == "bfloat16"
    card = (folder / "README.md").read_text(encoding="utf-8")
    for text in (
        "## 日本語",
        "## English",
        f"`{trained.fingerprint}`",
        "| shapes-ja | exact_match | overall | 61.2 | 50.0-70.0 | 24 |",
        "shapes-ja captions (samples: 96)",
        "optimizer steps 4, last loss 3.250",
        'name = "smoke-model"',
        "trust_remote_code=True",
        "gpt2, 2 x 32; random weights, family ",
        "| MLflow run | not recorded |",
        "\n\n# smoke\n\n## 日本語\n\n",
        "| 24 |\n\nIntervals are 95 %",
    ):
        assert text in card, text
    assert str(trained.directory.parents[3]) not in card
    assert [path.name for path in folder.parent.iterdir()] == ["smoke-model"]


def test_the_first_digits_and_the_folder_name_the_same_model(llava_jp, trained, tmp_path):
    for index, name in enumerate((trained.fingerprint[:5], trained.directory)):
        assert llava_jp("export", name, tmp_path / str(index), "--dtype", "float32").exit_code == 0
        assert f"`{trained.fingerprint}`" in (tmp_path / str(index) / "README.md").read_text(encoding="utf-8")


def test_a_released_folder_is_exported_again_as_it_was(llava_jp, trained, tmp_path):
    assert llava_jp("export", "smoke", tmp_path / "first", "--dtype", "float32").exit_code == 0
    assert llava_jp("export", tmp_path / "first", tmp_path / "second", "--dtype", "float32").exit_code == 0
    first, second = (tmp_path / name / "model.safetensors" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
    assert "It was made from: first" in (tmp_path / "second" / "README.md").read_text(encoding="utf-8")


def test_a_published_checkpoint_becomes_transformers_own_llava(llava_jp, tmp_path):
    reference = published(tower=lambda: so400m(image_size=30), scales=(1.0,))
    folder = reference.write(tmp_path / "llava-jp")
    reference.tower.config.save_pretrained(folder / "vision_tower")
    done = llava_jp("export", folder, tmp_path / "llava", "--form", "transformers")
    assert (done.exit_code, done.stderr) == (0, "")
    assert json.loads((tmp_path / "llava" / "config.json").read_text())["model_type"] == "llava"
    assert "trust_remote_code" not in (tmp_path / "llava" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["export", "smok", "out"], "no model is named 'smok': give an experiment"),
        (["export", "demo-v1.1", "out"], "demo-v1.1 has not been trained yet"),
        (["export", "0000", "out"], "fingerprint '0000' matches nothing"),
        (["export", "somebody/model", "out"], "a repository on the Hub is written somebody/model@REVISION"),
        (["export", "smoke", "full"], "is not empty; export writes a new folder"),
        (["export", "smoke", "out", "--form", "transformers"], "smoke: Transformers' LLaVA cannot have S2"),
        (["publish", "smoke", "somebody"], "'somebody' is not the name of a repository on the Hub"),
        (["publish", "smoke", "somebody/model"], "publishing needs HF_TOKEN: create a write token at"),
        (["chat", "smoke", "missing.png"], "there is no image missing.png"),
        (["chat", "smoke", "full/file"], "full/file cannot be read as an image: not an image in a known format"),
        (["chat", "smoke", "--question", " "], "the question is empty"),
        (["chat", "full"], "folder full holds no model: it has no config.json"),
    ],
)
def test_what_cannot_be_done_is_said(llava_jp, trained, tmp_path, monkeypatch, arguments, message):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    monkeypatch.chdir(tmp_path)
    done = llava_jp(*arguments)
    assert (done.exit_code, message in done.stderr) == (1, True), done.stderr
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))


def test_an_artifact_that_is_no_model_is_refused(llava_jp, trained, tmp_path):
    pretrain = trained.request.inputs["projector"]
    assert f"pretrain/{pretrain} is not a model; a finetune artifact is" in llava_jp("export", pretrain, "out").stderr


def test_a_folder_that_is_no_model_is_refused(llava_jp, tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    assert f"{tmp_path} is a 'bert' of Transformers; what can be read" in llava_jp("chat", tmp_path).stderr


def expected_answer(trained, *images, question=QUESTION, **generation):
    chat = Chat(open_model(trained.directory), images, GenerationConfig(**{"max_new_tokens": 6, **generation}))
    return printable("".join(chat.answer(question)))


def test_one_question_is_answered_and_nothing_else_is_written(llava_jp, trained, image):
    with Image.open(image) as opened:
        expected = expected_answer(trained, opened.convert("RGB"))
    asked = llava_jp("chat", "smoke", image, "--question", QUESTION, "--max-new-tokens", "6")
    assert (asked.exit_code, asked.stderr, asked.stdout) == (0, "", expected + "\n")
    penalised = llava_jp("chat", "smoke", image, "-q", QUESTION, "--max-new-tokens", "6", "--repetition-penalty", "1.3")
    assert (penalised.exit_code, penalised.stderr) == (0, "")
    piped = llava_jp("chat", "smoke", image, "-q", "-", "--max-new-tokens", "6", input=QUESTION + "\n")
    assert piped.stdout == expected + "\n"


def test_any_number_of_images_is_talked_about(llava_jp, trained, image):
    with Image.open(image) as opened:
        shown = opened.convert("RGB")
    asked = "<image>と<image>の違いは？"
    expected = expected_answer(trained, shown, shown, question=asked)
    done = llava_jp("chat", "smoke", image, image, "-q", asked, "--max-new-tokens", "6")
    assert (done.exit_code, done.stderr, done.stdout) == (0, "", expected + "\n")
    lines = f"/image missing.png\n/image {image}\n{asked}\n/image {image}\n{asked}\n"
    talked = llava_jp("chat", "smoke", "--max-new-tokens", "6", input=lines)
    assert talked.stdout.splitlines()[1:] == [
        "there is no image missing.png",
        "the question names 2 images with <image>, and 1 are shown with it; name each of them or none",
        *expected.splitlines(),
    ]


def test_a_terminal_gets_no_control_characters_of_a_model():
    assert printable("赤\x1b[31mい\x07\t色\nです") == "赤[31mい\t色\nです"


def test_a_conversation_goes_on_until_the_input_ends(llava_jp, trained):
    done = llava_jp("chat", "smoke", "--max-new-tokens", "4", input=f"{QUESTION}\n\nでは、右下は？\n")
    assert (done.exit_code, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "smoke; Ctrl-D leaves"
    chat = Chat(open_model(trained.directory), (), GenerationConfig(max_new_tokens=4))
    answers = [printable("".join(chat.answer(question))) for question in (QUESTION, "では、右下は？")]
    assert "\n".join(lines[1:]) == "\n".join(answers)


def test_a_model_is_published_in_one_commit_and_can_be_used_from_there(llava_jp, trained, hub, monkeypatch, image):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.write_token = TOKEN
    done = llava_jp("publish", "smoke", "somebody/smoke-vlm", "--private")
    assert done.exit_code == 0, done.stderr
    repository = hub.repositories["models/somebody/smoke-vlm"]
    sha = repository.branches["main"]
    assert done.stdout.splitlines()[-1] == f"smoke: {hub.url}/somebody/smoke-vlm/commit/{sha}"
    assert hub.made["somebody/smoke-vlm"]["visibility"] == "private"
    files = repository.commits[sha]
    assert {"README.md", "config.json", "model.safetensors", "modeling_llava_jp.py", "tokenizer.json"} <= set(files)
    assert 'name = "somebody/smoke-vlm"' in files["README.md"].decode()
    assert len(repository.commits) == 2
    assert TOKEN not in done.stdout + done.stderr
    assert not [path for path in trained.directory.parents[2].iterdir() if path.name.startswith(".publish")]
    arguments = ("--question", QUESTION, "--max-new-tokens", "6")
    there = llava_jp("chat", f"somebody/smoke-vlm@{sha}", image, *arguments)
    assert (there.exit_code, there.stderr) == (0, "")
    assert there.stdout.strip()
    again = llava_jp("publish", "smoke", "somebody/smoke-vlm")
    assert (again.exit_code, len(repository.commits)) == (0, 3)
    missing = llava_jp("chat", "somebody/smoke-vlm@0000", image, *arguments)
    assert "has no revision '0000'" in missing.stderr
    assert "does not exist, or is private" in llava_jp("chat", "somebody/other@main", image, *arguments).stderr


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        ({"write_status": 403}, "the token in HF_TOKEN may not write to somebody/vlm (status 403)"),
        ({"write_status": 503}, "answers 503; the same command may succeed later"),
        (
            {"upload_status": 403},
            "somebody/vlm: Error while uploading 'model.safetensors' to the Hub. (status 403); the same",
        ),
    ],
)
def test_a_hub_that_refuses_is_explained(llava_jp, trained, hub, monkeypatch, refusal, message):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    for name, status in refusal.items():
        setattr(hub, name, status)
    done = llava_jp("publish", "smoke", "somebody/vlm")
    assert (done.exit_code, message in done.stderr) == (1, True), done.stderr
    assert TOKEN not in done.stdout + done.stderr
