"""What a person types for a model and its benchmarks, to the evaluation that is meant."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from model.config import HubFolder, LocalFolder
from pipeline.benchmarks.known import BLIND, JAPANESE, KNOWN_BENCHMARKS, protocol_of, protocols_of
from pipeline.config.experiment import (
    ExperimentName,
    apply_override,
    is_experiment_file,
    is_experiment_name,
    load_experiment,
)
from pipeline.config.measured import (
    CheckpointModel,
    EndpointModel,
    ModelEvaluation,
    ModelUnderTestConfig,
    SavedOrDtype,
    StoredModel,
    TransformersModel,
)
from pipeline.config.model_files import explaining_damage
from pipeline.core.errors import ConfigError, explain
from pipeline.evaluation.models.presets import preset_of
from pipeline.evaluation.models.weights import DIGITS, ON_THE_HUB, download_model

ENDPOINT = "endpoint:"
ANSWER_FILES = (".json", ".jsonl")
UNUSUAL = re.compile(r"[^\w.-]+")
OF_AN_EXPERIMENT = "-measured"
"""Behind the name of an experiment whose model is measured: the experiment's own name is taken."""


def model_of(
    text: str,
    *,
    benchmarks: Sequence[str],
    preset: str | None = None,
    trust_remote_code: bool = False,
    dtype: SavedOrDtype = "auto",
) -> ModelUnderTestConfig:
    """The model that a text names; of one on the Hub the config is fetched to see what it is.

    Args:
        text: see ``llava-jp eval --help``.
        benchmarks: names of the benchmarks, for files of answers.
        preset: of a model of Transformers, as the next one.
        trust_remote_code: run the model's own Python files.
        dtype: number format of the weights; auto: of our own models float32, of others as they were saved.

    Raises:
        ConfigError: it names none.
        TransientError: the Hub does not answer.
    """
    if text.startswith(ENDPOINT):
        return EndpointModel(kind="endpoint", model=text.removeprefix(ENDPOINT))
    if text.endswith(ANSWER_FILES):
        return StoredModel(kind="stored", files=_files(text, benchmarks))
    options: dict[str, Any] = {"trust_remote_code": trust_remote_code, "dtype": dtype}
    if (Path(text) / "config.json").is_file():
        folder = Path(text).resolve()
        if preset is None and _is_checkpoint(folder):
            return _checkpoint(str(folder), dtype)
        weights = LocalFolder(kind="local", folder=folder)
        return TransformersModel(kind="transformers", weights=weights, preset=preset, **options)
    if text in set(ExperimentName) or text.endswith((".yaml", ".yml")) or DIGITS.fullmatch(text):
        return _checkpoint(text, dtype)
    if (found := ON_THE_HUB.fullmatch(text)) and found["revision"]:
        return _on_the_hub(found["id"], found["revision"], preset, options)
    raise ConfigError(
        f"no model is named {text!r}: give an experiment ({', '.join(ExperimentName)}) or its .yaml file, the first "
        "digits of a fingerprint, a folder with a model, owner/name@revision on the Hub, endpoint:NAME, or a .json or "
        ".jsonl file of answers"
    )


def _checkpoint(name: str, dtype: SavedOrDtype) -> CheckpointModel:
    return CheckpointModel(kind="checkpoint", name=name, dtype="float32" if dtype == "auto" else dtype)


def _on_the_hub(repo: str, revision: str, preset: str | None, options: dict[str, Any]) -> ModelUnderTestConfig:
    folder = download_model(repo, revision=revision, patterns=["config.json"])
    if preset is None and _is_checkpoint(folder):
        return _checkpoint(f"{repo}@{folder.name}", options["dtype"])
    weights = HubFolder(kind="hub", id=repo, revision=folder.name)
    return TransformersModel(kind="transformers", weights=weights, preset=preset or preset_of(repo), **options)


def _is_checkpoint(folder: Path) -> bool:
    from model.disk.open import is_known_layout

    with explaining_damage():
        return is_known_layout(folder)


def _files(text: str, benchmarks: Sequence[str]) -> dict[str, Path]:
    """``FILE`` for the only benchmark, or ``BENCHMARK=FILE,BENCHMARK=FILE``."""
    pairs = [part.partition("=") for part in text.split(",")]
    if len(pairs) == 1 and not pairs[0][1]:
        if len(benchmarks) != 1:
            raise ConfigError(
                f"{text} holds the answers to one benchmark, and {len(benchmarks)} are asked for: "
                "write BENCHMARK=FILE,BENCHMARK=FILE"
            )
        pairs = [(benchmarks[0], "=", text)]
    files = {benchmark.strip(): Path(file.strip()).expanduser().resolve() for benchmark, _, file in pairs}
    if missing := [str(file) for file in files.values() if not file.is_file()]:
        raise ConfigError(f"there is no file of answers {', '.join(missing)}")
    return files


