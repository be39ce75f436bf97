"""Records to ``samples.parquet`` and ``findings.parquet`` in one pass, whatever their number."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from pipeline.core.parquet import ROWS_PER_GROUP, groups, table_writer
from pipeline.data.record_forms import REMARKS, llava_form
from pipeline.data.samples import FINDING_SCHEMA, SAMPLE_SCHEMA, Finding, Sample, normalise, sample_table
from pipeline.data.source_texts import Originals

Record = TypeVar("Record", Sample, Finding, Sample | Finding)


def ingest(
    records: Iterable[tuple[int, Any]], *, folder: Path, default_source: str, originals: Originals | None = None
) -> None:
    """Write one row for every record: a sample, not yet linked to its image's hash, or a rejecting finding.

    ``samples.parquet`` appears last: when it is there, all is.
    """
    ids = _UniqueIds()
    with (
        table_writer(folder / "samples.parquet", SAMPLE_SCHEMA) as sample_file,
        table_writer(folder / "findings.parquet", FINDING_SCHEMA) as finding_file,
    ):
        for group in groups(records, ROWS_PER_GROUP):
            samples: list[Sample] = []
            findings: list[Finding] = []
            for index, given in group:
                record = llava_form(given).record
                result = normalise(record, record_index=index, default_source=default_source)
                problem: list[tuple[str, str]] = []
                if originals and isinstance(result, Sample):  # before the id changes: by it an original is found
                    result, problem = originals.attach(result)
                result, renamed_from = ids.name(result)
                if isinstance(result, Sample):
                    samples.append(result)
                else:
                    findings.append(result)
                remarks = record.get(REMARKS, ()) if isinstance(record, dict) and isinstance(result, Sample) else ()
                for check, evidence in (("id_repeated", renamed_from), *problem, *remarks):
                    if evidence:
                        findings.append(Finding(check, result.sample_id, index, evidence[:500], severity="warn"))
            sample_file.write_table(sample_table(samples))
            rows = [finding.row() for finding in findings]
            finding_file.write_table(pa.Table.from_pylist(rows, schema=FINDING_SCHEMA))


class _UniqueIds:
    """Ids name one sample each. Published mixes repeat theirs, so a repeated one gets a number."""

    def __init__(self) -> None:
        self._first: dict[str, int] = {}
        self._next: dict[str, int] = {}
        """The number to try first for a repeated id: those below it are taken."""

    def name(self, result: Record) -> tuple[Record, str | None]:
        """The result under an id of its own; why, when that is not the id of the record."""
        given = result.sample_id
        if given is None or self._first.setdefault(given, result.record_index) == result.record_index:
            return result, None
        number = self._next.get(given, 2)
        while (renamed := f"{given}#{number}") in self._first:
            number += 1
        self._next[given] = number + 1
        self._first[renamed] = result.record_index
        evidence = f"{given} is also record {self._first[given]}; this one is {renamed}"
        return replace(result, sample_id=renamed), evidence
