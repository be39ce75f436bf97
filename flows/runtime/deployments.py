"""The deployments of ``prefect.yaml`` that follow from ``pipeline/experiments``: ``make deployments`` writes them.

Prefect has no loops in that file, and ``prefect deploy --all`` reads nothing else.
"""

from collections.abc import Iterable
from pathlib import Path

from pipeline.config.experiment import ExperimentName
from pipeline.core.files import write_text

PREFECT_FILE = Path("prefect.yaml")
MARK = "`make deployments` writes the lines below; do not edit them.\n"


def with_deployments(text: str, names: Iterable[str] = tuple(ExperimentName)) -> str:
    """``prefect.yaml`` with a deployment of run-experiment for each experiment, in place of those it has."""
    kept = text[: text.index(MARK) + len(MARK)]
    lines = (f"  - {{<<: *experiment, name: {name}, parameters: {{experiment: {name}}}}}\n" for name in names)
    return kept + "".join(lines)


if __name__ == "__main__":
    write_text(PREFECT_FILE, with_deployments(PREFECT_FILE.read_text(encoding="utf-8")))
