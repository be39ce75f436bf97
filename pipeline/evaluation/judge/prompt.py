"""What a judge is sent about one answer: the protocol's wording, the benchmark's rules (downloaded) and the item.

The order is fixed, the reference first, so that a judge's preference for a place is the same for every model.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.core.errors import DataError, explain
from pipeline.core.hashing import sha256_of_json
from pipeline.evaluation.judge.boxed import boxed_answer
from pipeline.evaluation.judge.protocols import Wording, wording_of
from pipeline.evaluation.judge.rows import JudgedItem

RULES_FILE = "rule.json"

Messages = tuple[Mapping[str, str], ...]


class Rule(BaseModel):
    """One entry of ``rule.json``."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    role: str
    prompt: str


@dataclass(frozen=True, slots=True)
class JudgePrompt:
    """A protocol's wording with the rules of its categories, where it has rules."""

    wording: Wording
    rules: Mapping[str, Rule]

    @property
    def sha256(self) -> str:
        """Of the wording and of the rules of all categories: scores of different prompts are never compared."""
        rules = {category: [rule.role, rule.prompt] for category, rule in self.rules.items()}
        return sha256_of_json([self.wording.system, self.wording.user, rules])

    def messages(self, item: JudgedItem, answer: str) -> Messages:
        """The system and the user message about one answer. The texts are put in as they are."""
        text = self._with_rule(item, answer) if self.wording.has_rules else self._formatted(item, answer)
        return ({"role": "system", "content": self.wording.system}, {"role": "user", "content": text})

    def judged_text(self, answer: str) -> str:
        """What of an answer a judge is shown."""
        return boxed_answer(answer) if self.wording.reading == "verdict" else answer

    def is_worthless(self, answer: str) -> bool:
        """Whether an answer is nothing at all and scores 0 without being asked about."""
        return not self.wording.has_pairs and self.judged_text(answer) == ""

    def _with_rule(self, item: JudgedItem, answer: str) -> str:
        rule = self.rules[str(item.category)]
        return Template(self.wording.user).substitute(
            context=item.context,
            question=item.question,
            role=rule.role,
            reference=item.reference,
            answer=answer,
            rule=rule.prompt,
        )

    def _formatted(self, item: JudgedItem, answer: str) -> str:
        """The fields have the names that llm-jp-eval-mm gave them."""
        question, reference, said = item.question, item.reference, self.judged_text(answer)
        return self.wording.user.format(
            context=item.context,
            **dict.fromkeys(("question", "Question"), question),
            **dict.fromkeys(("Answer", "gold_answer", "gpt4o_answer"), reference),
            **dict.fromkeys(("Prediction", "prediction", "model_answer"), said),
        )


def read_prompt(protocol: str, rules_file: Path) -> JudgePrompt:
    """The protocol's prompt, if it has rules with those of a downloaded ``rule.json``.

    Raises:
        DataError: the file is not there, not JSON, or has no rule for a category.
    """
    wording = wording_of(protocol)
    if not wording.has_rules:
        return JudgePrompt(wording, {})
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
