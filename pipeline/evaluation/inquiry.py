"""One request to a chat endpoint, and its reply."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pipeline.core.hashing import sha256_of_json


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
    refusal: str | None = None
    served_model: str | None = None
    """The model's name in the reply: what an alias stood for."""
    finish_reason: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    started_at: float
    """Seconds since the epoch."""
    seconds: float

    @field_validator("*", mode="before")
    @classmethod
    def _can_be_stored(cls, value: Any) -> Any:
        """Half a surrogate pair is no character: no file can hold it."""
        return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
