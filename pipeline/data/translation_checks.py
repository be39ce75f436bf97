"""Step: run ``sql/checks/translation/*.sql`` over a dataset; keep the findings and the list of accepted samples.

A check never repairs. ``require_acceptable`` is the gate after the step, so the findings of a bad dataset are published
and can be queried, and another limit recomputes nothing.
"""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.config.experiment import TranslationChecksConfig
from pipeline.core.errors import ConfigError, DataError
from pipeline.core.parquet import write_table
from pipeline.core.progress import Progress
from pipeline.data.dropped_exchanges import DROPPED, droppable
from pipeline.data.prepare import DatasetSummary
from pipeline.data.sample_images import shown_as_one_image
from pipeline.data.samples import FINDING_SCHEMA
from pipeline.data.translation_report import CheckCount, TranslationSummary, write_report
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Manifest, Request
from pipeline.store.queries import findings_of
from pipeline.store.sql_files import SqlFile, check_macros, checked_tables, sql_files

log = logging.getLogger(__name__)

VERSION = 4  # raise when the same request should give a different result
MAX_EVIDENCE_LENGTH = 500
"""Characters of a finding's evidence."""
WORST_CHECKS = 3
"""Checks that the gate names."""

WHOLE_SAMPLE = ("broken_alternation", "image_token_lost_or_moved")
"""Checks that speak of a sample as a whole, at the turn where it shows."""

ACCEPTED_SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        # Exchanges that are left out of training, from 0.
        pa.field("dropped_exchanges", pa.list_(pa.field("element", pa.int32(), nullable=False)), nullable=False),
    ]
)


def translation_checks_request(config: TranslationChecksConfig, *, dataset_fingerprint: str) -> Request:
    """What ``check_translations`` is asked to make. An edited check is another request.

    Raises:
        ConfigError: a check to which the config gives a severity does not exist.
    """
    return Request(
        step="translation",
        version=VERSION,
        config={
            "checks": {
                name: {"severity": check.severity, "sha256": check.sha256} for name, check in _checks(config).items()
            },
            "tables": {name: table.sha256 for name, table in checked_tables().items()},
            "macros": {name: macro.sha256 for name, macro in check_macros().items()},
        },
        inputs={"dataset": dataset_fingerprint},
    )


def check_translations(config: TranslationChecksConfig, *, dataset: Manifest, store: ArtifactStore) -> Manifest:
    """Write ``findings.parquet``, ``accepted.parquet`` and ``report.json`` of one dataset."""
    request = translation_checks_request(config, dataset_fingerprint=dataset.fingerprint)
    return store.produce(request, lambda directory: _check(_checks(config), dataset, directory))


def require_acceptable(dataset: Manifest, checked: Manifest, *, name: str, max_rejected_fraction: float) -> None:
    """The gate: stop when too much of a dataset is rejected, by its own reading or by the checks.

    Raises:
        DataError: the fraction is above the limit, or no sample is left; ``name`` says of which dataset.
    """
    prepared, found = DatasetSummary.of(dataset), TranslationSummary.of(checked)
    num_records, num_accepted = prepared.num_records, found.num_accepted
    if not num_records:
        raise DataError(f"dataset {name} ({dataset.fingerprint}) holds no records; check the path of its annotations")
    num_rejected = prepared.num_rejected + found.num_rejected
    if num_accepted and num_rejected / num_records <= max_rejected_fraction:
        return
    fraction = f"{100 * num_rejected / num_records:.1f}%"
    limit = f"more than the allowed {100 * max_rejected_fraction:g}%" if num_accepted else "so no sample is left"
    counts = _rejecting_checks(dataset, checked).most_common(WORST_CHECKS)
    worst = f"; most by {', '.join(f'{check} {count}' for check, count in counts)}" if counts else ""
    raise DataError(
        f"dataset {name} ({dataset.fingerprint}): {num_rejected} of {num_records} records ({fraction}) are rejected, "
        f"{limit}{worst}. `llava-jp query finding_examples` shows examples. Repair the records, make a check "
        "warn in translation.severities, or raise limits.max_rejected_fraction"
    )


def _checks(config: TranslationChecksConfig) -> Mapping[str, SqlFile]:
    """The checks to run, with the severities of the config."""
    checks = sql_files("checks/translation")
    if unknown := [name for name in config.severities if name not in checks]:
        raise ConfigError(
            f"translation.severities names {', '.join(map(repr, unknown))}; the checks are: {', '.join(checks)}"
        )
    severities = {name: config.severities.get(name, check.severity) for name, check in checks.items()}
    return {
        name: replace(check, severity=severities[name])
        for name, check in checks.items()
        if severities[name] != "ignore"
    }


