"""A run of an experiment or an evaluation: its plan, its steps as Prefect tasks, their runs in MLflow."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby

from prefect.context import get_run_context

from flows.runtime.logs import set_log_levels
from flows.runtime.tasks import as_task, progress_on_the_run_page, show_table, show_text
from pipeline.compute.devices import exclusive_devices
from pipeline.config.evaluation import EvaluationConfig
from pipeline.config.experiment import ExperimentConfig, ExperimentName, load_experiment
from pipeline.config.measured import ModelEvaluation
from pipeline.core.censoring import without_secrets
from pipeline.core.errors import ConfigError
from pipeline.core.progress import listening
from pipeline.core.settings import Settings, load_settings
from pipeline.data.download.datasets import pin_datasets, published_among, published_datasets
from pipeline.data.download.hub_datasets import hub_datasets, pin_hub_datasets
from pipeline.data.download.models import pin_models
from pipeline.evaluation.judge.protocols import has_judged_benchmark
from pipeline.evaluation.language_gate import require_language_gate
from pipeline.evaluation.measure import open_model_under_test
from pipeline.evaluation.openai_client import judge_of
from pipeline.features.cache import RunJob
from pipeline.planning.measured import require_free_name, write_evaluation
from pipeline.planning.models import find_model
from pipeline.planning.plan import plan_evaluation, plan_experiment, write_index
from pipeline.planning.steps import Machine, Part, Plan, Role, Step
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Manifest
from pipeline.tracking.tracker import TrackedExperiment, Tracker

log = logging.getLogger(__name__)

RETRIES = 2
"""For what time may cure only; see ``flows.runtime.tasks.is_transient``."""


@dataclass(frozen=True)
class Run:
    """One run of an experiment or an evaluation; its steps become Prefect tasks and runs of MLflow."""

    config: ExperimentConfig | ModelEvaluation
    plan: Plan
    machine: Machine
    tracked: TrackedExperiment
    made: dict[Role, Manifest] = field(default_factory=dict)
    """The artifacts of the steps so far."""

    @property
    def store(self) -> ArtifactStore:
        return self.machine.store

    def make(self, part: Part) -> None:
        """Make the steps of a part that are not done yet, show what they report, and stop at a closed gate.

        Raises:
            DataError: a gate is closed; all steps of its kind are made and shown.
        """
        for _, steps in groupby((step for step in self.plan if step.part == part), key=lambda step: step.role.kind):
            made = [step for step in steps if self._make(step)]
            for step in made:
                step.gate(self.made)

    def _make(self, step: Step) -> bool:
        """Whether there is an artifact now: nobody may be there to make it."""
        if not self.store.is_whole(step.request) and (reason := step.skipped_because(self.machine)):
            log.warning("%s", reason)
            show_text(str(step.role), reason)
            return False

        def work() -> Manifest:
            return self._tracked(step)

        self.made[step.role] = as_task(work, name=str(step.role), retries=RETRIES)()
        self._show(step)
        return True

    def _tracked(self, step: Step) -> Manifest:
        """The artifact of a step. If it is in the store, the MLflow run links to the run that made it."""
        role = str(step.role)
        if self.store.is_whole(step.request):
            manifest = step.make(self.made, self.machine)
            self.tracked.link(role, manifest, was_done=True)
            return manifest
        with ExitStack() as stack:
            stack.enter_context(exclusive_devices(step.num_devices(self.machine), store_root=self.store.root))
            inputs = [self.made[read] for read in step.reads]
            tracked = stack.enter_context(self.tracked.step(role, step.request, inputs))
            stack.enter_context(listening(tracked.on_progress))
            stack.enter_context(progress_on_the_run_page(role))
            manifest = step.make(self.made, self.machine)
            tracked.finish(manifest, step.report({**self.made, step.role: manifest}).tables)
        self.tracked.link(role, manifest, was_done=False)
        return manifest

    def _show(self, step: Step) -> None:
        """The step's report in the log, on the run's page and on the parent run of MLflow."""
        report = step.report(self.made)
        if report.line:
            log.info("%s", report.line)
        if report.warning:
            log.warning("%s: %s", self.config.name, report.warning)
            show_text(f"{step.role}-withheld", report.warning)
        for name, rows in report.tables.items():
            show_table(f"{name}-{step.role.of}", rows, description=f"{self.config.name}: {name} of {step.role}")
        self.tracked.log_parameters(report.parameters)
        self.tracked.log_metrics(report.metrics)


def resolve(experiment: ExperimentName | ExperimentConfig) -> ExperimentConfig:
    """The experiment itself, if only its name is given."""
    return load_experiment(experiment) if isinstance(experiment, ExperimentName) else experiment


@contextmanager
def experiment_run(experiment: ExperimentName | ExperimentConfig) -> Iterator[Run]:
    """Everything the steps of one run share; in MLflow it is the parent run.

    Raises:
        ConfigError: a setting or a path of the experiment is wrong; nothing was started.
        StoreError: the disk cannot hold what has to be fetched; nothing was.
    """
    with without_secrets(), _experiment_run(experiment) as run:
        yield run


@contextmanager
def _experiment_run(experiment: ExperimentName | ExperimentConfig) -> Iterator[Run]:
    set_log_levels()
    settings = load_settings()
    config = pin_models(resolve(experiment), root=settings.store_root)
    machine = _machine(settings, config.evaluation)
    pin_datasets(published_datasets(config), root=settings.store_root)
    pin_hub_datasets(hub_datasets(config.evaluation, config.datasets), root=settings.store_root)
    plan = plan_experiment(config, settings)
    if not all(machine.store.is_whole(step.request) for step in plan.of_kind("features")):
        from pipeline.planning.features import (
            require_space_for,  # torch is loaded only when there is something to encode
        )

        require_space_for(config, plan, store=machine.store)
    write_index(config.name, plan, store_root=machine.store.root)
    with _running(config, plan, machine, settings) as run:
        yield run


@contextmanager
def evaluation_run(config: ModelEvaluation) -> Iterator[Run]:
    """Everything the steps of one evaluation share; in MLflow it is the parent run. The model is not opened yet.

    Raises:
        ConfigError: a setting is wrong, or there is no such model; nothing was started.
    """
    with without_secrets(), _evaluation_run(config) as run:
        yield run


@contextmanager
def _evaluation_run(config: ModelEvaluation) -> Iterator[Run]:
    set_log_levels()
    settings = load_settings()
    machine = _machine(settings, config.evaluation)
    store = machine.store
    require_free_name(config, store_root=store.root)
    model = open_model_under_test(config.model, find=partial(find_model, settings=settings), settings=settings)
    pin_datasets(published_among([one.source for one in config.evaluation.benchmarks]), root=store.root)
    pin_hub_datasets(hub_datasets(config.evaluation), root=store.root)
    plan = plan_evaluation(config, model, settings)
    write_evaluation(config, plan, store_root=store.root)
    with _running(config, plan, machine, settings) as run:
        yield run


def _machine(settings: Settings, evaluation: EvaluationConfig) -> Machine:
    """What the steps need of this machine; what is missing for them is said now."""
    judge = judge_of(settings) if has_judged_benchmark(evaluation) else None
    require_language_gate(evaluation, settings)
    return Machine(ArtifactStore(settings.store_root), settings, judge, cluster_at(settings.ray_address))


@contextmanager
def _running(
    config: ExperimentConfig | ModelEvaluation, plan: Plan, machine: Machine, settings: Settings
) -> Iterator[Run]:
    store = machine.store
    log.info("%s: %d of %d steps are already done in %s", config.name, plan.num_done(store), len(plan), store.root)
    with Tracker(settings).experiment_run(config, tags=prefect_tags()) as tracked:
        yield Run(config, plan, replace(machine, log_trace=tracked.log_trace), tracked)


def cluster_at(ray_address: str) -> RunJob | None:
    """What runs the jobs of the feature steps on a Ray cluster; None without an address.

    Raises:
        ConfigError: Ray is asked for and not installed.
    """
    if not ray_address:
        return None
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
