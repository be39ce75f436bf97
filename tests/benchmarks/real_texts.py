"""Real Japanese conversations to measure the checks on: ``real_ja`` of the shared data, or a folder of the same form.

Every file is cut in two halves by the ids of its records: checks are tuned on one and measured on the other.
"""

import gzip
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq

from pipeline.data.samples import Finding, Sample, normalise, sample_table
from pipeline.store.queries import findings_of
from pipeline.store.sql_files import sql_files

HALVES = ("tuned", "unseen", "all")


@dataclass(frozen=True, slots=True)
class Found:
    """One finding beside the texts that it is about."""

    check: str
    severity: str
    sample_id: str
    turn_index: int | None
    evidence: str


def files_of(folder: Path) -> list[Path]:
    """The files of conversations, those that were written to test the checks left out."""
    return sorted(folder.glob("*.jsonl.gz"))


def read(path: Path, *, half: str = "all") -> list[Sample]:
    """The samples of a file. Those that cannot be read are no texts to check."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    records = [json.loads(line) for line in content.decode().splitlines()]
    chosen = [record for record in records if half in ("all", half_of(str(record["id"])))]
    samples = [normalise(record, record_index=index) for index, record in enumerate(chosen)]
    return [sample for sample in samples if not isinstance(sample, Finding)]


def half_of(sample_id: str) -> str:
    return HALVES[hashlib.sha256(sample_id.encode()).digest()[-1] % 2]


def found_in(samples: Sequence[Sample]) -> list[Found]:
    """What all checks find."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "samples.parquet"
        pq.write_table(sample_table(samples), path)
        return [
            Found(check.name, str(check.severity), row["sample_id"], row["turn_index"], row["evidence"])
            for check, table in findings_of(sql_files("checks/translation").values(), samples=path)
            for row in table.to_pylist()
        ]
