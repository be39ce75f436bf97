"""What of an answer our own scorers read: not its reasoning, not its emphasis, in half width."""

import re
import unicodedata

from pipeline.evaluation.reasoning import without_reasoning

EMPHASIS = re.compile(r"[*_`]+")
WHITE_SPACE = re.compile(r"\s+")


def plain(text: str) -> str:
    """The answer in NFKC, without reasoning and Markdown's emphasis; white space is one space or one line break."""
    text = EMPHASIS.sub("", unicodedata.normalize("NFKC", without_reasoning(text)))
    return WHITE_SPACE.sub(lambda found: "\n" if "\n" in found[0] else " ", text).strip()
