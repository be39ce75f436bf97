"""Scorers that ask whether texts are equal, or one is in the other.

``exact_match`` is ours: it does not punish writing. The others are llm-jp-eval-mm's, to the letter.
"""

import re
import unicodedata
from collections.abc import Mapping

from pipeline.evaluation.scorers.scorer import Scoring

FINAL_STOPS = re.compile(r"[\s。]+$")

# fmt: off
NUMBER_WORDS: Mapping[str, str] = {
    "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
    "eight": "8", "nine": "9", "ten": "10", "eleven": "11", "twelve": "12", "thirteen": "13", "fourteen": "14",
    "fifteen": "15", "sixteen": "16", "seventeen": "17", "eighteen": "18", "nineteen": "19", "twenty": "20",
    "thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "seventy": "70", "eighty": "80", "ninety": "90",
    "hundred": "100", "thousand": "1000", "million": "1000000", "billion": "1000000000",
}
# fmt: on
NUMBER_WORD = re.compile(rf"\b({'|'.join(NUMBER_WORDS)})\b")


def exact_match(reference: str, prediction: str, scoring: Scoring) -> float:
    """100 when the texts are equal after ``comparable``, else 0."""
    return 100.0 if comparable(reference) == comparable(prediction) else 0.0


def comparable(text: str) -> str:
    """NFKC (full-width Latin letters become ASCII), without surrounding whitespace and without the final 。"""
    return FINAL_STOPS.sub("", unicodedata.normalize("NFKC", text)).strip()


def identical(reference: str, prediction: str, scoring: Scoring) -> float:
    """eval-mm's exact-match: 1 when the texts are the same; a space or a line break more is wrong."""
    return float(prediction == reference)


def substring_match(reference: str, prediction: str, scoring: Scoring) -> float:
    """eval-mm's substring-match: 1 when the reference is in the prediction, in any case of letters.

    English number words are digits on both sides. A reference of one letter is found in any word that has it.
    """
    return float(_with_digits(reference) in _with_digits(prediction))


def contained(reference: str, prediction: str, scoring: Scoring) -> float:
    """1 when the reference is in the prediction, both as they are: substring-match before 2025-08-29, and others."""
    return float(reference in prediction)


def _with_digits(text: str) -> str:
    return NUMBER_WORD.sub(lambda found: NUMBER_WORDS[found[0]], text.lower())
