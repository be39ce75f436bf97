"""The rows of a dataset, streamed by Hugging Face Datasets: from files of this machine, or from the Hub at one commit.

Datasets finds the files of a configuration and a split (names, ``configs`` in the card) and reads them. Scripts are
refused by it. A card is data of a stranger: files outside its own repository are refused here.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from tarfile import TarError
from typing import Any

import datasets
import pyarrow as pa
from datasets.download.streaming_download_manager import StreamingDownloadManager
from datasets.exceptions import DatasetsError
from huggingface_hub.errors import (  # type: ignore[attr-defined]
    HfHubHTTPError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
)

from pipeline.config.datasets import HfDatasetSource
from pipeline.core.errors import ConfigError, DataError, TransientError
from pipeline.core.files import ending_of, files_meant
from pipeline.core.quiet_datasets import quieten
from pipeline.data.download.http import BUSY_STATUSES
from pipeline.data.download.hub import bound_answers, token
from pipeline.data.hf_datasets.columns import require_columns, require_known
from pipeline.data.hf_datasets.lines import MAX_LINES_LOOKED_AT, Lines, lines_of
from pipeline.data.hf_datasets.members import KNOWN_MEMBERS, Members, fields_of

LINES = ("jsonl", "ndjson", "jsonl.gz", "ndjson.gz")
FORMATS: Mapping[str, str] = {
    "parquet": "parquet",
    "arrow": "arrow",
    "tar": "webdataset",
    **dict.fromkeys(LINES, "json"),
}
"""What Datasets calls the format of a file with this ending."""
ROWS_PER_READ = 64
"""Of Parquet: rows of images that are in memory at once, where the file's own groups are larger."""

READ_ERRORS = (
    DatasetsError,
    HTTPError,
    HfHubHTTPError,
    pa.ArrowException,
    TarError,
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
)
"""What Datasets and those below it raise for files that cannot be read, and for a Hub that does not answer."""

State = Mapping[str, Any]
"""Where in the files a stream is; plain JSON."""


def open_rows(source: HfDatasetSource, *, revision: str | None, cache: Path) -> datasets.IterableDataset:
    """The rows with the columns that are asked for; nothing but schemas is read yet. Images stay encoded.

    Raises:
        ConfigError: there is no such configuration, split or column; the message names those that there are.
        DataError: the files are of another kind, or cannot be read.
        TransientError: the Hub does not answer.
    """
    quieten()
    bound_answers()
    cache.mkdir(parents=True, exist_ok=True)
    with explained(source):
        kind, files = _files(source, revision, cache)
        return _opened(kind, files, source, cache)


def batches(
    rows: datasets.IterableDataset, source: HfDatasetSource, *, size: int, state: State | None
) -> Iterator[tuple[list[dict[str, Any]], State]]:
    """Lists of ``size`` rows in the order of the files, each with the state from which the next one follows."""
    rows = rows.with_format("arrow")
    if state is not None:
        rows.load_state_dict(dict(state))
    iterator = rows.iter(batch_size=size)
    while True:
        with explained(source):
            table = next(iterator, None)
            found = None if table is None else table.to_pylist()  # texts that are not UTF-8 show here
        if found is None:
            return
        yield found, rows.state_dict()


def _opened(kind: str, files: list[str], source: HfDatasetSource, cache: Path) -> datasets.IterableDataset:
    options: dict[str, Any] = {"data_files": {source.split: files}, "cache_dir": str(cache), "token": token() or False}
    where = f"{source.where} ({source.split})"
    if kind == "webdataset":
        archive = StreamingDownloadManager(download_config=_download()).iter_archive(files[0])
        fields = _wanted(source, fields_of(archive), where=where)
        if source.columns is None:
            fields = tuple(field for field in fields if field.rpartition(".")[2] in KNOWN_MEMBERS)
        return Members(**options, fields=fields).as_streaming_dataset(split=source.split)
    if kind == "json" and all(file.endswith(LINES) for file in files):
        if keys := _keys_of_lines(files):  # else each line will be a finding
            _wanted(source, keys, where=where)
        return Lines(**options).as_streaming_dataset(split=source.split)
    if kind == "parquet":
        options["batch_size"] = ROWS_PER_READ
    rows = datasets.load_dataset(kind, **options, split=source.split, streaming=True)
    wanted = list(_wanted(source, rows.column_names or next(iter(rows), {}), where=where))
    if kind == "parquet":
        return datasets.load_dataset(kind, **options, split=source.split, streaming=True, columns=wanted)
    return rows.select_columns(wanted)


def _wanted(source: HfDatasetSource, existing: Iterable[str], *, where: str) -> tuple[str, ...]:
    """The columns to read: those that are named, or all where their names say what they are."""
    if source.columns is None:
        return require_known(existing, where=where)
    return require_columns(source.columns, existing, where=where)


