"""The deployments of ``prefect.yaml`` that follow from ``pipeline/experiments``: ``make deployments`` writes them.

Prefect has no loops in that file, and ``prefect deploy --all`` reads nothing else.
"""

import os
import shlex
import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from pipeline.config.experiment import ExperimentName
from pipeline.core.files import write_text

PREFECT_FILE = Path("prefect.yaml")
MARK = "`make deployments` writes the lines below; do not edit them.\n"


def import_flows() -> None:
    """Import every flow, so that Prefect finds them imported: it would look in the working directory first."""
    for path in sorted(Path(__file__).parents[1].glob("[a-z]*.py")):
        import_module(f"flows.{path.stem}")


def work_in(directory: str) -> dict[str, str]:
    """A pull step of ``prefect.yaml``: the folder that a run works in, of which nothing is imported.

    A worker takes it as well, when it looks at the flow of a run that has crashed.
    """
    import_flows()
    os.chdir(directory)
    return {"directory": directory}


def engine_command() -> dict[str, str]:
    """A build step of ``prefect.yaml``: what a worker starts for a run, with the Python that deploys it."""
    return {"command": shlex.join([sys.executable, "-E", "-P", str(Path(__file__).with_name("engine.py"))])}


def with_deployments(text: str, names: Iterable[str] = tuple(ExperimentName)) -> str:
    """``prefect.yaml`` with a deployment of run-experiment for each experiment, in place of those it has."""
    kept = text[: text.index(MARK) + len(MARK)]
    lines = (f"  - {{<<: *experiment, name: {name}, parameters: {{experiment: {name}}}}}\n" for name in names)
    return kept + "".join(lines)


if __name__ == "__main__":
    write_text(PREFECT_FILE, with_deployments(PREFECT_FILE.read_text(encoding="utf-8")))
