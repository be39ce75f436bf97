"""Becomes a worker on another machine: ``pipeline.compute.launch`` runs this file there through ssh.

The first line of standard input is the environment, as JSON; the rest is the worker's.
"""

import json
import os
import sys
from pathlib import Path


def main(job_file: str) -> None:
    """Read the environment byte by byte, so that nothing behind it is read; then become the worker."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            sys.exit("the connection ended before the environment came")
        line += byte
    environment = {**os.environ, **json.loads(line)}
    run_module = str(Path(__file__).with_name("run_module.py"))
    command = [sys.executable, "-P", run_module, "pipeline.compute.worker", job_file]
    os.execve(sys.executable, command, environment)


if __name__ == "__main__":
    main(sys.argv[1])