def _check(checks: Mapping[str, SqlFile], dataset: Manifest, directory: Path) -> TranslationSummary:
    samples = pq.read_table(dataset.path("samples.parquet"), columns=["sample_id", "record_index"])
    progress = Progress("check translations", total=len(checks), unit="checks")
    tables = [FINDING_SCHEMA.empty_table()]
    with shown_as_one_image(dataset.path("samples.parquet")) as file:
        for check, found in findings_of(checks.values(), samples=file):
            tables.append(_findings(check, found, samples))
            progress.advance(note=check.name)
    progress.finish()
    findings = pa.concat_tables(tables)
    dropped = droppable(_rejecting(findings), dataset)
    findings = _with_dropped(findings, dropped)
    rejected = findings.filter(pc.field("severity") == "reject")["sample_id"]
    accepted = samples.filter(pc.invert(pc.is_in(samples["sample_id"], value_set=rejected)))["sample_id"]
    exchanges = [dropped.get(name, ()) for name in accepted.to_pylist()] if dropped else [()] * len(accepted)
    table = pa.table([accepted, pa.array(exchanges, ACCEPTED_SCHEMA.field(1).type)], schema=ACCEPTED_SCHEMA)
    write_table(directory / "findings.parquet", findings)
    write_table(directory / "accepted.parquet", table)
    write_report(directory / "report.json", checks, findings, dataset)
    return TranslationSummary(
        num_samples=len(samples),
        num_accepted=len(accepted),
        num_rejected=len(samples) - len(accepted),
        num_shortened=len(dropped),
        num_dropped_exchanges=sum(map(len, dropped.values())),
        findings_by_check={name: _count(check, findings) for name, check in checks.items()},
    )


def _rejecting(findings: pa.Table) -> pa.Table:
    """The rejecting findings; those that speak of a whole sample have no turn."""
    found = findings.filter(pc.field("severity") == "reject")
    is_whole = pc.is_in(found["check"], value_set=pa.array(WHOLE_SAMPLE))
    turns = pc.if_else(is_whole, pa.scalar(None, pa.int64()), pc.cast(found["turn_index"], pa.int64()))
    return pa.table({"sample_id": found["sample_id"], "turn_index": turns})


def _with_dropped(findings: pa.Table, dropped: Mapping[str, tuple[int, ...]]) -> pa.Table:
    """The rejecting findings of samples that are kept without an exchange say so."""
    is_kept = pc.is_in(findings["sample_id"], value_set=pa.array(dropped, pa.string()))
    is_dropped = pc.and_(pc.equal(findings["severity"], "reject"), is_kept)
    severities = pc.if_else(is_dropped, DROPPED, findings["severity"])
    place = findings.schema.get_field_index("severity")
    return findings.set_column(place, FINDING_SCHEMA.field("severity"), severities).cast(FINDING_SCHEMA)


def _count(check: SqlFile, findings: pa.Table) -> CheckCount:
    found = findings.filter(pc.field("check") == check.name)
    whole = found.filter(pc.field("severity") != DROPPED)
    return CheckCount(
        severity=str(check.severity),
        num_samples=pc.count_distinct(whole["sample_id"]).as_py(),
        num_dropped=len(found) - len(whole),
    )


def _findings(check: SqlFile, found: pa.Table, samples: pa.Table) -> pa.Table:
    """What a check returned, as rows of ``FINDING_SCHEMA`` in the order of the records."""
    row_of_sample = pc.index_in(found["sample_id"], value_set=samples["sample_id"])
    columns = {
        "check": pa.repeat(check.name, len(found)),
        "severity": pa.repeat(check.severity, len(found)),
        "sample_id": found["sample_id"],
        "record_index": samples["record_index"].take(row_of_sample),
        "turn_index": found["turn_index"],
        "evidence": pc.utf8_slice_codeunits(found["evidence"], 0, MAX_EVIDENCE_LENGTH),
    }
    table = pa.table(columns).cast(FINDING_SCHEMA)
    return table.sort_by([("record_index", "ascending"), ("turn_index", "ascending")])


def _rejecting_checks(dataset: Manifest, checked: Manifest) -> Counter[str]:
    """Samples that each rejecting check found, those of reading the dataset included."""
    read = pq.read_table(dataset.path("findings.parquet"), columns=["check"], filters=[("severity", "=", "reject")])
    counts = Counter(read["check"].to_pylist())
    counts.update(TranslationSummary.of(checked).num_samples_by_check("reject"))
    return counts
