"""Training in worker processes: the same losses however the work is cut, and every failure named."""

import json
import math
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch.nn import functional as F
from transformers import GPT2Config, GPT2LMHeadModel

from model.config import LocalFolder, LoraConfig
from model.conversation.encode import IGNORED_LABEL
from model.disk.checkpoint import load_projector
from model.language_model import build_llm, load_tokenizer
from model.projector import Projector
from model.vlm import VisionLanguageModel
from pipeline.config.experiment import TOKENIZER_FOLDER, LocalSource, load_experiment
from pipeline.core.errors import ConfigError, TrainingError
from pipeline.core.settings import Settings, load_settings
from pipeline.data.prepare import prepare_dataset
from pipeline.data.translation_checks import check_translations
from pipeline.features.reader import FeatureReader
from pipeline.features.step import cache_features, calibrate_features, on_this_machine
from pipeline.store.artifacts import ArtifactStore
from pipeline.training.checkpoints.resume import find_start
from pipeline.training.collate import collate
from pipeline.training.dataset import load_samples
from pipeline.training.feature_source import CachedFeatures
from pipeline.training.sampler import global_batches
from pipeline.training.step import train_stage
from tests.support.commands import REPOSITORY, clean_environment, training_processes, wait_until

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")

NUM_SAMPLES = 15
"""Of these one is text only; a global batch of 8 leaves a smaller last one."""
COLOURS = ("赤", "青", "緑", "黄色", "黒", "白", "紫", "茶色", "灰色", "水色", "桃色", "橙色", "金色", "銀色")


def records(folder):
    """A local dataset of one-coloured images and a conversation without an image."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for index in range(len(COLOURS)):
        Image.new("RGB", (64, 48), (17 * index, 255 - 17 * index, 90)).save(folder / "images" / f"{index}.png")
    longer = ("", "画面の全体がこの色で塗られています。", "四角い画像に模様はなく、端から端まで同じ明るさです。")
    asked = [("<image>\n何色ですか。", f"{colour}です。{longer[index % 3]}") for index, colour in enumerate(COLOURS)]
    rows = [
        {"id": str(index), "image": f"{index}.png", "conversations": conversation(*texts)}
        for index, texts in enumerate(asked)
    ]
    rows.append({"id": "text-only", "conversations": conversation("空は何色ですか。", "青です。")})
    (folder / "records.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    return LocalSource(kind="local", annotations=folder / "records.json", images=folder / "images")


def conversation(question, answer):
    return [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]


def settings(num_processes, zero_stage, offload="none"):
    return {"num_processes": num_processes, "zero_stage": zero_stage, "offload": offload}


SHARDED = {
    "machines": ({"host_file": "hosts"}, {"micro_batch_size": 2}),
    "zero-1": (settings(4, 1), {"micro_batch_size": 2}),
    "zero-2": (settings(2, 2, "optimizer"), {"micro_batch_size": 2, "gradient_checkpointing": True}),
    "zero-3": (settings(2, 3, "all"), {"micro_batch_size": 1, "gradient_checkpointing": True}),
}
"""The same on 2 and 4 processes. With one sample in a forward pass, one rank sees text only and the other an image."""
UPDATES = LoraConfig(rank=4, alpha=8, dropout=0.0)
VARIANTS = {
    "plain": (settings(1, 0), {"micro_batch_size": 8}),
    "accumulated": (settings(1, 0), {"micro_batch_size": 2}),
    "live": (settings(1, 0), {"form": "live"}),
    "int8": (settings(1, 0), {"form": "int8"}),
    "diverging": (settings(1, 0), {"learning_rate": 1e30}),
    **SHARDED,
    "lora": (settings(1, 0), {"llm": "folder", "lora": UPDATES, "projector_learning_rate": 1e-4}),
    "lora-zero-3": (settings(2, 3), {"llm": "folder", "lora": UPDATES, "projector_learning_rate": 1e-4}),
    "8-bit": (settings(1, 2), {"optimizer": "adamw-8bit", "precision": "bfloat16", "micro_batch_size": 2}),
}
"""Trainings of the same samples: settings of the machine, and fields of the stage that differ."""


class Stages:
    """Trains the two stages of a tiny experiment, each variant in its own copy of one prepared store."""

    def __init__(self, folder):
        self.folder = folder
        self.config = load_experiment("smoke", ["finetune.num_epochs=2"])
        self.store = ArtifactStore(folder / "store")
        dataset = prepare_dataset(records(folder), store=self.store)
        accepted = check_translations(self.config.translation, dataset=dataset, store=self.store)
        self.inputs = {"dataset": dataset, "accepted": accepted}
        self.inputs["features"] = self.features("exact")
        self.projector = self.train("pretrain", self.store)

    def features(self, form):
        """The dataset's features in one of the forms."""
        config, dataset = self.config.features.model_copy(update={"form": form}), self.inputs["dataset"]
        tower, calibration = self.config.vision_tower, None
        if form == "int8":
            calibration = calibrate_features(
                tower, config, dataset=dataset, store=self.store, run_job=on_this_machine(Settings())
            )
        return cache_features(
            tower,
            config,
            dataset=dataset,
            calibration=calibration,
            store=self.store,
            run_job=on_this_machine(Settings()),
        )

    def llm_folder(self):
        """A GPT-2 as others publish it: in a folder, embeddings tied, no dropout, so that processes can be compared."""
        folder, tokenizer = self.folder / "gpt2", load_tokenizer(self.config.llm, bundled=TOKENIZER_FOLDER)
        if not folder.exists():
            sizes = {"n_embd": 32, "n_layer": 1, "n_head": 2, "n_inner": 64, "n_positions": 256}
            dropout = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
            torch.manual_seed(0)
            llm = GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer) + 6, **sizes, **dropout))  # a padded vocabulary
            llm.save_pretrained(folder)
        return self.config.llm.model_copy(update={"weights": LocalFolder(kind="local", folder=folder)})

    def train(self, stage, store, *, form="exact", llm="random", settings=None, **changes):
        """One stage; ``changes`` are fields of its section."""
        config = self.config.pretrain if stage == "pretrain" else self.config.finetune
        inputs = {**self.inputs, "features": self.features(form)}
        if stage == "finetune":
            inputs["projector"] = self.projector
        return train_stage(
            stage,
            config.model_copy(update=changes),
            self.config.llm if llm == "random" else self.llm_folder(),
            self.config.vision_tower,
            self.config.features,
            inputs=inputs,
            store=store,
            settings=settings or load_settings(),
        )

    def finetuned(self, name, **changes):
        """The finetuned model in a store of its own."""
        return self.train("finetune", ArtifactStore(self.folder / name), **changes)


