"""Reads the two scores of a judge's reply: as the official script does, and tolerantly."""

import math
from dataclasses import dataclass
from typing import Literal

from pipeline.evaluation.judge.score_lines import pair_in

LOWEST, HIGHEST = 0.0, 10.0
"""The rules ask for 1 to 10; a judge who finds nothing right writes 0, and the official script counts it as it is."""

ReadStatus = Literal["ok", "unreadable", "out_of_range"]

Scores = tuple[float, float]
"""Of the reference and of the model, in the order of the prompt."""


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
    found = pair_in(text)
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
