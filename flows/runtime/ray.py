"""Encodes images and asks questions on a Ray cluster: a job in tasks, each a Prefect task with a device of its own.

Needs ``pip install 'llava-jp-pipeline[ray]'`` on every machine, and the store under the same path on every machine.
"""

import json
import logging
import math
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ray
from prefect.client.orchestration import get_client
from prefect.context import TaskRunContext
from prefect.futures import as_completed
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.tasks import Task
from prefect_ray import RayTaskRunner
from prefect_ray.context import remote_options
from prefect_ray.task_runners import PrefectRayFuture
from ray._private.services import canonicalize_bootstrap_address
from ray.exceptions import RayError, RayTaskError

from flows.runtime.logs import set_log_levels
from flows.runtime.tasks import as_task
from pipeline.core.errors import ConfigError, TransientError
from pipeline.core.progress import Progress
from pipeline.core.settings import load_settings
from pipeline.evaluation.sharing import AnsweringJob
from pipeline.features.cache import read_shards
from pipeline.features.calibration import CalibrationJob
from pipeline.features.ray_part import Done, Part, run_part
from pipeline.features.run import read_job

log = logging.getLogger(__name__)

SHARDS_PER_TASK = 8
"""At most. A task starts decoding processes anew, so it should take much longer than they need for that."""
TASKS_PER_DEVICE = 4
"""At least, where there are shards enough: then all devices end at about the same time."""
RETRIES = 3
"""Of a task whose machine or process died, by Ray; and of a transient error, by Prefect."""
SECONDS_TO_ANSWER = 10


@dataclass(frozen=True, slots=True)
class Devices:
    """The devices of a cluster, and what a task takes: a GPU and the cores beside it, or a core where are no GPUs."""

    count: int
    num_gpus: int
    num_cpus: int

    @property
    def num_decoders(self) -> int:
        """Decoding processes of a task; on a core, which encodes, none."""
        chosen = load_settings().num_decoders
        return chosen if chosen is not None else max(1, self.num_cpus) if self.num_gpus else 0


def run_on_ray(job_file: Path, *, address: str) -> None:
    """Run a job of ``pipeline.features.step`` or ``pipeline.evaluation.sharing`` on the cluster to its end.

    Raises:
        ConfigError: no cluster answers, it has no devices, or its machines lack the store or the server of Prefect.
        TransientError: processes or machines died, again and again.
        PipelineError: the first error of a task.
    """
    _require_answer(address)
    server = str(get_client(sync_client=True).api_url)  # a temporary one has an address too, on this machine
    with _connected(address), temporary_settings({PREFECT_API_URL: server}):
        nodes = [node for node in ray.nodes() if node["Alive"]]
        require_common_server(nodes, server=server)
        devices = devices_of(node["Resources"] for node in nodes)
        division = division_of(job_file, num_devices=devices.count)
        amounts = (_count(division.num_tasks, "task"), _count(devices.count, "device"))
        log.info("%s: %s on %s of the Ray cluster at %s", division.name, *amounts, address)
        _finish(job_file, division, devices)


@dataclass(frozen=True, slots=True)
class Division:
    """Into how many tasks a job is cut, and what is counted while they run; 0: nothing is."""

    name: str
    num_tasks: int
    total: int = 0
    unit: str = ""


def division_of(job_file: Path, *, num_devices: int) -> Division:
    """How a job is cut. Questions: one task a device, which reads the model once."""
    if json.loads(job_file.read_text(encoding="utf-8"))["kind"] == "answer":
        answering = AnsweringJob.model_validate_json(job_file.read_text(encoding="utf-8"))
        num_tasks = max(1, min(answering.num_batches, num_devices))
        return Division("answer questions", num_tasks, answering.num_items, "items")
    job = read_job(job_file)
    if isinstance(job, CalibrationJob):
        return Division("calibrate", 1)
    num_tasks = number_of_tasks(len(read_shards(job.shards)), num_devices=num_devices)
    return Division("encode images", num_tasks, job.num_images, "images")


