"""The rows of ``predictions.parquet``: one model's answers to the items of one benchmark."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pyarrow.parquet as pq

from pipeline.core.tables import row_of, schema_of
from pipeline.store.manifest import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One question of a benchmark with its reference answer."""

    benchmark: str
    protocol: str
    item_id: str
    question: str
    reference: str
    category: str | None = None
    image_category: str | None = None
    image: str | None = None
    """The image's name in the benchmark; None for a question without one."""
    image_sha256: str | None = None
    further_images_sha256: tuple[str, ...] | None = None
    """Of the images behind the first one; None: there are none."""
    image_places: tuple[int, ...] | None = None
    """Characters of the question before each of several images; None: all stand before it."""
    question_index: int = 0
    """Place among the questions on the same images."""
    scoring: str | None = None
    """JSON: what scorers and judges need beyond question, reference and prediction."""

    def answered(self, prediction: str) -> "Prediction":
        """The row of an answer."""
        return self._row(prediction, None)

    def failed(self, error: str) -> "Prediction":
        """The row that says why there is no answer."""
        return self._row(None, error)

    def like(self, answer: "Prediction") -> "Prediction":
        """The row of this item with another row's answer or error."""
        return self._row(answer.prediction, answer.error)

    def without_images(self) -> "Item":
        """The same question, to be asked blind."""
        return replace(self, image=None, image_sha256=None, further_images_sha256=None, image_places=None)

    @property
    def images_sha256(self) -> tuple[str, ...]:
        """Of all images, in order."""
        return images_sha256_of(self)

    def _row(self, prediction: str | None, error: str | None) -> "Prediction":
        values = asdict(self)
        shared = {name: values[name] for name in PREDICTION_SCHEMA.names if name in values}
        return Prediction(**shared, prediction=prediction, error=error)


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer to one item, or the ``error`` that says why there is none. An empty answer is an answer."""

    benchmark: str
    protocol: str = field(default="all", kw_only=True)
    item_id: str
    category: str | None
    image_category: str | None = field(default=None, kw_only=True)
    question: str
    reference: str
    prediction: str | None
    image_sha256: str | None
    error: str | None = None
    scoring: str | None = field(default=None, kw_only=True)
    """JSON: what scorers and judges need beyond question, reference and prediction."""
    further_images_sha256: tuple[str, ...] | None = field(default=None, kw_only=True)
    """Of the images behind the first one; None: there are none."""

    @property
    def images_sha256(self) -> tuple[str, ...]:
        """Of all images, in order."""
        return images_sha256_of(self)

    def __post_init__(self) -> None:
        if (self.prediction is None) == (self.error is None):
            both = "neither a prediction nor" if self.error is None else "both a prediction and"
            raise ValueError(f"item {self.item_id!r} of {self.benchmark} has {both} an error")

    def row(self) -> dict[str, Any]:
        """The row of ``PREDICTION_SCHEMA``."""
        return row_of(self)


PREDICTION_SCHEMA = schema_of(Prediction)


def images_sha256_of(row: Item | Prediction) -> tuple[str, ...]:
    """The hashes of all images of a row, in order."""
    first = () if row.image_sha256 is None else (row.image_sha256,)
    return (*first, *(row.further_images_sha256 or ()))


def read_predictions(manifest: Manifest) -> tuple[Prediction, ...]:
    """All rows of a ``predictions`` artifact, in file order. What an older store has no column for is null."""
    table = pq.read_table(manifest.path("predictions.parquet"))
    table = table.select([name for name in PREDICTION_SCHEMA.names if name in table.column_names])
    return tuple(Prediction(**row) for row in table.to_pylist())
