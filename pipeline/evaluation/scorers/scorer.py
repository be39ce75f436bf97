"""What a scorer is: a pure function of reference and prediction, and the numbers over items that are no plain means."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from pipeline.core.errors import DataError
from pipeline.evaluation.intervals import Statistic

Scoring = Mapping[str, Any]
"""What a scorer needs beyond question, reference and prediction: the ``scoring`` of a benchmark's record."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answered item."""

    item_id: str
    reference: str
    prediction: str
    scoring: Scoring = field(default_factory=lambda: MappingProxyType({}))


Score = Callable[[str, str, Scoring], float]
"""Reference, prediction and scoring to 0..``largest`` of the metric."""
Statistics = Mapping[str, Statistic]


def no_statistics(answers: Sequence[Answer], values: Sequence[float]) -> Statistics:
    """Of a metric whose one number is the mean."""
    return {}


@dataclass(frozen=True, slots=True)
class Scorer:
    """How answers become numbers. ``statistics`` takes answers and their scores, in the same order."""

    score: Score
    statistics: Callable[[Sequence[Answer], Sequence[float]], Statistics] = no_statistics
    """The details by name, in the order in which they are shown; over no answers they are 0."""
    headline: str | None = None
    """The detail that is the benchmark's number; None where that is the mean of the items."""
    counts: Callable[[Sequence[Answer]], Mapping[str, int]] = lambda answers: {}
    """How many answers were what, such as unreadable: no score, but a reader of the score must know."""
    score_in_order: Callable[[Sequence[Answer]], list[float]] | None = None
    """In place of ``score`` where a score depends on the items before."""

    def scores(self, answers: Sequence[Answer]) -> list[float]:
        """The score of each answer.

        Raises:
            DataError: an item lacks what the scorer needs.
        """
        if self.score_in_order is not None:
            return self.score_in_order(answers)
        return [self._score(answer) for answer in answers]

    def _score(self, answer: Answer) -> float:
        try:
            return self.score(answer.reference, answer.prediction, answer.scoring)
        except DataError as error:
            raise DataError(f"item {answer.item_id!r} cannot be scored: {error}") from error
