"""A training that is killed, stopped, or continued by other processes ends where an undisturbed one does."""

import json
import os
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from pipeline.config import HeldOutConfig, ShapesJaSource, load_experiment
from pipeline.features.caching import cache_features
from pipeline.preparation import prepare_dataset
from pipeline.store import WORK_FOLDER, ArtifactStore
from pipeline.training.checkpoint_folder import checkpoint_folder, whole_checkpoints
from pipeline.training.stage import TrainingJob
from pipeline.translation import check_translations
from tests.flow_tests.commands import REPOSITORY, clean_environment

pytestmark = pytest.mark.slow

NUM_STEPS = 6


class Trainings:
    """Trainings of one small dataset, each in a folder of its own."""

    def __init__(self, folder, server):
        self.folder = folder
        self.server = server
        self.said = []
        """What the processes print."""
        config = load_experiment("smoke")
        store = ArtifactStore(folder / "store")
        dataset = prepare_dataset(ShapesJaSource(kind="shapes-ja", content="captions", num_images=200), store=store)
        self.inputs = {
            "dataset": dataset.directory,
            "accepted": check_translations(config.translation, dataset=dataset, store=store).directory,
            "features": cache_features(config.vision_tower, config.features, dataset=dataset, store=store).directory,
        }
        self.config = config

    def job(self, name, *, stage="finetune", model_type="llama", held_out=None, **changes):
        """The file of a new training; ``changes`` are fields of its stage."""
        config, directory = self.config, self.folder / name
        stage_config = config.finetune if stage == "finetune" else config.pretrain
        held_out = held_out or HeldOutConfig(num_samples=0)
        fields = {"num_epochs": 1, "global_batch_size": 20, "micro_batch_size": 10, "held_out": held_out, **changes}
        weights = config.llm.weights.model_copy(update={"model_type": model_type})
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
            checkpoint=None,
            universal=None,
        )
        (directory / WORK_FOLDER).mkdir(parents=True)
        (directory / WORK_FOLDER / "job.json").write_text(job.model_dump_json())
        return directory

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
            [sys.executable, "-m", "tests.process_tests.trainings"],
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


def test_x(trainings):
    undisturbed = trainings.job("undisturbed", model_type="gpt2")
    assert trainings.run(undisturbed) == [0]
    print(curve(undisturbed))
