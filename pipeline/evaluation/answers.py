"""Asks a model the items of a benchmark, in batches, and keeps every answer at once.

A model is anything with ``answer``: questions in, answers out. This module knows nothing else about it.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PIL import Image

from pipeline.core.errors import DataError, StoreError
from pipeline.core.files import write_bytes
from pipeline.core.hashing import sha256_of_json
from pipeline.core.progress import Progress
from pipeline.core.wording import REPLACEMENT, whole_characters
from pipeline.data.image_reader import ImageReader
from pipeline.data.images import MAX_PIXELS, decode, num_pixels
from pipeline.evaluation.rows import Item, Prediction
from pipeline.store.artifacts import WORK_FOLDER

log = logging.getLogger(__name__)

MAX_PIXELS_OF_A_BATCH = 4 * MAX_PIXELS
"""Three gigabytes; sixteen photos of 44 million pixels."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a model is asked. The text is the benchmark's, as it is: a model adds its own template, nothing else."""

    item_id: str
    text: str
    image: Image.Image | None
    image_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Why there is no answer to one question."""

    reason: str


class AnsweredInPartError(Exception):
    """Some questions were answered before ``problem`` came, which concerns all of them: they may have been paid for."""

    def __init__(self, answers: Sequence[str | Unanswered], problem: BaseException) -> None:
        super().__init__(str(problem))
        self.answers = answers
        self.problem = problem


class ModelUnderTest(Protocol):
    """A model that answers questions about images."""

    def answer(self, questions: Sequence[Question]) -> Sequence[str | Unanswered]:
        """One answer for each question, in order; what concerns all of them is raised.

        Raises:
            AnsweredInPartError: the same, with the answers that there are.
        """


def answer_items(
    model_under_test: ModelUnderTest, items: Sequence[Item], *, images: ImageReader, batch_size: int, directory: Path
) -> list[Prediction]:
    """Every item's answer, in order.

    Answers are kept in the partial directory ``directory`` as soon as they are there: a later call asks only for those
    that are missing, and once more for those that failed. The batches are always the same, so a call that was
    interrupted gives the same answers as one that was not.
    """
    kept_file = directory / WORK_FOLDER / "answers.jsonl"
    kept_file.parent.mkdir(parents=True, exist_ok=True)
    kept = _kept_answers(kept_file)
    answers = {item.item_id: item.answered(kept[item.item_id]) for item in items if item.item_id in kept}
    progress = Progress("answer questions", total=len(items), unit="items", start=len(answers))
    with kept_file.open("a", encoding="utf-8") as file:
        for batch in batches(items, batch_size):
            missing = [item for item in batch if item.item_id not in answers]
            if not missing:
                continue
            new, problem = _answer(model_under_test, missing, images)
            file.write("".join(_line(answer) for answer in new if answer.prediction is not None))
            file.flush()
            if problem:
                raise problem
            answers |= {answer.item_id: answer for answer in new}
            progress.advance(len(new))
    progress.finish()
    return [answers[item.item_id] for item in items]


def batches(items: Sequence[Item], batch_size: int) -> list[list[Item]]:
    """The items by the length of their prompts, longest first: little padding, and memory runs out early or never."""
    order = sorted(items, key=lambda item: (item.image_sha256 is None, -len(item.question)))
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def _answer(
    model_under_test: ModelUnderTest, items: Sequence[Item], images: ImageReader
) -> tuple[list[Prediction], BaseException | None]:
    """One batch, and what ended it before its time. An image that cannot be read fails its item alone."""
    results: dict[str, str | Unanswered] = {}
    for questions in _questions(items, images, results):
        try:
            found = model_under_test.answer(questions)
        except AnsweredInPartError as error:
            results |= _by_item(questions, error.answers)
            return [
                _prediction(item, results[item.item_id]) for item in items if item.item_id in results
            ], error.problem
        results |= _by_item(questions, found)
    return [_prediction(item, results[item.item_id]) for item in items], None


def _questions(
    items: Sequence[Item], images: ImageReader, failed: dict[str, str | Unanswered]
) -> Iterator[list[Question]]:
    """A batch with its images, as a whole unless they have very many pixels; what cannot be read goes to ``failed``."""
    questions: list[Question] = []
    pixels_held = 0
    for item in items:
        try:
            content = None if item.image_sha256 is None else images.read(item.image_sha256)
            wanted = 0 if content is None else num_pixels(content)
            if questions and pixels_held + wanted > MAX_PIXELS_OF_A_BATCH:
                yield questions
                questions, pixels_held = [], 0
            image = None if content is None else decode(content)
        except DataError as error:
            failed[item.item_id] = Unanswered(str(error))
            continue
        questions.append(Question(item.item_id, item.question, image, item.image_sha256))
        pixels_held += wanted
    if questions:
        yield questions


def _by_item(questions: Sequence[Question], answers: Sequence[str | Unanswered]) -> dict[str, str | Unanswered]:
    return {question.item_id: answer for question, answer in zip(questions, answers, strict=True)}


def _prediction(item: Item, answer: str | Unanswered) -> Prediction:
    """The row of an answer. What is said may come from anywhere, and no file holds half a character."""
    said = answer.reason if isinstance(answer, Unanswered) else answer
    if (whole := whole_characters(said)) != said:
        log.warning("the answer to %s has half a surrogate pair, which becomes %s", item.item_id, REPLACEMENT)
    return item.failed(whole) if isinstance(answer, Unanswered) else item.answered(whole)


def _line(answer: Prediction) -> str:
    row = {"item_id": answer.item_id, "prediction": answer.prediction}
    return json.dumps({**row, "sha256": sha256_of_json(row)}, ensure_ascii=False) + "\n"


def _kept_answers(path: Path) -> Mapping[str, str]:
    """Answers by item; a last line that a crash has cut is taken out of the file.

    Raises:
        StoreError: another line is damaged.
    """
    if not path.exists():
        return {}
    lines = path.read_bytes().split(b"\n")[:-1]
    rows = [_kept_answer(line, where=f"{path}, line {number}") for number, line in enumerate(lines, 1)]
    write_bytes(path, b"".join(line + b"\n" for line in lines))
    return {row["item_id"]: row["prediction"] for row in rows}


def _kept_answer(line: bytes, *, where: str) -> dict[str, str]:
    """A row without a checksum was written before there was one."""
    try:
        row: dict[str, str] = json.loads(line)
        sha256 = row.pop("sha256", None)
        is_whole = {name: type(value) for name, value in row.items()} == {"item_id": str, "prediction": str}
    except (ValueError, TypeError, AttributeError, RecursionError):
        is_whole = False
    if not is_whole or sha256 not in (None, sha256_of_json(row)):
        raise StoreError(f"{where}: the answer that was kept is damaged. Delete the line to ask this question again")
    return row
