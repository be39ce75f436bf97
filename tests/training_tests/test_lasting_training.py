"""A training that is killed, stopped, or continued by other processes ends where an undisturbed one does."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys

import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from model.config import GenerationConfig, LocalFolder
from pipeline.config.experiment import ShapesJaSource, ValidationConfig, load_experiment
from pipeline.core.settings import Settings
from pipeline.data.prepare import prepare_dataset
from pipeline.data.translation_checks import check_translations
from pipeline.evaluation.answers import Question
from pipeline.evaluation.models.checkpoint import CheckpointUnderTest
from pipeline.features.step import cache_features, on_this_machine
from pipeline.store.artifacts import WORK_FOLDER, ArtifactStore
from pipeline.training.checkpoints.folder import checkpoint_folder, whole_checkpoints
from pipeline.training.job import TrainingJob
from tests.support.commands import REPOSITORY, clean_environment
from tests.support.llm_families import WITHOUT_MAX_POSITION_EMBEDDINGS, build_llm_of
from tests.support.small_model import build_tokenizer

pytestmark = pytest.mark.slow

NUM_STEPS = 10
"""Of an epoch: 200 samples in batches of 20."""


class Trainings:
    """Trainings of one small dataset, each in a folder of its own."""

    def __init__(self, folder, server):
        self.folder = folder
        self.server = server
        self.said = []
        """What the processes print."""
        self.new = 0
        """Where the lines of the newest training begin."""
        config = load_experiment("smoke")
        store = ArtifactStore(folder / "store")
        dataset = prepare_dataset(ShapesJaSource(kind="shapes-ja", content="captions", num_images=200), store=store)
        self.inputs = {
            "dataset": dataset.directory,
            "accepted": check_translations(config.translation, dataset=dataset, store=store).directory,
            "features": cache_features(
                config.vision_tower, config.features, dataset=dataset, store=store, run_job=on_this_machine(Settings())
            ).directory,
        }
        self.config = config

    def job(
        self, name, *, stage="finetune", model_type="llama", weights=None, attention="sdpa", held_out=None, **changes
    ):
        """The file of a new training; ``changes`` are fields of its stage."""
        config, directory = self.config, self.folder / name
        stage_config = config.finetune if stage == "finetune" else config.pretrain
        held_out = held_out or ValidationConfig(num_samples=0)
        fields = {"num_epochs": 1, "global_batch_size": 20, "micro_batch_size": 10, "held_out": held_out, **changes}
        weights = weights or config.llm.weights.model_copy(update={"model_type": model_type})
        job = TrainingJob(
            stage=stage,
            config=stage_config.model_copy(update=fields),
            vision_tower=config.vision_tower,
            images=config.features.model_copy(),
            llm=config.llm.model_copy(update={"weights": weights}),
            **self.inputs,
            start=None,
            directory=directory,
            zero_stage=0,
            checkpoint_every=2,
            keep_checkpoints=2,
            seconds_to_stop=120.0,
            checkpoint=None,
            universal=None,
            attention=attention,
        )
        self.new = len(self.said)
        (directory / WORK_FOLDER).mkdir(parents=True)
        (directory / WORK_FOLDER / "job.json").write_text(job.model_dump_json())
        return directory

    def copied(self, directory, name):
        """A training with all it has so far, to be continued twice."""
        copy = self.folder / name
        shutil.copytree(directory, copy)
        job_file = copy / WORK_FOLDER / "job.json"
        job_file.write_text(json.dumps({**json.loads(job_file.read_text()), "directory": str(copy)}))
        return copy

    def run(self, directory, *, num_processes=1, zero_stage=0, **kill):
        """The exit code of each process."""
        job = str(directory / WORK_FOLDER / "job.json")
        asked = {"job": job, "num_processes": num_processes, "zero_stage": zero_stage, "kill": kill}
        self.server.stdin.write(json.dumps(asked) + "\n")
        self.server.stdin.flush()
        for line in self.server.stdout:
            if line.startswith("@codes "):
                return json.loads(line.removeprefix("@codes "))
            self.said.append(line)
        raise AssertionError("".join(self.said[-50:]))


@pytest.fixture(scope="module")
def trainings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lasting")
    environment = {**clean_environment(folder), "OMP_NUM_THREADS": "1", "LLAVA_JP_STORE": str(folder / "digests")}
    with pytest.MonkeyPatch.context() as patch, (folder / "log").open("w") as log:
        for name in set(os.environ) - set(environment):
            patch.delenv(name)
        patch.setenv("LLAVA_JP_STORE", str(folder / "digests"))
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.support.trainings"],
            cwd=REPOSITORY,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            yield Trainings(folder, server)
        finally:
            server.kill()
            server.wait()


def files(directory):
    """The content of every file that would be published."""
    paths = [path for path in directory.rglob("*") if path.is_file() and WORK_FOLDER not in path.parts]
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in paths}


def curve(directory):
    return pq.read_table(directory / "metrics.parquet")["loss"].to_pylist()


def saved(directory):
    """The optimizer steps of the whole checkpoints."""
    return [int(path.name.partition("-")[2]) for path in whole_checkpoints(checkpoint_folder(directory))]


@pytest.fixture(scope="module")
def undisturbed(trainings):
    """A finetuning of GPT-2, which drops out a tenth of what it computes."""
    directory = trainings.job("undisturbed", model_type="gpt2")
    assert trainings.run(directory) == [0]
    assert len(curve(directory)) == NUM_STEPS
    return directory


def test_a_training_killed_anywhere_publishes_what_an_undisturbed_one_does_bit_for_bit(trainings, undisturbed):
    killed = trainings.job("killed", model_type="gpt2")
    assert trainings.run(killed, in_step=1) == [-signal.SIGKILL]
    assert saved(killed) == []
    assert trainings.run(killed, in_step=4) == [-signal.SIGKILL]
    assert saved(killed) == [2]
    assert trainings.run(killed, file_bytes=20_000) == [-signal.SIGXFSZ]  # in the middle of a file of the checkpoint
    assert trainings.run(killed, at="rename") == [-signal.SIGKILL]
    assert saved(killed) == [2]
    assert [path.name for path in checkpoint_folder(killed).glob("*.tmp")] == ["optimizer_step-00000004.tmp"]
    assert trainings.run(killed, at="prune") == [-signal.SIGKILL]  # with three checkpoints, of which two are kept
    assert saved(killed) == [2, 4, 6]
    assert trainings.run(killed, in_step=9) == [-signal.SIGKILL]
    assert saved(killed) == [6, 8]
    assert trainings.run(killed, in_step=9, launcher_is_gone=True) == [75]
    assert saved(killed) == [8, 9]
    assert trainings.run(killed) == [0]
    assert files(killed) == files(undisturbed)
    assert saved(killed) == [9, 10]
    (killed / "metrics.parquet").unlink()  # as if killed while the result was written
    assert trainings.run(killed) == [0]
    assert files(killed) == files(undisturbed)
    assert [row["optimizer_step"] for row in told(trainings)[-1]["rows"]] == list(range(1, NUM_STEPS + 1))


def test_without_room_for_a_checkpoint_the_one_before_is_kept_and_the_message_says_so(trainings, undisturbed):
    directory = trainings.job("no-room", model_type="gpt2")
    assert trainings.run(directory, in_step=3) == [-signal.SIGKILL]
    assert trainings.run(directory, file_bytes=20_000, survives=True) == [1]
    said = next(line for line in reversed(trainings.said) if line.startswith("@error"))
    assert json.loads(said.removeprefix("@error "))["type"] == "StoreError"
    assert re.search(
        r"the checkpoint of optimizer step 4 could not be written: File too large \(.* free in .*\)\. Free some space "
        r"and run the same command again: it goes on from optimizer_step-00000002",
        said,
    )
    assert [path.name for path in checkpoint_folder(directory).iterdir()] == ["optimizer_step-00000002"]
    assert trainings.run(directory) == [0]
    assert files(directory) == files(undisturbed)


def test_one_process_goes_on_as_two_with_shared_moments(trainings, undisturbed):
    directory = trainings.job("more", model_type="llama", micro_batch_size=5, projector_learning_rate=1e-2)
    assert trainings.run(directory, in_step=6) == [-signal.SIGKILL]
    alone = trainings.copied(directory, "alone")
    assert trainings.run(alone) == [0]
    for zero_stage in (2, 3):
        shared = trainings.copied(directory, f"zero-{zero_stage}")
        assert trainings.run(shared, num_processes=2, zero_stage=zero_stage) == [0, 0]
        assert curve(shared)[:4] == curve(alone)[:4]
        assert curve(shared) == pytest.approx(curve(alone), rel=1e-5)
        assert not list(checkpoint_folder(shared).glob("*.universal"))  # pruned with what it was made of


@pytest.mark.long
def test_eight_bit_moments_in_bfloat16_go_on_bit_for_bit(trainings):
    """The article's finetuning on one device."""
    recipe = {"model_type": "gpt2", "optimizer": "adamw-8bit", "precision": "bfloat16", "gradient_checkpointing": True}
    whole, killed = trainings.job("eight-bit", **recipe), trainings.job("eight-bit-killed", **recipe)
    assert trainings.run(whole, zero_stage=1) == [0]
    assert trainings.run(killed, zero_stage=1, in_step=6) == [-signal.SIGKILL]
    assert trainings.run(killed, zero_stage=1) == [0]
    assert files(killed) == files(whole)


