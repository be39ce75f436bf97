"""Where the real material for tests lies; a test that needs it is skipped where it is absent."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def shared_data() -> Path:
    """The ``data`` folder below ``LLAVA_JP_SHARED`` (default: ``../shared`` beside the repository)."""
    root = Path(os.environ.get("LLAVA_JP_SHARED", REPOSITORY.parent / "shared"))
    if not (root / "data").is_dir():
        pytest.skip(f"needs real data: there is no {root / 'data'}; LLAVA_JP_SHARED names the folder that has it")
    return root / "data"
