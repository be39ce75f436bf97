"""The rows of ``predictions.parquet``: one model's answers to the items of one benchmark."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.manifest import Manifest

PREDICTION_SCHEMA = pa.schema(
    [
        pa.field("benchmark", pa.string(), nullable=False),
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("category", pa.string()),
        pa.field("question", pa.string(), nullable=False),
        pa.field("reference", pa.string(), nullable=False),
        pa.field("prediction", pa.string()),
        pa.field("image_sha256", pa.string()),
        pa.field("error", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer to one item, or the ``error`` that says why there is none. An empty answer is an answer."""

    benchmark: str
    item_id: str
    category: str | None
    question: str
    reference: str
    prediction: str | None
    image_sha256: str | None
    error: str | None = None

    def __post_init__(self) -> None:
        if self.prediction is None and self.error is None:
            raise ValueError(f"item {self.item_id!r} of {self.benchmark} has neither a prediction nor an error")

    def row(self) -> dict[str, Any]:
        """The row of ``PREDICTION_SCHEMA``."""
        return {name: getattr(self, name) for name in PREDICTION_SCHEMA.names}


@dataclass(frozen=True, slots=True)
class Item:
    """One question of a benchmark with its reference answer."""

    benchmark: str
    item_id: str
    category: str | None
    question: str
    reference: str
    image_sha256: str | None

    def answered(self, prediction: str | None, error: str | None) -> Prediction:
        return Prediction(
            benchmark=self.benchmark,
            item_id=self.item_id,
            category=self.category,
            question=self.question,
            reference=self.reference,
            prediction=prediction,
            image_sha256=self.image_sha256,
            error=error,
        )


def read_predictions(manifest: Manifest) -> tuple[Prediction, ...]:
    """All rows of a ``predictions`` artifact, in file order."""
    table = pq.read_table(manifest.path("predictions.parquet"), columns=PREDICTION_SCHEMA.names)
    return tuple(Prediction(**row) for row in table.to_pylist())
