"""How models without a usable chat template are asked: ``presets.yaml``, with where it was read."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import yaml
from pydantic import Field

from model.config import Section
from pipeline.core.errors import ConfigError


class Preset(Section):
    """The prompt of one model."""

    models: tuple[str, ...] = Field(description="ids on the Hub that it belongs to")
    prompt: str = Field(description="with {question}, and {image} where the processor wants a placeholder")
    add_special_tokens: bool = Field(description="whether the tokenizer adds its own to the prompt")
    end_strings: tuple[str, ...] = Field(description="an answer ends before the first of these")
    needs_remote_code: bool = Field(description="the class is code of the model's repository")
    source: str = Field(description="where this was read")
    not_verified: str = Field(description="what was not tried")

    def ask(self, question: str, *, image: str) -> str:
        """The prompt of one question; ``image`` is the placeholder, empty for a question without one."""
        return self.prompt.replace("{image}", image).replace("{question}", question)

    def answer(self, text: str) -> str:
        """What the model said, up to an end string."""
        for end in self.end_strings:
            text = text.strip().partition(end)[0]
        return text.strip()


@cache
def presets() -> Mapping[str, Preset]:
    """All presets by name."""
    text = (files("pipeline.evaluation.models") / "presets.yaml").read_text(encoding="utf-8")
    return {name: Preset.model_validate(values) for name, values in yaml.safe_load(text).items()}


def find_preset(name: str) -> Preset:
    """The preset of this name.

    Raises:
        ConfigError: there is none.
    """
    if name not in presets():
        raise ConfigError(f"no preset is named {name!r}; there are: {', '.join(presets())}")
    return presets()[name]


def preset_of(hub_id: str) -> str | None:
    """The name of the preset that belongs to a repository on the Hub, if one does."""
    return next((name for name, preset in presets().items() if hub_id in preset.models), None)
