"""``llava-jp run smoke`` until it ends by itself; before that it is killed once at every place worth trying.

    python tests/flow_tests/killed_often.py FOLDER

Each run is a fork, so that the libraries are imported once. ``FOLDER`` gets a file for each place a run was killed at:
right before the first artifact of each step takes its final name, between two shards, between two batches of answers.
"""

import os
import signal
import sys
from importlib import import_module
from pathlib import Path

from flows.cli.main import QUIET_ENVIRONMENT, main

os.environ.update(QUIET_ENVIRONMENT)  # before Prefect is imported, which reads it then

from pipeline.core.progress import Event, listening

for module in ("flows.compare", "flows.run_experiment", "pipeline.evaluation.predict"):
    import_module(module)


def run_until_killed(folder: Path) -> None:
    """One run; it kills itself at the first place where no run before it was killed."""

    def die_once(place: str) -> None:
        mark = folder / place
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    published = f"{os.environ['LLAVA_JP_STORE']}/artifacts/"

    def before_rename(event: str, arguments: tuple) -> None:
        if event == "os.rename":
            target = str(arguments[1])
            name = target.removeprefix(published)
            if name.startswith("feature_shard/"):
                if Path(target).parent.is_dir() and any(Path(target).parent.iterdir()):
                    die_once("between shards")
            elif name != target:
                die_once(name.partition("/")[0])

    def on_progress(event: Event) -> None:
        if event.name == "answer questions" and event.done == 16:
            die_once("between answers")

    sys.addaudithook(before_rename)
    with listening(on_progress):
        main()


if __name__ == "__main__":
    marks = Path(sys.argv.pop())
    sys.argv += ["run", "smoke"]
    while True:
        if not (child := os.fork()):
            run_until_killed(marks)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            sys.exit(os.waitstatus_to_exitcode(status))
