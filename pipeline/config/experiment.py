"""An experiment, as read from its YAML file: strict, immutable, every problem reported at once.

Experiment files say *what*; ``pipeline.core.settings`` says *where*. A step gets only the sections it reads.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from model.config import (
    ImageConfig,
    LlmConfig,
    LoraConfig,
    Section,
    Supervision,
    TemplateName,
    VisionTowerConfig,
)
from pipeline.config.architectures import longest_sequence, tile_size
from pipeline.config.datasets import DatasetSource as DatasetSource
from pipeline.config.datasets import HfDatasetSource as HfDatasetSource
from pipeline.config.datasets import LocalSource as LocalSource
from pipeline.config.datasets import PublishedSource as PublishedSource
from pipeline.config.datasets import ShapesJaSource as ShapesJaSource
from pipeline.config.evaluation import EvaluationConfig
from pipeline.config.names import Name
from pipeline.config.yaml_text import read_yaml
from pipeline.core.errors import ConfigError, _short, explain

TOKENIZER_FOLDER = Path(str(files("pipeline.config") / "tokenizers"))
"""Where the tokenizers lie that come with this project."""
EXPERIMENT_FOLDER = Path(str(files("pipeline.experiments")))
"""One experiment a file: what is added here can be run, and chosen in the forms of the flows."""


class ExperimentName(StrEnum):
    """The experiments that come with this project: the names of the files in ``pipeline/experiments``."""

    _ignore_ = "stem"
    for stem in sorted(path.stem for path in EXPERIMENT_FOLDER.glob("*.yaml")):
        vars()[stem] = stem


SMOKE = ExperimentName("smoke")
"""What the forms of the flows start with: it takes a minute on any machine."""


def is_experiment_name(text: str) -> bool:
    """Whether an experiment of this project is meant."""
    return text in set(ExperimentName)


def is_experiment_file(text: str) -> bool:
    """Whether the path of an experiment's file is meant."""
    return text.endswith((".yaml", ".yml"))


class DatasetsConfig(Section):
    """The training data of the two stages."""

    pretrain: DatasetSource = Field(description="captions, for the projector")
    finetune: DatasetSource = Field(description="conversations, for projector and LLM")


Severity = Literal["reject", "warn", "ignore"]


class TranslationChecksConfig(Section):
    """How severe the translation checks are."""

    severities: Mapping[str, Severity] = Field(
        {}, description="another severity for a check in sql/checks/translation: reject, warn or ignore"
    )


class ContaminationConfig(Section):
    """What is done about training images that are benchmark images as well."""

    exclude: bool = Field(False, description="leave samples out of the training whose image is in a benchmark")
    max_distance: int = Field(
        10, ge=0, le=16, description="bits of 64 in which the hashes of one picture may differ before it is looked at"
    )


class LimitsConfig(Section):
    """Gates between steps. They stop a run or withhold a number; they never change what a step makes."""

    max_rejected_fraction: float = Field(0.05, ge=0, le=1, description="largest part of a dataset that may be rejected")
    max_failed_items: int = Field(
        0, ge=0, description="items of a benchmark that may have no answer before its numbers are withheld"
    )
    max_judge_failures: int = Field(
        0, ge=0, description="judgements without usable scores that a judged benchmark's numbers may leave out"
    )


StorageFormat = Literal["exact", "exact-zstd", "int8"]


class FeatureConfig(ImageConfig):
    """How an image becomes cached features."""

    form: StorageFormat | Literal["live"] = Field(
        "exact",
        description="exact: the tower's numbers; exact-zstd: the same, compressed; int8: half the bytes, 1 % error; "
        "live: no cache, the trainer runs the tower",
    )
    images_per_shard: int = Field(512, gt=0, description="images in one Parquet shard")


class ValidationConfig(Section):
    """Samples kept out of training, to see at intervals what the model makes of them."""

    num_samples: int = Field(64, ge=0, description="samples that are held out; at most one in a hundred is")
    every: int = Field(500, gt=0, description="optimizer steps between two looks at them; the ends are looked at too")
    num_answers: int = Field(4, ge=0, description="of their questions, how many the model answers each time")
    max_new_tokens: int = Field(64, gt=0, description="longest of these answers, in tokens")


