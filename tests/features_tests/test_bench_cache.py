"""The benchmark of the feature cache reads what was written, and counts as read only what really was."""

import argparse
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from tests.benchmarks.bench_cache import check_room, command, contenders_of
from tests.benchmarks.cache_contender import SHARD_ROWS, Contender, Mode, RowReader
from tests.benchmarks.cache_files import evict, resident_bytes, stored_bytes
from tests.benchmarks.cache_npy import NpyReader
from tests.benchmarks.cache_npy import write as write_npy
from tests.benchmarks.cache_report import markdown, terminal_table
from tests.benchmarks.cache_rows import feature_rows
from tests.benchmarks.cache_timing import Figures, check_rows, chosen_rows, timed_passes

pytestmark = pytest.mark.long

SHAPE = (2, 9, 32)
WITHOUT_EXTRA_PACKAGES = ("pread", "npy", "safetensors", "datasets", "ours")
ROWS = feature_rows(SHARD_ROWS + 9, shape=SHAPE)


class MappedReader(NpyReader):
    """Gives views of the mapped file away: nothing is read until somebody looks."""

    def read(self, position, ready):
        return self.rows[position]


class ForgetfulReader(RowReader):
    def read(self, position, ready):
        return ready


@pytest.fixture
def on_disk():
    """A folder of the machine's own temporary ones; those of other tests may lie in memory."""
    with TemporaryDirectory() as folder:
        yield Path(folder)


def large_rows(folder):
    """Two megabytes on a disk that forgets them, or a skipped test."""
    rows = feature_rows(64, shape=(2, 64, 128))
    write_npy(folder, rows)
    try:
        evict(folder)
    except RuntimeError:
        pytest.skip("this folder is kept in memory")
    return rows


@pytest.mark.parametrize("name", WITHOUT_EXTRA_PACKAGES)
def test_every_way_of_reading_gives_the_rows_that_were_written(name, tmp_path):
    contenders, missing = contenders_of([name])
    assert missing == {}
    for contender in contenders:
        folder = tmp_path / contender.name
        folder.mkdir()
        contender.write(folder, ROWS)
        assert stored_bytes(folder) >= ROWS.nbytes * 0.5  # int8 is the smallest
        for opener in contender.readers.values():
            with opener(folder, SHAPE) as reader:
                for mode in reader.modes:
                    check_rows(reader, mode, chosen_rows(len(ROWS), mode, 1), ROWS)


def test_a_wrong_row_stops_the_benchmark():
    with pytest.raises(RuntimeError, match="ForgetfulReader, batches: row 3 is not what was written"):
        check_rows(ForgetfulReader(SHAPE), Mode.BATCHES, [3, 1], ROWS)


def test_a_view_of_a_mapped_file_is_not_a_read(on_disk):
    rows = large_rows(on_disk)
    opener = partial(MappedReader, on_disk, rows.shape[1:])
    with pytest.raises(RuntimeError, match="random: a pass over 1,9.* bytes loaded"):
        timed_passes([(opener, on_disk)], Mode.RANDOM, chosen_rows(64, Mode.RANDOM, 0), rows, order=[0])


def test_a_copy_of_a_mapped_file_is_a_read(on_disk):
    rows = large_rows(on_disk)
    opener = partial(NpyReader, on_disk, rows.shape[1:])
    passes = timed_passes([(opener, on_disk)], Mode.RANDOM, chosen_rows(64, Mode.RANDOM, 0), rows, order=[0])
    assert all(seconds > 0 for [seconds] in passes)


def test_mapped_pages_stay_and_are_noticed(on_disk):
    rows = large_rows(on_disk)
    with NpyReader(on_disk, rows.shape[1:]) as reader:
        reader.read(5, reader.buffer(1)[0])
        assert resident_bytes(on_disk) > 0
        for position in range(len(rows)):
            reader.read(position, reader.buffer(1)[0])
        with pytest.raises(RuntimeError, match="bytes stay in memory after eviction"):
            evict(on_disk)


def test_a_library_that_is_not_installed_is_reported_as_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "webdataset", None)
    monkeypatch.delitem(sys.modules, "tests.benchmarks.cache_webdataset", raising=False)
    found, missing = contenders_of(["npy", "webdataset"])
    assert [contender.name for contender in found] == ["npy"]
    assert list(missing) == ["webdataset"]
    assert "its package cannot be imported: " in missing["webdataset"]


def test_a_missing_library_is_named_in_the_markdown_block():
    figures = Figures()
    figures.write_mb_per_second["pread"] = [100.0, 300.0, 200.0]
    figures.size_fractions["pread"] = 1.0
    for warmth in ("cold", "warm"):
        figures.rows_per_second["pread", Mode.RANDOM, warmth] = [10.0, 30.0, 20.0]
        figures.ratios["pread", Mode.RANDOM, warmth] = [0.9, 1.0, 1.1]
    contenders = [Contender("pread", (), write_npy, {"pread": NpyReader})]
    block = markdown(figures, contenders, missing={"lance": "no such package"}, about="One machine.")
    assert "| pread | 200 (100–300) | 1.00 (1.00–1.00) | 1.000 |" in block
    assert "| pread | 20 (10–30) | **1.00** (0.90–1.10) | 20 (10–30) | **1.00** (0.90–1.10) |" in block
    assert block.endswith("Not measured: lance (no such package).")
    assert terminal_table(figures, contenders).splitlines()[1].split() == [
        *["pread", "200", "1.00", "20", "(1.00)", "20", "(1.00)", "-", "-", "-", "-"]
    ]


def test_a_few_channels_of_the_rows_are_far_larger_than_the_others():
    rows = feature_rows(3, shape=(2, 40, 1152))
    values = (rows.astype(np.uint32) << 16).view(np.float32)
    size = np.sqrt((values**2).mean(axis=(0, 2))).ravel()
    assert (size > 10 * np.median(size)).sum() == pytest.approx(24, abs=6)
    assert len({row.tobytes() for row in rows}) == 3


def test_rows_that_do_not_fit_are_refused_before_anything_is_written():
    check_room(100, free=250, memory=400)
    with pytest.raises(SystemExit, match="the rows need 250 bytes of disk, 249 are free; use --rows or --folder"):
        check_room(100, free=249, memory=400)
    with pytest.raises(SystemExit, match="the rows need 400 bytes of memory, of 399; use --rows"):
        check_room(100, free=250, memory=399)


def test_the_command_that_repeats_a_run_names_a_choice_of_contenders():
    options = argparse.Namespace(rows=64, rounds=3, contenders=["npy", "ours"])
    assert command(options).endswith("--rows 64 --rounds 3 --contenders npy ours")
