"""The rows of ``judgements.parquet``: every item, judged once for each repeat. A failure is a row without scores."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core.errors import DataError
from pipeline.core.tables import row_of, schema_of
from pipeline.core.wording import first_few
from pipeline.evaluation.inquiry import Reply
from pipeline.evaluation.judge.parse import HIGHEST, ParsedReply, ReadStatus, parse_reply
from pipeline.evaluation.judge.protocols import Reading
from pipeline.evaluation.rows import Prediction
from pipeline.store.manifest import Manifest

COLUMNS = ("item_id", "category", "image_category", "context", "question", "reference", "scoring")
JUDGE_QUESTION = "judge_question"
"""In an item's scoring: the question as a judge sees it, where a model gets it otherwise."""


@dataclass(frozen=True, slots=True)
class JudgedItem:
    """One question. The judge does not see the image: ``context`` says in words what is on it."""

    item_id: str
    category: str | None
    image_category: str | None
    context: str | None
    question: str
    reference: str


def read_items(dataset: Manifest, *, num_items: int | None, categories: Sequence[str]) -> tuple[JudgedItem, ...]:
    """The items of a benchmark's dataset, in its order.

    Args:
        dataset: of the benchmark.
        num_items: how many there must be; None: any number, which whoever asked the model has checked.
        categories: those that the protocol knows, with a context for each item; none: it needs neither.

    Raises:
        DataError: there are not ``num_items`` of them, an id occurs twice, or an item lacks its context or has a
            category that the protocol does not know.
    """
    path = dataset.path("items.parquet")
    table = pq.read_table(path)
    rows = table.select([name for name in COLUMNS if name in table.column_names]).to_pylist()
    incomplete = [row["item_id"] for row in rows if not row["context"] or row["category"] not in categories]
    if categories and incomplete:
        raise DataError(
            f"{path}: {_some(incomplete)} have no context or a category other than {', '.join(categories)}, "
            "so they cannot be judged by this protocol"
        )
    items = tuple(_item(row) for row in rows)
    if repeated := _repeated([item.item_id for item in items]):
        raise DataError(f"{path}: {_some(repeated)} occur more than once; an id must name one question")
    if num_items not in (None, len(items)):
        raise DataError(
            f"{path} has {len(items)} items and the benchmark has {num_items}: a mean over another set of questions "
            "is another benchmark; `llava-jp query finding_examples` says what could not be read"
        )
    return items


def _item(row: dict[str, Any]) -> JudgedItem:
    scoring = json.loads(row.pop("scoring", None) or "{}")
    return JudgedItem(**{**row, "question": scoring.get(JUDGE_QUESTION, row["question"])})


def join_answers(
    items: Sequence[JudgedItem], predictions: Sequence[Prediction], *, source: str
) -> Mapping[str, Prediction]:
    """The prediction of every item by its id.

    Raises:
        DataError: an item has no row or several, or a row is about no item; ``source`` is named.
    """
    answered = [prediction.item_id for prediction in predictions]
    problems = []
    known, found = {item.item_id for item in items}, set(answered)
    if repeated := _repeated(answered):
        problems.append(f"{_some(repeated)} are answered more than once")
    if missing := [item.item_id for item in items if item.item_id not in found]:
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
    return f"{len(names)} item{'s' if len(names) != 1 else ''} ({first_few(names)})"


