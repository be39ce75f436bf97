"""The scorers by the name of their metric."""

from collections.abc import Mapping, Sequence

from pipeline.benchmarks.metrics import MetricName
from pipeline.evaluation.language_gate import LanguageGate
from pipeline.evaluation.rouge import rouge_l
from pipeline.evaluation.scorers import matching
from pipeline.evaluation.scorers.scorer import Scorer, Scoring


def _rouge_l(reference: str, prediction: str, scoring: Scoring) -> float:
    return rouge_l(reference, prediction)


def _rouge_l_nfkc(reference: str, prediction: str, scoring: Scoring) -> float:
    return rouge_l(reference, prediction, normaliser="nfkc")


SCORERS: Mapping[MetricName, Scorer] = {
    "exact_match": Scorer(matching.exact_match),
    "rougeL": Scorer(_rouge_l),
    "rougeL_nfkc": Scorer(_rouge_l_nfkc),
    "substring-match": Scorer(matching.substring_match),
    "substring-match-case-sensitive": Scorer(matching.substring_match_case_sensitive),
    "exact-match": Scorer(matching.identical),
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
