"""What a judge's reply says: as the published script of its protocol reads it, and as a careful reader does.

The two are kept apart: the first gives the numbers of before, the second those that are shown. A careful reader takes
reasoning for no score, and what could be meant otherwise for unreadable.
"""

import json
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.evaluation.judge.protocols import Reading
from pipeline.evaluation.judge.score_lines import grade_in, pair_in
from pipeline.evaluation.reasoning import without_reasoning

LOWEST = 0.0
"""The rules ask for 1; a judge who finds nothing right writes 0, and the published scripts count it as it is."""
HIGHEST: Mapping[Reading, float] = {"two_scores": 10.0, "two_keys": 10.0, "grade": 5.0, "verdict": 1.0}

ReadStatus = Literal["ok", "unreadable", "out_of_range"]

Scores = tuple[float | None, float]
"""Of the reference, where it is judged as well, and of the model."""


@dataclass(frozen=True, slots=True)
class ParsedReply:
    """What both make of a reply."""

    status: ReadStatus
    scores: Scores | None
    """By the careful reader, on the scale; None unless ``status`` is ok."""
    official: Scores | None
    """By the published script, which knows no scale; None where it has no score."""

    @property
    def parsers_differ(self) -> bool:
        return self.scores != self.official


def parse_reply(text: str, reading: Reading = "two_scores") -> ParsedReply:
    """Read a reply in both ways."""
    careful, official = READERS[reading]
    found = careful(text)
    read_officially = official(text)
    if found is None:
        return ParsedReply("unreadable", None, read_officially)
    if not all(LOWEST <= score <= HIGHEST[reading] for score in found if score is not None):
        return ParsedReply("out_of_range", None, read_officially)
    return ParsedReply("ok", found, read_officially)


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


FENCED = re.compile(r"```json(.*?)```", re.DOTALL)
BRACES = re.compile(r"\{[^}]*\}")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def eval_mm_pair(text: str) -> Scores | None:
    """Heron-Bench of llm-jp-eval-mm: the first fenced JSON, or else the first text in braces, that has both keys.

    Numbers lose their decimals. Where the script itself stops (a key that is no number), there is no score.
    """
    for found in FENCED.findall(text) or BRACES.findall(text[: text.rfind("}") + 1]):
        value = _json(found.strip())
        if isinstance(value, dict) and "score" in value and "score_gpt" in value:
            try:
                return float(int(value["score_gpt"])), float(int(value["score"]))
            except (ValueError, TypeError, OverflowError):
                return None
    return None


def _json(text: str) -> Any:
    for one in (text, CONTROL.sub("", text)):
        try:
            return json.loads(one)
        except (ValueError, RecursionError):
            continue
    return None


def eval_mm_grade(text: str) -> Scores:
    """``llm-as-a-judge`` of llm-jp-eval-mm: the first digit anywhere; 0 without one."""
    found = re.search(r"\d", text)
    return None, float(int(found[0])) if found else 0.0


def eval_mm_verdict(text: str) -> Scores:
    """``jawildtext-board-vqa`` of llm-jp-eval-mm: the first ``correct: yes`` or ``no``, also within a word; else 0."""
    found = re.search(r"correct\s*:\s*(yes|no)", text, re.IGNORECASE)
    return None, float(found is not None and found[1].lower() == "yes")


def careful_pair(text: str) -> Scores | None:
    """Two scores; labels or keys say whose they are, else the order of the prompt."""
    return pair_in(text)


def careful_labelled_pair(text: str) -> Scores | None:
    """Two scores with labels or keys."""
    return pair_in(text, needs_labels=True)


def careful_grade(text: str) -> Scores | None:
    """One score with nothing but its label around it."""
    found = grade_in(text)
    return None if found is None else (None, found)


VERDICT = re.compile(r"(?<![a-z])(in)?correct\W*[:=]\W*(yes|no|はい|いいえ)(?![a-z])", re.IGNORECASE)


def careful_verdict(text: str) -> Scores | None:
    """Yes or no, where all verdicts in the text agree."""
    said = unicodedata.normalize("NFKC", without_reasoning(text))
    found = {(verdict.lower() in ("yes", "はい")) != bool(negated) for negated, verdict in VERDICT.findall(said)}
    return (None, float(found.pop())) if len(found) == 1 else None


Reader = Callable[[str], Scores | None]

READERS: Mapping[Reading, tuple[Reader, Reader]] = {
    "two_scores": (careful_pair, official_scores),
    "two_keys": (careful_labelled_pair, eval_mm_pair),
    "grade": (careful_grade, eval_mm_grade),
    "verdict": (careful_verdict, eval_mm_verdict),
}
"""The careful one and the published one."""
