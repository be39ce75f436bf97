"""How fast the feature cache and other storages write and read rows of features, against ``pread`` of the same bytes.

``python -m tests.benchmarks.bench_cache`` writes the same rows with every contender, in several rounds, and prints one
table for the terminal and a Markdown block for ``docs/benchmarks.md``. ``make bench-cache`` installs what it needs.
"""

import argparse
import importlib
import math
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

from tests.benchmarks.cache_contender import BATCH_ROWS, SHARD_ROWS, Contender
from tests.benchmarks.cache_report import machine, markdown, terminal_table
from tests.benchmarks.cache_rows import SHAPE, feature_rows
from tests.benchmarks.cache_timing import ROWS_PER_PASS, Comparison

LIBRARIES: Mapping[str, str] = MappingProxyType(
    {
        "pread": "cache_pread",
        "ours": "cache_ours",
        "npy": "cache_npy",
        "safetensors": "cache_safetensors",
        "webdataset": "cache_webdataset",
        "mosaicml": "cache_mosaicml",
        "lance": "cache_lance",
        "datasets": "cache_datasets",
    }
)
"""The module of each library, by the name that ``--contenders`` takes."""
NUM_ROWS = 640
NUM_ROUNDS = 7
COPIES_ON_DISK = 2.5
"""The reference, the contender of the moment, and room for what a library keeps while it writes."""
COPIES_IN_MEMORY = 4
"""The rows themselves, both files in the page cache, and what a library needs while it writes."""


def contenders_of(names: Sequence[str]) -> tuple[list[Contender], dict[str, str]]:
    """The contenders of these libraries, and why others are missing."""
    found: list[Contender] = []
    missing: dict[str, str] = {}
    for name in names:
        try:
            module = importlib.import_module(f"tests.benchmarks.{LIBRARIES[name]}")
        except ImportError as error:
            missing[name] = f"its package cannot be imported: {error}"
            continue
        found += module.CONTENDERS
    return found, missing


def check_room(num_bytes: int, *, free: int, memory: int) -> None:
    """Stop before anything is made when rows of so many bytes do not fit.

    Raises:
        SystemExit: too little disk or memory.
    """
    if (needed := int(COPIES_ON_DISK * num_bytes)) > free:
        raise SystemExit(f"the rows need {needed:,} bytes of disk, {free:,} are free; use --rows or --folder")
    if (needed := COPIES_IN_MEMORY * num_bytes) > memory:
        raise SystemExit(f"the rows need {needed:,} bytes of memory, of {memory:,}; use --rows")


def run(options: argparse.Namespace, folder: Path) -> None:
    """Everything, in a folder that the caller deletes."""
    contenders, missing = contenders_of(["pread", *(name for name in options.contenders if name != "pread")])
    for name, reason in missing.items():
        say(f"missing: {name}: {reason}")
    load, begin = os.getloadavg()[0], time.perf_counter()
    comparison = Comparison(feature_rows(options.rows), folder)
    say(f"{options.rows:,} rows, {comparison.rows.nbytes:,} bytes: made in {time.perf_counter() - begin:.0f} s")
    comparison.write_reference()
    for number in range(options.rounds):
        comparison.run_round(number, contenders, say)
    about = (
        f"`{command(options)}`, {date.today()}, {options.rows:,} rows of {comparison.rows[0].nbytes:,} bytes, "
        f"{options.rounds} rounds of {(time.perf_counter() - begin) / options.rounds / 60:.1f} minutes, "
        f"load of other programs {load:.1f} before it; "
        f"{machine(folder, [package for contender in contenders for package in contender.packages])}."
    )
    print(f"\nmedians of {options.rounds} rounds: rows/s (ratio to pread of the same rows beside it)\n")
    print(terminal_table(comparison.figures, contenders))
    for name, reason in missing.items():
        print(f"missing: {name}: {reason}")
    print("\nfor docs/benchmarks.md:\n")
    print(markdown(comparison.figures, contenders, missing=missing, about=about))


def command(options: argparse.Namespace) -> str:
    """How to repeat the run, without the folder."""
    words = ["python -m tests.benchmarks.bench_cache", f"--rows {options.rows}", f"--rounds {options.rounds}"]
    if list(options.contenders) != list(LIBRARIES):
        words.append("--contenders " + " ".join(options.contenders))
    return " ".join(words)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"A pass reads {ROWS_PER_PASS} rows, batches are of {BATCH_ROWS}, files of {SHARD_ROWS} rows.",
    )
    parser.add_argument("--rows", type=int, default=NUM_ROWS, help="rows of 3,359,232 bytes (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=NUM_ROUNDS, help="default: %(default)s")
    parser.add_argument("--folder", type=Path, help="where a temporary folder is made (default: the system's)")
    parser.add_argument("--contenders", nargs="+", choices=LIBRARIES, default=list(LIBRARIES), metavar="NAME",
                        help=f"of {', '.join(LIBRARIES)}; pread is always measured")  # fmt: skip
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the folder is deleted
    with TemporaryDirectory(dir=options.folder) as folder:
        num_bytes = options.rows * 2 * math.prod(SHAPE)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        check_room(num_bytes, free=shutil.disk_usage(folder).free, memory=memory)
        run(options, Path(folder))


if __name__ == "__main__":
    main()
