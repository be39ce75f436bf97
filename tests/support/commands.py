"""Commands as a user types them, in a store and a Prefect server of their own."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.fork_server import client

REPOSITORY = Path(__file__).resolve().parents[2]
LLAVA_JP = (sys.executable, "-m", "flows.cli.main")
PREFECT = (sys.executable, "-m", "prefect")
LONGER = ("--set", "finetune.learning_rate=5e-4", "--set", "finetune.num_epochs=5")
"""Changes of the second stage that give it time to be killed: 60 optimizer steps."""
SECONDS_PER_COMMAND = 240


@dataclass(frozen=True)
class Commands:
    """How commands are started: their environment, without what this machine has set."""

    environment: Mapping[str, str]
    forks: Path | None = None
    """Where a ``fork_server`` listens; None: every command is a process of its own."""
    folder: Path = REPOSITORY
    """The working directory of the commands."""

    def llava_jp(self, store: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """``llava-jp ARGUMENTS`` on a store."""
        command = (*client(self.forks), "flows.cli.main") if self.forks else LLAVA_JP
        return self.finished(*command, *arguments, LLAVA_JP_STORE=str(store), **environment)

    def prefect(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """``prefect ARGUMENTS``."""
        return self.finished(*(*client(self.forks), "prefect") if self.forks else PREFECT, *arguments)

    def finished(
        self, *command: str, seconds: float = SECONDS_PER_COMMAND, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Any command, run to its end."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def started(self, *command: str, log: Path, **environment: str) -> "subprocess.Popen[bytes]":
        """Any command, in the background and in a session of its own."""
        with log.open("wb") as file:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env={**self.environment, **environment},
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


def clean_environment(folder: Path) -> dict[str, str]:
    """This process's environment without settings of ours, Prefect, MLflow, a judge; temporary files in ``folder``."""
    prefixes = ("LLAVA_JP_", "PREFECT_", "MLFLOW_", "OPENAI_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    return {
        **kept,
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "TMPDIR": str(folder),
    }


def stop(process: "subprocess.Popen[bytes]", *, seconds: float = 10) -> None:
    """End a started command and everything it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(seconds)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def wait_until(condition: Callable[[], object], *, seconds: float, what: str) -> None:
    """Return as soon as the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"after {seconds} s still not: {what}"
        time.sleep(0.01)


def training_processes(store: Path) -> list[int]:
    """Ids of the workers that train or encode in a store."""
    return processes_with("pipeline.compute.worker", f"{store}/")


def processes_with(*texts: str) -> list[int]:
    """Ids of the processes whose command line has all of these texts."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue  # it ended meanwhile
            if all(text in command for text in texts):
                found.append(int(folder.name))
    return found


def copied(store: Path, folder: Path, *, without: tuple[str, ...] = ()) -> Path:
    """A copy of a store's artifacts, without the named steps."""
    target = folder / "store"
    shutil.copytree(
        store / "artifacts", target / "artifacts", ignore=lambda path, _: without if path.endswith("artifacts") else ()
    )
    return target