WANTED: Mapping[Reading, str] = {
    "two_scores": "two scores",
    "two_keys": "two scores with their keys",
    "grade": "score",
    "verdict": "correct: yes or no",
}
Status = Literal[ReadStatus, "refused", "no_reply", "no_answer"]
"""ok, or why there are no scores. Replies: unreadable; out_of_range (off the protocol's scale); refused by the judge.
no_reply: the judge did not reply. no_answer: the model has none to judge."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """One row of ``judgements.parquet``: an item judged once.

    ``replies`` are all attempts in order, raw, "" for a refusal; none to an empty answer, where the protocol asks about
    none. The official scores are those that the official parser reads in the first of them, for it never asks again.
    """

    benchmark: str
    item_id: str
    category: str | None
    image_category: str | None
    repeat: int
    status: Status
    reason: str | None
    reference_score: float | None
    model_score: float | None
    official_reference_score: float | None
    official_model_score: float | None
    parsers_differ: bool
    """In the reply that counts, the last: a comma, a space or a word more than the official parser allows."""
    replies: tuple[str, ...]
    protocol: str
    judge_model: str
    served_model: str | None
    prompt_sha256: str
    num_input_tokens: int
    num_output_tokens: int
    image_sha256: str | None = None
    """Questions on one image are not independent. Of several images, the one that names their cluster."""

    def row(self) -> dict[str, Any]:
        """The row of ``JUDGEMENT_SCHEMA``."""
        return row_of(self)


JUDGEMENT_SCHEMA = schema_of(Judgement)


@dataclass(frozen=True, slots=True)
class JudgedBy:
    """What all rows of an artifact have in common."""

    benchmark: str
    protocol: str
    judge_model: str
    prompt_sha256: str
    reading: Reading


def judgement_of(
    item: JudgedItem,
    replies: Sequence[Reply],
    by: JudgedBy,
    *,
    repeat: int,
    missing: str | None,
    has_answer: bool = True,
    image_sha256: str | None = None,
) -> Judgement:
    """The row for the replies to one item; ``missing`` says why there is no further reply, if there should be one."""
    read = [None if reply.text is None else parse_reply(reply.text, by.reading) for reply in replies]
    status, reason = _outcome(replies, read, by, missing=missing, has_answer=has_answer)
    last = read[-1] if read else None
    scores = last.scores if last and status == "ok" else None
    official = read[0].official if read and read[0] else None
    return Judgement(
        benchmark=by.benchmark,
        item_id=item.item_id,
        category=item.category,
        image_category=item.image_category,
        repeat=repeat,
        status=status,
        reason=reason,
        reference_score=scores[0] if scores else None,
        model_score=scores[1] if scores else None,
        official_reference_score=official[0] if official else None,
        official_model_score=official[1] if official else None,
        parsers_differ=last.parsers_differ if last else False,
        replies=tuple(reply.text or "" for reply in replies),
        protocol=by.protocol,
        judge_model=by.judge_model,
        served_model=replies[-1].served_model if replies else None,
        prompt_sha256=by.prompt_sha256,
        num_input_tokens=sum(reply.input_tokens or 0 for reply in replies),
        num_output_tokens=sum(reply.output_tokens or 0 for reply in replies),
        image_sha256=image_sha256,
    )


def worthless(item: JudgedItem, by: JudgedBy, *, repeat: int, image_sha256: str | None) -> Judgement:
    """The row of an answer of nothing, which scores 0 without being asked about."""
    row = judgement_of(item, (), by, repeat=repeat, missing=None, has_answer=False, image_sha256=image_sha256)
    return replace(row, status="ok", reason=None, model_score=0.0, official_model_score=0.0)


def _outcome(
    replies: Sequence[Reply], read: Sequence[ParsedReply | None], by: JudgedBy, *, missing: str | None, has_answer: bool
) -> tuple[Status, str | None]:
    """Whether there are scores, or why not."""
    if not has_answer:
        return "no_answer", missing
    if missing is not None:
        return "no_reply", missing
    last = read[-1]
    if last is None:
        return "refused", replies[-1].refusal
    if last.status == "ok":
        return "ok", None
    if replies[-1].is_cut_off:
        return last.status, "the length limit of the reply ended it before any text; raise judge.max_tokens"
    tries = f"the last of {len(replies)} replies" if len(replies) > 1 else "the reply"
    if last.status == "out_of_range":
        return last.status, f"{tries}: not on the scale of 0 to {HIGHEST[by.reading]:g}"
    return last.status, f"{tries}: no {WANTED[by.reading]} can be read at the beginning"


def read_judgements(manifest: Manifest) -> tuple[Judgement, ...]:
    """All rows of a ``judgements`` artifact, in file order. What an older store has no column for is null."""
    table = pq.read_table(manifest.path("judgements.parquet"))
    return tuple(_judgements(table.select([name for name in JUDGEMENT_SCHEMA.names if name in table.column_names])))


def _judgements(table: pa.Table) -> Iterator[Judgement]:
    for row in table.to_pylist():
        yield Judgement(**{**row, "replies": tuple(row["replies"])})
