"""One benchmark answered by several processes: the same answers, whatever their number and whoever was stopped."""

import json

import pytest

from model.config import GenerationConfig
from model.disk.checkpoint import save_model
from pipeline.compute.hosts import Host
from pipeline.compute.launch import launch
from pipeline.config.evaluation import BenchmarkConfig
from pipeline.core.errors import StoreError
from pipeline.core.settings import Settings
from pipeline.data.prepare import prepare_dataset
from pipeline.evaluation.answering_worker import do_job
from pipeline.evaluation.predict import predict
from pipeline.evaluation.rows import read_predictions
from pipeline.evaluation.sharing import on_this_machine, processes_for
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Request
from tests.support.small_data import local_source, picture, talk
from tests.support.small_model import build_model

NUM_ITEMS = 7
GENERATION = GenerationConfig(max_new_tokens=5)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store with a benchmark of seven questions, one too long for the model, and with the model."""
    folder = tmp_path_factory.mktemp("shared")
    store = ArtifactStore(folder / "store")
    records = [talk(f"{number}", f"{number}.png", f"いくつ{'?' * number}", "2つ") for number in range(NUM_ITEMS - 1)]
    records.append(talk("long", "0.png", "丸は何色ですか。" * 60, "赤"))
    photos = {f"{number}.png": picture(20 * number) for number in range(NUM_ITEMS - 1)}
    source = local_source(folder, records, photos)
    benchmark = BenchmarkConfig(name="mine", source=source, metrics=("exact_match",))
    dataset = prepare_dataset(source, store=store)

    def work(directory):
        save_model(build_model("llama"), directory)
        return {}

    return store, benchmark, dataset, store.produce(Request(step="finetune", version=1, config={}), work)


def answered(made, tmp_path, run_job):
    _, benchmark, dataset, model = made
    options = {"dataset": dataset, "model": model, "batch_size": 2, "run_job": run_job}
    found = predict(benchmark, GENERATION, store=ArtifactStore(tmp_path / "answers"), **options)
    return [(row.item_id, row.prediction, row.error) for row in read_predictions(found)]


def in_turn(num_processes, *, asked=None, only=None):
    """Runs the processes of a job one after the other."""

    def run(job_file):
        for rank in range(num_processes) if only is None else only:
            events = []
            do_job(job_file, rank=rank, num_processes=num_processes, num_decoders=0, report=events.append)
            if asked is not None:
                asked.append(sum(event.count for event in events))
        if only is not None:
            raise KeyboardInterrupt

    return run


@pytest.fixture(scope="module")
def alone(made, tmp_path_factory):
    return answered(made, tmp_path_factory.mktemp("alone"), None)


@pytest.mark.parametrize("num_processes", [1, 2, 3])
def test_any_number_of_processes_gives_the_answers_of_one(made, alone, tmp_path, num_processes):
    asked = []
    assert answered(made, tmp_path, in_turn(num_processes, asked=asked)) == alone
    assert sum(asked) == NUM_ITEMS
    assert max(asked) <= -(-4 // num_processes) * 2  # four batches
    assert [error is None for _, _, error in alone] == [True] * 6 + [False]
    assert len({said for _, said, _ in alone}) > 2


def test_what_stopped_processes_have_kept_is_not_asked_again_by_another_number_of_them(made, alone, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        answered(made, tmp_path, in_turn(3, only=[0, 2]))
    asked = []
    assert answered(made, tmp_path, in_turn(2, asked=asked)) == alone
    assert sum(asked) == 3  # a batch of two, and the one that has no answer


def test_a_process_that_asked_nothing_is_an_error_and_no_answer(made, tmp_path):
    with pytest.raises(StoreError, match="no process has asked item .* and 6 others; run it again"):
        answered(made, tmp_path, lambda job_file: None)


@pytest.mark.parametrize(("num_items", "expected"), [(1, 1), (64, 1), (65, 2), (500, 8), (4000, 8)])
def test_a_process_starts_only_for_items_enough(num_items, expected):
    assert processes_for(num_items, num_devices=8) == expected


def test_few_items_are_answered_in_this_process(made, alone, tmp_path):
    assert answered(made, tmp_path, on_this_machine(Settings(num_processes=3))) == alone


@pytest.mark.long
@pytest.mark.parametrize("num_processes", [2, 3])
def test_processes_of_this_machine_give_the_answers_of_one(made, alone, tmp_path, num_processes):
    def run(job_file):
        assert json.loads(job_file.read_text())["entry"] == "pipeline.evaluation.answering_worker"
        launch(job_file, hosts=(Host("localhost", num_processes),), master_port=None, seconds_to_stop=10)

    assert answered(made, tmp_path, run) == alone
