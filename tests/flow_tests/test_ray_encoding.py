"""Encoding on a Ray cluster: two nodes with a core each, on this machine."""

import os
import re
import shutil
import signal
import socket
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from ray.exceptions import RayError, RayTaskError, WorkerCrashedError

from flows.runtime.ray import Devices, devices_of, number_of_tasks, require_common_server, result_of, run_on_ray
from flows.runtime.run import cluster_at
from pipeline.config.experiment import ExperimentConfig, load_experiment
from pipeline.core.errors import ConfigError, DataError, TransientError
from pipeline.core.settings import load_settings
from pipeline.data.prepare import prepare_dataset
from pipeline.features.ray_part import Part, run_part
from pipeline.features.step import cache_features, calibrate_features, on_this_machine
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Manifest
from tests.evaluation_tests.test_sharing import answered, benchmark_and_model
from tests.support.commands import REPOSITORY, Commands, clean_environment, processes_with, wait_until
from tests.support.small_data import local_source, picture, talk

pytestmark = [pytest.mark.slow, pytest.mark.long]

NUM_IMAGES = 24
NUM_SHARDS = 12
NUM_TASKS = 8
RAY = str(Path(sys.executable).with_name("ray"))
NODE = (
    *("--num-cpus=1", "--num-gpus=0", "--min-worker-port=0", "--max-worker-port=0", "--object-store-memory=100000000"),
    *("--include-log-monitor=false", "--disable-usage-stats", "--block"),
)
RUN_FLOW = """
import os, sys
from flows.cli.main import QUIET_ENVIRONMENT

os.environ.update(QUIET_ENVIRONMENT)

from flows.cache_features import cache_features_flow
from flows.cli.terminal import narrated
from pipeline.config.experiment import load_experiment
from pipeline.core.progress import listening

with narrated(), listening(lambda event: print("done", event.name, event.done)):
    cache_features_flow(load_experiment("smoke", sys.argv[1:]))
"""


@dataclass(frozen=True)
class Made:
    """What a run on the cluster made, said and left behind."""

    config: ExperimentConfig
    store: ArtifactStore
    features: Manifest
    stdout: str
    stderr: str
    was_killed: bool


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Only the settings of this module, in the tests' own process; the folder of everything but sockets."""
    folder = tmp_path_factory.mktemp("ray")
    with pytest.MonkeyPatch.context() as patch:
        for name in set(os.environ) - set(clean_environment(folder)):
            patch.delenv(name)
        yield folder


