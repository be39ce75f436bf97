"""What of an answer our own scorers read: not its reasoning, not its emphasis, in half width."""

import re
import unicodedata

REASONING = re.compile(r"<think>.*?</think>", re.DOTALL | re.IGNORECASE)
OPEN_REASONING = re.compile(r"<think>.*", re.DOTALL | re.IGNORECASE)
EMPHASIS = re.compile(r"[*_`]+")


def without_reasoning(text: str) -> str:
    """The answer after ``<think>…</think>``. Reasoning that does not end has no answer behind it.

    Some chat templates begin the reasoning themselves, so that only its end is in the text.
    """
    text = OPEN_REASONING.sub("", REASONING.sub("", text))
    return re.split("</think>", text, flags=re.IGNORECASE)[-1].strip()


def plain(text: str) -> str:
    """The answer in NFKC, without reasoning and Markdown's emphasis."""
    return EMPHASIS.sub("", unicodedata.normalize("NFKC", without_reasoning(text))).strip()
