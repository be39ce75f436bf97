"""What an artifact was made with: the commit of this code, versions of libraries. Recorded, not fingerprinted."""

import importlib.metadata
import subprocess
from functools import cache
from pathlib import Path


@cache
def git_commit() -> str | None:
    """The commit this code runs from, with ``-dirty`` when it was edited; None outside a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


@cache
def library_versions() -> dict[str, str]:
    """Versions of the libraries that take part in results."""
    names = (
        "torch",
        "transformers",
        "tokenizers",
        "deepspeed",
        "pyarrow",
        "pillow",
        "duckdb",
        "rouge-score",
        "fugashi",
    )
    return {name: importlib.metadata.version(name) for name in names}
