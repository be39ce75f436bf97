"""What the translation checks found in a dataset: how much, and examples beside their English originals."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.core.files import write_text
from pipeline.data.dropped_exchanges import DROPPED
from pipeline.data.prepare import DatasetSummary
from pipeline.store.manifest import Manifest, Summary
from pipeline.store.sql_files import SqlFile

COPIES = ("duplicate_conversation", "near_duplicate_conversation")
"""Checks that compare samples with each other: what they find is no defect of a translation, and is said last."""
EXAMPLES_PER_CHECK = 3
CHECKS_NAMED = 3
MAX_TEXT_LENGTH = 300
"""Characters of an example's texts."""


class AcceptedSummary(Summary):
    """What every step says that leaves out samples."""

    num_samples: int
    num_accepted: int


class CheckCount(Summary):
    """What one check found."""

    severity: str
    num_samples: int
    num_dropped: int | None = None
    """Findings whose exchange is left out while the rest of the sample is accepted."""


class TranslationSummary(AcceptedSummary):
    """What the translation checks found in a dataset."""

    num_rejected: int
    num_shortened: int | None = None
    """Accepted samples of which some exchanges are left out."""
    num_dropped_exchanges: int | None = None
    findings_by_check: dict[str, CheckCount]

    def num_samples_by_check(self, severity: str) -> dict[str, int]:
        """Samples that the checks of a severity found, of those that found any."""
        found = self.findings_by_check.items()
        return {name: one.num_samples for name, one in found if one.severity == severity and one.num_samples}


def write_report(path: Path, checks: Mapping[str, SqlFile], findings: pa.Table, dataset: Manifest) -> None:
    """Write the counts and examples of every check as JSON; records that could not be read come first."""
    read = pq.read_table(dataset.path("findings.parquet"))
    read_checks = sorted({(row["check"], row["severity"]) for row in read.select(["check", "severity"]).to_pylist()})
    num_records = DatasetSummary.of(dataset).num_records
    rows = [_row("reading", name, severity, read, num_records) for name, severity in read_checks]
    names = sorted(checks, key=lambda name: name in COPIES)
    rows += [_row("translation", name, str(checks[name].severity), findings, num_records) for name in names]
    chosen = [example for name in names for example in _first(findings, name)]
    write_text(
        path, json.dumps({"checks": rows, "examples": _with_texts(chosen, dataset)}, ensure_ascii=False, indent=1)
    )


def report_of(checked: Manifest) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Counts by check and examples, as they were written."""
    report = json.loads(checked.path("report.json").read_text(encoding="utf-8"))
    return report["checks"], report["examples"]


def counts_line(dataset: Manifest, checked: Manifest) -> str:
    """What became of the records of a dataset, in one line; the checks that rejected the most are named."""
    prepared, found = DatasetSummary.of(dataset), TranslationSummary.of(checked)
    rejecting = sorted(((num, name) for name, num in found.num_samples_by_check("reject").items()), reverse=True)
    worst = [f"{name} {num}" for num, name in rejecting]
    why = f" ({', '.join(worst[:CHECKS_NAMED])})" if worst else ""
    shortened = ""
    if found.num_shortened:
        shortened = f"{found.num_dropped_exchanges} exchanges left out of {found.num_shortened} accepted ones, "
    warnings = found.num_samples_by_check("warn")
    num_copies = sum(warnings.pop(name, 0) for name in COPIES)
    copies = f"; {num_copies} say what an earlier one on the same image says" if num_copies else ""
    num_warnings = sum(warnings.values())
    return (
        f"{prepared.num_records} records: {found.num_accepted} accepted, {prepared.num_rejected} could not be used, "
        f"{found.num_rejected} rejected by checks{why}, {shortened}{num_warnings} findings that only warn; "
        f"{prepared.num_with_original} with their English original{copies}"
    )


def _row(found_by: str, name: str, severity: str, findings: pa.Table, num_records: int) -> dict[str, Any]:
    of_severity = (pc.field("severity") == severity) | (pc.field("severity") == DROPPED)
    found = findings.filter((pc.field("check") == name) & of_severity)
    num_samples = pc.count_distinct(found["record_index"]).as_py()
    return {
        "found_by": found_by,
        "check": name,
        "severity": severity,
        "num_findings": len(found),
        "num_samples": num_samples,
        "percent": round(100 * num_samples / num_records, 3) if num_records else 0.0,
    }


def _first(findings: pa.Table, check: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = findings.filter(pc.field("check") == check).slice(0, EXAMPLES_PER_CHECK).to_pylist()
    return found


def _with_texts(examples: Sequence[Mapping[str, Any]], dataset: Manifest) -> list[dict[str, Any]]:
    """Each example with its Japanese text and the English that was translated; of a whole sample, all its turns."""
    wanted = sorted({example["record_index"] for example in examples})  # sorted in the file, so few groups are read
    columns = ["sample_id", "source", "turns"]
    samples = pq.read_table(dataset.path("samples.parquet"), columns=columns, filters=[("record_index", "in", wanted)])
    by_id = {row["sample_id"]: row for row in samples.to_pylist()}
    rows = []
    for example in examples:
        sample, turn = by_id[example["sample_id"]], example["turn_index"]
        turns = sample["turns"] if turn is None else [sample["turns"][turn]]
        originals = [shown["original"] for shown in turns if shown["original"] is not None]
        rows.append(
            {
                **{name: example[name] for name in ("check", "severity", "sample_id", "turn_index", "evidence")},
                "source": sample["source"],
                "japanese": "\n".join(shown["text"] for shown in turns)[:MAX_TEXT_LENGTH],
                "english": "\n".join(originals)[:MAX_TEXT_LENGTH] if originals else None,
            }
        )
    return rows