def _keys_of_lines(files: Sequence[str]) -> list[str]:
    """The keys of the first lines that are JSON objects."""
    keys: dict[str, None] = {}
    for line in islice(chain.from_iterable(map(lines_of, files)), MAX_LINES_LOOKED_AT):
        try:
            value = json.loads(line.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            continue
        keys |= dict.fromkeys(value) if isinstance(value, dict) else {}
    return list(keys)


def _files(source: HfDatasetSource, revision: str | None, cache: Path) -> tuple[str, list[str]]:
    """The format and the files of a split."""
    if source.is_on_hub:
        return _resolved(source, cache, revision=revision, inside=f"hf://datasets/{source.where}@{revision}/")
    path = Path(source.patterns[0])
    if len(source.patterns) > 1 or not path.is_dir():
        return _of_one_kind([file for pattern in source.patterns for file in files_meant(pattern)], source)
    if (path / "dataset_dict.json").exists():  # as Datasets' save_to_disk writes several splits
        splits = sorted(folder.parent.name for folder in path.glob("*/state.json"))
        _require(source.split, splits, what="split", source=source)
        path /= source.split
    if (path / "state.json").exists():
        return _of_one_kind(sorted(path.glob("*.arrow")), source)
    return _resolved(source, cache, revision=None, inside=f"{path.resolve()}/")


def _of_one_kind(files: Sequence[Path], source: HfDatasetSource) -> tuple[str, list[str]]:
    kinds = {FORMATS.get(ending_of(file)) for file in files}
    if len(kinds) != 1 or None in kinds:
        endings = sorted({f".{ending_of(file)}" for file in files})
        known = ", ".join(f".{ending}" for ending in FORMATS)
        raise DataError(f"{source.where} has files with the endings {endings}; give one kind of {known}")
    return str(kinds.pop()), [str(file) for file in files]


def _resolved(source: HfDatasetSource, cache: Path, *, revision: str | None, inside: str) -> tuple[str, list[str]]:
    """What the names of the files, or the card beside them, say that a split consists of."""
    place = (
        f"hf://datasets/{source.where}" if source.is_on_hub else source.patterns[0]
    )  # else a folder of that name comes first
    configs = datasets.get_dataset_config_names(place, revision=revision, download_config=_download())
    if source.name is not None or "default" not in configs:
        _require(source.name, configs, what="name", source=source)
    builder = datasets.load_dataset_builder(
        place, source.name, revision=revision, cache_dir=str(cache), download_config=_download()
    )
    kind = type(builder).__module__.rpartition(".")[2]
    if kind not in FORMATS.values():
        raise DataError(f"{source.where} is a dataset of kind {kind}; only {', '.join(sorted(set(FORMATS.values())))}")
    found = {str(split): [str(file) for file in files] for split, files in builder.config.data_files.items()}
    _require(source.split, list(found), what="split", source=source)
    for file in found[source.split]:
        if not file.startswith(inside) or ".." in file.split("/") or "::" in file:  # a chain of addresses
            raise DataError(f"the card of {source.where} names {file}, which is not in {inside}")
    return kind, found[source.split]


def _require(value: str | None, existing: Sequence[str], *, what: str, source: HfDatasetSource) -> None:
    if value not in existing and not (value is None and len(existing) == 1):
        said = "needs one" if value is None else f"has no {value!r}"
        raise ConfigError(f"{what}: {source.where} {said}; it has: {', '.join(existing)}")


def _download() -> datasets.DownloadConfig:
    return datasets.DownloadConfig(token=token() or False, disable_tqdm=True)


@contextmanager
def explained(source: HfDatasetSource) -> Iterator[None]:
    """What Datasets raises, as errors that say what to do."""
    try:
        yield
    except READ_ERRORS as error:
        raise _explanation(source, error) from error


def _explanation(source: HfDatasetSource, error: BaseException) -> DataError | TransientError:
    if not (source.is_on_hub and any(map(_is_of_the_connection, _chain(error)))):
        return DataError(f"{source.where} cannot be read: {_first_line(error)}")
    if datasets.config.HF_HUB_OFFLINE:
        return DataError(
            f"{source.where} is read from the Hub while it is prepared, and HF_HUB_OFFLINE is set: "
            "unset it, or fetch the repository and give its folder as path"
        )
    return TransientError(f"{source.where} cannot be read from the Hub now: {_first_line(error)}")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_of_the_connection(error: BaseException) -> bool:
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in BUSY_STATUSES
    return isinstance(
        error, HTTPError | ConnectionError | TimeoutError | OfflineModeIsEnabled | LocalEntryNotFoundError
    )


def _first_line(error: BaseException) -> str:
    cause = error.__cause__ or error
    return str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
