"""Two stages: pretrain the projector, then finetune projector and LLM."""

from prefect import flow

from flows.cache_features import cache_features
from flows.prepare_data import PreparedData, prepare_data
from flows.runtime.run import ExperimentRun, experiment_run
from model.config import Stage
from pipeline.config.experiment import SMOKE, ExperimentConfig, ExperimentName
from pipeline.core.settings import load_settings
from pipeline.store.manifest import Manifest
from pipeline.tracking.mlflow.registry import register_model
from pipeline.training.step import train_stage


@flow(name="train")
def train_flow(experiment: ExperimentName | ExperimentConfig = SMOKE) -> None:
    """Train the model of an experiment; earlier steps that are missing run first.

    Args:
        experiment: a file in pipeline/experiments, or a whole experiment.
    """
    with experiment_run(experiment) as run:
        data = prepare_data(run)
        train(run, data, cache_features(run, data))


def register(run: ExperimentRun, model: Manifest) -> None:
    """Enter a finetuned model in MLflow's registry, with the scores it has by now."""
    config = run.config
    register_model(load_settings(), experiment=config.name, description=config.description, model=model)


def train(run: ExperimentRun, data: PreparedData, features: dict[str, Manifest]) -> Manifest:
    """Both stages; returns the finetuned model, which is then a version in MLflow's registry."""
    projector = _train_stage(run, "pretrain", data, {"features": features["pretrain"]})
    model = _train_stage(run, "finetune", data, {"features": features["finetune"], "projector": projector})
    register(run, model)
    return model


def _train_stage(run: ExperimentRun, stage: Stage, data: PreparedData, inputs: dict[str, Manifest]) -> Manifest:
    config = run.config
    stage_config = config.pretrain if stage == "pretrain" else config.finetune
    inputs = {"dataset": data.datasets[stage], "accepted": data.accepted[stage], **inputs}
    train_task = run.task(stage, train_stage, on_device=True)
    return train_task(
        stage, stage_config, config.llm, config.vision_tower, config.features, inputs=inputs, store=run.store
    )