class StageConfig(Section):
    """One training stage."""

    template: TemplateName = Field(description="conversation template; chat: the tokenizer's own")
    supervision: Supervision = Field(
        "answers",
        description="answers: every answer, whole; llava-jp: what the original code learned, its lost words included",
    )
    num_epochs: int = Field(1, gt=0, description="passes over the data")
    learning_rate: float = Field(gt=0, description="peak learning rate")
    projector_learning_rate: float | None = Field(
        None, gt=0, description="peak learning rate of the projector, where it differs"
    )
    warmup_fraction: float = Field(0.03, ge=0, lt=1, description="part of the optimizer steps in which the rate rises")
    global_batch_size: int = Field(gt=0, description="samples per optimizer step, over all devices")
    micro_batch_size: int = Field(gt=0, description="samples per forward pass on one device, at most")
    max_length: int = Field(1532, gt=1, description="longest sequence, vision tokens included, in tokens")
    group_by_length: bool = Field(False, description="batches of samples of like length, in an order of their own")
    optimizer: Literal["adamw", "adamw-8bit"] = Field(
        "adamw", description="adamw-8bit: moments in 8 bits, those of embeddings in 32; needs bitsandbytes"
    )
    adam_beta2: float = Field(0.999, gt=0, lt=1, description="decay of AdamW's second moment")
    weight_decay: float = Field(0.0, ge=0, description="decoupled weight decay")
    max_gradient_norm: float = Field(1.0, ge=0, description="gradients are clipped to this norm; 0: never")
    z_loss: float = Field(
        0.0, ge=0, description="weight of the squared log of the softmax's denominator in the loss; 0: none"
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "bfloat16", description="number format of the forward pass; trained weights keep a float32 master copy"
    )
    lora: LoraConfig | None = Field(None, description="train low-rank updates of the LLM in place of its weights")
    frozen_dropout: bool = Field(
        False, description="dropout also in frozen parts, as in the original's pretraining; for its published weights"
    )
    gradient_checkpointing: bool = Field(False, description="recompute activations to save memory")
    held_out: ValidationConfig = Field(ValidationConfig(), description="samples that are looked at and not trained on")
    seed: int = Field(42, ge=0, description="seed of data order, projector weights and dropout")

    @model_validator(mode="after")
    def _supervision_fits(self) -> "StageConfig":
        if self.template == "chat" and self.supervision == "llava-jp":
            raise ValueError("supervision llava-jp has no meaning for template chat, which LLaVA-JP does not have")
        return self


class ExperimentConfig(Section):
    """Everything that decides the result of an experiment."""

    name: Name = Field(pattern=r"^[\w.-]+$", description="name of the experiment")
    description: str = Field(description="one sentence")
    datasets: DatasetsConfig
    translation: TranslationChecksConfig = TranslationChecksConfig()
    contamination: ContaminationConfig = ContaminationConfig()
    limits: LimitsConfig = LimitsConfig()
    vision_tower: VisionTowerConfig
    features: FeatureConfig
    llm: LlmConfig
    pretrain: StageConfig
    finetune: StageConfig
    evaluation: EvaluationConfig

    @model_validator(mode="after")
    def _tiles_fit(self) -> "ExperimentConfig":
        if (tile := tile_size(self.vision_tower.weights)) is not None:
            for scale, side in zip(self.features.scales, self.features.sides, strict=True):
                if side % tile:
                    raise ValueError(f"scale {scale} gives {side} pixels, which is not a multiple of tile_size={tile}")
        return self

    @model_validator(mode="after")
    def _sequences_fit(self) -> "ExperimentConfig":
        if (longest := longest_sequence(self.llm.weights)) is not None:
            for name, stage in (("pretrain", self.pretrain), ("finetune", self.finetune)):
                if stage.max_length > longest:
                    raise ValueError(
                        f"{name}.max_length={stage.max_length} is more than the LLM's max_position_embeddings={longest}"
                    )
        return self

    @model_validator(mode="after")
    def _llm_is_frozen_in_pretraining(self) -> "ExperimentConfig":
        if self.pretrain.lora is not None:
            raise ValueError("pretrain.lora: pretraining trains the projector alone; set finetune.lora")
        return self


