"""The scorers by the name of their metric."""

from collections.abc import Mapping, Sequence

from pipeline.benchmarks.metrics import MetricName
from pipeline.evaluation.language_gate import LanguageGate
from pipeline.evaluation.rouge import rouge_l
from pipeline.evaluation.scorers import (
    cc_ocr,
    handwriting_ocr,
    jdocqa,
    jic_vqa,
    jmmmu,
    matching,
    mecha_ja,
    short_answers,
)
from pipeline.evaluation.scorers.choices import CHOICE_MATCH
from pipeline.evaluation.scorers.receipts import eval_mm_match, own_match, receipt_scorer
from pipeline.evaluation.scorers.scorer import Scorer, Scoring


def _rouge_l(reference: str, prediction: str, scoring: Scoring) -> float:
    return rouge_l(reference, prediction)


def _rouge_l_nfkc(reference: str, prediction: str, scoring: Scoring) -> float:
    return rouge_l(reference, prediction, normaliser="nfkc")


SCORERS: Mapping[MetricName, Scorer] = {
    "exact_match": Scorer(matching.exact_match),
    "choice_match": CHOICE_MATCH,
    "choice_or_short_answer": Scorer(
        short_answers.choice_or_short_answer, statistics=jmmmu.statistics, counts=short_answers.counts
    ),
    "receipt_fields": receipt_scorer(own_match),
    "rougeL": Scorer(_rouge_l),
    "rougeL_nfkc": Scorer(_rouge_l_nfkc),
    "jdocqa": Scorer(jdocqa.score, statistics=jdocqa.statistics),
    "jmmmu": Scorer(jmmmu.score, statistics=jmmmu.statistics),
    "jmmmu-in-sequence": Scorer(jmmmu.score, statistics=jmmmu.statistics, score_in_order=jmmmu.score_in_sequence),
    "jic-vqa": Scorer(matching.contained, statistics=jic_vqa.statistics, headline=jic_vqa.HEADLINE),
    "mecha-ja": Scorer(matching.contained, statistics=mecha_ja.statistics),
    "cc-ocr": Scorer(cc_ocr.score, statistics=cc_ocr.statistics),
    "substring-match": Scorer(matching.substring_match),
    "substring-match-case-sensitive": Scorer(matching.contained),
    "exact-match": Scorer(matching.identical),
    "jawildtext-handwriting-ocr": Scorer(handwriting_ocr.score),
    "jawildtext-receipt-kie": receipt_scorer(eval_mm_match),
}
"""All but ``rougeL_ja``, which needs a language model."""


def scorers_of(metrics: Sequence[MetricName], gate: LanguageGate | None) -> dict[MetricName, Scorer]:
    """The scorers that can be asked: without a gate all but ``rougeL_ja``'s."""
    known = dict(SCORERS)
    if gate is not None:
        known["rougeL_ja"] = Scorer(
            lambda reference, prediction, scoring: rouge_l(reference, gate.passed(reference, prediction))
        )
    return {name: known[name] for name in metrics if name in known}
