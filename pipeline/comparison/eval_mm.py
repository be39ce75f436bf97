"""Predictions in the folders of llm-jp-eval-mm, to be scored there: ``result/<task>/<model>/prediction.jsonl``.

A model named ``owner/name`` has two folders there, one in the other.

That harness pairs predictions with its questions by their order and asks all of them, so only whole benchmarks go
there. The shape is that of its ``result_schema.py``, version 1.0.
"""

import json
from pathlib import Path

from pipeline.benchmarks.benchmark import ALL
from pipeline.benchmarks.eval_mm import EVAL_MM
from pipeline.benchmarks.known import KNOWN_BENCHMARKS
from pipeline.core.errors import DataError
from pipeline.core.files import write_text
from pipeline.core.safe_paths import safe_parts
from pipeline.evaluation.predict import PredictionsSummary
from pipeline.evaluation.rows import read_predictions
from pipeline.store.manifest import Manifest


def export_results(predictions: Manifest, *, model: str, folder: Path) -> Path:
    """Write ``prediction.jsonl`` and, if items failed, ``error_message.jsonl``; returns the folder of both.

    There as here a failed item is told apart: its text is empty, and its error is in the second file.

    Raises:
        DataError: the harness has no such task, it asks more questions than this protocol, or the model's name cannot
            be that of a folder.
    """
    rows = read_predictions(predictions)
    summary = PredictionsSummary.of(predictions)
    benchmark, protocol = summary.benchmark, summary.protocol
    if benchmark not in KNOWN_BENCHMARKS:
        raise DataError(
            f"llm-jp-eval-mm has no task {benchmark!r}; of the benchmarks here it has {', '.join(KNOWN_BENCHMARKS)}"
        )
    if protocol not in (ALL, EVAL_MM):
        raise DataError(
            f"llm-jp-eval-mm asks all questions of {benchmark} and pairs answers by their order; "
            f"{protocol} has {len(rows)} of them. "
            f"Add {{name: {benchmark}, protocol: {EVAL_MM}}} to evaluation.benchmarks"
        )
    if KNOWN_BENCHMARKS[benchmark].loses_images:
        raise DataError(
            f"llm-jp-eval-mm fetches the photos of {benchmark} itself and pairs answers by their order: on another day "
            "other photos are there, so these answers cannot be scored there"
        )
    place = folder.joinpath(benchmark, *safe_parts(model, where="the model's name"))
    place.mkdir(parents=True, exist_ok=True)
    answers = [{"question_id": row.item_id, "text": row.prediction or ""} for row in rows]
    errors = [{"question_id": row.item_id, "error": row.error} for row in rows if row.error is not None]
    write_text(place / "prediction.jsonl", _lines(answers))
    (place / "error_message.jsonl").unlink(missing_ok=True)
    if errors:
        write_text(place / "error_message.jsonl", _lines(errors))
    return place


def _lines(rows: list[dict[str, str]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
