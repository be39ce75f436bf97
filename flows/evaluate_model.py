"""Any model measured with any benchmarks: a checkpoint, a model of Transformers, an endpoint, stored answers."""

from prefect import flow

from flows.compare import compare
from flows.evaluate import measure
from flows.prepare_data import prepare_benchmarks
from flows.runtime.run import evaluation_run
from pipeline.config.evaluation import BenchmarkConfig
from pipeline.config.measured import ModelEvaluation
from pipeline.evaluation.measure import predict_with
from pipeline.store.manifest import Manifest


@flow(name="evaluate-model")
def evaluate_model(evaluation: ModelEvaluation) -> Manifest:
    """Measure a model that was not trained by a run. What is already done is not done again.

    Args:
        evaluation: the model, the benchmarks, how answers are generated and judged.

    Returns:
        The scores as they are shown: the comparison with nothing else.
    """
    with evaluation_run(evaluation) as (run, model):
        datasets = prepare_benchmarks(run)

        def answer(benchmark: BenchmarkConfig, dataset: Manifest) -> Manifest:
            predict = run.task(f"predictions/{benchmark.label}", predict_with, on_device=model.is_on_device)
            return predict(model, evaluation, benchmark, dataset=dataset, store=run.store)

        measured = measure(run, datasets, answer)
        return compare([measured], run.tracked, store=run.store)
