"""The items of a judged benchmark and a model's answers to them, joined by id and complete."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow.parquet as pq

from pipeline.errors import DataError
from pipeline.manifest import Manifest
from pipeline.prediction_rows import Prediction

COLUMNS = ("item_id", "category", "image_category", "context", "question", "reference")
IDS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class JudgedItem:
    """One question. The judge does not see the image: ``context`` says in words what is on it."""

    item_id: str
    category: str
    image_category: str | None
    context: str
    question: str
    reference: str


def read_items(dataset: Manifest, *, num_items: int, categories: Sequence[str]) -> tuple[JudgedItem, ...]:
    """The items of a benchmark's dataset, in its order.

    Raises:
        DataError: there are not ``num_items`` of them, an id occurs twice, or an item lacks its context or has a
            category that the protocol does not know.
    """
    path = dataset.path("items.parquet")
    rows = pq.read_table(path, columns=list(COLUMNS)).to_pylist()
    if incomplete := [row["item_id"] for row in rows if not row["context"] or row["category"] not in categories]:
        raise DataError(
            f"{path}: {_some(incomplete)} have no context or a category other than {', '.join(categories)}, "
            "so they cannot be judged by this protocol"
        )
    items = tuple(JudgedItem(**row) for row in rows)
    if repeated := _repeated([item.item_id for item in items]):
        raise DataError(f"{path}: {_some(repeated)} occur more than once; an id must name one question")
    if len(items) != num_items:
        raise DataError(
            f"{path} has {len(items)} items and the benchmark has {num_items}: a mean over another set of questions "
            "is another benchmark; `llava-jp query finding_examples` says what could not be read"
        )
    return items


def join_answers(
    items: Sequence[JudgedItem], predictions: Sequence[Prediction], *, source: str
) -> Mapping[str, Prediction]:
    """The prediction of every item by its id.

    Raises:
        DataError: an item has no row or several, or a row is about no item; ``source`` is named.
    """
    answered = [prediction.item_id for prediction in predictions]
    problems = []
    known = {item.item_id for item in items}
    if repeated := _repeated(answered):
        problems.append(f"{_some(repeated)} are answered more than once")
    if missing := [item.item_id for item in items if item.item_id not in set(answered)]:
        problems.append(f"{_some(missing)} have no answer")
    if unknown := [name for name in answered if name not in known]:
        problems.append(f"{_some(unknown)} are not in the benchmark")
    if problems:
        raise DataError(f"{source} does not answer each of the {len(items)} items once: {'; '.join(problems)}")
    return {prediction.item_id: prediction for prediction in predictions}


def _repeated(names: Sequence[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _some(names: Sequence[str]) -> str:
    """``3 items (17, 18, 19)``; the first ones only when there are many."""
    shown = ", ".join(names[:IDS_SHOWN]) + (", …" if len(names) > IDS_SHOWN else "")
    return f"{len(names)} item{'s' if len(names) != 1 else ''} ({shown})"