@pytest.fixture(scope="module")
def environment(tmp_path_factory, forked_workers):
    """Only the settings of this module."""
    with pytest.MonkeyPatch.context() as patch:
        for name in set(os.environ) - set(clean_environment(tmp_path_factory.getbasetemp())):
            patch.delenv(name)
        patch.setenv("LLAVA_JP_STORE", str(tmp_path_factory.mktemp("digests")))
        yield patch


@pytest.fixture(scope="module")
def stages(environment, tmp_path_factory):
    return Stages(tmp_path_factory.mktemp("training"))


FAKE_SSH = """#!/bin/sh
# Runs the command here, as sshd does: in a shell, without the caller's environment.
for last; do :; done
echo "$@" >> "$0.log"
exec env -i PATH="$PATH" HOME="$HOME" sh -c "$last"
"""


@pytest.fixture(scope="module")
def two_machines(environment, tmp_path_factory):
    """A host file that names this machine and another, and an ssh that leads back here."""
    folder = tmp_path_factory.mktemp("machines")
    (folder / "ssh").write_text(FAKE_SSH, encoding="utf-8")
    (folder / "ssh").chmod(0o755)
    environment.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    (folder / "hosts").write_text("localhost slots=1\n127.0.0.2 slots=1\n", encoding="utf-8")
    return folder / "hosts"


@pytest.fixture(scope="module")
def models(stages, environment, two_machines):
    """Every variant, trained two at a time: the model, or the error of the training, by name."""

    def train(name):
        values, changes = VARIANTS[name]
        values = {key: two_machines if key == "host_file" else value for key, value in values.items()}
        try:
            return stages.finetuned(name, settings=Settings(**values), **changes)
        except TrainingError as error:
            return error

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(VARIANTS, pool.map(train, VARIANTS), strict=True))


def curve(model, column="loss"):
    return pq.read_table(model.path("metrics.parquet"))[column].to_pylist()


def weights(model):
    return load_file(model.path("llm/model.safetensors")) | load_file(model.path("projector.safetensors"))


def test_the_loss_curve_does_not_depend_on_gradient_accumulation(models):
    assert curve(models["accumulated"]) == pytest.approx(curve(models["plain"]), rel=1e-5)


def test_features_made_in_training_give_the_loss_curve_of_cached_ones(models):
    assert curve(models["live"]) == pytest.approx(curve(models["plain"]), rel=1e-5)
    assert models["live"].summary["num_samples"] == NUM_SAMPLES


def test_int8_features_give_nearly_the_loss_curve_of_exact_ones(models):
    assert curve(models["int8"]) == pytest.approx(curve(models["plain"]), rel=0.02)
    assert curve(models["int8"]) != curve(models["plain"])


