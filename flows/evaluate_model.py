"""Any model measured with any benchmarks: a checkpoint, a model of Transformers, an endpoint, stored answers."""

from prefect import flow

from flows.compare import compare
from flows.evaluate import evaluate
from flows.prepare_data import prepare_data
from flows.runtime.run import evaluation_run
from pipeline.config.measured import ModelEvaluation
from pipeline.store.manifest import Manifest


@flow(name="evaluate-model")
def evaluate_model(evaluation: ModelEvaluation) -> Manifest | None:
    """Measure a model that was not trained by a run. What is already done is not done again.

    Args:
        evaluation: the model, the benchmarks, how answers are generated and judged.

    Returns:
        The scores as they are shown: the comparison with nothing else.
    """
    with evaluation_run(evaluation) as run:
        prepare_data(run)
        evaluate(run)
        return compare(run)
