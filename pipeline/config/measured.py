"""A model that is measured without being trained here, and what it is measured with."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from model.config import AbsolutePath, Dtype, HubFolder, LocalFolder, Section
from pipeline.benchmarks.known import is_blind
from pipeline.config.evaluation import EvaluationConfig
from pipeline.config.experiment import LimitsConfig, is_experiment_name
from pipeline.config.names import Name
from pipeline.core.censoring import has_credentials

SavedOrDtype = Literal["auto", Dtype]
"""A number format, or the one that the weights were saved in."""


class CheckpointModel(Section):
    """A model of this project or of LLaVA-JP, found as ``llava-jp chat`` finds it."""

    kind: Literal["checkpoint"]
    name: str = Field(
        description="an experiment, first digits of a fingerprint, a folder, or owner/name@revision on the Hub"
    )
    dtype: Dtype = Field("float32", description="number format of the weights")


class TransformersModel(Section):
    """Any image-text-to-text model of Transformers. The prompt is its chat template's, or that of a preset."""

    kind: Literal["transformers"]
    weights: Annotated[HubFolder | LocalFolder, Field(discriminator="kind")] = Field(description="where it lies")
    preset: str | None = Field(
        None, description="prompt of pipeline/evaluation/models/presets.yaml in place of the chat template"
    )
    trust_remote_code: bool = Field(
        False, description="run the Python files that lie with the model; read them first, they can do anything"
    )
    dtype: SavedOrDtype = Field("auto", description="number format of the weights; auto: as they were saved")


class EndpointModel(Section):
    """A vision model behind any endpoint that speaks OpenAI's chat completions. The key: from the environment."""

    kind: Literal["endpoint"]
    model: str = Field(min_length=1, description="name of the model at its endpoint")
    base_url: str = Field("", description="as https://host/v1; empty: LLAVA_JP_MODEL_BASE_URL, OPENAI_BASE_URL, OpenAI")
    sends_temperature: bool = Field(True, description="false for models that accept none")
    max_tokens_name: Literal["max_tokens", "max_completion_tokens"] = Field(
        "max_tokens", description="how the endpoint calls max_new_tokens; reasoning models want max_completion_tokens"
    )

    @field_validator("base_url")
    @classmethod
    def _has_no_secret(cls, url: str) -> str:
        if has_credentials(url):
            raise ValueError("the URL holds a user or a password; put the key into LLAVA_JP_MODEL_API_KEY")
        return url


class StoredModel(Section):
    """Answers that were made elsewhere: a file for each benchmark."""

    kind: Literal["stored"]
    files: Mapping[str, AbsolutePath] = Field(min_length=1, description="file of answers by the benchmark's name")


ModelUnderTestConfig = Annotated[
    CheckpointModel | TransformersModel | EndpointModel | StoredModel, Field(discriminator="kind")
]


class ModelEvaluation(Section):
    """One model, some benchmarks. The name stands in tables and charts and is what `llava-jp compare` takes."""

    name: Name = Field(pattern=r"^[\w.-]+$", description="name in tables, charts, MLflow and for llava-jp compare")
    description: str = Field("", description="one sentence, for MLflow")
    model: ModelUnderTestConfig = Field(description="what is measured")
    evaluation: EvaluationConfig = Field(description="benchmarks, generation, judge")
    limits: LimitsConfig = Field(LimitsConfig(), description="when numbers are withheld")

    @model_validator(mode="after")
    def _fits(self) -> "ModelEvaluation":
        if is_experiment_name(self.name):
            raise ValueError(f"{self.name} is an experiment of this project; a measured model needs another name")
        if not self.evaluation.benchmarks:
            raise ValueError("there is no benchmark to measure it with")
        if isinstance(self.model, StoredModel):
            if blind := [one.label for one in self.evaluation.benchmarks if is_blind(one.protocol)]:
                raise ValueError(f"answers from files were made with the images; {', '.join(blind)} asks without them")
            asked = {benchmark.name for benchmark in self.evaluation.benchmarks}
            if asked != set(self.model.files):
                raise ValueError(
                    f"the benchmarks are {sorted(asked)}, and there are files of answers for {sorted(self.model.files)}"
                )
        return self


class MeasuredModel(Section):
    """A model that was measured, by the name of its evaluation; stands where an experiment can stand."""

    measured: str = Field(pattern=r"^[\w.-]+$", description="name of the evaluation")