@pytest.mark.parametrize("name", SHARDED)
def test_several_processes_give_the_loss_curve_of_one(models, name):
    model = models[name]
    assert model.summary["num_processes"] == (4 if name == "zero-1" else 2)
    assert curve(model) == pytest.approx(curve(models["plain"]), rel=1e-5)
    expected = curve(models["plain"], "gradient_norm")
    assert curve(model, "gradient_norm") == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("name", SHARDED)
def test_several_processes_give_the_weights_of_one(models, name):
    expected, found = weights(models["plain"]), weights(models[name])
    assert set(found) == set(expected)
    for key, tensor in expected.items():
        torch.testing.assert_close(found[key], tensor, rtol=1e-3, atol=1e-4)


def test_the_other_machine_was_reached_through_ssh_and_no_secret_was_on_its_command_line(models, two_machines):
    (line,) = two_machines.with_name("ssh.log").read_text(encoding="utf-8").splitlines()
    assert " 127.0.0.2 cd " in line
    assert "remote_worker.py" in line
    assert "LLAVA_JP_STORE" not in line


def test_low_rank_updates_give_the_same_curve_sharded(models):
    assert curve(models["lora-zero-3"]) == pytest.approx(curve(models["lora"]), rel=1e-5)
    expected, found = weights(models["lora"]), weights(models["lora-zero-3"])
    for key, tensor in expected.items():
        torch.testing.assert_close(found[key], tensor, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["lora", "lora-zero-3"])
def test_the_published_llm_is_the_old_one_with_the_low_rank_updates_added(stages, models, name):
    before = load_file(stages.folder / "gpt2" / "model.safetensors")
    after = load_file(models[name].path("llm/model.safetensors"))
    adapter = load_file(models[name].path("adapter/adapter_model.safetensors"))
    assert set(before) == set(after)
    layer = "transformer.h.0.attn.c_attn"
    down, up = (adapter[f"base_model.model.{layer}.lora_{part}.weight"] for part in "AB")
    assert down.shape == (4, 32)
    assert up.shape == (96, 4)
    expected = before[f"{layer}.weight"] + 2 * (up @ down).T
    torch.testing.assert_close(after[f"{layer}.weight"], expected, rtol=1e-5, atol=1e-6)
    assert {key for key in before if not torch.equal(before[key], after[key])} == {f"{layer}.weight"}


def test_low_rank_updates_and_projector_have_learning_rates_of_their_own(stages, models):
    summary = models["lora"].summary
    projector = sum(tensor.numel() for tensor in load_file(models["lora"].path("projector.safetensors")).values())
    assert summary["num_trained_parameters"] == projector + 4 * 32 + 4 * 96
    peak = stages.config.finetune.learning_rate
    assert max(curve(models["lora"], "learning_rate")) == pytest.approx(peak)


def test_a_model_in_bfloat16_is_published_in_bfloat16_and_learns_as_in_float32(models):
    assert curve(models["8-bit"]) == pytest.approx(curve(models["plain"]), rel=0.01)
    llm = load_file(models["8-bit"].path("llm/model.safetensors"))
    assert {tensor.dtype for tensor in llm.values()} == {torch.bfloat16}


def model_and_samples(stages, directory):
    """The model that finetuning starts from, and the samples it sees, made without the training loop."""
    config = stages.config
    tokenizer = load_tokenizer(config.llm, bundled=TOKENIZER_FOLDER)
    features = CachedFeatures(FeatureReader(stages.inputs["features"].directory), CPU)
    samples = load_samples(
        stages.inputs["dataset"].path("samples.parquet"),
        stages.inputs["accepted"].path("accepted.parquet"),
        features=features,
        tokenizer=tokenizer,
        template=config.finetune.template,
        max_length=config.finetune.max_length,
        directory=directory,
    )
    llm = build_llm(config.llm, tokenizer)
    projector = Projector(features.num_channels, llm.config.hidden_size)
    load_projector(projector, stages.projector.directory)
    return VisionLanguageModel(projector, llm).eval(), samples, features


def test_the_loss_is_the_mean_over_the_supervised_tokens_of_the_global_batch(stages, models, tmp_path):
    model, samples, features = model_and_samples(stages, tmp_path)
    (first, *_) = global_batches(NUM_SAMPLES, batch_size=8, num_epochs=1, seed=stages.config.finetune.seed)
    total, count = 0.0, 0
    for index in first:
        batch = collate([samples[index]], features=features)
        with torch.no_grad():
            embeddings = model.embed(batch.input_ids, features.on_device(batch.images, CPU))
            logits = model.llm(inputs_embeds=embeddings).logits
        total += F.cross_entropy(
            logits[0, :-1], batch.labels[0, 1:], ignore_index=IGNORED_LABEL, reduction="sum"
        ).item()
        count += batch.num_supervised_tokens
    assert curve(models["plain"])[0] == pytest.approx(total / count, rel=1e-5)
    assert curve(models["plain"], "num_supervised_tokens")[0] == count


