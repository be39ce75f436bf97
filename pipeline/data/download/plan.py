"""What a download will cost, before any byte of it moves: bytes, disk, licences, accounts."""

import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.core.disk import free_bytes, free_files
from pipeline.core.errors import PipelineError, StoreError, TransientError
from pipeline.core.retries import Patience
from pipeline.core.wording import size_text
from pipeline.data.download.archives import read_marker
from pipeline.data.download.fetch import current_pin, image_folder, is_there, look_up, part_bytes, source_folder
from pipeline.data.download.http import Connection
from pipeline.data.download.hub import page_of, token
from pipeline.store.lockfile import LockedSource, SourceLock
from pipeline.store.sources import Source

log = logging.getLogger(__name__)

ONE_LOOK = Patience(attempts=1, timeout=5.0)
"""A plan asks each server once and does not wait for a slow one."""
SLACK_BYTES_PER_FILE = 4096
"""What a small file takes on the disk beyond its bytes, at most."""
SPARE_BYTES = 1_000_000_000
"""Left free on the disk in any case."""
YES = ("1", "ON", "YES", "TRUE")
"""As huggingface_hub reads ``HF_HUB_OFFLINE``."""
COLUMNS = ("source", "files", "to fetch", "disk", "licence", "terms")


@dataclass(frozen=True, slots=True)
class SourcePlan:
    """One source; sizes in bytes."""

    source: Source
    num_files: int
    bytes_there: int
    bytes_to_fetch: int
    bytes_to_unpack: int
    files_to_unpack: int
    estimate: str = ""
    """Why the sizes are those of the registry and not the server's; empty when they are known."""
    problem: str = ""
    """Why it cannot be fetched, by what the server says."""

    @property
    def disk_bytes(self) -> int:
        """What the disk must still take: files to fetch, and what comes out of archives."""
        return self.bytes_to_fetch + self.bytes_to_unpack + SLACK_BYTES_PER_FILE * self.files_to_unpack

    @property
    def is_estimate(self) -> bool:
        return self.estimate != ""

    def row(self) -> dict[str, str]:
        """One line of a table, by ``COLUMNS``; ``~`` marks what is only known roughly."""
        about = "~" if self.is_estimate else ""
        terms = ["NON-COMMERCIAL"] if self.source.is_non_commercial else []
        terms += [f"gated: accept the terms at {page_of(self.source)}"] if self.source.is_gated else []
        is_rough = self.is_estimate or self.bytes_to_unpack > 0
        return {
            "source": self.source.name,
            "files": f"{about}{self.num_files}",
            "to fetch": f"{about}{size_text(self.bytes_to_fetch)}" if self.bytes_to_fetch else "there",
            "disk": f"{'~' if is_rough else ''}{size_text(self.disk_bytes)}" if self.disk_bytes else "there",
            "licence": self.source.licence,
            "terms": "; ".join(terms),
        }


@dataclass(frozen=True, slots=True)
class FetchPlan:
    """All sources of a download, and the disk that they go to."""

    root: Path
    sources: tuple[SourcePlan, ...]
    free_bytes: int
    free_files: int | None
    """How many more files the disk can hold; None: no such limit."""

    @property
    def bytes_to_fetch(self) -> int:
        return sum(plan.bytes_to_fetch for plan in self.sources)

    @property
    def disk_bytes(self) -> int:
        return sum(plan.disk_bytes for plan in self.sources)

    @property
    def files_to_unpack(self) -> int:
        return sum(plan.files_to_unpack for plan in self.sources)

    @property
    def is_estimate(self) -> bool:
        return any(plan.is_estimate for plan in self.sources)

    def rows(self) -> tuple[dict[str, str], ...]:
        """The lines of a table, by ``COLUMNS``."""
        return tuple(plan.row() for plan in self.sources)

    def notes(self) -> tuple[str, ...]:
        """What stands below the table: totals, licences that forbid things, accounts that are missing."""
        about = "about " if self.is_estimate else ""
        lines = [
            f"to fetch: {about}{size_text(self.bytes_to_fetch)}; disk needed: about {size_text(self.disk_bytes)}, "
            f"archives and what comes out of them; free at {self.root}: {size_text(self.free_bytes)}"
        ]
        if unknown := {plan.estimate for plan in self.sources if plan.is_estimate and not plan.problem}:
            lines.append(f"sizes with ~ are estimates: {'; '.join(sorted(unknown))}")
        lines += [f"PROBLEM, a run would stop: {plan.problem}" for plan in self.sources if plan.problem]
        if names := [plan.source.name for plan in self.sources if plan.source.is_non_commercial]:
            lines.append(f"NON-COMMERCIAL terms, at least for a part: {', '.join(names)}")
        gated = [plan.source for plan in self.sources if plan.source.is_gated and plan.bytes_to_fetch]
        if gated and token() is None:
            pages = ", ".join(page_of(source) for source in gated)
            lines.append(f"HF_TOKEN is not set: accept the terms at {pages}, create a token, and set HF_TOKEN")
        return tuple(lines)


