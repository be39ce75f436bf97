"""JSON Lines as rows of bytes, so that a line that is not JSON is one bad record and not the end of the file."""

import gzip
from collections.abc import Iterator
from typing import IO, Any

import datasets
import pyarrow as pa
from datasets.builder import Key
from datasets.utils.file_utils import xopen

LINE = "__line__"
"""The only column."""
LINES_PER_TABLE = 256
MAX_LINES_LOOKED_AT = 200


class Lines(datasets.ArrowBasedBuilder):  # type: ignore[misc]  # Datasets has no types
    """One row for each line that is not empty, in the order of the files."""

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(features=datasets.Features({LINE: datasets.Value("large_binary")}))

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        files = dl_manager.download(self.config.data_files)
        return [
            datasets.SplitGenerator(name=split, gen_kwargs={"files": list(paths)}) for split, paths in files.items()
        ]

    def _generate_tables(self, files: list[str]) -> Iterator[tuple[Key, pa.Table]]:
        schema = self.info.features.arrow_schema
        for number, file in enumerate(files):
            group, index = [], 0
            for line in lines_of(file):
                group.append(line)
                if len(group) == LINES_PER_TABLE:
                    yield Key(number, index), pa.Table.from_pydict({LINE: group}, schema=schema)
                    group, index = [], index + 1
            if group:
                yield Key(number, index), pa.Table.from_pydict({LINE: group}, schema=schema)


def lines_of(file: str) -> Iterator[bytes]:
    """The lines of a file here or on the Hub that are not empty, also of a compressed one."""
    with xopen(file, "rb") as opened:
        stream: IO[bytes] = gzip.GzipFile(fileobj=opened) if file.endswith(".gz") else opened  # type: ignore[assignment]
        yield from (line for line in stream if line.strip())
