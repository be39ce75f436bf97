"""A step of a plan: its role, what it is asked to make, what it reads, how it is made, what people see of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from pipeline.core.settings import Settings
from pipeline.evaluation.openai_client import Judge
from pipeline.evaluation.sharing import on_this_machine as answering_on_this_machine
from pipeline.features.cache import RunJob
from pipeline.features.step import on_this_machine
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Manifest, Request

Part = Literal["prepare_data", "cache_features", "train", "evaluate"]
"""The flow that makes a step."""

Rows = Sequence[Mapping[str, Any]]


class Role(NamedTuple):
    """What a step is for in an experiment, written ``features/pretrain``."""

    kind: str
    of: str = ""
    """The stage, or the name or label of the benchmark; empty where there is one step of the kind."""

    def __str__(self) -> str:
        return f"{self.kind}/{self.of}" if self.of else self.kind


Made = Mapping[Role, Manifest]
"""What the steps before have made."""


@dataclass(frozen=True)
class Machine:
    """What steps need beside their sections and inputs."""

    store: ArtifactStore
    settings: Settings
    judge: Judge | None = None
    """None when there is nothing to judge, or nobody to do it."""
    cluster: RunJob | None = None
    """Runs the jobs of features and answers on a Ray cluster; None: the devices of this machine do."""
    log_trace: Callable[[Mapping[str, Any]], None] = lambda _: None
    """Takes every call of a judge."""

    @property
    def run_encoding(self) -> RunJob:
        """Runs the jobs of the feature steps."""
        return self.cluster or on_this_machine(self.settings)

    @property
    def share_answers(self) -> RunJob | None:
        """Shares a benchmark's items among processes; None: one process answers them."""
        if self.cluster or self.settings.num_processes == 1:
            return self.cluster
        return answering_on_this_machine(self.settings)


@dataclass(frozen=True)
class Report:
    """What people want to see of a finished step, in the log, on the run's page and in MLflow."""

    line: str = ""
    warning: str = ""
    tables: Mapping[str, Rows] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Figures for the comparison of runs."""
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """One step of a plan."""

    role: Role
    part: Part
    request: Request
    make: Callable[[Made, Machine], Manifest]
    """Gives the artifact of ``request``; what is in the store already is not made again."""
    reads: tuple[Role, ...] = ()
    """The steps whose artifacts it takes."""
    fetches: tuple[str, ...] = ()
    """Published datasets that must be fetched first."""
    num_devices: Callable[[Machine], int] = lambda _: 0
    """How many devices of this machine it needs for itself."""
    skipped_because: Callable[[Machine], str] = lambda _: ""
    """Why it cannot be made on this machine, if it is not there already; empty: it can."""
    report: Callable[[Made], Report] = lambda _: Report()
    gate: Callable[[Made], None] = lambda _: None
    """Stops a run that should not go on, by a ``DataError``. A limit is no part of the step, so the artifact stays."""

    @property
    def fingerprint(self) -> str:
        return self.request.fingerprint


class Plan:
    """The steps of an experiment or an evaluation, each after its inputs.

    Raises:
        KeyError: by ``plan[role]`` when there is no such step.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self._by_role = {step.role: step for step in steps}

    def __iter__(self) -> Iterator[Step]:
        return iter(self._by_role.values())

    def __len__(self) -> int:
        return len(self._by_role)

    def __contains__(self, role: object) -> bool:
        return role in self._by_role

    def __getitem__(self, role: Role) -> Step:
        return self._by_role[role]

    def of_kind(self, kind: str) -> tuple[Step, ...]:
        """The steps of one kind, in order."""
        return tuple(step for step in self if step.role.kind == kind)

    def find(self, role: Role, store: ArtifactStore) -> Manifest | None:
        """The finished artifact of a role; None when it is still to do or there is no such step."""
        return store.find(self[role].request) if role in self else None

    def num_done(self, store: ArtifactStore) -> int:
        """Steps whose artifacts are whole in a store."""
        return sum(store.is_whole(step.request) for step in self)
