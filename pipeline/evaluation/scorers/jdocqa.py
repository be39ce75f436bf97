"""eval-mm's jdocqa: the reference is in the answer after some normalisation; open-ended answers get BLEU."""

import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Any

from pipeline.core.errors import DataError
from pipeline.evaluation.scorers.scorer import Answer, Scoring, Statistics
from pipeline.evaluation.scorers.statistics import mean_of

DETAILS = ("yesno_exact", "factoid_exact", "numerical_exact", "open-ended_bleu")
"""By answer type."""
OPEN_ENDED = 3


def score(reference: str, prediction: str, scoring: Scoring) -> float:
    """1 or 0; of an open-ended question BLEU, which is a hair above 1 for an equal text and 0 below four words.

    Raises:
        DataError: the item's answer type is none of JDocQA's.
    """
    if answer_type(scoring) == OPEN_ENDED:
        return bleu(reference, prediction)
    return float(normalised(reference) in normalised(prediction))


def statistics(answers: Sequence[Answer], values: Sequence[float]) -> Statistics:
    """The mean of each answer type."""
    types = [answer_type(answer.scoring) for answer in answers]
    return {name: mean_of(values, [one == number for one in types]) for number, name in enumerate(DETAILS)}


def answer_type(scoring: Scoring) -> int:
    """0 yes/no, 1 factoid, 2 numerical, 3 open-ended."""
    found: Any = scoring.get("answer_type")
    if found not in range(len(DETAILS)):
        raise DataError(
            f"the answer type {found!r} is none of JDocQA's: 0 yes/no, 1 factoid, 2 numerical, 3 open-ended"
        )
    return int(found)


def normalised(text: str) -> str:
    """In this order: NFKC comes last, so a full-width space stays and becomes a half-width one."""
    for ignored in ("です", "。", "、", " "):
        text = text.replace(ignored, "")
    return unicodedata.normalize("NFKC", text.strip())


def bleu(reference: str, prediction: str) -> float:
    """BLEU of 1 to 4 words, cut by MeCab with IPADIC; an order without a match is smoothed, one without words is 0."""
    result: float = _bleu().corpus_score([prediction], [[reference]]).score
    return result / 100


@cache
def _bleu() -> Any:
    from sacrebleu.metrics.bleu import BLEU  # brings its dictionary along

    return BLEU(tokenize="ja-mecab", smooth_method="exp", effective_order=False, lowercase=False)
