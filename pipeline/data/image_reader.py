"""Finds images of datasets by the sha256 of their bytes: in the dataset, in its folder, or where they were seen."""

import errno
import hashlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core.errors import DataError, StoreError, TransientError
from pipeline.store.file_digests import FileDigests
from pipeline.store.image_folders import image_folder_of
from pipeline.store.manifest import Manifest

IMAGES_FILE = "images.parquet"
GONE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG)
"""What opening a file says when time will not bring it back."""


class _Place(NamedTuple):
    """Where an image that is not in its dataset was when it was prepared."""

    folder: Path | None
    """The folder of the dataset's images, where a run has said where that is."""
    file: str
    """Below the folder; of a dataset of an earlier version, its whole path."""
    name: str
    """In the records."""


class ImageReader:
    """Finds the images of some datasets by their sha256."""

    def __init__(self, datasets: Iterable[Manifest]) -> None:
        self._groups: dict[str, tuple[Path, int]] = {}
        """Of images that lie in the dataset: its table and the group of rows there."""
        self._files: dict[str, _Place] = {}
        self._seen: list[FileDigests] = []
        for dataset in datasets:
            self._seen.append(FileDigests(dataset.directory.parents[2]))
            folder, path = image_folder_of(dataset), dataset.directory / IMAGES_FILE
            table = _opened(path)
            for group in range(table.num_row_groups):
                for row in _rows(table, path, group, ["image", "image_sha256", "file", "status"]):
                    if row["status"] == "ok" and row["file"] is None:
                        self._groups[row["image_sha256"]] = (path, group)
                    elif row["status"] == "ok":
                        self._files[row["image_sha256"]] = _Place(folder, row["file"], row["image"])

    def usable(self) -> tuple[str, ...]:
        """sha256 of every usable image, sorted, each once."""
        return tuple(sorted({*self._groups, *self._files}))

    def read(self, image_sha256: str) -> bytes:
        """The bytes of one image.

        Raises:
            DataError: the file has gone or has changed since the dataset was prepared, and is nowhere else.
            StoreError: the bytes that lie in the dataset were changed.
            TransientError: the disk or the network does not give it now.
        """
        if image_sha256 in self._groups:
            table, group = self._groups[image_sha256]
            content = _images_of_group(table, group).get(image_sha256, b"")
            if hashlib.sha256(content).hexdigest() != image_sha256:
                raise _damaged(table, f"the bytes of image {image_sha256} have another sha256")
            return content
        place, problem = self._files[image_sha256], None
        for path in self._candidates(image_sha256):
            try:
                content = path.read_bytes()
            except OSError as error:
                if error.errno not in GONE:
                    raise TransientError(f"{path} cannot be read now: {error.strerror}") from error
                problem = problem or f"{path}: {error.strerror}; it was there when the dataset was prepared"
                continue
            if hashlib.sha256(content).hexdigest() == image_sha256:
                return content
            problem = problem or f"{path} changed since the dataset was prepared; prepare the dataset again"
        advice = "run the experiment again, with the folder where its images lie now"
        raise DataError(problem or f"{place.name}: it is not known where the dataset's images lie; {advice}")

    def _candidates(self, image_sha256: str) -> Iterator[Path]:
        """Where the image should be, then wherever a file of this content was seen."""
        place = self._files[image_sha256]
        if place.folder is not None:
            yield place.folder / (place.name if Path(place.file).is_absolute() else place.file)
        if Path(place.file).is_absolute():
            yield Path(place.file)
        for digests in self._seen:
            yield from digests.paths_of(image_sha256)


@lru_cache(maxsize=4)
def _images_of_group(table: Path, group: int) -> dict[str, bytes]:
    """The usable images of a group of rows, by their sha256; the last groups are kept, as neighbours come together."""
    rows = _rows(_opened(table), table, group, ["image_sha256", "bytes"])
    return {row["image_sha256"]: row["bytes"] for row in rows if row["bytes"] is not None}


def _rows(table: pq.ParquetFile, path: Path, group: int, columns: list[str]) -> list[dict[str, Any]]:
    """Some columns of a group of rows; the checksums of the pages are compared, where the table has them."""
    try:
        rows = table.read_row_group(group, columns=columns)
        if missing := sorted(set(columns) - set(rows.column_names)):
            raise ValueError(f"it has no column {', '.join(missing)}")
        return list(rows.to_pylist())
    except (OSError, pa.ArrowException, ValueError) as error:
        raise _damaged(path, error) from error


def _opened(table: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(table, metadata=_footer(table), page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise _damaged(table, error) from error


@lru_cache(maxsize=8)
def _footer(table: Path) -> pq.FileMetaData:
    """Of a large table it takes longer to read than a group of rows."""
    return pq.read_metadata(table)


def _damaged(table: Path, problem: object) -> StoreError:
    return StoreError(
        f"{table} is not as it was published: {problem}. `llava-jp discard {table.parent.name}` forgets the dataset; "
        "the next run prepares it again, or `llava-jp pull` brings a copy"
    )
