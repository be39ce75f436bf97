"""Two stages: pretrain the projector, then finetune projector and LLM."""

from prefect import flow

from flows.cache_features import cache_features
from flows.prepare_data import prepare_data
from flows.runtime.run import Run, experiment_run
from pipeline.config.experiment import SMOKE, ExperimentConfig, ExperimentName
from pipeline.planning.steps import Role


@flow(name="train")
def train_flow(experiment: ExperimentName | ExperimentConfig = SMOKE) -> None:
    """Train the model of an experiment; earlier steps that are missing run first.

    Args:
        experiment: a file in pipeline/experiments, or a whole experiment.
    """
    with experiment_run(experiment) as run:
        prepare_data(run)
        cache_features(run)
        train(run)


def train(run: Run) -> None:
    """Both stages; the finetuned model is then a version in MLflow's registry."""
    run.make("train")
    register(run)


def register(run: Run) -> None:
    """Enter the model that a run has trained in MLflow's registry, with the scores it has by now."""
    if model := run.made.get(Role("finetune")):
        run.tracked.register(model, description=run.config.description, store=run.store)
