"""A run of an experiment or an evaluation: what its steps share, and how each becomes a Prefect task in MLflow."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec

from prefect.context import get_run_context

from flows.runtime.tasks import as_task, progress_on_the_run_page
from pipeline.compute.devices import exclusive_devices
from pipeline.config.experiment import ExperimentConfig, ExperimentName, load_experiment
from pipeline.config.measured import ModelEvaluation
from pipeline.core.errors import ConfigError
from pipeline.core.progress import listening
from pipeline.core.settings import load_settings
from pipeline.data.download.datasets import pin_datasets, published_among, published_datasets
from pipeline.data.download.models import pin_models
from pipeline.evaluation.judge.prompt import has_judged_benchmark
from pipeline.evaluation.language_gate import require_language_gate
from pipeline.evaluation.measure import ModelToMeasure, open_model_under_test
from pipeline.evaluation.openai_client import Judge, judge_of
from pipeline.features.cache import RunJob
from pipeline.features.step import on_this_machine
from pipeline.planning.measured import plan_evaluation, require_free_name, write_evaluation
from pipeline.planning.models import find_model
from pipeline.planning.plan import PlannedStep, plan_experiment, write_index
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Manifest
from pipeline.tracking.tracker import TrackedExperiment, Tracker

log = logging.getLogger(__name__)

P = ParamSpec("P")

RETRIES = 2
"""For what time may cure only; see ``flows.runtime.tasks.is_transient``."""


@dataclass(frozen=True)
class MeasuringRun:
    """A run that measures: what its steps share."""

    config: ExperimentConfig | ModelEvaluation
    store: ArtifactStore
    tracked: TrackedExperiment
    plan: Mapping[str, PlannedStep]
    judge: Judge | None
    """None when there is nothing to judge, or nobody to do it."""

    def task(self, role: str, step: Callable[P, Manifest], *, on_device: bool = False) -> Callable[P, Manifest]:
        """The step as a Prefect task named after its role, tracked in MLflow. Call it with the step's own arguments.

        A step whose artifact is in the store does no work; the MLflow run links to the run that made it.
        """
        request = self.plan[role].request

        def work(*args: P.args, **kwargs: P.kwargs) -> Manifest:
            if self.store.is_whole(request):
                manifest = step(*args, **kwargs)
                self.tracked.link(role, manifest, was_done=True)
                return manifest
            inputs = [value for value in _leaves([*args, *kwargs.values()]) if isinstance(value, Manifest)]
            with ExitStack() as stack:
                if on_device:
                    stack.enter_context(exclusive_devices())
                tracked = stack.enter_context(self.tracked.step(role, request, inputs))
                stack.enter_context(listening(tracked.on_progress))
                stack.enter_context(progress_on_the_run_page(role))
                manifest = step(*args, **kwargs)
                tracked.finish(manifest)
            self.tracked.link(role, manifest, was_done=False)
            return manifest

        return as_task(work, name=role, retries=RETRIES)


@dataclass(frozen=True)
class ExperimentRun(MeasuringRun):
    """One run of an experiment."""

    config: ExperimentConfig
    run_encoding: RunJob
    """Runs the jobs of the feature steps: on this machine or on a Ray cluster."""


def _leaves(values: object) -> Iterator[object]:
    if isinstance(values, Mapping):
        values = list(values.values())
    if isinstance(values, list | tuple):
        for value in values:
            yield from _leaves(value)
    else:
        yield values


def resolve(experiment: ExperimentName | ExperimentConfig) -> ExperimentConfig:
    """The experiment itself, if only its name is given."""
    return load_experiment(experiment) if isinstance(experiment, ExperimentName) else experiment


@contextmanager
def experiment_run(experiment: ExperimentName | ExperimentConfig) -> Iterator[ExperimentRun]:
    """Everything the steps of one run share; in MLflow it is the parent run.

    Raises:
        ConfigError: a setting or a path of the experiment is wrong; nothing was started.
        StoreError: the disk cannot hold what has to be fetched; nothing was.
    """
    settings = load_settings()
    config = pin_models(resolve(experiment), root=settings.store_root)
    run_encoding = encoding_on(settings.ray_address)
    judge = judge_of(settings) if has_judged_benchmark(config.evaluation) else None
    pin_datasets(published_datasets(config), root=settings.store_root)
    require_language_gate(config.evaluation)
    plan = {step.role: step for step in plan_experiment(config)}
    store = ArtifactStore(settings.store_root)
    num_done = sum(store.is_whole(step.request) for step in plan.values())
    log.info("%s: %d of %d steps are already done in %s", config.name, num_done, len(plan), store.root)
    if not all(store.is_whole(step.request) for role, step in plan.items() if role.startswith("features/")):
        from pipeline.planning.features import (
            require_space_for,  # torch is loaded only when there is something to encode
        )

        require_space_for(config, store=store)
    write_index(config, store_root=store.root)
    with Tracker(settings).experiment_run(config, tags=prefect_tags()) as tracked:
        yield ExperimentRun(config, store, tracked, plan, judge, run_encoding)


@contextmanager
def evaluation_run(config: ModelEvaluation) -> Iterator[tuple[MeasuringRun, ModelToMeasure]]:
    """Everything the steps of one evaluation share, and the model, not opened yet; in MLflow it is the parent run.

    Raises:
        ConfigError: a setting is wrong, or there is no such model; nothing was started.
    """
    settings = load_settings()
    store = ArtifactStore(settings.store_root)
    require_free_name(config, store_root=store.root)
    judge = judge_of(settings) if has_judged_benchmark(config.evaluation) else None
    pin_datasets(published_among([one.source for one in config.evaluation.benchmarks]), root=store.root)
    require_language_gate(config.evaluation)
    model = open_model_under_test(config.model, find=partial(find_model, store=store))
    steps = plan_evaluation(config, model)
    num_done = sum(store.is_whole(step.request) for step in steps)
    log.info("%s: %d of %d steps are already done in %s", config.name, num_done, len(steps), store.root)
    write_evaluation(config, steps, store_root=store.root)
    with Tracker(settings).experiment_run(config, tags=prefect_tags()) as tracked:
        yield MeasuringRun(config, store, tracked, {step.role: step for step in steps}, judge), model


def encoding_on(ray_address: str) -> RunJob:
    """What runs the jobs of the feature steps.

    Raises:
        ConfigError: Ray is asked for and not installed.
    """
    if not ray_address:
        return on_this_machine
    try:
        from flows.runtime.ray import run_on_ray
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"LLAVA_JP_RAY_ADDRESS={ray_address} needs Ray, and {error.name} is not installed: "
            "pip install 'llava-jp-pipeline[ray]', or unset the variable to encode on this machine"
        ) from error
    return partial(run_on_ray, address=ray_address)


def prefect_tags() -> dict[str, str]:
    """The Prefect flow run that this MLflow run belongs to."""
    flow_run = getattr(get_run_context(), "flow_run", None)
    if flow_run is None:
        return {}
    return {"prefect.flow_run_id": str(flow_run.id), "prefect.flow_run_name": flow_run.name}
