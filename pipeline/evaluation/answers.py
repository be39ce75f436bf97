"""Asks a model the items of a benchmark, in batches, and keeps every answer at once.

A model is anything with ``answer``: questions in, answers out. This module knows nothing else about it.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import Protocol, runtime_checkable

from PIL import Image

from pipeline.core.errors import DataError, StoreError
from pipeline.core.files import write_bytes
from pipeline.core.hashing import sha256_of_json
from pipeline.core.progress import Progress
from pipeline.core.wording import REPLACEMENT, whole_characters
from pipeline.data.image_reader import ImageReader
from pipeline.data.images import MAX_PIXELS, decode, num_pixels
from pipeline.evaluation.reasoning import without_reasoning
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
    images: tuple[Image.Image, ...] = ()
    images_sha256: tuple[str, ...] = ()
    image_places: tuple[int, ...] | None = None
    """Characters of the text before each image; None: all stand before it."""

    def parts(self) -> list[str | Image.Image]:
        """Images and texts in their order, as a chat message has them."""
        if self.image_places is None:
            return [*self.images, self.text]
        cuts = [0, *self.image_places, len(self.text)]
        texts = [self.text[start:end] for start, end in pairwise(cuts)]
        in_order = [part for pair in zip_longest(texts, self.images) for part in pair]
        return [part for part in in_order if part is not None and part != ""]


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


@runtime_checkable
class StreamingModel(Protocol):
    """A model that is sent questions while it answers others, and gives each answer as it comes."""

    max_images: int | None

    def stream(self, questions: Iterator[Question]) -> Iterator[tuple[str, str | Unanswered]]:
        """Item and answer, in any order; what concerns all questions is raised behind the answers that there are."""


class ModelUnderTest(Protocol):
    """A model that answers questions about images."""

    @property
    def max_images(self) -> int | None:
        """The most images of one question that it takes; None: any number. A question with more has no answer."""

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
    kept = kept_answers(kept_file)
    answers = {item.item_id: item.answered(kept[item.item_id]) for item in items if item.item_id in kept}
    progress = Progress("answer questions", total=len(items), unit="items", start=len(answers))
    with kept_file.open("a", encoding="utf-8") as file:
        ordered = batches(items, batch_size)
        missing = [[item for item in batch if item.item_id not in answers] for batch in ordered]
        for answer in answer_batches(model_under_test, [batch for batch in missing if batch], images=images):
            answers[answer.item_id] = answer
            if answer.prediction is not None:
                file.write(kept_line(answer.item_id, answer.prediction))
                file.flush()
            progress.advance(1)
    progress.finish()
    return [answers[item.item_id] for item in items]


def answer_batches(
    model_under_test: ModelUnderTest, batches: Sequence[Sequence[Item]], *, images: ImageReader
) -> Iterator[Prediction]:
    """The answers to some batches as they come."""
    by_id = {item.item_id: item for batch in batches for item in batch}
    found = (
        _streamed(model_under_test, list(by_id.values()), images)
        if isinstance(model_under_test, StreamingModel)
        else _in_batches(model_under_test, batches, images)
    )
    for name, said in found:
        yield _prediction(by_id[name], said)


def batches(items: Sequence[Item], batch_size: int) -> list[list[Item]]:
    """The items by the length of their prompts, longest first: little padding, and memory runs out early or never."""
    order = sorted(items, key=lambda item: (-len(item.images_sha256), -len(item.question)))
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def _in_batches(
    model_under_test: ModelUnderTest, batches: Sequence[Sequence[Item]], images: ImageReader
) -> Iterator[tuple[str, str | Unanswered]]:
    """Item and answer, batch by batch. An image that cannot be read fails its item alone."""
    for batch in batches:
        failed: dict[str, str | Unanswered] = {}
        for questions in _questions(batch, images, failed, max_images=model_under_test.max_images):
            try:
                answers, problem = model_under_test.answer(questions), None
            except AnsweredInPartError as error:
                answers, problem = error.answers, error.problem
            yield from ((question.item_id, said) for question, said in zip(questions, answers, strict=True))
            if problem:
                raise problem
        yield from failed.items()


def _streamed(
    model: StreamingModel, items: Sequence[Item], images: ImageReader
) -> Iterator[tuple[str, str | Unanswered]]:
    """Item and answer as they come; images are read when their question is sent."""
    failed: dict[str, str | Unanswered] = {}

    def questions() -> Iterator[Question]:
        for item in items:
            for group in _questions([item], images, failed, max_images=model.max_images):
                yield from group

    yield from model.stream(questions())
    yield from failed.items()


def _questions(
    items: Sequence[Item], images: ImageReader, failed: dict[str, str | Unanswered], *, max_images: int | None
) -> Iterator[list[Question]]:
    """A batch with its images, as a whole unless they have very many pixels; what cannot be read goes to ``failed``."""
    questions: list[Question] = []
    pixels_held = 0
    for item in items:
        names = item.images_sha256
        if max_images is not None and len(names) > max_images:
            failed[item.item_id] = Unanswered(f"the question has {len(names)} images, and the model takes {max_images}")
            continue
        try:
            contents = {name: images.read(name) for name in names}
            wanted = sum(map(num_pixels, contents.values()))
            if questions and pixels_held + wanted > MAX_PIXELS_OF_A_BATCH:
                yield questions
                questions, pixels_held = [], 0
            decoded = {name: decode(content) for name, content in contents.items()}
        except DataError as error:
            failed[item.item_id] = Unanswered(str(error))
            continue
        shown = tuple(decoded[name] for name in names)
        questions.append(Question(item.item_id, item.question, shown, names, item.image_places))
        pixels_held += wanted
    if questions:
        yield questions


def _prediction(item: Item, answer: str | Unanswered) -> Prediction:
    """The row of an answer: of what is said, not of what was thought. No file holds half a character."""
    said = answer.reason if isinstance(answer, Unanswered) else without_reasoning(answer)
    if isinstance(answer, str) and answer and not said:
        return item.failed("the answer is reasoning alone: the model needs more tokens to come to an end")
    if (whole := whole_characters(said)) != said:
        log.warning("the answer to %s has half a surrogate pair, which becomes %s", item.item_id, REPLACEMENT)
    return item.failed(whole) if isinstance(answer, Unanswered) else item.answered(whole)


def kept_line(item_id: str, prediction: str) -> str:
    """An answer as it is kept."""
    row = {"item_id": item_id, "prediction": prediction}
    return json.dumps({**row, "sha256": sha256_of_json(row)}, ensure_ascii=False) + "\n"


def kept_answers(path: Path) -> Mapping[str, str]:
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
