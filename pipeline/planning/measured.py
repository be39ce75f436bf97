"""The steps of a measured model, and where they are noted: ``evaluations/<name>.json`` in the store."""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.comparison.scores import ComparedExperiment
from pipeline.config.measured import ModelEvaluation
from pipeline.core.errors import ConfigError, StoreError, explain
from pipeline.core.files import write_text
from pipeline.planning.plan import finished_evaluation, write_index
from pipeline.planning.steps import Plan
from pipeline.store.artifacts import ArtifactStore

FOLDER = "evaluations"


def require_free_name(config: ModelEvaluation, *, store_root: Path) -> None:
    """An evaluation never takes the name of an experiment.

    Raises:
        ConfigError: this one would.
    """
    if _experiment_file(config.name, store_root).exists() and not _file(config.name, store_root).exists():
        raise ConfigError(f"{config.name} is an experiment that was run in {store_root}; choose another name (--name)")


def write_evaluation(config: ModelEvaluation, plan: Plan, *, store_root: Path) -> None:
    """Note what was measured, for ``llava-jp compare`` and for queries."""
    write_index(config.name, plan, store_root=store_root)
    path = _file(config.name, store_root)
    path.parent.mkdir(parents=True, exist_ok=True)
    steps = {str(step.role): step.request.address for step in plan}
    content = {"evaluation": config.model_dump(mode="json"), "steps": steps}
    write_text(path, json.dumps(content, ensure_ascii=False, indent=2))


def measured_models(store_root: Path) -> tuple[str, ...]:
    """Names of the evaluations in a store."""
    return tuple(sorted(path.stem for path in (store_root / FOLDER).glob("*.json")))


def measured_model(name: str, *, store: ArtifactStore) -> ComparedExperiment:
    """The finished evaluation of this name, for a comparison. Neither the model nor its endpoint need be there.

    Raises:
        ConfigError: there is none, or some of it is still to do.
        StoreError: its file is damaged.
    """
    path = _file(name, store.root)
    if not path.is_file():
        known = ", ".join(measured_models(store.root)) or "none yet"
        raise ConfigError(f"no model was measured under the name {name!r} in {store.root}; there are: {known}")
    config, addresses = _read(path)
    return finished_evaluation(
        config.name,
        config.evaluation,
        config.limits,
        find=lambda role: store.at(addresses[str(role)]) if str(role) in addresses else None,
        advice=f"`llava-jp eval --name {name} …` does it",
    )


def _read(path: Path) -> tuple[ModelEvaluation, dict[str, str]]:
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        return ModelEvaluation.model_validate(content["evaluation"]), dict(content["steps"])
    except ValidationError as error:
        raise StoreError(f"{explain(error, str(path))}\nDelete the file and measure the model again") from error
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise StoreError(f"{path} is damaged ({error}); delete it and measure the model again") from error


def _file(name: str, store_root: Path) -> Path:
    return store_root / FOLDER / f"{name}.json"


def _experiment_file(name: str, store_root: Path) -> Path:
    return store_root / "experiments" / f"{name}.json"
