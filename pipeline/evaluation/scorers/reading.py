"""What of an answer our own scorers read: not its reasoning, not its emphasis, in half width."""

import re
import unicodedata

from pipeline.evaluation.reasoning import without_reasoning

EMPHASIS = re.compile(r"[*_`]+")


def plain(text: str) -> str:
    """The answer in NFKC, without reasoning and Markdown's emphasis."""
    return EMPHASIS.sub("", unicodedata.normalize("NFKC", without_reasoning(text))).strip()
