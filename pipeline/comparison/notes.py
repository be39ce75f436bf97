"""What a reader of an experiment's numbers must know, as sentences of the report."""

from collections.abc import Iterable

from pipeline.comparison.scores import ComparedExperiment
from pipeline.evaluation.predict import STORED, PredictionsSummary, not_asked, other_number
from pipeline.evaluation.scores import ScoresSummary, scores_withheld_because


def experiment_notes(experiment: ComparedExperiment) -> Iterable[str]:
    """What a reader of an experiment's numbers must know: how answers were made, what is withheld or left out."""
    generated: dict[str, list[str]] = {}
    datasets = {dataset.fingerprint: dataset for dataset in experiment.datasets}
    for predictions in experiment.predictions:
        summary = PredictionsSummary.of(predictions)
        generated.setdefault(summary.generation, []).append(summary.label)
        if note := other_number(summary.benchmark, summary.protocol, num_items=summary.num_items):
            yield f"{experiment.name}: {note}."
        dataset = datasets.get(predictions.request.inputs.get("dataset", ""))
        if dataset and (note := not_asked(summary.benchmark, dataset)):
            yield f"{experiment.name}: {note}."
    for generation, labels in generated.items():
        if generation == STORED:
            yield f"{experiment.name}: the answers to {', '.join(labels)} were made elsewhere and read from a file."
        else:
            yield f"{experiment.name} answers {', '.join(labels)} with generation settings {generation}."
    for scores in experiment.scores:
        scored = ScoresSummary.of(scores)
        if reason := scores_withheld_because(scores, max_failed_items=experiment.max_failed_items):
            yield f"{experiment.name}: {reason}."
        elif scored.num_failed:
            yield f"{experiment.name} failed on {scored.num_failed} items of {scored.label}; they are in no mean."
        for metric, counts in scored.counts.items():
            for name, number in counts.items():
                yield f"{experiment.name} on {scored.label}: {name} of {metric} is {number} of {scored.num_items}."
        for metric in scored.not_computed:
            yield f"{experiment.name} on {scored.label}: {metric} is not computed, its language model was not there."
    for other in experiment.other_scores:
        yield f"{experiment.name}: {other.note}."