def evaluation_of(
    model: ModelUnderTestConfig,
    *,
    name: str | None,
    benchmarks: Sequence[Mapping[str, Any]],
    generation: str,
    batch_size: int,
    overrides: Sequence[str] = (),
) -> ModelEvaluation:
    """The evaluation of a model.

    Args:
        model: what is measured.
        name: of the evaluation; None: made of the model's name.
        benchmarks: see ``benchmarks_of``.
        generation: a preset's name.
        batch_size: items asked together.
        overrides: ``section.field=value``.

    Raises:
        ConfigError: something is not known or out of range; all problems at once.
    """
    values: dict[str, Any] = {
        "name": name or default_name(model),
        "model": model.model_dump(mode="json"),
        "evaluation": {
            "benchmarks": list(benchmarks),
            "generation": generation,
            "batch_size": batch_size,
        },
    }
    for override in overrides:
        apply_override(values, override)
    try:
        return ModelEvaluation.model_validate(values)
    except ValidationError as error:
        raise ConfigError(explain(error, "the evaluation")) from error


def default_name(model: ModelUnderTestConfig) -> str:
    """A short name that tells models apart."""
    match model:
        case CheckpointModel():
            text = model.name.partition("@")[0].rstrip("/").rpartition("/")[2]
            text = text.removesuffix(".yaml") + (OF_AN_EXPERIMENT if text.endswith(".yaml") else "")
            text += OF_AN_EXPERIMENT if is_experiment_name(text) else ""
        case TransformersModel():
            weights = model.weights
            text = weights.id.rpartition("/")[2] if isinstance(weights, HubFolder) else weights.folder.name
        case EndpointModel():
            text = model.model
        case StoredModel():
            first = next(iter(model.files.values()))
            text = f"{first.parent.name}-{first.stem}"
    return UNUSUAL.sub("-", text).strip("-") or "model"


def benchmarks_of(names: Sequence[str], protocol: str | None = None, *, blind: bool = False) -> list[dict[str, Any]]:
    """What stands under ``evaluation.benchmarks``.

    Args:
        names: known benchmarks, ``japanese`` for all of them, or experiments whose benchmarks are meant.
        protocol: for the benchmarks that have it; None: each one's own.
        blind: also ask everything without its images.

    Raises:
        ConfigError: a name is not known, or no benchmark has the protocol.
    """
    found: list[dict[str, Any]] = []
    for name in names:
        if name == JAPANESE:
            found += [{"name": one} for one in KNOWN_BENCHMARKS]
        elif name in KNOWN_BENCHMARKS:
            found.append({"name": name})
        elif is_experiment_name(name) or is_experiment_file(name):
            found += [benchmark.model_dump(mode="json") for benchmark in load_experiment(name).evaluation.benchmarks]
        else:
            raise ConfigError(
                f"no benchmark is named {name!r}; there are: {', '.join(KNOWN_BENCHMARKS)}, and {JAPANESE} for all of "
                "them; for your own, give an experiment file that has them under evaluation.benchmarks"
            )
    if protocol is not None:
        if not any(_has(one, protocol) for one in found):
            raise ConfigError(f"none of {', '.join(names)} has a protocol {protocol!r}")
        found = [_under(one, protocol) if _has(one, protocol) else one for one in found]
    return [*found, *(_blind(one) for one in found if _has_images(one))] if blind else found


def _has(benchmark: Mapping[str, Any], protocol: str) -> bool:
    return benchmark["name"] in KNOWN_BENCHMARKS and protocol in protocols_of(benchmark["name"])


def _under(benchmark: Mapping[str, Any], protocol: str) -> dict[str, Any]:
    """The benchmark under another protocol, whose metrics are its own, and whose settings are if it names some."""
    wanted = protocol_of(benchmark["name"], protocol)
    kept = ["name", "source"] if wanted and wanted.generation else ["name", "source", "generation"]
    return {**{key: benchmark[key] for key in kept if key in benchmark}, "protocol": protocol}


def _has_images(benchmark: Mapping[str, Any]) -> bool:
    asked = protocol_of(benchmark["name"], _protocol(benchmark))
    return asked is None or asked.num_images != 0


def _blind(benchmark: Mapping[str, Any]) -> dict[str, Any]:
    return {**benchmark, "protocol": _protocol(benchmark).removesuffix(BLIND) + BLIND}


def _protocol(benchmark: Mapping[str, Any]) -> str:
    return str(benchmark.get("protocol", protocols_of(benchmark["name"])[0]))
