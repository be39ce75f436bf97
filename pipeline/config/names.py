"""Names that people give; each becomes the name of files, of runs and of columns."""

from typing import Annotated

from pydantic import AfterValidator

MOST_BYTES = 200
"""A file's name may have 255, and gets a few more than the name itself."""


def _fits_a_file(name: str) -> str:
    if (num_bytes := len(name.encode())) > MOST_BYTES:
        raise ValueError(f"the name has {num_bytes} bytes in UTF-8, and files are named after it: {MOST_BYTES} at most")
    return name


Name = Annotated[str, AfterValidator(_fits_a_file)]