def devices_of(resources: Iterator[Mapping[str, float]]) -> Devices:
    """The devices that tasks run on, from the resources of each machine.

    Raises:
        ConfigError: there are none.
    """
    machines = list(resources)
    with_gpus = [machine for machine in machines if machine.get("GPU", 0) >= 1]
    if with_gpus:
        num_cpus = min(int(machine.get("CPU", 0) // machine["GPU"]) for machine in with_gpus)
        return Devices(sum(int(machine["GPU"]) for machine in with_gpus), 1, num_cpus)
    num_cores = sum(int(machine.get("CPU", 0)) for machine in machines)
    if not num_cores:
        raise ConfigError("the machines of the Ray cluster offer neither GPUs nor cores; see `ray status`")
    return Devices(num_cores, 0, 1)


def number_of_tasks(num_shards: int, *, num_devices: int) -> int:
    """Into how many tasks shards are cut."""
    return min(num_shards, max(math.ceil(num_shards / SHARDS_PER_TASK), TASKS_PER_DEVICE * num_devices))


def require_common_server(nodes: Sequence[Mapping[str, Any]], *, server: str) -> None:
    """Every task tells Prefect's server how it goes.

    Raises:
        ConfigError: it answers on this machine alone, and there are others.
    """
    num_machines = len({node["NodeManagerAddress"] for node in nodes})
    if num_machines > 1 and urlsplit(server).hostname in ("localhost", "127.0.0.1", "::1"):
        raise ConfigError(
            f"the {num_machines} machines of the Ray cluster cannot reach the Prefect server at {server}; start one "
            "with `prefect server start --host 0.0.0.0` and set PREFECT_API_URL to its address in their network"
        )


TASK_NAMES = {"encode images": "encode-shards"}


def _finish(job_file: Path, division: Division, devices: Devices) -> None:
    """Run all parts of a job; the first error ends it."""
    num_tasks = division.num_tasks
    progress = Progress(division.name, total=division.total, unit=division.unit) if division.total else None
    name = TASK_NAMES.get(division.name, division.name.replace(" ", "-"))
    task = as_task(run_part_here, name=name, retries=RETRIES)
    options = {"num_gpus": devices.num_gpus, "num_cpus": devices.num_cpus, "max_retries": RETRIES}
    parts = [Part(number, num_tasks) for number in range(num_tasks)]
    nodes = set()
    with RayTaskRunner() as runner, remote_options(**options, max_calls=0):  # 0: a process lives on, with its tower
        arguments = {"job_file": job_file, "num_decoders": devices.num_decoders}
        futures = [_submitted(runner, task, {**arguments, "part": part}) for part in parts]
        for future in as_completed(futures):
            done, node = result_of(future)
            nodes.add(node)
            if progress:
                progress.advance(done.num_done, note=done.note)
    if progress:
        progress.finish(f"on {_count(len(nodes), 'machine')}")


def _submitted(runner: RayTaskRunner[Any], task: Task[..., Any], arguments: dict[str, Any]) -> PrefectRayFuture[Any]:
    """Sent without the enclosing task, which holds what cannot be sent: MLflow's client."""
    context = copy_context()
    context.run(TaskRunContext.__var__.set, None)  # type: ignore[arg-type]
    return context.run(runner.submit, task, arguments)


def run_part_here(job_file: Path, part: Part, num_decoders: int) -> tuple[Done, str]:
    """What a task does, on whichever machine; returns Ray's name of the machine as well."""
    set_log_levels()
    return run_part(job_file, part, num_decoders=num_decoders), ray.get_runtime_context().get_node_id()


def result_of(future: PrefectRayFuture[Any]) -> tuple[Done, str]:
    """What the task returned.

    Raises:
        ConfigError: the task could not begin, for lack of a package or of Prefect's server.
        TransientError: its process or machine died each time.
        PipelineError, TransientError: what stopped it.
    """
    try:
        result: tuple[Done, str] = future.result()
    except RayTaskError as error:
        last_line = str(error).strip().splitlines()[-1]
        raise ConfigError(
            f"a machine of the Ray cluster cannot run tasks ({last_line}); every machine needs the same version of "
            f"llava-jp-pipeline[ray] and must reach the Prefect server at {PREFECT_API_URL.value()}"
        ) from error
    except RayError as error:
        raise TransientError(f"a task on the Ray cluster died {1 + RETRIES} times: {_first_line(error)}") from error
    return result


@contextmanager
def _connected(address: str) -> Iterator[None]:
    """A connection to the cluster; its end ends all tasks of this process."""
    logging.getLogger("ray").setLevel(logging.ERROR)
    ray._private.worker._worker_logs_enabled = False  # or it prints what its machines say about retries
    try:
        with chdir(sys.prefix):  # Ray puts this folder on the path of its processes, and data may lie where we are
            ray.init(address, log_to_driver=False, configure_logging=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _no_cluster(address, _first_line(error)) from error
    try:
        yield
    finally:
        ray.shutdown()


def _require_answer(address: str) -> None:
    """Ray itself waits for minutes, and says nothing meanwhile."""
    try:
        known = canonicalize_bootstrap_address(address) if address == "auto" else address
        url = urlsplit(known if "://" in known else f"//{known}")
        with socket.create_connection((url.hostname, url.port), timeout=SECONDS_TO_ANSWER):
            pass
    except (OSError, ValueError) as error:
        raise _no_cluster(address, str(error)) from error


def _no_cluster(address: str, reason: str) -> ConfigError:
    return ConfigError(
        f"no Ray cluster answers at LLAVA_JP_RAY_ADDRESS={address} ({reason}); start one with `ray start --head`, "
        "or unset the variable to encode on this machine"
    )


def _count(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
