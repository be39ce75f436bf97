"""The machine that a benchmark's figures are from, in one line."""

import os
import platform
from datetime import date
from importlib.metadata import version
from pathlib import Path

import torch


def machine_line() -> str:
    """Date, processor, cores, memory, GPU, Python and torch."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    parts = [date.today().isoformat(), processor(), f"{os.cpu_count()} cores", f"{memory:.0f} GiB"]
    if torch.cuda.is_available():
        parts.append(torch.cuda.get_device_name())
    return ", ".join([*parts, f"Python {platform.python_version()}", f"torch {version('torch')}"])


def processor() -> str:
    """The processor's name."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = (line.partition(": ")[2] for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
