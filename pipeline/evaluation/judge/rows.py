"""The rows of ``judgements.parquet``: every item, judged once for each repeat. A failure is a row without scores."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core.errors import DataError
from pipeline.core.tables import row_of, schema_of
from pipeline.core.wording import first_few
from pipeline.evaluation.inquiry import Reply
from pipeline.evaluation.judge.parse import ParsedReply, ReadStatus, parse_reply
from pipeline.evaluation.rows import Prediction
from pipeline.store.manifest import Manifest

COLUMNS = ("item_id", "category", "image_category", "context", "question", "reference")


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


Status = Literal[ReadStatus, "refused", "no_reply", "no_answer"]
"""ok, or why there are no scores. Replies: unreadable; out_of_range (not 1 to 10); refused by the judge. no_reply: the
judge did not reply. no_answer: the model has none to judge."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """One row of ``judgements.parquet``: an item judged once.

    ``replies`` are all attempts in order, raw, "" for a refusal. The official scores are those that the official parser
    reads in the first of them, for it never asks again.
    """

    benchmark: str
    item_id: str
    category: str
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


def judgement_of(
    item: JudgedItem,
    replies: Sequence[Reply],
    by: JudgedBy,
    *,
    repeat: int,
    missing: str | None,
    has_answer: bool = True,
) -> Judgement:
    """The row for the replies to one item; ``missing`` says why there is no further reply, if there should be one."""
    read = [None if reply.text is None else parse_reply(reply.text) for reply in replies]
    status, reason = _outcome(replies, read, missing=missing, has_answer=has_answer)
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
    )


def _outcome(
    replies: Sequence[Reply], read: Sequence[ParsedReply | None], *, missing: str | None, has_answer: bool
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
    tries = f"{len(replies)} replies" if len(replies) > 1 else "the reply"
    asked_for = "scores from 1 to 10" if last.status == "out_of_range" else "two scores"
    return last.status, f"the first line of {tries} does not hold {asked_for}"


def read_judgements(manifest: Manifest) -> tuple[Judgement, ...]:
    """All rows of a ``judgements`` artifact, in file order."""
    return tuple(_judgements(pq.read_table(manifest.path("judgements.parquet"), columns=JUDGEMENT_SCHEMA.names)))


def _judgements(table: pa.Table) -> Iterator[Judgement]:
    for row in table.to_pylist():
        yield Judgement(**{**row, "replies": tuple(row["replies"])})
