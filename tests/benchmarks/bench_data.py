"""How long ingestion and the translation checks take on 1.2 million conversations, and how much memory they need.

``python -m tests.benchmarks.bench_data`` generates the data, measures every part in a process of its own and compares
the checks with the same rules written for ``datasets.map``, on the same rows in the same run.
"""

import argparse
import io
import json
import os
import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
from PIL import Image

from pipeline.compute.launch import RUN_MODULE
from pipeline.config.experiment import LocalSource
from pipeline.data.prepare import prepare_dataset
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.queries import findings_of
from pipeline.store.sql_files import sql_files
from tests.planted_defects.corpus import generate

SIZES = (300_000, 600_000, 1_200_000)
BASELINE_ROWS = 100_000
NUM_PROCESSES = 2
SAMPLES_PER_NUMBER = 100
"""Conversations that share an image's number; they spread over the folders, so about twenty share one image."""
NUM_PICTURES = 64


@dataclass
class Measured:
    """One part in a process of its own: seconds by name, and the largest resident memory in GiB."""

    seconds: dict[str, float] = field(default_factory=dict)
    peak_gib: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)


def write_data(folder: Path, *, num_samples: int) -> None:
    """Japanese records, their English originals, and small images of which no two have the same bytes."""
    pictures = list(_pictures())
    names = set()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "records.jsonl").open("w") as records, (folder / "originals.jsonl").open("w") as originals:
        for record in generate(num_samples, samples_per_image=SAMPLES_PER_NUMBER):
            for key, file in (("jp", records), ("value", originals)):
                turns = [{"from": turn["from"], "value": turn[key]} for turn in record["conversations"]]
                file.write(json.dumps({**record, "conversations": turns}, ensure_ascii=False) + "\n")
            if name := record.get("image"):
                names.add(name)
    for number, name in enumerate(sorted(names)):
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_with_comment(pictures[number % NUM_PICTURES], name))


def _pictures() -> Iterator[bytes]:
    for shade in range(NUM_PICTURES):
        file = io.BytesIO()
        Image.new("RGB", (64, 48), (shade * 4, 100, 255 - shade * 4)).save(file, "JPEG")
        yield file.getvalue()


