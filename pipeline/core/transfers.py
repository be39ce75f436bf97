"""Files moved by several threads, while the calling thread reports the bytes."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Self, TypeVar

from pipeline.core.progress import Progress

SECONDS_BETWEEN_REPORTS = 0.2

T = TypeVar("T")


class TransferStoppedError(Exception):
    """Another thread's error, or a person, ended the work."""


class ByteCounter:
    """Bytes counted in many threads, taken by one."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._count = 0

    def add(self, count: int) -> None:
        with self._guard:
            self._count += count

    def drain(self) -> int:
        with self._guard:
            count, self._count = self._count, 0
        return count


def as_they_come(futures: Iterable[Future[T]], counter: ByteCounter, progress: Progress) -> Iterator[Future[T]]:
    """Finished transfers; the progress is told of the bytes meanwhile."""
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=SECONDS_BETWEEN_REPORTS, return_when=FIRST_EXCEPTION)
        if count := counter.drain():
            progress.advance(count)
        yield from done


class Transfers:
    """Moves artifacts, and the files of each, at once. The first error ends all of it, and is the one that is raised.

    There are two pools of threads, because an artifact waits for its files.
    """

    def __init__(self, progress: Progress, *, num_parallel: int) -> None:
        self.progress = progress
        self._counter = ByteCounter()
        self._stop = threading.Event()
        self._artifacts = ThreadPoolExecutor(num_parallel)
        self._files = ThreadPoolExecutor(num_parallel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._artifacts.shutdown(cancel_futures=True)
        self._files.shutdown(cancel_futures=True)

    def advance(self, count: int) -> None:
        """A thread moved ``count`` bytes.

        Raises:
            TransferStoppedError: the thread should end.
        """
        if self._stop.is_set():
            raise TransferStoppedError
        self._counter.add(count)

    def each_artifact(self, work: Callable[[T], object], artifacts: Iterable[T]) -> None:
        """Do the work for every artifact, several at once; called by the thread that reports."""
        futures = [self._artifacts.submit(self._guarded, work, artifact) for artifact in artifacts]
        for future in as_they_come(futures, self._counter, self.progress):
            if future.exception():
                wait(futures)
                raise _cause(futures)

    def each_file(self, work: Callable[[T], object], files: Iterable[T]) -> None:
        """Do the work for every file of an artifact; called by the artifact's thread. Afterwards no thread works."""
        futures = [self._files.submit(self._guarded, work, file) for file in files]
        wait(futures)
        if any(future.exception() for future in futures):
            raise _cause(futures)

    def _guarded(self, work: Callable[[T], object], item: T) -> None:
        if self._stop.is_set():
            raise TransferStoppedError
        try:
            work(item)
        except BaseException:
            self._stop.set()
            raise


def _cause(futures: Iterable[Future[None]]) -> BaseException:
    """The error that stopped the others."""
    errors = [error for future in futures if (error := future.exception())]
    return next((error for error in errors if not isinstance(error, TransferStoppedError)), errors[0])
