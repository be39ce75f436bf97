"""Threads that write shards while the next batches are encoded."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, Full, Queue
from types import TracebackType
from typing import Self

from pipeline.features.shards import EncodedImages

BATCHES_WAITING = 4
"""Encoded batches that wait for their writer, at most."""
SHARDS_AT_ONCE = 2
"""While one shard is written, the one before is hashed and flushed to the disk."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A batch that a device may still be working on."""

    parts: Sequence[EncodedImages]
    finished: Callable[[], float]
    """Waits for the device; returns the seconds it took."""


class ShardWriters:
    """Hands encoded batches to the threads that write their shards. Batches of a shard come one after another.

    Args:
        write: writes the shard of a number from its batches, which end with the shard.
    """

    def __init__(self, write: Callable[[int, Iterator[EncodedImages]], None]) -> None:
        self._write = write
        self._pool = ThreadPoolExecutor(SHARDS_AT_ONCE, thread_name_prefix="shard")
        self._queue: Queue[Encoded | BaseException | None] | None = None
        self._shard: int | None = None
        self._futures: list[Future[None]] = []
        self.seconds_encoding = 0.0
        self.seconds_writing = 0.0
        """Of all writing threads, divided by their number."""

    def put(self, shard: int, encoded: Encoded) -> None:
        """Give a batch to its shard's writer; waits while that has too many.

        Raises:
            Exception: what stopped a writer.
        """
        if shard != self._shard:
            self._end_shard()
            self._shard, self._queue = shard, Queue(BATCHES_WAITING)
            self._futures.append(self._pool.submit(self._run, shard, self._queue))
        self._put(encoded)

    def _put(self, item: Encoded | None) -> None:
        assert self._queue is not None
        while True:
            for future in [future for future in self._futures if future.done()]:
                future.result()
                self._futures.remove(future)
            try:
                return self._queue.put(item, timeout=0.5)
            except Full:
                continue

    def _end_shard(self) -> None:
        if self._queue is not None:
            self._put(None)
            self._queue = None

    def _run(self, shard: int, queue: Queue[Encoded | BaseException | None]) -> None:
        since = time.perf_counter()

        def busy() -> None:
            """Count the time since the last batch came as time of writing."""
            nonlocal since
            now = time.perf_counter()
            self.seconds_writing += (now - since) / SHARDS_AT_ONCE
            since = now

        def batches() -> Iterator[EncodedImages]:
            nonlocal since
            while True:
                busy()
                item = queue.get()
                if isinstance(item, BaseException):
                    raise item
                if item is not None:
                    self.seconds_encoding += item.finished()
                since = time.perf_counter()
                if item is None:
                    return
                yield from item.parts

        source = batches()
        self._write(shard, source)
        for _ in source:  # another process made the shard first
            pass
        busy()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._end_shard()
        except BaseException as failed:
            error = failed
            raise
        finally:
            if error is not None and self._queue is not None:
                self._stop(self._queue, error)
            self._pool.shutdown()
        if error is None:
            for future in self._futures:
                future.result()

    def _stop(self, queue: Queue[Encoded | BaseException | None], error: BaseException) -> None:
        """Make room for the news, so that a writer that waits for its next batch hears it."""
        while True:
            try:
                return queue.put_nowait(error)
            except Full:
                try:
                    queue.get_nowait()
                except Empty:
                    continue
