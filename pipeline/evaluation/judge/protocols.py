"""The protocols of judging: what is sent to the letter (a data file each), how a reply is read, who judges by default.

Which one judges a benchmark is said by the benchmark's own protocol; an experiment says who is asked.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from model.config import Section
from pipeline.benchmarks.known import protocol_of
from pipeline.config.evaluation import BenchmarkConfig, EvaluationConfig, JudgeConfig
from pipeline.core.hashing import sha256_of_json

WORDING_FILES: Mapping[str, str] = {
    "heron-official": "heron_prompt.yaml",
    "heron-bench": "heron_bench_prompt.yaml",
    "llm-as-a-judge": "llm_as_a_judge_prompt.yaml",
    "jawildtext-board-vqa": "board_vqa_prompt.yaml",
}
"""By protocol; the names without ``official`` are llm-jp-eval-mm's, at 9f450a5."""

Reading = Literal["two_scores", "two_keys", "grade", "verdict"]
"""two_scores: of the reference and the model, on the first line. two_keys: the same as JSON. grade: 0 to 5. verdict:
yes or no."""


class Wording(BaseModel):
    """The fixed parts of a protocol, as its data file gives them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: str
    source: str
    licence: str
    reading: Reading
    judge_model: str
    """Who judges where the experiment names nobody."""
    max_tokens: int = 1024
    seed: int | None = None
    """Sent, if there is one."""
    has_rules: bool = False
    """The benchmark's ``rule.json`` is a part of the prompt."""
    num_items: int | None = None
    """None: the benchmark's protocol has counted them."""
    categories: tuple[str, ...] = ()
    """Those whose numbers are averaged; none: an item may have any."""
    system: str
    user: str
    """With rules a ``string.Template``, else a format string."""

    @property
    def sha256(self) -> str:
        """Of what is sent, without the rules; known before anything is downloaded."""
        return sha256_of_json([self.system, self.user])

    @property
    def has_pairs(self) -> bool:
        """Whether the reference answer gets a score as well."""
        return self.reading in ("two_scores", "two_keys")


@cache
def wording_of(protocol: str) -> Wording:
    """The wording that comes with this project."""
    text = (files("pipeline.evaluation.judge") / WORDING_FILES[protocol]).read_text(encoding="utf-8")
    return Wording.model_validate(yaml.safe_load(text))


class Judging(Section):
    """How the answers to one benchmark are judged: its protocol, and who is asked and how."""

    protocol: str
    model: str
    temperature: float | None
    max_tokens: int = Field(gt=0)
    max_tokens_name: str
    seed: int | None
    repeats: int
    attempts: int

    @property
    def sampling(self) -> dict[str, float | int]:
        """What is sent beside model and messages."""
        temperature = {} if self.temperature is None else {"temperature": self.temperature}
        seed = {} if self.seed is None else {"seed": self.seed}
        return {**temperature, self.max_tokens_name: self.max_tokens, **seed}


def judging_of(protocol: str, config: JudgeConfig) -> Judging:
    """A protocol with the judge of an experiment; what the experiment leaves open is the protocol's own."""
    wording = wording_of(protocol)
    own = {"model": wording.judge_model, "max_tokens": wording.max_tokens}
    chosen = {name: value for name, value in config.model_dump().items() if value is not None or name not in own}
    return Judging(protocol=protocol, seed=wording.seed, **{**own, **chosen})


def judging_for(benchmark: BenchmarkConfig, config: JudgeConfig) -> Judging | None:
    """How a judge is asked about the answers to a benchmark; None where its protocol has no judge."""
    asked = protocol_of(benchmark.name, benchmark.protocol)
    protocol = asked.judge if asked else None
    return None if protocol is None else judging_of(protocol, config)


def has_judged_benchmark(evaluation: EvaluationConfig) -> bool:
    """Whether there is anything to judge."""
    return any(judging_for(benchmark, evaluation.judge) for benchmark in evaluation.benchmarks)