def load_experiment(name_or_path: str, overrides: Sequence[str] = ()) -> ExperimentConfig:
    """Read an experiment by name or from a YAML file, apply ``a.b=c`` overrides, and check everything.

    A file may start from another experiment with ``extends: NAME``; without a ``name`` it has that of the file.
    Paths in a file start at the file's folder.

    Raises:
        ConfigError: no such experiment, not YAML, or any number of invalid fields, all of them named.
    """
    values = _read(name_or_path)
    for override in overrides:
        apply_override(values, override)
    return validate_experiment(values, source=" ".join([name_or_path, *overrides]))


def validate_experiment(values: Mapping[str, Any], *, source: str) -> ExperimentConfig:
    """Check plain values; ``source`` names them in the error.

    Raises:
        ConfigError: with every problem on a line of its own.
    """
    try:
        return ExperimentConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(explain(error, source)) from error


def _read(name_or_path: str, *, extended_by: tuple[str, ...] = ()) -> dict[str, Any]:
    if name_or_path in extended_by:
        raise ConfigError(f"experiments extend each other in a circle: {' -> '.join([*extended_by, name_or_path])}")
    path = _experiment_file(name_or_path)
    try:
        loaded = read_yaml(path.read_text(encoding="utf-8"), source=name_or_path)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name_or_path} is not YAML: {error}") from error
    if not isinstance(loaded, dict):
        raise ConfigError(f"{name_or_path} must hold the fields of an experiment, not {_short(loaded)}")
    values: dict[str, Any] = _with_absolute_paths(loaded, path.parent.resolve())
    base = values.pop("extends", None)
    if base is None:
        return dict(values)
    if not isinstance(base, str):
        raise ConfigError(f"{name_or_path}: extends must be one name or path, not {_short(base)}")
    if not extended_by:
        values.setdefault("name", path.stem)  # that of the base would put this in its place everywhere
    start = base if is_experiment_name(base) else str(path.parent.resolve() / base)
    return _merged(_read(start, extended_by=(*extended_by, name_or_path)), values)


def _experiment_file(name_or_path: str) -> Path:
    if name_or_path in set(ExperimentName):
        return EXPERIMENT_FOLDER / f"{name_or_path}.yaml"
    path = Path(name_or_path)
    if is_experiment_file(name_or_path):
        if not path.is_file():
            raise ConfigError(f"there is no experiment file {path}")
        return path
    known = ", ".join(ExperimentName)
    raise ConfigError(f"no experiment is named {name_or_path!r}; there are: {known}; or give the path of a .yaml file")


PATH_FIELDS = {"annotations", "images", "originals", "folder"}
LOCAL_PATHS = (".", "/", "~")
"""How a ``path`` begins that is no id on the Hub."""


def _with_absolute_paths(value: Any, folder: Path) -> Any:
    """The same values with the path fields starting at the folder of their file."""
    if isinstance(value, dict):
        return {
            key: _absolute(item, folder, is_path=key in PATH_FIELDS)
            if key in PATH_FIELDS or key == "path"
            else _with_absolute_paths(item, folder)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_with_absolute_paths(item, folder) for item in value]
    return value


def _absolute(value: Any, folder: Path, *, is_path: bool) -> Any:
    """A path, or a list of them; a ``path`` may be an id on the Hub."""
    if isinstance(value, str) and (is_path or value.startswith(LOCAL_PATHS)):
        return str(folder / Path(value).expanduser())
    return [_absolute(item, folder, is_path=is_path) for item in value] if isinstance(value, list) else value


def _merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """``base`` with the fields of ``change``; a section of another kind replaces the old one whole.

    A revision belongs to its repository: another ``id`` or ``path`` does not inherit it.
    """
    merged = dict(base)
    if any(change.get(key, base.get(key)) != base.get(key) for key in ("id", "path")):
        merged.pop("revision", None)
    for key, value in change.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and value.get("kind", old.get("kind")) == old.get("kind"):
            merged[key] = _merged(old, value)
        else:
            merged[key] = value
    return merged


def apply_override(values: dict[str, Any], override: str) -> None:
    """Set ``a.b=c`` in place; the value is YAML, with ``2e-5`` read as the number it is meant to be."""
    key, sign, text = override.partition("=")
    if not sign or not key:
        raise ConfigError(f"--set {override!r} is not of the form section.field=value")
    *parents, last = key.split(".")
    section = values
    for parent in parents:
        section = section.setdefault(parent, {})
        if not isinstance(section, dict):
            raise ConfigError(f"--set {override!r}: {parent!r} is not a section")
    section[last] = read_yaml(text, source=f"--set {override!r}: the value")
