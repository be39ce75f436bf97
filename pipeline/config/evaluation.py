"""What a model is measured with: benchmarks with their protocols, and how answers are generated."""

from typing import Any, Literal

from pydantic import ConfigDict, Field, model_validator

from model.config import GENERATION_PRESETS, Generation, GenerationConfig, Section
from pipeline.benchmarks.benchmark import ALL
from pipeline.benchmarks.known import BLIND, KNOWN_BENCHMARKS, is_blind, label_of
from pipeline.benchmarks.metrics import MetricName
from pipeline.config.datasets import DatasetSource
from pipeline.config.names import Name


def _only_the_name_is_required(schema: dict[str, Any]) -> None:
    """The form of a known benchmark may leave out what the benchmark itself decides."""
    schema["required"] = ["name"]


class BenchmarkConfig(Section):
    """One benchmark. Of a known one the name is enough: source, protocol and metrics are then its own."""

    model_config = ConfigDict(json_schema_extra=_only_the_name_is_required)

    name: Name = Field(
        pattern=r"^[\w.-]+$",
        description="name in tables, charts and MLflow; known are " + ", ".join(KNOWN_BENCHMARKS),
    )
    source: DatasetSource = Field(description="where the items come from; the first exchange of a sample is an item")
    protocol: str = Field(
        ALL,
        description="which questions are asked and whose words and scores are meant, such as all, first-of-8 or "
        f"eval-mm-9f450a5; {BLIND} behind it: the same without their images",
    )
    generation: Generation | None = Field(
        None, description="how its answers are generated, where not as evaluation.generation says"
    )
    metrics: tuple[MetricName, ...] = Field(description="how answers are scored by rules")

    @model_validator(mode="before")
    @classmethod
    def _known(cls, values: Any) -> Any:
        if not isinstance(values, dict) or not isinstance(values.get("name"), str):
            return values
        known = KNOWN_BENCHMARKS.get(values["name"])
        if known is None:
            if "source" not in values:
                raise ValueError(
                    f"no published benchmark is named {values['name']!r}; there are: {', '.join(KNOWN_BENCHMARKS)}. "
                    "One of your own needs source and metrics"
                )
            return values
        own = {"source": {"kind": "published", "name": values["name"]}, "protocol": next(iter(known.protocols))}
        wanted = str(values.get("protocol", own["protocol"])).removesuffix(BLIND)
        if wanted not in known.protocols:
            return {**own, "metrics": known.metrics, **values}  # refused below, which names those that there are
        protocol = known.protocols[wanted]
        generated = {} if protocol.generation is None else {"generation": protocol.generation}
        return {**own, **generated, "metrics": known.metrics_of(wanted), **values}

    @model_validator(mode="after")
    def _has_protocol(self) -> "BenchmarkConfig":
        known = KNOWN_BENCHMARKS.get(self.name)
        protocols = list(known.protocols) if known else [ALL]
        if (asked := self.protocol.removesuffix(BLIND)) not in protocols:
            raise ValueError(f"{self.name} has no protocol {self.protocol!r}; there are: {', '.join(protocols)}")
        if is_blind(self.protocol) and known and known.protocols[asked].num_images == 0:
            raise ValueError(f"{self.name} has no images, so it cannot be asked without them: protocol {asked}")
        if not self.metrics and not (known and known.protocols[asked].judge):
            raise ValueError(f"{self.name} names no metric; nothing would be measured")
        return self

    @property
    def label(self) -> str:
        """Name and protocol, for the roles of steps; your own benchmarks have one protocol only."""
        return label_of(self.name, self.protocol)


class JudgeConfig(Section):
    """Who judges answers and how it is asked. Scores of different judges are never compared."""

    model: str | None = Field(
        None, min_length=1, description="name of the judge at its endpoint; null: the one of the benchmark's protocol"
    )
    temperature: float | None = Field(0.0, ge=0, le=2, description="null: not sent, for models that accept none")
    max_tokens: int | None = Field(None, gt=0, description="longest reply, in tokens; null: as the protocol has it")
    max_tokens_name: Literal["max_tokens", "max_completion_tokens"] = Field(
        "max_tokens", description="how the endpoint calls that limit; reasoning models want max_completion_tokens"
    )
    repeats: int = Field(1, gt=0, le=100, description="how often every answer is judged")
    attempts: int = Field(3, gt=0, le=20, description="inquiries for one judgement, until a reply can be read")

    @model_validator(mode="before")
    @classmethod
    def _of_before(cls, values: Any) -> Any:
        """The protocol was named here before benchmarks named it: there was one."""
        is_named = isinstance(values, dict) and values.get("protocol") == "heron-official"
        return {name: value for name, value in values.items() if name != "protocol"} if is_named else values


class EvaluationConfig(Section):
    """The benchmarks and how answers are made."""

    benchmarks: tuple[BenchmarkConfig, ...] = Field((), description="benchmarks to answer")
    generation: Generation = Field(
        GenerationConfig(),
        description="how answers are generated: settings, or one of " + ", ".join(GENERATION_PRESETS),
    )
    batch_size: int = Field(16, gt=0, description="items answered together")
    judge: JudgeConfig = Field(JudgeConfig(), description="who judges the answers to judged benchmarks")

    @model_validator(mode="after")
    def _benchmarks_differ(self) -> "EvaluationConfig":
        labels = [f"{benchmark.name}/{benchmark.protocol}" for benchmark in self.benchmarks]
        if len(set(labels)) != len(labels):
            raise ValueError(f"benchmarks must differ in name or protocol: {labels}")
        sources = {benchmark.name: benchmark.source for benchmark in self.benchmarks}
        if others := [one.name for one in self.benchmarks if one.source != sources[one.name]]:
            raise ValueError(f"benchmark {others[0]} has two sources; items from elsewhere need another name")
        return self

    def generation_for(self, benchmark: BenchmarkConfig) -> GenerationConfig:
        """How answers to a benchmark are generated."""
        return benchmark.generation or self.generation