def fetch_plan(sources: Sequence[Source], *, root: Path) -> FetchPlan:
    """What is still to be fetched and unpacked. Nothing is pinned, written or downloaded.

    Servers are asked only for sources that are not pinned yet, all at once and for seconds at most; without an answer
    the registry's sizes stand in, and the plan says so.
    """
    lock = SourceLock(root)
    pins = {source.name: current_pin(source, lock) for source in sources}
    unknown = [source for source in sources if pins[source.name] is None]
    answers: dict[str, LockedSource | str | PipelineError] = {
        name: pin for name, pin in pins.items() if pin is not None
    }
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in YES:
        answers |= {source.name: "not asked" for source in unknown}
    elif unknown:
        with Connection.open(ONE_LOOK) as connection, ThreadPoolExecutor(len(unknown)) as pool:
            found = pool.map(lambda source: _answer(source, lock, connection), unknown)
            answers |= {source.name: answer for source, answer in zip(unknown, found, strict=True)}
    plans = tuple(_source_plan(source, answers[source.name], root) for source in sources)
    return FetchPlan(root, plans, free_bytes(root), free_files(root))


def require_disk(plan: FetchPlan) -> None:
    """Stop before a download that the disk cannot hold.

    Raises:
        StoreError: with what is needed, what is free, and what takes the most.
    """
    needed = plan.disk_bytes + SPARE_BYTES
    if plan.disk_bytes and needed > plan.free_bytes:
        largest = sorted(plan.sources, key=lambda source: -source.disk_bytes)[:3]
        parts = ", ".join(f"{source.source.name} {size_text(source.disk_bytes)}" for source in largest)
        raise StoreError(
            f"the download needs {size_text(needed)} at {plan.root} and {size_text(plan.free_bytes)} are free "
            f"(most of it: {parts}). Free some space, or set LLAVA_JP_STORE to a folder on a larger disk"
        )
    if plan.free_files is not None and plan.files_to_unpack > plan.free_files:
        raise StoreError(
            f"the archives hold about {plan.files_to_unpack} files and the disk at {plan.root} can take "
            f"{plan.free_files} more. Set LLAVA_JP_STORE to a folder on a disk with more inodes"
        )


def _answer(source: Source, lock: SourceLock, connection: Connection) -> LockedSource | str | PipelineError:
    """What the server says a source is, why it is not known, or the error that a fetch would stop with."""
    try:
        return look_up(source, lock, connection)
    except PipelineError as error:
        return error
    except TransientError as error:
        log.debug("%s: %s", source.name, error)
        address = page_of(source) if source.is_on_hub else str(source.files[0].url)
        return f"no answer from {urlsplit(address).netloc}"


def _source_plan(source: Source, answer: LockedSource | str | PipelineError, root: Path) -> SourcePlan:
    to_unpack = _to_unpack(source, root)
    if not isinstance(answer, LockedSource):
        problem = str(answer) if isinstance(answer, PipelineError) else ""
        estimate = f"{source.name} cannot be fetched" if problem else str(answer)
        size = source.approximate_bytes
        return SourcePlan(source, len(source.files), 0, size, *to_unpack, estimate=estimate, problem=problem)
    folder, there, missing = source_folder(source, answer, root), 0, 0
    approximate = {file.name: file.approximate_bytes for file in source.files}
    for file in answer.files:
        num_bytes = file.num_bytes or approximate.get(file.path, 0)
        came = num_bytes if is_there(file, folder) else min(part_bytes(file, folder), num_bytes)
        there, missing = there + came, missing + num_bytes - came
    return SourcePlan(source, len(answer.files), there, missing, *to_unpack)


def _to_unpack(source: Source, root: Path) -> tuple[int, int]:
    """About how many bytes and files must still come out of archives."""
    num_bytes = num_files = 0
    for file in source.files:
        if file.unpacked is None:
            continue
        marker = read_marker(file.name, image_folder(root) / file.unpacked.folder)
        if marker is None:
            num_bytes, num_files = num_bytes + file.unpacked.num_bytes, num_files + file.unpacked.num_files
        elif marker.state == "begun":
            num_bytes += max(0, file.unpacked.num_bytes - marker.num_bytes)
            num_files += max(0, file.unpacked.num_files - marker.num_files)
    return num_bytes, num_files
