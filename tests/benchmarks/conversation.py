"""One sample as the baseline's functions see it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Conversation:
    """The turns' roles, texts and originals side by side."""

    image: str | None
    source: str
    roles: list[str]
    texts: list[str]
    originals: list[str | None]

    @classmethod
    def of(cls, image: str | None, source: str, turns: list[Mapping[str, Any]]) -> "Conversation":
        columns = ([turn[name] for turn in turns] for name in ("role", "text", "original"))
        return cls(image, source, *columns)

    def questions(self) -> Iterator[int]:
        """The turns of the user that an answer follows."""
        pairs = zip(self.roles, self.roles[1:], strict=False)
        return (index for index, pair in enumerate(pairs) if pair == ("user", "assistant"))

    def answers(self) -> Iterator[int]:
        return (index for index, role in enumerate(self.roles) if role == "assistant")

    def users(self) -> Iterator[int]:
        return (index for index, role in enumerate(self.roles) if role == "user")
