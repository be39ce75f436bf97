"""Runs trainings in forks of one process, so that DeepSpeed is imported once, and kills them where a test says.

    python -m tests.support.trainings

Reads a JSON line for each run, ``{"job": FILE, "num_processes": N, "zero_stage": N, "kill": {...}}``, and answers with
a line of exit codes. Like the launcher it goes on from the last sound checkpoint, converted where that is needed.
"""

import json
import os
import re
import resource
import signal
import socket
import sys
import time
import traceback
from pathlib import Path

import bitsandbytes
from deepspeed.runtime.engine import DeepSpeedEngine
from deepspeed.runtime.zero.muon import muon_optimizer

from pipeline.compute.launch import FOLLOWS_STDIN
from pipeline.compute.worker import main
from pipeline.training.checkpoints import resume as resuming
from pipeline.training.checkpoints.convert import convert
from pipeline.training.distributed import init_distributed
from pipeline.training.job import TrainingJob
from pipeline.training.loop import train

CHECKPOINT = re.compile(r"optimizer_step-\d{8}$")


IMPORTED_ONCE = (init_distributed, train, bitsandbytes, muon_optimizer)
"""DeepSpeed imports the last, and with it PyTorch's compiler, whenever something is partitioned."""
ANSWER = "@codes "


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def arm(kill):
    """Make this process kill itself at the given place."""
    if "launcher_is_gone" in kill:
        reading, kill["launcher"] = os.pipe()
        os.dup2(reading, 0)
        os.environ[FOLLOWS_STDIN] = "1"
    if "in_step" in kill:  # between the gradients and the weights
        step = DeepSpeedEngine.step

        def fatal(engine, *args, **kwargs):
            if engine.global_steps + 1 == kill["in_step"] and engine.is_gradient_accumulation_boundary():
                if "launcher_is_gone" in kill:
                    os.close(kill["launcher"])
                    time.sleep(0.5)  # the thread that reads standard input notices
                else:
                    os.kill(os.getpid(), kill.get("signal", signal.SIGKILL))
            return step(engine, *args, **kwargs)

        DeepSpeedEngine.step = fatal
    if "file_bytes" in kill:  # in the middle of the first file of a checkpoint: killed, or told that there is no room
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN if kill.get("survives") else signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (kill["file_bytes"],) * 2)
    if "at" in kill:

        def audit(event, arguments):
            is_there = {
                "rename": event == "os.rename" and CHECKPOINT.search(str(arguments[1])),
                "prune": event == "shutil.rmtree" and CHECKPOINT.search(str(arguments[0])),
            }
            if is_there.get(kill["at"]):
                die()

        sys.addaudithook(audit)


def forked(work):
    """The id of a process that does it."""
    if process := os.fork():
        return process
    try:
        code = work() or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def code_of(process):
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def run(asked):
    job_file = Path(asked["job"])
    job = TrainingJob.model_validate_json(job_file.read_text())
    checkpoint, universal = resuming.find_start(
        job.directory, num_processes=asked["num_processes"], zero_stage=asked["zero_stage"]
    )
    changes = {"zero_stage": asked["zero_stage"], "checkpoint": checkpoint, "universal": universal}
    job_file.write_text(job.model_copy(update=changes).model_dump_json())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def worker(rank):
        os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(asked["num_processes"]))
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
        if rank == asked.get("kill", {}).get("rank", 0):
            arm(asked.get("kill", {}))
        return main(job_file)

    processes = [forked(lambda rank=rank: worker(rank)) for rank in range(asked["num_processes"])]
    return [code_of(process) for process in processes]


def convert_in_a_fork(job_file, **_):
    job = resuming.ConversionJob.model_validate_json(job_file.read_text())
    assert code_of(forked(lambda: convert(job))) == 0


if __name__ == "__main__":
    resuming.launch = convert_in_a_fork
    for line in sys.stdin:
        print(f"\n{ANSWER}{json.dumps(run(json.loads(line)))}", flush=True)
