"""The figures of the feature-cache benchmark as tables, and the machine they are from."""

import os
import platform
import shutil
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median

from tests.benchmarks.cache_contender import Contender, Mode
from tests.benchmarks.cache_timing import Figures
from tests.benchmarks.machine import processor

TEMPERATURES = ("cold", "warm")
HOW = (
    "MB/s count the rows' bytes and the wait until all files are on the disk. Cold: evicted from the page cache. Warm: "
    "the same rows again through the same open reader, so a mapped file's pages are already mapped. Ratios are to "
    "`pread` of the same rows from another file, which took turns with the contender; medians of the rounds."
)


def terminal_table(figures: Figures, contenders: Sequence[Contender]) -> str:
    """Medians only: MB/s, size, and for each way to read rows/s and (ratio to pread)."""
    head = ["", "write MB/s", "size", *(f"{mode} {temperature}" for mode in Mode for temperature in TEMPERATURES)]
    lines = [head]
    for contender in contenders:
        written = [f"{median(figures.write_mb_per_second[contender.name]):.0f}"]
        written.append(f"{figures.size_fractions[contender.name]:.2f}")
        for reader in contender.readers:
            cells = [_short(figures, (reader, mode, warmth)) for mode in Mode for warmth in TEMPERATURES]
            lines.append([reader, *written, *cells])
            written = ["", ""]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in lines
    )


def _short(figures: Figures, line: tuple[str, Mode, str]) -> str:
    if not (rows := figures.rows_per_second.get(line)):
        return "-"
    return f"{median(rows):.0f} ({median(figures.ratios[line]):.2f})"


def markdown(figures: Figures, contenders: Sequence[Contender], *, missing: Mapping[str, str], about: str) -> str:
    """A block for ``docs/benchmarks.md``: the machine, one table for writing, one for each way to read."""
    parts = [about, HOW, _writing_table(figures, contenders)]
    for mode in Mode:
        parts.append(f"{_title(mode)}\n\n{_reading_table(figures, contenders, mode)}")
    parts += [f"Not measured: {name} ({reason})." for name, reason in missing.items()]
    return "\n\n".join(parts)


def _title(mode: Mode) -> str:
    return {
        Mode.RANDOM: "One random row at a time:",
        Mode.SEQUENTIAL: "Rows in order, from the first of a file:",
        Mode.BATCHES: "Batches of 16 random rows into a ready buffer:",
    }[mode]


def _writing_table(figures: Figures, contenders: Sequence[Contender]) -> str:
    lines = ["| writing | MB/s (min–max) | to pread's file | size |", "|---|---:|---:|---:|"]
    floor = figures.write_mb_per_second["pread"]
    for contender in contenders:
        speeds = figures.write_mb_per_second[contender.name]
        ratios = [speed / plain for speed, plain in zip(speeds, floor, strict=True)]
        size = figures.size_fractions[contender.name]
        lines.append(f"| {contender.name} | {_spread(speeds, 0)} | {_spread(ratios, 2)} | {size:.3f} |")
    return "\n".join(lines)


def _reading_table(figures: Figures, contenders: Sequence[Contender], mode: Mode) -> str:
    lines = [
        "| reading | cold rows/s (min–max) | to pread | warm rows/s (min–max) | to pread |",
        "|---|---:|---:|---:|---:|",
    ]
    for reader in (name for contender in contenders for name in contender.readers):
        if (reader, mode, "cold") in figures.ratios:
            cells = (
                f"{_spread(figures.rows_per_second[reader, mode, warmth], 0)} | "
                f"**{median(figures.ratios[reader, mode, warmth]):.2f}** "
                f"{_range(figures.ratios[reader, mode, warmth], 2)}"
                for warmth in TEMPERATURES
            )
            lines.append(f"| {reader} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _spread(values: Sequence[float], digits: int) -> str:
    return f"{median(values):,.{digits}f} {_range(values, digits)}"


def _range(values: Sequence[float], digits: int) -> str:
    return f"({min(values):,.{digits}f}–{max(values):,.{digits}f})"


def machine(folder: Path, packages: Iterable[str]) -> str:
    """Processor, cores, memory, disk and versions in one sentence."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    names = sorted({"numpy", "pyarrow", "torch", *packages})
    return (
        f"{processor()}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB, {_disk(folder)}, "
        f"Linux {platform.release()}, Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in names)
    )


def _disk(folder: Path) -> str:
    """File system and device of a folder, from the longest mount point above it."""
    best = ("", "", "")
    for line in Path("/proc/mounts").read_text().splitlines():
        device, place, kind = line.split()[:3]
        if folder.resolve().is_relative_to(place) and len(place) >= len(best[0]):
            best = (place, device, kind)
    total = shutil.disk_usage(folder).total / 1e9
    return f"{best[2]} on {best[1]} ({total:.0f} GB)"