def _with_comment(jpeg: bytes, comment: str) -> bytes:
    text = comment.encode()
    return jpeg[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + jpeg[2:]


def ingest(folder: Path) -> Measured:
    source = LocalSource(
        kind="local",
        annotations=folder / "records.jsonl",
        images=folder / "images",
        originals=folder / "originals.jsonl",
    )
    begin = time.perf_counter()
    dataset = prepare_dataset(source, store=ArtifactStore(folder / "store"))
    measured = Measured({"ingestion": time.perf_counter() - begin})
    os.symlink(dataset.path("samples.parquet"), folder / "samples.parquet")
    names = ("num_samples", "num_rejected", "num_turns", "num_images")
    measured.counts = {name: dataset.summary[name] for name in names}
    return measured


def check(folder: Path) -> Measured:
    """Every check once over the same tables; reading them is the first one's."""
    measured, begin = Measured(), time.perf_counter()
    for file, table in findings_of(sql_files("checks/translation").values(), samples=folder / "samples.parquet"):
        now = time.perf_counter()
        measured.seconds[file.name], measured.counts[file.name] = now - begin, table.num_rows
        begin = now
    return measured


def read(folder: Path) -> Measured:
    """The floor: DuckDB reads the texts and counts their characters."""
    begin = time.perf_counter()
    query = "select sum(length(turn.text)), count(*) from (select unnest(turns) as turn from read_parquet($file))"
    row = duckdb.execute(query, {"file": str(folder / "samples.parquet")}).fetchone()
    assert row
    return Measured({"read": time.perf_counter() - begin}, counts={"characters": row[0], "turns": row[1]})


def baseline(folder: Path) -> Measured:
    from tests.benchmarks.map_baseline import findings_by_map

    begin = time.perf_counter()
    found = findings_by_map(folder / "samples.parquet", num_processes=NUM_PROCESSES, cache=folder / "cache")
    counts = {name: len(places) for name, places in found.items()}
    return Measured({"datasets.map": time.perf_counter() - begin}, counts=counts)


PARTS: dict[str, Callable[[Path], Measured]] = {"ingest": ingest, "check": check, "read": read, "baseline": baseline}


def measure(part: str, folder: Path) -> Measured:
    """Run a part in a process of its own."""
    command = [*RUN_MODULE, "tests.benchmarks.bench_data", "--part", part, "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{part} of {folder} stopped with {done.returncode}:\n{done.stderr[-3000:]}")
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def run_part(part: str, folder: Path) -> None:
    measured = PARTS[part](folder)
    own, children = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    num_children = NUM_PROCESSES if part == "baseline" else 1
    measured.peak_gib = (own + num_children * children) / 2**20
    print(json.dumps(vars(measured)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--baseline-rows", type=int, default=BASELINE_ROWS, help="0 leaves the comparison out")
    parser.add_argument("--folder", type=Path, help="where the data is written (default: a temporary folder)")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        run_part(options.part, options.folder)
        return
    figures: dict[str, dict[str, Measured]] = {}
    if options.baseline_rows:
        figures["compared"] = _measured_size(options.baseline_rows, options.folder, ("ingest", "check", "baseline"))
        _print_comparison(options.baseline_rows, figures["compared"])
    for size in options.sizes:
        figures[f"{size:,}"] = _measured_size(size, options.folder, ("ingest", "read", "check"))
    _print_growth({size: parts for size, parts in figures.items() if size != "compared"})
    if options.json:
        plain = {size: {name: vars(part) for name, part in parts.items()} for size, parts in figures.items()}
        options.json.write_text(json.dumps(plain, indent=1))


def _measured_size(num_samples: int, folder: Path | None, parts: tuple[str, ...]) -> dict[str, Measured]:
    with TemporaryDirectory(dir=folder) as place:
        data = Path(place) / "data"
        print(f"{num_samples:,} conversations", flush=True)
        begin = time.perf_counter()
        write_data(data, num_samples=num_samples)
        print(f"  generated in {time.perf_counter() - begin:.0f} s", flush=True)
        measured = {}
        for part in parts:
            result = measured[part] = measure(part, data)
            total = sum(result.seconds.values())
            counts = {name: count for name, count in result.counts.items() if count}
            print(f"  {part}: {total:.1f} s, peak {result.peak_gib:.2f} GiB, {counts}", flush=True)
        if slowest := sorted(measured["check"].seconds.items(), key=lambda item: -item[1]):
            print("  seconds by check: " + ", ".join(f"{name} {seconds:.2f}" for name, seconds in slowest), flush=True)
        return measured


def _print_comparison(num_samples: int, measured: dict[str, Measured]) -> None:
    ours, theirs = (sum(measured[part].seconds.values()) for part in ("check", "baseline"))
    speeds = [f"{seconds:.1f} s, {num_samples / seconds:,.0f} conversations/s" for seconds in (ours, theirs)]
    print(f"{num_samples:,} conversations: checks {speeds[0]}; datasets.map, {NUM_PROCESSES} processes {speeds[1]}")
    print(f"the checks are {theirs / ours:.1f} times faster")


def _print_growth(figures: dict[str, dict[str, Measured]]) -> None:
    print("| conversations | turns | ingestion s | checks s | turns/s | checks peak GiB | only reading s |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    for size, parts in figures.items():
        ingestion, reading, checks = (sum(parts[name].seconds.values()) for name in ("ingest", "read", "check"))
        turns, peak = parts["read"].counts["turns"], parts["check"].peak_gib
        row = f"| {size} | {turns:,} | {ingestion:.0f} | {checks:.0f} | {turns / checks:,.0f}"
        print(f"{row} | {peak:.2f} | {reading:.1f} |")


if __name__ == "__main__":
    main()
