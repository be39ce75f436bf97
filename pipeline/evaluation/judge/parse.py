"""Reads the two scores on the first line of a judge's reply: as the official script does, and tolerantly."""

import math
import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

LOWEST, HIGHEST = 1.0, 10.0
"""The scale that the rules ask for."""

ReadStatus = Literal["ok", "unreadable", "out_of_range"]

Scores = tuple[float, float]
"""Of the reference and of the model, in the order of the prompt."""

LABEL = re.compile(r"(assistant|アシスタント)\s*[12]\b", re.IGNORECASE)
OUT_OF_TEN = re.compile(r"(/|\bout of\b)\s*10\b", re.IGNORECASE)
NUMBER = re.compile(r"(?<![\d.])-?\d+(?:\.\d+)?(?![\d.])")
HARMLESS = re.compile(r"scores?|ratings?|and|スコア|評価|点数|点|と|[^\w]", re.IGNORECASE)
"""Words and signs that may stand around two numbers without making them something else than scores."""


@dataclass(frozen=True, slots=True)
class ParsedReply:
    """What both parsers make of a reply."""

    status: ReadStatus
    scores: Scores | None
    """By the tolerant parser, on the scale; None unless ``status`` is ok."""
    official: Scores | None
    """By the official parser, which knows no scale; None where it writes -1."""

    @property
    def parsers_differ(self) -> bool:
        return self.scores != self.official


def parse_reply(text: str) -> ParsedReply:
    """Read a reply with both parsers."""
    found = tolerant_scores(text)
    official = official_scores(text)
    if found is None:
        return ParsedReply("unreadable", None, official)
    if not all(LOWEST <= score <= HIGHEST for score in found):
        return ParsedReply("out_of_range", None, official)
    return ParsedReply("ok", found, official)


def official_scores(text: str) -> Scores | None:
    """``parse_score`` of ``eval_heron_bench.py`` at 883cd7c: up to the first line feed, commas as spaces, two items.

    A comma with a space after it, or a space at the end, makes three items, which are no scores. Of what Python takes
    for a number, ``nan`` and ``inf`` are none here: they would turn every mean into themselves.
    """
    parts = text.split("\n")[0].replace(",", " ").split(" ")
    if len(parts) != 2:
        return None
    try:
        reference, model = map(float, parts)
    except ValueError:
        return None
    return (reference, model) if math.isfinite(reference) and math.isfinite(model) else None


def tolerant_scores(text: str) -> Scores | None:
    """Two numbers on the first line with text, in full or half width, with labels, ``/10`` and signs around them.

    A line with other words is not read: the numbers of "2 assistants, 8 points" or "Assistant 1: 8" are no scores.
    """
    lines = unicodedata.normalize("NFKC", text).strip().splitlines()
    line = OUT_OF_TEN.sub(" ", LABEL.sub(" ", lines[0])) if lines else ""
    numbers = NUMBER.findall(line)
    if len(numbers) != 2 or HARMLESS.sub("", NUMBER.sub(" ", line)):
        return None
    return float(numbers[0]), float(numbers[1])
