"""eval-mm's cc-ocr: F1 of the characters of a transcription, in any order."""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from pipeline.evaluation.intervals import Values
from pipeline.evaluation.scorers.scorer import Answer, Scoring, Statistics
from pipeline.evaluation.scorers.statistics import formula_of

EPSILON = 1e-9
"""In every denominator, as there: an equal text scores a little less than 1, by less the longer it is."""


def score(reference: str, prediction: str, scoring: Scoring) -> float:
    """F1 of the multisets of characters; 0 where both are empty."""
    return _f1(*_rates(*_counts(reference, prediction)))


def statistics(answers: Sequence[Answer], values: Sequence[float]) -> Statistics:
    """Means of recall, precision and F1, and the same of all characters together."""
    counts = [_counts(answer.reference, answer.prediction) for answer in answers]
    rates = [_rates(*one) for one in counts]
    items = [1.0] * len(answers)
    pooled = {name: [one[place] for one in counts] for place, name in enumerate(("matched", "wanted", "found"))}

    def mean(values: Sequence[float]) -> dict[str, Sequence[float]]:
        return {"total": values, "items": items}

    return {
        "macro_recall": formula_of(mean([recall for recall, _ in rates]), _mean),
        "macro_precision": formula_of(mean([precision for _, precision in rates]), _mean),
        "macro_f1_score": formula_of(mean(values), _mean),
        "micro_recall": formula_of(pooled, lambda matched, wanted, found: matched / (wanted + EPSILON)),
        "micro_precision": formula_of(pooled, lambda matched, wanted, found: matched / (found + EPSILON)),
        "micro_f1_score": formula_of(pooled, _micro_f1),
    }


def characters(text: str) -> Counter[str]:
    """The characters but white space, in lower case one by one; ``###`` and ``***`` are taken out."""
    text = text.strip().replace("\t", " ").replace("\n", " ").replace("###", "").replace("***", "")
    return Counter(character.lower() for character in re.sub(r"\s+", "", text))


def _counts(reference: str, prediction: str) -> tuple[float, float, float]:
    wanted, found = characters(reference), characters(prediction)
    return float((wanted & found).total()), float(wanted.total()), float(found.total())


def _rates(matched: float, wanted: float, found: float) -> tuple[float, float]:
    return matched / (wanted + EPSILON), matched / (found + EPSILON)


def _f1(recall: float, precision: float) -> float:
    return 2 * recall * precision / (recall + precision + EPSILON)


def _mean(total: Values, items: Values) -> Values:
    return total / (items + EPSILON)


def _micro_f1(matched: Values, wanted: Values, found: Values) -> Values:
    recall, precision = matched / (wanted + EPSILON), matched / (found + EPSILON)
    return np.asarray(2 * recall * precision / (recall + precision + EPSILON))
