"""How a judge is asked: the protocol's wording (a data file), the benchmark's rules (downloaded) and one item.

The order is fixed, the reference first, so that a judge's preference for a place is the same for every model.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.config.datasets import PublishedSource
from pipeline.config.evaluation import BenchmarkConfig, EvaluationConfig, JudgeConfig
from pipeline.core.errors import DataError, explain
from pipeline.core.hashing import sha256_of_json
from pipeline.evaluation.judge.rows import JudgedItem

ProtocolName = Literal["heron-official"]
WORDING_FILES: Mapping[ProtocolName, str] = {"heron-official": "heron_prompt.yaml"}

Messages = tuple[Mapping[str, str], ...]


class Wording(BaseModel):
    """The fixed parts of a protocol, as its data file gives them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: ProtocolName
    source: str
    licence: str
    dataset: str
    """The published dataset whose answers are judged so."""
    num_items: int
    categories: tuple[str, ...]
    system: str
    user: str
    """A ``string.Template`` of context, question, role, reference, answer and rule."""

    @property
    def sha256(self) -> str:
        """Of what is sent, without the rules; known before anything is downloaded."""
        return sha256_of_json([self.system, self.user])


class Rule(BaseModel):
    """One entry of ``rule.json``."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    role: str
    prompt: str


@dataclass(frozen=True, slots=True)
class JudgePrompt:
    """A protocol's wording with the rules of its categories."""

    wording: Wording
    rules: Mapping[str, Rule]

    @property
    def sha256(self) -> str:
        """Of the wording and of the rules of all categories: scores of different prompts are never compared."""
        rules = {category: [rule.role, rule.prompt] for category, rule in self.rules.items()}
        return sha256_of_json([self.wording.system, self.wording.user, rules])

    def messages(self, item: JudgedItem, answer: str) -> Messages:
        """The system and the user message about one answer. The texts are put in as they are."""
        rule = self.rules[item.category]
        text = Template(self.wording.user).substitute(
            context=item.context,
            question=item.question,
            role=rule.role,
            reference=item.reference,
            answer=answer,
            rule=rule.prompt,
        )
        return ({"role": "system", "content": self.wording.system}, {"role": "user", "content": text})


@cache
def wording_of(protocol: ProtocolName) -> Wording:
    """The wording that comes with this project."""
    text = (files("pipeline.evaluation.judge") / WORDING_FILES[protocol]).read_text(encoding="utf-8")
    return Wording.model_validate(yaml.safe_load(text))


def is_judged(benchmark: BenchmarkConfig, judge: JudgeConfig) -> bool:
    """Whether a judge can score the answers: the benchmark's items are those of the judge's protocol."""
    source = benchmark.source
    return isinstance(source, PublishedSource) and source.name == wording_of(judge.protocol).dataset


def has_judged_benchmark(evaluation: EvaluationConfig) -> bool:
    """Whether there is anything to judge."""
    return any(is_judged(benchmark, evaluation.judge) for benchmark in evaluation.benchmarks)


def read_prompt(protocol: ProtocolName, rules_file: Path) -> JudgePrompt:
    """The protocol's prompt with the rules of a downloaded ``rule.json``.

    Raises:
        DataError: the file is not there, not JSON, or has no rule for a category.
    """
    wording = wording_of(protocol)
    try:
        rules: Any = json.loads(rules_file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{rules_file}, the judge's rules, cannot be read: {error}") from error
    missing = [name for name in wording.categories if not isinstance(rules, dict) or name not in rules]
    if missing:
        raise DataError(f"{rules_file} has no rule for {', '.join(missing)}; it is not that of {protocol}")
    try:
        return JudgePrompt(wording, {name: Rule.model_validate(rules[name]) for name in wording.categories})
    except ValidationError as error:
        raise DataError(explain(error, str(rules_file))) from error