@pytest.fixture(scope="module")
def cluster(commands, environment):
    """The address of the cluster."""
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # a socket's path has 107 bytes at most
    head, other = (f"--dashboard-agent-listen-port={free_port()}" for _ in range(2))
    path = f"{REPOSITORY / 'tests/flow_tests/killed_once'}:{REPOSITORY}"
    ray = Commands({**commands.environment, "PYTHONPATH": path, "KILL_ONCE": str(environment / "kill")})
    address = f"127.0.0.1:{(port := free_port())}"
    ports = (f"--port={port}", f"--ray-client-server-port={free_port()}", head)
    nodes = []
    try:
        start = (RAY, "start", "--head", *ports, f"--temp-dir={folder}", "--include-dashboard=false", *NODE)
        nodes.append(ray.started(*start, log=environment / "head.log"))
        wait_until(lambda: answers(port), seconds=60, what="the head of the cluster answers")
        nodes.append(ray.started(RAY, "start", f"--address={address}", other, *NODE, log=environment / "other.log"))
        for log in ("head.log", "other.log"):
            started = (environment / log).read_text
            wait_until(lambda: "Ray runtime started" in started(), seconds=60, what=f"{log}: it is up")  # noqa: B023
        yield address
    finally:
        for node in nodes:
            os.killpg(node.pid, signal.SIGKILL)  # a polite signal is obeyed after half a minute
            node.wait()
        wait_until(lambda: not processes_with(str(folder)), seconds=20, what="no process of the cluster is left")
        shutil.rmtree(folder)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def made(commands, cluster, environment):
    """Features made on the cluster by the flow that a user runs; a process is killed meanwhile."""
    source = local_source(environment / "data", *pictures(NUM_IMAGES))
    local = f"{{kind: local, annotations: {source.annotations}, images: {source.images}}}"
    both = [f"datasets.{role}={local}" for role in ("pretrain", "finetune")]
    overrides = [*both, "features.images_per_shard=2", "evaluation.benchmarks=[]", "limits.max_rejected_fraction=0.9"]
    (environment / "kill").touch()
    settings = {
        "LLAVA_JP_STORE": str(environment / "ray"),
        "LLAVA_JP_RAY_ADDRESS": cluster,
        "LLAVA_JP_NUM_DECODERS": "1",
    }
    done = commands.finished(sys.executable, "-c", RUN_FLOW, *overrides, **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    store = ArtifactStore(environment / "ray")
    (features,) = store.manifests("features")
    was_killed = not (environment / "kill").exists()
    return Made(load_experiment("smoke", overrides), store, features, done.stdout, done.stderr, was_killed)


def pictures(count):
    """Records and images of a dataset."""
    records = [
        talk(f"{shade}", f"{shade}.png", "<image>\n何色ですか。", f"{shade}番の色です。") for shade in range(count)
    ]
    return records, {f"{shade}.png": picture(shade) for shade in range(count)}


def shards(store):
    return {
        shard.fingerprint: {file.path: file.sha256 for file in shard.files}
        for shard in store.manifests("feature_shard")
    }


def test_the_shards_are_those_of_a_process_of_this_machine_to_the_bit(made, environment, monkeypatch):
    store = ArtifactStore(environment / "here")
    monkeypatch.setenv("LLAVA_JP_STORE", str(store.root))
    data = prepare_dataset(made.config.datasets.pretrain, store=store)
    features = cache_features(
        made.config.vision_tower,
        made.config.features,
        dataset=data,
        store=store,
        run_job=on_this_machine(load_settings()),
    )
    assert len(shards(made.store)) == NUM_SHARDS
    assert shards(made.store) == shards(store)
    assert (features.fingerprint, features.files) == (made.features.fingerprint, made.features.files)


def test_both_nodes_worked(made):
    assert re.search(r"encode images: 24 images in .*, on 2 machines", made.stdout)


def test_a_process_that_was_killed_is_replaced(made):
    assert made.was_killed
    assert not list(made.store.root.glob("partial/*/*"))


def test_progress_is_told_task_by_task(made):
    done = [int(count) for count in re.findall("done encode images ([0-9]+)", made.stdout)]
    assert done == sorted(done)
    assert len(done) == NUM_TASKS
    assert done[-1] == NUM_IMAGES


def test_no_library_talks(made):
    assert made.stderr == ""
    assert not re.findall(r".*(?:raylet|retries remaining|Prefect|Connect|_run_prefect_task).*", made.stdout)


def test_what_is_done_is_not_done_again(made):
    def nothing_to_do(job_file):
        raise AssertionError(job_file)

    data = made.store.by_fingerprint(made.features.request.inputs["dataset"])
    tower, config = made.config.vision_tower, made.config.features
    again = partial(cache_features, tower, config, dataset=data, store=made.store, run_job=nothing_to_do)
    assert again() == made.features
    shutil.rmtree(made.features.directory)
    assert again().files == made.features.files


def test_an_error_arrives_as_itself(commands, cluster, made, environment):
    only = ([talk("200", "200.png")], {"200.png": picture(200)})  # it is in no other folder, where it would be found
    data = prepare_dataset(local_source(environment / "lost", *only), store=made.store)
    shutil.rmtree(environment / "lost" / "images")
    calibrate = partial(calibrate_features, made.config.vision_tower, made.config.features, dataset=data)
    server = temporary_settings({PREFECT_API_URL: commands.environment["PREFECT_API_URL"]})
    with server, pytest.raises(DataError, match="no image can be decoded, so int8 features cannot be calibrated"):
        calibrate(store=made.store, run_job=partial(run_on_ray, address=cluster))


def test_questions_asked_on_the_cluster_get_the_answers_of_this_machine(commands, cluster, environment):
    asked = benchmark_and_model(environment / "asked")
    server = temporary_settings({PREFECT_API_URL: commands.environment["PREFECT_API_URL"]})
    with server:
        there = answered(asked, environment / "there", partial(run_on_ray, address=cluster))
    assert there == answered(asked, environment / "here", None)


def test_a_machine_without_the_store_is_named(tmp_path):
    message = rf"{socket.gethostname()} cannot read {tmp_path}/job.json \(No such file or directory\); the store "
    with pytest.raises(ConfigError, match=message):
        run_part(tmp_path / "job.json", Part(0, 1), num_decoders=0)


def test_a_bug_on_another_machine_is_told_with_its_traceback(tmp_path):
    (tmp_path / "job.json").write_text("{")
    with pytest.raises(RuntimeError, match=r"(?s)Traceback .*json.loads.*JSONDecodeError: ") as raised:
        run_part(tmp_path / "job.json", Part(0, 1), num_decoders=0)
    assert socket.gethostname() in str(raised.value)


@dataclass
class Failed:
    """The future of a task that Ray could not run."""

    error: RayError

    def result(self):
        raise self.error


def test_a_task_that_cannot_begin_on_a_machine_says_what_it_needs():
    error = RayTaskError("task", "Traceback\n  ...\nRuntimeError: Failed to reach API at http://head:4200/api/", None)
    message = (
        r"a machine of the Ray cluster cannot run tasks \(RuntimeError: Failed to reach API at .*\); every machine"
    )
    with pytest.raises(ConfigError, match=message):
        result_of(Failed(error))


def test_a_task_whose_processes_all_died_is_worth_another_try():
    with pytest.raises(TransientError, match="a task on the Ray cluster died 4 times: The worker died unexpectedly"):
        result_of(Failed(WorkerCrashedError()))


@pytest.mark.parametrize(
    "address", ["127.0.0.1:{port}", "ray://127.0.0.1:{port}", "ray://nowhere.invalid:10001", "auto"]
)
def test_an_address_where_nothing_answers_is_named_at_once(tmp_path, monkeypatch, address):
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{free_port()}")
    address = address.format(port=free_port())
    started = time.monotonic()
    with pytest.raises(ConfigError, match=f"no Ray cluster answers at LLAVA_JP_RAY_ADDRESS={address} ") as raised:
        run_on_ray(tmp_path / "job.json", address=address)
    assert "\n" not in str(raised.value)
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("missing", ["ray", "prefect_ray"])
def test_ray_that_is_not_installed_is_named(monkeypatch, missing):
    monkeypatch.delitem(sys.modules, "flows.runtime.ray")
    monkeypatch.setitem(sys.modules, missing, None)
    message = (
        rf"LLAVA_JP_RAY_ADDRESS=auto needs Ray, and {missing} is not installed: pip install 'llava-jp-pipeline\[ray\]'"
    )
    with pytest.raises(ConfigError, match=message):
        cluster_at("auto")


def test_the_setting_chooses_where_images_are_encoded(monkeypatch):
    assert cluster_at(load_settings().ray_address) is None
    monkeypatch.setenv("LLAVA_JP_RAY_ADDRESS", "ray://head:10001")
    assert cluster_at(load_settings().ray_address).keywords == {"address": "ray://head:10001"}


def test_a_task_takes_a_gpu_and_the_cores_beside_it_or_a_core():
    gpus = [{"CPU": 16.0, "GPU": 8.0}, {"CPU": 12.0, "GPU": 1.0}, {"CPU": 64.0}]
    assert devices_of(gpus) == Devices(count=9, num_gpus=1, num_cpus=2)
    assert devices_of([{"CPU": 16.0}, {"CPU": 4.0}, {"memory": 1.0}]) == Devices(count=20, num_gpus=0, num_cpus=1)
    with pytest.raises(ConfigError, match="the machines of the Ray cluster offer neither GPUs nor cores"):
        devices_of([{"memory": 1.0}])


def test_decoding_processes_are_those_of_the_settings_or_the_cores_of_a_task(monkeypatch):
    monkeypatch.delenv("LLAVA_JP_NUM_DECODERS", raising=False)
    assert [Devices(1, 1, 8).num_decoders, Devices(1, 1, 0).num_decoders, Devices(1, 0, 1).num_decoders] == [8, 1, 0]
    monkeypatch.setenv("LLAVA_JP_NUM_DECODERS", "3")
    assert [Devices(1, 1, 8).num_decoders, Devices(1, 0, 1).num_decoders] == [3, 3]


@pytest.mark.parametrize(
    ("num_shards", "num_devices", "num_tasks"), [(1, 8, 1), (12, 2, 8), (100, 2, 13), (2181, 8, 273)]
)
def test_tasks_are_neither_too_few_nor_too_small(num_shards, num_devices, num_tasks):
    assert number_of_tasks(num_shards, num_devices=num_devices) == num_tasks


def test_a_prefect_server_that_other_machines_cannot_reach_is_refused():
    nodes = [{"NodeManagerAddress": "192.0.2.1"}, {"NodeManagerAddress": "192.0.2.2"}]
    require_common_server(nodes[:1], server="http://127.0.0.1:4200/api")
    require_common_server(nodes, server="http://192.0.2.1:4200/api")
    message = (
        "the 2 machines of the Ray cluster cannot reach the Prefect server at http://localhost:4200/api; start one"
    )
    with pytest.raises(ConfigError, match=message):
        require_common_server(nodes, server="http://localhost:4200/api")