def test_pretraining_publishes_the_projector_alone_and_finetuning_starts_from_it(stages, models):
    files = {file.path for file in stages.projector.files}
    assert files == {"projector.safetensors", "metrics.parquet", "findings.parquet"}
    projector = sum(tensor.numel() for tensor in load_file(stages.projector.path("projector.safetensors")).values())
    assert stages.projector.summary["num_trained_parameters"] == projector
    assert stages.projector.summary["num_parameters"] > projector


def test_pretraining_trains_the_projector_and_finetuning_both(stages, models, tmp_path):
    before, _, _ = model_and_samples(stages, tmp_path)
    after = weights(models["plain"])
    assert any(not torch.equal(tensor, after[name]) for name, tensor in before.projector.state_dict().items())
    for name, tensor in before.llm.named_parameters():
        assert not torch.equal(tensor, after[name]), name
    summary = models["plain"].summary
    assert summary["num_trained_parameters"] == summary["num_parameters"]


def test_the_vision_tower_is_not_trained(stages, models):
    model = models["plain"]
    trained = sum(tensor.numel() for tensor in weights(model).values())
    assert model.summary["num_parameters"] == trained
    steps = len(curve(model)) // 2
    second_epoch = curve(models["live"])[steps:], curve(model)[steps:]  # a tower that had learnt would see other things
    assert second_epoch[0] == pytest.approx(second_epoch[1], rel=1e-5)


def test_a_text_only_sample_is_trained_on(models):
    summary = models["plain"].summary
    assert summary["num_samples"] == NUM_SAMPLES
    assert summary["num_without_features"] == 0
    assert models["plain"].summary["num_optimizer_steps"] == 2 * math.ceil(NUM_SAMPLES / 8)


def test_a_loss_that_is_not_a_number_stops_the_training_and_names_the_samples(models):
    error = models["diverging"]
    assert isinstance(error, TrainingError)
    assert "the loss is nan at optimizer step " in str(error) or "the loss is inf at optimizer step " in str(error)
    assert str(error).partition("the samples were: ")[2].count(", ") in (6, 7)


def test_a_port_in_use_is_named(stages, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv("LLAVA_JP_MASTER_PORT", str(port))
        message = rf"port {port} \(LLAVA_JP_MASTER_PORT\) cannot be used: Address already in use; unset the variable"
        with pytest.raises(ConfigError, match=message):
            stages.finetuned("port")


LONG_TRAINING = """
import sys
from pathlib import Path
from tests.training_tests.test_training import Stages
Stages(Path(sys.argv[1])).finetuned("interrupted", num_epochs=5000)
"""


@pytest.mark.long
def test_ctrl_c_saves_and_ends_the_workers_and_another_number_of_them_can_go_on(stages, environment):
    settings = {"LLAVA_JP_NUM_PROCESSES": "2", "LLAVA_JP_ZERO_STAGE": "2", "LLAVA_JP_CHECKPOINT_EVERY": "2"}
    store = stages.folder / "interrupted"
    command = [sys.executable, "-c", LONG_TRAINING, str(stages.folder)]
    options = {"cwd": REPOSITORY, "env": {**os.environ, **settings}, "stderr": subprocess.PIPE, "text": True}
    parent = subprocess.Popen(command, **options)
    try:
        saved = f"partial/finetune/*/work/checkpoints/optimizer_step-{'[0-9]' * 8}"  # renamed last
        wait_until(lambda: list(store.glob(saved)), seconds=100, what="there is a checkpoint")
        assert len(training_processes(store)) >= 2
        for _ in range(3):  # Python may lose one that comes while an object is finalised
            parent.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                parent.wait(25)
                break
        wait_until(lambda: training_processes(store) == [], seconds=60, what="the workers are gone")
        said = parent.stderr.read()
    finally:
        parent.kill()
        parent.wait()
    *_, last = sorted(store.glob(saved))
    optimizer_step = int(last.name.partition("-")[2])
    assert f"finetune was asked to stop: saved at optimizer step {optimizer_step} of 10000; run the same" in said
    directory = last.parents[2]
    checkpoint, universal = find_start(directory, num_processes=1, zero_stage=0)
    assert checkpoint == last
    assert (universal / "zero" / "projector.layers.0.weight" / "exp_avg.pt").exists()


@pytest.mark.gpu
def test_the_recipe_of_the_article_runs_on_a_gpu(stages):
    recipe = {"precision": "bfloat16", "optimizer": "adamw-8bit", "gradient_checkpointing": True, "micro_batch_size": 2}
    model, plain = stages.finetuned("gpu", **recipe), stages.finetuned("gpu-plain")
    assert curve(model) == pytest.approx(curve(plain), rel=0.02)
