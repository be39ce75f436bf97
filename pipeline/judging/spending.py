"""A ceiling on the tokens that a judge may cost. It is never passed: a request starts only if its worst case fits."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pipeline.judging.replies import Inquiry, Reply

LENGTH_LIMITS = ("max_tokens", "max_completion_tokens")
TOKENS_AROUND = 64
"""For the marks that a chat template puts around two messages."""


class CeilingReachedError(Exception):
    """The next request might cost more than is left."""


@dataclass(slots=True)
class Charge:
    """What one request has cost; until that is known, the most it can."""

    num_tokens: int


class Spending:
    """What judging has cost since this was made; shared by threads, and by the retries of a task."""

    def __init__(self, ceiling: int | None = None) -> None:
        self.ceiling = ceiling
        self.spent = 0
        self._reserved = 0
        self._changed = threading.Condition()

    @contextmanager
    def charging(self, most: int) -> Iterator[Charge]:
        """Reserve ``most`` tokens, then spend those of the charge. Waits while open requests may leave enough.

        Raises:
            CeilingReachedError: what is left is less, with no request open.
        """
        with self._changed:
            while not self._fits(most):
                if not self._reserved:
                    raise CeilingReachedError
                self._changed.wait()
            self._reserved += most
        charge = Charge(most)
        try:
            yield charge
        finally:
            with self._changed:
                self._reserved -= most
                self.spent += charge.num_tokens
                self._changed.notify_all()

    def _fits(self, most: int) -> bool:
        return self.ceiling is None or self.spent + self._reserved + most <= self.ceiling


def most_tokens(inquiry: Inquiry) -> int:
    """What an inquiry and its reply cost at most: no tokenizer in use makes more tokens than bytes."""
    num_bytes = sum(len(str(message["content"]).encode()) for message in inquiry.messages)
    longest_reply = max(int(inquiry.sampling.get(name, 0)) for name in LENGTH_LIMITS)
    return num_bytes + TOKENS_AROUND + longest_reply


def tokens_of(reply: Reply) -> int | None:
    """What a reply cost, if the endpoint tells."""
    if reply.input_tokens is None or reply.output_tokens is None:
        return None
    return reply.input_tokens + reply.output_tokens
