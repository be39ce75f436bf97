"""Times how contenders write and read, each read right beside a plain ``pread`` of the same rows.

A noisy disk can be twice as fast ten seconds later, so both take turns, a batch of rows each (in order: all rows each),
and the one that goes first changes with the round. *Cold* is the first pass after the files were dropped from the page
cache, *warm* the same rows once more with the same open reader: one that maps files has paid its page faults in the
cold pass. Opening is not timed.
"""

import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tests.benchmarks.cache_contender import BATCH_ROWS, SHARD_ROWS, Contender, Mode, Row, RowReader
from tests.benchmarks.cache_files import evict, resident_bytes, stored_bytes, sync
from tests.benchmarks.cache_pread import PreadReader, write

Opener = Callable[[], RowReader]
Line = tuple[str, Mode, str]
"""A reader's name, how it read, and ``cold`` or ``warm``."""
ROWS_PER_PASS = 64
"""Short passes: more pairs in the same time say more on a noisy machine than longer ones."""
READ_FRACTION = 0.95
"""A cold pass that leaves less than this of its rows' share of the files in memory has not read them."""


@dataclass
class Figures:
    """What was measured, one value a round."""

    rows_per_second: dict[Line, list[float]] = field(default_factory=lambda: defaultdict(list))
    ratios: dict[Line, list[float]] = field(default_factory=lambda: defaultdict(list))
    write_mb_per_second: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    size_fractions: dict[str, float] = field(default_factory=dict)


class Comparison:
    """The same rows in the folder of one contender after the other, and once as the reference."""

    def __init__(self, rows: npt.NDArray[np.uint16], folder: Path) -> None:
        self.rows = rows
        self.folder = folder
        self.reference = folder / "reference"
        self.figures = Figures()

    def write_reference(self) -> None:
        self.reference.mkdir()
        write(self.reference, self.rows)
        sync(self.reference)

    def run_round(self, number: int, contenders: Sequence[Contender], report: Callable[[str], None]) -> None:
        """Every contender writes, reads in all its ways, and is deleted; the next round begins with another one."""
        first = number % len(contenders)
        for contender in (*contenders[first:], *contenders[:first]):
            begin = time.perf_counter()
            folder = self.folder / contender.name
            folder.mkdir()
            self._write(contender, folder)
            for name, opener in contender.readers.items():
                self._read(name, partial(opener, folder, self._shape()), folder, number)
            shutil.rmtree(folder)
            report(f"round {number + 1}, {contender.name}: {time.perf_counter() - begin:.1f} s")

    def _shape(self) -> tuple[int, int, int]:
        num_scales, num_tokens, width = self.rows.shape[1:]
        return num_scales, num_tokens, width

    def _write(self, contender: Contender, folder: Path) -> None:
        begin = time.perf_counter()
        contender.write(folder, self.rows)
        sync(folder)
        seconds = time.perf_counter() - begin
        self.figures.write_mb_per_second[contender.name].append(self.rows.nbytes / seconds / 1e6)
        self.figures.size_fractions[contender.name] = stored_bytes(folder) / self.rows.nbytes

    def _read(self, name: str, opener: Opener, folder: Path, number: int) -> None:
        with opener() as reader:
            modes = reader.modes
        plain = (partial(PreadReader, self.reference, self._shape()), self.reference)
        for mode in modes:
            positions = chosen_rows(len(self.rows), mode, number)
            order = (1, 0) if number % 2 else (0, 1)
            passes = timed_passes([(opener, folder), plain], mode, positions, self.rows, order=order)
            for temperature, (ours, theirs) in zip(("cold", "warm"), passes, strict=True):
                line = (name, mode, temperature)
                self.figures.rows_per_second[line].append(len(positions) / ours)
                self.figures.ratios[line].append(theirs / ours)


def chosen_rows(num_rows: int, mode: Mode, number: int) -> list[int]:
    """The rows that all contenders read in this round: a shard's first, in order, or as many at random."""
    if mode == Mode.SEQUENTIAL:
        start = number % max(1, num_rows // SHARD_ROWS) * SHARD_ROWS
        return list(range(start, min(start + ROWS_PER_PASS, num_rows)))
    random = np.random.default_rng([number, list(Mode).index(mode)])
    return [int(position) for position in random.permutation(num_rows)[:ROWS_PER_PASS]]


def timed_passes(
    sides: Sequence[tuple[Opener, Path]],
    mode: Mode,
    positions: list[int],
    rows: npt.NDArray[np.uint16],
    *,
    order: Sequence[int],
) -> tuple[list[float], list[float]]:
    """Seconds of the cold and of the warm passes, by side; a third pass, not timed, compares every row.

    Raises:
        RuntimeError: a cold pass left its rows on the disk, or a row is wrong.
    """
    for _, folder in sides:
        evict(folder)
    with ExitStack() as stack:
        readers = [stack.enter_context(opener()) for opener, _ in sides]
        cold = _seconds(readers, mode, positions, order)
        for _, folder in sides:
            expected = stored_bytes(folder) * len(positions) / len(rows) * READ_FRACTION
            if (resident := resident_bytes(folder)) < expected:
                raise RuntimeError(f"{folder.name}, {mode}: a pass over {expected:,.0f} bytes loaded {resident:,}")
        warm = _seconds(readers, mode, positions, order)
        for reader in readers:
            check_rows(reader, mode, positions, rows)
    return cold, warm


def _seconds(readers: Sequence[RowReader], mode: Mode, positions: list[int], order: Sequence[int]) -> list[float]:
    """The readers take turns. A scan may read ahead of its caller, so it is not interrupted."""
    ready = [reader.buffer(BATCH_ROWS) for reader in readers]
    seconds = [0.0] * len(readers)
    for part in [positions] if mode == Mode.SEQUENTIAL else _batches(positions):
        for side in order:
            begin = time.perf_counter()
            _read_part(readers[side], mode, part, ready[side])
            seconds[side] += time.perf_counter() - begin
    return seconds


def _read_part(reader: RowReader, mode: Mode, positions: list[int], ready: npt.NDArray[np.uint16]) -> None:
    match mode:
        case Mode.RANDOM:
            for position in positions:
                reader.read(position, ready[0])
        case Mode.SEQUENTIAL:
            for _ in reader.scan(positions[0], positions[-1] + 1, ready[0]):
                pass
        case Mode.BATCHES:
            reader.read_batch(positions, ready[: len(positions)])


def check_rows(reader: RowReader, mode: Mode, positions: list[int], rows: npt.NDArray[np.uint16]) -> None:
    """Read in one way and compare every row.

    Raises:
        RuntimeError: a row is wrong or missing.
    """
    ready = reader.buffer(BATCH_ROWS)
    found: Iterator[Row]
    match mode:
        case Mode.RANDOM:
            found = (reader.read(position, ready[0]) for position in positions)
        case Mode.SEQUENTIAL:
            found = reader.scan(positions[0], positions[-1] + 1, ready[0])
        case Mode.BATCHES:
            found = (row for batch in _batches(positions) for row in _filled(reader, batch, ready[: len(batch)]))
    for position, row in zip(positions, found, strict=True):
        if not reader.is_right(row, rows[position]):
            raise RuntimeError(f"{type(reader).__name__}, {mode}: row {position} is not what was written")


def _filled(reader: RowReader, batch: list[int], ready: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    ready[:] = 0
    reader.read_batch(batch, ready)
    return ready


def _batches(positions: list[int]) -> list[list[int]]:
    return [positions[start : start + BATCH_ROWS] for start in range(0, len(positions), BATCH_ROWS)]
