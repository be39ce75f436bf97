"""A process that has imported Prefect, MLflow, PyTorch and DeepSpeed, and forks for every command and every worker.

    python -m tests.support.fork_server SOCKET

A start of ``llava-jp`` takes five seconds of a processor, one of a training worker seven: importing libraries. Forks of
this process take none of it. What is tested about a real start starts really.
"""

import atexit
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import traceback
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from huggingface_hub.utils.tqdm import disable_progress_bars

from flows.cli.main import QUIET_ENVIRONMENT
from tests.support.shared_data import REPOSITORY

USED_BY_COMMANDS = (
    "prefect.cli.deploy",
    "prefect.cli.deployment",
    "prefect.cli.flow_run",
    "prefect.cli.work_pool",
    "flows.evaluate_model",
    "flows.run_experiment",
    "pipeline.comparison.step",
    "pipeline.features.run",
    "pipeline.planning.costs",
    "pipeline.planning.features",
    "pipeline.planning.plan",
    "pipeline.release.chat",
    "pipeline.release.export",
)
USED_BY_WORKERS = ("pipeline.training.loop", "deepspeed.runtime.zero.muon.muon_optimizer", "peft", "bitsandbytes")
"""DeepSpeed imports the second, and with it PyTorch's compiler, whenever something is partitioned."""
CLIENT = Path(__file__).with_name("fork_client.py")


def client(address: Path) -> tuple[str, ...]:
    """The beginning of a command; a module's name and arguments follow."""
    return (sys.executable, "-S", str(CLIENT), str(address))


@contextmanager
def fork_server(folder: Path, environment):
    """A running server; gives the address of its socket."""
    address = folder / "forks"
    with (folder / "forks.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.support.fork_server", str(address)],
            cwd=REPOSITORY,
            env={**environment, "PYTHONPATH": str(REPOSITORY)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    try:
        assert server.stdout.readline() == b"ready\n", (folder / "forks.log").read_text()
        yield address
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def serve(address: str) -> None:
    """Accept commands for ever. A keeper waits for each, so that this process never has a thread."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for keepers
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        os.write(1, b"ready\n")
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                keep(connection, address)
            connection.close()


def keep(connection: socket.socket, address: str) -> None:
    """Start the fork, say its id, wait for it, say its exit code."""
    size, descriptors, _, _ = socket.recv_fds(connection, 8, 3)
    asked = json.loads(connection.makefile("rb").read(int.from_bytes(size, "big")))
    process = os.fork()
    if process == 0:
        become(asked, descriptors, connection, address)
    for descriptor in descriptors:
        os.close(descriptor)
    code = 1
    try:
        connection.sendall(f"{process}\n".encode())
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        connection.sendall(f"{code}\n".encode())
    finally:
        os._exit(0)


def become(asked, descriptors, connection, address) -> None:
    """The command itself, in this process."""
    os.setsid()
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    threading.Thread(target=end_with, args=(connection,), daemon=True).start()
    module, *arguments = asked["command"]
    sys.argv = [module, *arguments]
    try:
        code = run(module, arguments, address) or 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    leave(code)


def leave(code: int) -> None:
    """End as Python does, without tearing down modules: that would copy every page that is shared with the server."""
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def end_with(connection: socket.socket) -> None:
    """Be gone when the client is."""
    connection.recv(1)
    os.kill(os.getpid(), signal.SIGKILL)


def run(module: str, arguments: list[str], address: str) -> int | None:
    import torch

    from pipeline.compute import launch

    launch.WORKER = (*client(Path(address)), "pipeline.compute.worker")
    if module == "pipeline.compute.worker":
        from pipeline.compute.worker import main

        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        return main(Path(arguments[0]))
    if module == "flows.cli.main":
        from flows.cli.main import main

        return main()
    if module.startswith("tests.support."):
        return import_module(module).main()
    if module == "prefect":
        from prefect.cli import app

        return app()
    raise ValueError(f"no fork runs {module}")


def import_everything() -> None:
    """What commands and workers import when they are used."""
    for name, value in QUIET_ENVIRONMENT.items():  # as the command's ``main`` does, before libraries read it
        os.environ.setdefault(name, value)
    disable_progress_bars()
    import_module("pipeline.training.work").choose_accelerator()
    for name in (*USED_BY_COMMANDS, *USED_BY_WORKERS):
        import_module(name)


if __name__ == "__main__":
    import_everything()
    gc.freeze()  # collecting would copy what is shared with the forks
    serve(sys.argv[1])
