"""The metrics that rules compute, by name: whose they are, and the largest value each can have.

A name belongs to one way of computing: where two differ in a letter that is read or not, there are two names. Names of
llm-jp-eval-mm (at 9f450a5) stand for exactly what it computes. What is stored and shown is percent of ``largest``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

MetricName = Literal[
    "exact_match",
    "choice_match",
    "rougeL",
    "rougeL_ja",
    "rougeL_nfkc",
    "jdocqa",
    "jmmmu",
    "jmmmu-in-sequence",
    "choice_or_short_answer",
    "jic-vqa",
    "mecha-ja",
    "cc-ocr",
    "substring-match",
    "substring-match-case-sensitive",
    "exact-match",
    "jawildtext-handwriting-ocr",
    "jawildtext-receipt-kie",
    "receipt_fields",
]

PERCENT = 100.0


@dataclass(frozen=True, slots=True)
class Metric:
    """What a number of this name means, in one line, and its largest value; the smallest is 0."""

    what: str
    largest: float = 1.0
    """Of what the scorer returns."""
    is_binary: bool = False
    """Whether an answer is either right or wrong."""


METRICS: Mapping[MetricName, Metric] = {
    "exact_match": Metric("equal after NFKC, without surrounding space and the final 。", PERCENT, is_binary=True),
    "choice_match": Metric("the letter that the answer chooses is the right one", is_binary=True),
    "rougeL": Metric("ROUGE-L of words, normalised by neologdn", PERCENT),
    "rougeL_ja": Metric("the same; an answer in another language scores 0", PERCENT),
    "rougeL_nfkc": Metric("ROUGE-L of words, normalised by NFKC", PERCENT),
    "jdocqa": Metric("eval-mm: the reference is in the answer; BLEU of open-ended answers"),
    "jmmmu": Metric("eval-mm before 5c66d3c, and lmms-eval: each answer scored by itself", is_binary=True),
    "jmmmu-in-sequence": Metric(
        "eval-mm 9f450a5: what = means in an open answer depends on what was scored before", is_binary=True
    ),
    "choice_or_short_answer": Metric(
        "JMMMU: the option that the answer chooses, or the number or text that it states", is_binary=True
    ),
    "jic-vqa": Metric(
        "eval-mm: the category is in the answer; the number is the mean of the domains' means", is_binary=True
    ),
    "mecha-ja": Metric("eval-mm: the letter is anywhere in the answer", is_binary=True),
    "cc-ocr": Metric("eval-mm: F1 of characters, in any order"),
    "substring-match": Metric("eval-mm: the reference is in the answer, upper and lower case alike", is_binary=True),
    "substring-match-case-sensitive": Metric(
        "eval-mm before 2025-08-29: the reference is in the answer", is_binary=True
    ),
    "exact-match": Metric("eval-mm: answer and reference are the same text, to the last space", is_binary=True),
    "jawildtext-handwriting-ocr": Metric("eval-mm: 1 minus edits per character of the reference, at least 0"),
    "jawildtext-receipt-kie": Metric("eval-mm: F1 of field and value pairs in the JSON"),
    "receipt_fields": Metric("F1 of field and value pairs, read from any JSON object in the answer"),
}


LARGEST_SHOWN: Mapping[str, float] = {"mean_grade": 5.0}
"""Of the numbers that are not shown in percent: a judge's grades."""


def largest_shown(metric: str) -> float:
    """The largest value of a number as it is stored and shown, whoever computes it; the smallest is 0."""
    return LARGEST_SHOWN.get(metric.rpartition("/")[2], PERCENT)


def unit_of(metric: str) -> str:
    """What stands behind a number that is not in percent."""
    largest = largest_shown(metric)
    return "" if largest == PERCENT else f" of {largest:g}"


def percent_of(metric: MetricName, value: float) -> float:
    """A scorer's value as what is stored and shown."""
    return value if METRICS[metric].largest == PERCENT else PERCENT * value / METRICS[metric].largest


def value_of(metric: MetricName, percent: float) -> float:
    """The other way round."""
    return percent if METRICS[metric].largest == PERCENT else percent * METRICS[metric].largest / PERCENT