def test_asked_to_stop_two_processes_save_after_the_same_step_and_one_goes_on(trainings):
    alone = trainings.job("pretrained", stage="pretrain")
    assert trainings.run(alone) == [0]
    directory = trainings.job("stopped", stage="pretrain")
    asked = {"in_step": 3, "signal": signal.SIGTERM, "rank": 1}
    assert trainings.run(directory, num_processes=2, zero_stage=3, **asked) == [75, 75]
    assert saved(directory) == [2, 3]
    message = "pretrain was asked to stop: saved at optimizer step 3 of 10; run the same command again to go on"
    assert sum(message in line for line in trainings.said) == 2
    assert trainings.run(directory) == [0]
    assert curve(directory) == pytest.approx(curve(alone), rel=1e-5)
    expected, found = (load_file(folder / "projector.safetensors") for folder in (alone, directory))
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-3, atol=1e-4)


def table(directory, name):
    return pq.read_table(directory / f"{name}.parquet").to_pylist()


def told(trainings):
    """The events of the training that ran last."""
    lines = (line for line in trainings.said[trainings.new :] if line.startswith("@progress "))
    return [json.loads(line.removeprefix("@progress ")) for line in lines]


def test_looking_at_held_out_samples_changes_nothing_and_is_the_same_for_two_processes(trainings):
    looks = ValidationConfig(num_samples=64, every=4, num_answers=1, max_new_tokens=4)
    watched = trainings.job("watched", model_type="gpt2", held_out=looks)
    assert trainings.run(watched, in_step=7) == [-signal.SIGKILL]
    assert trainings.run(watched) == [0]
    looks_told = [row["optimizer_step"] for event in told(trainings) for row in event["rows"] if "held_out_loss" in row]
    assert looks_told == [0, 4, 0, 4, 8, 10]  # what was seen before the checkpoint is told again to the next MLflow run
    tables = [event["tables"] for event in told(trainings) if event["tables"]]
    assert tables[-1] == {"held_out_answers": str(watched / WORK_FOLDER / "held_out_answers.json")}
    unseen = trainings.job("unseen", model_type="gpt2", held_out=ValidationConfig(num_answers=0, every=1000))
    assert trainings.run(unseen) == [0]
    assert files(watched)["llm/model.safetensors"] == files(unseen)["llm/model.safetensors"]
    assert curve(watched) == curve(unseen)

    losses = table(watched, "held_out")
    assert [row["optimizer_step"] for row in losses] == [0, 4, 8, 10]
    assert losses[-1]["held_out_loss"] < losses[0]["held_out_loss"]
    answers = table(watched, "held_out_answers")
    assert [row["optimizer_step"] for row in answers] == [0, 4, 8, 10]
    assert {row["question"] for row in answers} == {"何が描かれていますか。"}
    summary = json.loads((watched / WORK_FOLDER / "summary.json").read_text())
    assert (summary["num_samples"], summary["num_trained_on"], summary["num_held_out"]) == (200, 198, 2)
    shown = json.loads((watched / WORK_FOLDER / "held_out_answers.json").read_text())
    assert shown["columns"] == ["optimizer_step", "image", "question", "reference", "answer"]
    assert len(shown["data"]) == 4
    with Image.open(shown["data"][0][1]["image"]) as thumbnail:
        assert max(thumbnail.size) <= 192

    shared = trainings.job("watched-by-two", held_out=looks)
    assert trainings.run(shared, num_processes=2, zero_stage=3) == [0, 0]
    alone = trainings.job("watched-by-one", held_out=looks)
    assert trainings.run(alone) == [0]
    assert curve(shared) == pytest.approx(curve(alone), rel=1e-5)
    both = (table(shared, "held_out"), table(alone, "held_out"))
    assert [row["held_out_loss"] for row in both[0]] == pytest.approx([row["held_out_loss"] for row in both[1]])
    assert table(shared, "held_out_answers") == table(alone, "held_out_answers")


@pytest.mark.parametrize("family", WITHOUT_MAX_POSITION_EMBEDDINGS)
def test_an_llm_without_max_position_embeddings_answers_in_training_and_in_evaluation(trainings, family):
    llm = trainings.folder / family
    build_llm_of(family, build_tokenizer()).save_pretrained(llm)
    looks = ValidationConfig(num_samples=64, every=10, num_answers=2, max_new_tokens=4)
    weights = LocalFolder(kind="local", folder=llm)
    directory = trainings.job(f"trained-{family}", weights=weights, held_out=looks, attention="eager")
    assert trainings.run(directory) == [0], "".join(trainings.said[-30:])
    answers = table(directory, "held_out_answers")
    assert [row["optimizer_step"] for row in answers] == [0, 0, 10, 10]
    model = CheckpointUnderTest(directory, GenerationConfig(max_new_tokens=4))
    image = Image.new("RGB", (40, 30), (200, 100, 0))
    first, second = model.answer([Question("a", "何色ですか。", (image,), ("a",)), Question("b", "何ですか。")])
    assert isinstance(first, str)
    assert isinstance(second, str)
