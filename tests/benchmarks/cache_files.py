"""Files in and out of the page cache (Linux)."""

import ctypes
import gc
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

_libc = ctypes.CDLL(None, use_errno=True)
EVICTED_FRACTION = 0.01
"""What may stay behind: pages that another process has just looked at."""


def files_of(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def stored_bytes(folder: Path) -> int:
    """Bytes of all files, as they are long."""
    return sum(path.stat().st_size for path in files_of(folder))


def sync(folder: Path) -> None:
    """Wait until all files are on the disk."""
    for path in files_of(folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def evict(folder: Path) -> None:
    """Drop all files from the page cache, and look whether they are gone.

    Raises:
        RuntimeError: they are not, because the folder is kept in memory or somebody still maps them.
    """
    gc.collect()
    sync(folder)
    for path in files_of(folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
    resident, total = resident_bytes(folder), stored_bytes(folder)
    if resident > EVICTED_FRACTION * total + mmap.PAGESIZE * 16:
        raise RuntimeError(
            f"{folder}: {resident:,} of {total:,} bytes stay in memory after eviction; "
            "is it a folder on a disk (--folder), and are its readers closed?"
        )


def resident_bytes(folder: Path) -> int:
    """Bytes of the folder's files that are in the page cache."""
    return sum(map(_resident_bytes, files_of(folder)))


def _resident_bytes(path: Path) -> int:
    size = path.stat().st_size
    if size == 0:
        return 0
    pages = np.zeros(-(-size // mmap.PAGESIZE), np.uint8)
    with path.open("rb") as file, mmap.mmap(file.fileno(), size, prot=mmap.PROT_READ) as mapping:
        view = np.frombuffer(mapping, np.uint8)
        if _libc.mincore(ctypes.c_void_p(view.ctypes.data), ctypes.c_size_t(size), ctypes.c_void_p(pages.ctypes.data)):
            raise OSError(ctypes.get_errno(), f"mincore of {path}")
        del view
    return int((pages & 1).sum()) * mmap.PAGESIZE
