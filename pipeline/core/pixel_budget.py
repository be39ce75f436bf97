"""How many pixels are decoded at once, by all threads of a process and all decoding processes that it forks.

An image of a few hundred kilobytes may be a gigabyte of pixels: a number of images bounds nothing.
"""

import ctypes
import multiprocessing
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

MOST_PIXELS = 178_956_970
"""The largest image that is decoded at all; some two gigabytes while it is."""

M_MMAP_THRESHOLD = -3
"""From glibc's ``malloc.h``."""
LARGE_BLOCK_BYTES = 8 << 20
"""Pillow's pixels lie in blocks of 16 MiB."""


class PixelBudget:
    """Pixels that may be in memory at once; who wants more waits. A single image always fits."""

    def __init__(self, most: int = MOST_PIXELS) -> None:
        context = multiprocessing.get_context("fork")  # shared with the processes that are forked later
        self._most = most
        self._taken = context.Value("q", 0, lock=False)
        self._changed = context.Condition()

    @contextmanager
    def taking(self, num_pixels: int) -> Iterator[None]:
        """Hold the pixels of an image, as long as it is in memory decoded."""
        wanted = min(num_pixels, self._most)
        with self._changed:
            self._changed.wait_for(lambda: self._taken.value + wanted <= self._most)
            self._taken.value += wanted
        try:
            yield
        finally:
            with self._changed:
                self._taken.value -= wanted
                self._changed.notify_all()


def pixel_budget() -> PixelBudget:
    """That of this process; made before it forks, it is also that of its children."""
    with _making:  # or threads that begin at once would each have their own
        return _budget()


def renew_pixel_budget() -> None:
    """Begin anew, with nothing taken: a decoding process that was killed has given nothing back."""
    with _making:
        _budget.cache_clear()
        _budget()


_making = threading.Lock()


@cache
def _budget() -> PixelBudget:
    _return_freed_pixels()
    return PixelBudget()


def _return_freed_pixels() -> None:
    """Let the C library return large blocks to the system when they are freed.

    It would keep those of every thread for that thread: eight threads that decode one after the other held eight
    images' pixels.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc's
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)
