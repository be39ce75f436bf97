"""Answers that were made elsewhere, joined with a benchmark's items by id; never by place alone.

Three shapes are read: lines of ``{question_id, text}`` as llm-jp-eval-mm and this project write them, the same as
Heron-Bench's scripts write them with more fields, and the JSON of the LLaVA-JP fork by katsube-toshiki, which has no
ids: there every question and reference must be the benchmark's, place by place.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.core.errors import DataError
from pipeline.core.wording import first_few, size_text
from pipeline.evaluation.answers import Question, Unanswered
from pipeline.evaluation.rows import Item

MAX_FILE_BYTES = 256 << 20
"""A larger file does not hold the answers of a benchmark."""

Answers = Mapping[str, str | Unanswered]


class StoredAnswersUnderTest:
    """A model that says what is written in a file."""

    max_images = None

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    def answer(self, questions: Sequence[Question]) -> list[str | Unanswered]:
        """The stored answers, in order."""
        return [self._answers[question.item_id] for question in questions]


def read_answers(path: Path, *, items: Sequence[Item], all_items: Sequence[Item]) -> Answers:
    """The answers of a file by item, one for each of ``items`` and none for what is no item.

    Args:
        path: the file.
        items: what the protocol asks.
        all_items: everything in the benchmark; a file with answers to all of it serves every protocol.

    Raises:
        DataError: it is of no known shape, or not a file of answers to exactly these items.
    """
    text = _text(path)
    rows = _json(path, text)
    if isinstance(rows, dict) and "results" in rows:
        answers = _by_place(path, rows["results"], items=items, all_items=all_items)
    else:
        answers = _by_id(path, _lines(path, text))
    known, wanted = {item.item_id for item in all_items}, [item.item_id for item in items]
    if strange := [name for name in answers if name not in known]:
        raise DataError(f"{path} answers questions that {items[0].benchmark} does not have: {first_few(strange)}")
    if missing := [name for name in wanted if name not in answers]:
        raise DataError(
            f"{path} has no answer to {len(missing)} of {len(wanted)} questions of "
            f"{items[0].benchmark}/{items[0].protocol}: {first_few(missing)}"
        )
    return {name: answers[name] for name in wanted}


def _text(path: Path) -> str:
    """The content without a byte order mark, its line ends as they are."""
    try:
        if (num_bytes := path.stat().st_size) > MAX_FILE_BYTES:
            raise DataError(
                f"{path} has {size_text(num_bytes)}; a file of answers has {size_text(MAX_FILE_BYTES)} at most"
            )
        return path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def _json(path: Path, text: str) -> Any:
    """The content, where it is one JSON value; None where it is lines."""
    if path.suffix == ".jsonl":
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _lines(path: Path, text: str) -> list[Mapping[str, Any]]:
    """One JSON object for each line. Lines end at ``\\n`` alone: a text may hold U+2028, U+0085 and their like."""
    rows: list[Mapping[str, Any]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line.removeprefix("\ufeff"))  # files that were joined have marks inside
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}, line {number} is not JSON: {error}") from error
        if not isinstance(row, dict) or "question_id" not in row or not isinstance(row.get("text"), str):
            raise DataError(f'{path}, line {number} is not {{"question_id": …, "text": "…"}}: {line[:80]}')
        rows.append(row)
    return rows


def _by_id(path: Path, rows: Sequence[Mapping[str, Any]]) -> dict[str, str | Unanswered]:
    answers: dict[str, str | Unanswered] = {}
    for row in rows:
        name = str(row["question_id"])
        if name in answers:
            raise DataError(f"{path} has several answers to question {name}")
        answers[name] = Unanswered(str(row["error"])) if row.get("error") else row["text"]
    return answers


def _by_place(
    path: Path, results: Any, *, items: Sequence[Item], all_items: Sequence[Item]
) -> dict[str, str | Unanswered]:
    """Answers that are lists beside lists of questions and references."""
    try:
        rows = list(zip(results["question"], results["answer"], results["prediction"], strict=True))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: results must have question, answer and prediction of equal length") from error
    own = next((some for some in (items, all_items) if len(some) == len(rows)), None)
    if own is None:
        raise DataError(
            f"{path} has {len(rows)} answers; {items[0].benchmark} has {len(all_items)} questions, of which "
            f"{items[0].protocol} asks {len(items)}"
        )
    answers: dict[str, str | Unanswered] = {}
    for place, (item, (question, reference, prediction)) in enumerate(zip(own, rows, strict=True)):
        if (str(question).strip(), str(reference).strip()) != (item.question.strip(), item.reference.strip()):
            raise DataError(
                f"{path}: answer {place} is to {question!r} with the reference {reference!r}, and the benchmark has "
                f"{item.question!r} with {item.reference!r} there"
            )
        if not isinstance(prediction, str):
            raise DataError(f"{path}: prediction {place} is not a text: {prediction!r}")
        answers[item.item_id] = prediction
    return answers
