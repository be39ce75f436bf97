"""What a worker says of the error that stopped it."""

import errno
from pathlib import Path

import pytest
from safetensors import SafetensorError

from model.whole_files import ModelFolderError
from pipeline.compute.worker import explained

JOB = Path("/store/partial/finetune/ab/work/job.json")
FULL = "free some space and run the same command again: what is finished is kept"


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ModelFolderError("config.json has 0 bytes"), "ConfigError", "config.json has 0 bytes"),
        (
            OSError(errno.ENOSPC, "No space left on device", "/store/x"),
            "StoreError",
            f"the work of /store/partial/finetune/ab/work stopped: '/store/x': No space left on device; {FULL}",
        ),
        (
            SafetensorError("I/O error: No space left on device (os error 28)"),
            "StoreError",
            "the work of /store/partial/finetune/ab/work stopped: I/O error: No space left on device (os error 28); "
            + FULL,
        ),
        (FileNotFoundError(errno.ENOENT, "No such file", "x"), "", "FileNotFoundError: [Errno 2] No such file: 'x'"),
    ],
)
def test_an_error_of_the_machine_is_told_from_a_bug(error, kind, message):
    assert explained(error, JOB) == {"type": kind, "message": message}
