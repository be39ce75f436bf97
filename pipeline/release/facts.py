"""What the store knows of a model: what it was made of and how, and what it scored. For its card and the registry."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.benchmarks.known import OVERALL
from pipeline.evaluation.scores import VERSION as SCORES_VERSION
from pipeline.evaluation.scores import ScoresSummary, score_rows, scores_withheld_because
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Manifest
from pipeline.training.job import StageSummary


@dataclass(frozen=True, slots=True)
class DataFact:
    """A dataset that a stage was trained on."""

    stage: str
    name: str
    num_samples: int
    revisions: tuple[str, ...]
    licences: tuple[str, ...]
    """One line for each source, with its citation."""
    non_commercial: tuple[str, ...] = ()
    """Names of the sources whose licence forbids commercial use, at least of a part."""
    repos: tuple[str, ...] = ()
    """Datasets on the Hugging Face Hub that it is made of."""


@dataclass(frozen=True, slots=True)
class StageFact:
    """A training stage: its settings as they were asked for, and what came out."""

    stage: str
    settings: Mapping[str, Any]
    summary: StageSummary


@dataclass(frozen=True, slots=True)
class ScoreFact:
    """One mean of one benchmark, in percent."""

    benchmark: str
    """With its protocol."""
    metric: str
    group: str
    """``overall`` or a category."""
    mean: float
    low: float
    high: float
    num_items: int
    date: str
    """When it was computed, ISO 8601."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Everything about a trained model that is worth telling."""

    fingerprint: str
    created_at: str
    git_commit: str | None
    versions: Mapping[str, str]
    llm: str
    tower: str
    data: tuple[DataFact, ...]
    stages: tuple[StageFact, ...]
    scores: tuple[ScoreFact, ...]


def model_facts(model: Manifest, *, store: ArtifactStore) -> ModelFacts:
    """The facts of a finetuned model; of what is no longer in the store, only what its successors say.

    Raises:
        StoreError: a manifest is damaged.
    """
    stages = {"finetune": model}
    if (projector := model.request.inputs.get("projector")) and (pretrain := store.at(f"pretrain/{projector}")):
        stages = {"pretrain": pretrain, **stages}
    features = store.at(f"features/{model.request.inputs.get('features')}")
    tower = features.request.config.get("vision_tower", {}).get("weights", {}) if features else {}
    return ModelFacts(
        fingerprint=model.fingerprint,
        created_at=model.created_at,
        git_commit=model.git_commit,
        versions=model.versions,
        llm=origin(model.request.config.get("llm", {}).get("weights", {})),
        tower=origin(tower),
        data=tuple(_data_facts(stages, store)),
        stages=tuple(
            StageFact(stage, manifest.request.config["stage"], StageSummary.of(manifest))
            for stage, manifest in stages.items()
        ),
        scores=scores_of(model.fingerprint, store=store),
    )


def scores_of(fingerprint: str, *, store: ArtifactStore) -> tuple[ScoreFact, ...]:
    """The scores of a model's answers, by benchmark, metric and category; ``overall`` first.

    Of several scores of one thing the newest counts. A mean that lacks items is not among them.
    """
    answers = {
        manifest.fingerprint
        for manifest in store.manifests("predictions")
        if manifest.request.inputs.get("model") == fingerprint
    }
    scores = [
        manifest
        for manifest in store.manifests("scores")
        if manifest.request.inputs.get("predictions") in answers and manifest.request.version == SCORES_VERSION
    ]
    found: dict[tuple[str, str, str], ScoreFact] = {}
    for manifest in sorted(scores, key=lambda one: one.created_at):
        if scores_withheld_because(manifest, max_failed_items=0):
            continue
        label = ScoresSummary.of(manifest).label
        for row in score_rows(manifest):
            if row["breakdown"] in (OVERALL, "category"):
                values = (row["mean"], row["low"], row["high"], row["num_items"])
                found[label, row["metric"], row["group"]] = ScoreFact(
                    label, row["metric"], row["group"], *values, date=manifest.created_at
                )
    return tuple(found.values())


def origin(weights: Mapping[str, Any]) -> str:
    """Where the weights of a part come from, in a phrase: never a path of this machine."""
    match weights.get("kind"):
        case "hub":
            return f"{weights['id']} at {weights['revision']}"
        case "local":
            return f"a local folder with sha256 {weights.get('folder_sha256', 'unknown')}"
        case "llava-jp":
            return origin(weights.get("source", {}))
        case "random":
            return f"random weights, family {weights.get('model_type', 'unknown')}, seed {weights.get('seed', 0)}"
        case _:
            return "not recorded"


def _data_facts(stages: Mapping[str, Manifest], store: ArtifactStore) -> Iterator[DataFact]:
    from pipeline.data.download.registry import known_datasets, sources_of

    for stage, manifest in stages.items():
        dataset = store.at(f"dataset/{manifest.request.inputs.get('dataset')}")
        config = dataset.request.config if dataset else {}
        name = str(config.get("name") or " ".join(str(config[key]) for key in ("kind", "content") if key in config))
        sources = sources_of([name]) if name in known_datasets() else ()
        revisions = config.get("revisions", {})
        yield DataFact(
            stage=stage,
            name=name or "not in the store any more",
            num_samples=StageSummary.of(manifest).num_samples,
            revisions=tuple(f"{source}: {revision}" for source, revision in sorted(dict(revisions).items())),
            licences=tuple(f"{source.name}: {source.licence} ({source.citation})" for source in sources),
            non_commercial=tuple(source.name for source in sources if source.is_non_commercial),
            repos=tuple(
                dict.fromkeys(source.repo for source in sources if source.kind == "hub_dataset" and source.repo)
            ),
        )
