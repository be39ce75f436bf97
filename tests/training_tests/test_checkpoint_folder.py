import json
import logging
from types import SimpleNamespace

import pytest
import torch

from pipeline.config.experiment import load_experiment
from pipeline.config.identity import Identities
from pipeline.core.errors import ConfigError
from pipeline.core.settings import load_settings
from pipeline.store.artifacts import WORK_FOLDER, ArtifactStore
from pipeline.training.checkpoints.folder import (
    checkpoint_folder,
    last_sound_checkpoint,
    problems_of,
    prune,
    seal,
    whole_checkpoints,
)
from pipeline.training.checkpoints.resume import find_start
from pipeline.training.job import StageSummary, TrainingJob
from pipeline.training.step import stage_request, train_stage
from tests.support.summaries import summary_with


def checkpoint(directory, optimizer_step, *, num_processes=2, zero_stage=2, optimizer="adamw"):
    """A checkpoint with one file of DeepSpeed's kind."""
    unfinished = checkpoint_folder(directory) / "new.tmp"
    unfinished.mkdir(parents=True)
    torch.save({"weight": torch.arange(1000.0)}, unfinished / "states.pt")
    (unfinished / "progress.json").write_text("{}")
    made = {"num_processes": num_processes, "zero_stage": zero_stage, "optimizer": optimizer}
    return seal(unfinished, optimizer_step=optimizer_step, **made)


def names(directory):
    return sorted(path.name for path in checkpoint_folder(directory).iterdir())


def test_a_sealed_checkpoint_is_sound(tmp_path):
    path = checkpoint(tmp_path, 500)
    assert path.name == "optimizer_step-00000500"
    assert list(problems_of(path)) == []
    assert last_sound_checkpoint(checkpoint_folder(tmp_path)) == path


def test_the_last_checkpoints_are_kept_and_everything_else_of_theirs_goes(tmp_path):
    for optimizer_step in (500, 1000, 1500):
        checkpoint(tmp_path, optimizer_step)
    (checkpoint_folder(tmp_path) / "optimizer_step-00001000.universal").mkdir()
    prune(checkpoint_folder(tmp_path), keep=2)
    assert names(tmp_path) == ["optimizer_step-00001000", "optimizer_step-00001500"]


def test_what_a_crash_left_is_deleted_and_the_last_whole_checkpoint_counts(tmp_path):
    path = checkpoint(tmp_path, 500)
    (checkpoint_folder(tmp_path) / "optimizer_step-00001000.tmp").mkdir()
    assert last_sound_checkpoint(checkpoint_folder(tmp_path)) == path
    assert names(tmp_path) == [path.name]


def cut(file):
    file.write_bytes(file.read_bytes()[:-100])


def change_one_bit(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


DAMAGES = {
    "has 4661 bytes in place of 4761": cut,
    "does not fit its checksum": change_one_bit,
    "is missing": lambda file: file.unlink(),
}


@pytest.mark.parametrize("problem", DAMAGES)
def test_a_damaged_checkpoint_is_set_aside_loudly_for_the_one_before(tmp_path, caplog, problem):
    before, damaged = checkpoint(tmp_path, 500), checkpoint(tmp_path, 1000)
    size = (damaged / "states.pt").stat().st_size
    DAMAGES[problem](damaged / "states.pt")
    with caplog.at_level(logging.WARNING):
        assert last_sound_checkpoint(checkpoint_folder(tmp_path)) == before
    problem = problem.replace("4661", str(size - 100)).replace("4761", str(size))
    assert caplog.messages == [
        f"{damaged} IS DAMAGED and is not used: states.pt {problem}; it lies in optimizer_step-00001000.damaged"
    ]
    assert whole_checkpoints(checkpoint_folder(tmp_path)) == [before]


def test_without_a_checkpoint_a_training_begins_at_the_beginning(tmp_path):
    assert find_start(tmp_path, num_processes=1, zero_stage=0) == (None, None)


def test_the_same_processes_go_on_as_they_are_and_without_a_partition_any_number_does(tmp_path):
    path = checkpoint(tmp_path, 500, num_processes=4, zero_stage=2)
    assert find_start(tmp_path, num_processes=4, zero_stage=2) == (path, None)
    path = checkpoint(tmp_path, 1000, num_processes=1, zero_stage=0)
    assert find_start(tmp_path, num_processes=4, zero_stage=0) == (path, None)


def test_other_processes_get_the_checkpoint_converted_once(tmp_path, monkeypatch):
    path = checkpoint(tmp_path, 500, num_processes=4, zero_stage=2)
    jobs = []

    def convert(job_file, **_):
        job = json.loads(job_file.read_text())
        jobs.append((job["kind"], job["checkpoint"]))
        (checkpoint_folder(tmp_path) / "optimizer_step-00000500.universal").mkdir()

    (tmp_path / WORK_FOLDER).mkdir(exist_ok=True)
    monkeypatch.setattr("pipeline.training.checkpoints.resume.launch", convert)
    expected = (path, path.with_name("optimizer_step-00000500.universal"))
    assert find_start(tmp_path, num_processes=2, zero_stage=2) == expected
    assert find_start(tmp_path, num_processes=1, zero_stage=0) == expected
    assert jobs == [("convert", str(path))]


def test_eight_bit_moments_are_continued_as_they_were_made_or_not_at_all(tmp_path):
    path = checkpoint(tmp_path, 500, num_processes=4, zero_stage=2, optimizer="adamw-8bit")
    assert find_start(tmp_path, num_processes=4, zero_stage=2) == (path, None)
    with pytest.raises(ConfigError) as caught:
        find_start(tmp_path, num_processes=2, zero_stage=2)
    assert str(caught.value) == (
        f"{path} was made with 4 processes and ZeRO stage 2, this run has 2 and 2, and the moments of optimizer: "
        "adamw-8bit cannot be divided anew; go on with LLAVA_JP_NUM_PROCESSES=4 LLAVA_JP_ZERO_STAGE=2, "
        f"or delete {path.parent} to start the stage again"
    )


def test_a_stage_in_bfloat16_on_one_device_goes_on_with_its_own_eight_bit_moments(tmp_path, monkeypatch):
    """It trains under ZeRO 1 although the settings say 0, so its checkpoint needs no conversion."""
    monkeypatch.delenv("LLAVA_JP_ZERO_STAGE", raising=False)
    monkeypatch.setenv("LLAVA_JP_NUM_PROCESSES", "1")
    config = load_experiment("llava-jp-v1.1")
    store = ArtifactStore(tmp_path)
    roles = ("dataset", "accepted", "features")
    inputs = {role: SimpleNamespace(fingerprint=role, directory=tmp_path / role) for role in roles}
    request = stage_request(
        "finetune", config.finetune, config.llm, Identities(store.root), inputs={role: role for role in roles}
    )
    made = {"num_processes": 1, "zero_stage": 1, "optimizer": "adamw-8bit"}
    path = checkpoint(store.partial_directory(request), 500, **made)

    def launched(job_file, **_):
        job = TrainingJob.model_validate_json(job_file.read_text())
        assert (job.zero_stage, job.checkpoint, job.universal) == (1, path, None)
        (job_file.parent / "summary.json").write_text(summary_with(StageSummary).model_dump_json())

    monkeypatch.setattr("pipeline.training.step.launch", launched)
    train_stage(
        "finetune",
        config.finetune,
        config.llm,
        config.vision_tower,
        config.features,
        inputs=inputs,
        store=store,
        settings=load_settings(),
    )
