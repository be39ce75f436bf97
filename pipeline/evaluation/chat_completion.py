"""Reads a chat completion by hand: servers differ in what they leave out, and none of them is believed.

A completion was paid for, so whatever stands in it becomes a reply: odd text is escaped, and what is no text is said.
"""

import time
from collections.abc import Mapping
from typing import Any

from pipeline.core.bounded_http import json_of
from pipeline.core.retries import TryAgainError
from pipeline.core.wording import encodable
from pipeline.evaluation.inquiry import CUT_OFF, Inquiry, Reply

LENGTH_LIMITS = ("max_tokens", "max_completion_tokens")
REASONING = ("reasoning_content", "reasoning")
"""Where servers put what a model thought, which is no part of what it said."""
TOKENS_AROUND = 64
"""For the marks that a chat template puts around two messages."""
MOST_TOKENS = 2**31
"""A larger count is no count."""
MAX_NAME_CHARACTERS = 200


def read_completion(body: bytes, *, started: float) -> Reply:
    """The reply in the body of an answer.

    Raises:
        TryAgainError: it is no chat completion, or one without content although nothing cut it off.
    """
    try:
        content: Any = json_of(body)
        choice = content["choices"][0]
        message = choice["message"]
        text, refusal = message.get("content"), _name(message.get("refusal"))
        finish_reason = _name(choice.get("finish_reason"))
        usage = content.get("usage")
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        start = " ".join(encodable(body[:60].decode("utf-8", errors="replace")).split())
        raise TryAgainError(f"its answer is no chat completion ({type(error).__name__}): {start!r}") from error
    text = _text_of_parts(text)
    if text is None:
        refusal, text = _without_text(message, refusal, finish_reason)
    return Reply(
        text=None if text is None else encodable(text),
        is_escaped=text is not None and encodable(text) != text,
        refusal=refusal if text is None else None,
        served_model=_name(content.get("model")),
        finish_reason=finish_reason,
        input_tokens=_count(usage, "prompt_tokens"),
        output_tokens=_count(usage, "completion_tokens"),
        started_at=started,
        seconds=time.time() - started,
    )


def _text_of_parts(content: object) -> str | None:
    """A content is a text, or a list of parts of which some are text."""
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        texts = [part.get("text") for part in content if part.get("type") == "text"]
        return "".join(text for text in texts if isinstance(text, str)) if texts else None
    return content if isinstance(content, str) else None


def _without_text(
    message: Mapping[str, Any], refusal: str | None, finish_reason: str | None
) -> tuple[str | None, str | None]:
    """Why a completion holds no text, or the empty text of one that its length limit ended before the first word."""
    content = message.get("content")
    if refusal is not None:
        return refusal, None
    if finish_reason == "content_filter":
        return "the content filter", None
    if finish_reason == CUT_OFF:
        return None, ""
    if any(message.get(name) for name in REASONING):
        return "it only reasoned, and said nothing", None
    if content is None:
        raise TryAgainError("its answer has no content")
    return f"its content is no text but a {type(content).__name__}", None


def _name(value: object) -> str | None:
    return encodable(value)[:MAX_NAME_CHARACTERS] if isinstance(value, str) else None


def _count(usage: object, name: str) -> int | None:
    """Tokens as the server counts them. What is no count of anything is not told."""
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if type(value) is int and 0 < value < MOST_TOKENS else None


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
