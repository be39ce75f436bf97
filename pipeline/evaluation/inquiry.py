"""One request to a chat endpoint, and its reply."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pipeline.core.hashing import sha256_of_json
from pipeline.core.wording import encodable
from pipeline.evaluation.reasoning import without_reasoning

CUT_OFF = "length"
"""The finish reason of a reply that its length limit ended."""


class Inquiry(BaseModel):
    """What a judge is asked. ``repeat`` and ``attempt`` are not sent: they tell equal inquiries apart."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    messages: tuple[dict[str, Any], ...]
    """A content is a text, or parts with images in OpenAI's form."""
    sampling: dict[str, float | int]
    """Sent as they are: temperature, max_tokens."""
    repeat: int = Field(ge=0)
    attempt: int = Field(ge=0)

    @property
    def key(self) -> str:
        """sha256 over everything."""
        return sha256_of_json(self.model_dump(mode="json"))


class Reply(BaseModel):
    """What a judge replied to one inquiry."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str | None
    """None when it refused; ``refusal`` says why."""
    is_escaped: bool = False
    """The text had characters that no file holds, such as half a surrogate pair; they stand as ``\\ud83d``."""
    refusal: str | None = None
    served_model: str | None = None
    """The model's name in the reply: what an alias stood for."""
    finish_reason: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    started_at: float
    """Seconds since the epoch."""
    seconds: float

    @field_validator("text", "refusal", "served_model", "finish_reason")
    @classmethod
    def _can_be_stored(cls, value: str | None) -> str | None:
        """Whoever made it: half a surrogate pair is no character, and no file can hold it."""
        return None if value is None else encodable(value)

    @property
    def is_cut_off(self) -> bool:
        """Its length limit ended it before there was any text but reasoning; asking again would bring the same."""
        return self.finish_reason == CUT_OFF and self.text is not None and not without_reasoning(self.text).strip()
