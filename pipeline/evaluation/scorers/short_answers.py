"""Ours: JMMMU with choices read as ``choices`` does, and open answers by what they state, whatever was scored before.

Of an open answer the part behind its last 答えは (or the like) counts. Where the reference is a number, that part must
state this number and no other; else it must have the reference in it, or be it, if that is one character.
"""

import re
from collections.abc import Sequence

from pipeline.evaluation.scorers import choices
from pipeline.evaluation.scorers.jmmmu import is_multiple_choice
from pipeline.evaluation.scorers.matching import comparable
from pipeline.evaluation.scorers.reading import plain
from pipeline.evaluation.scorers.scorer import Answer, Scoring

STATEMENT = re.compile(
    r"(?:よって|したがって|最終的に|答え?は|回答は|解答は|正解は|答え?:|answer is|answer:|=)[、,\s]*", re.IGNORECASE
)
NUMBER = re.compile(r"(?<![\d.])[-−]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?:e[+-]?\d+)?", re.IGNORECASE)
ENDING = re.compile(r"[\s。.、,]*(?:です|でした|である|だ)?[\s。.、,]*$")
NUM_DIGITS = 2
"""To which numbers are compared, as in eval-mm."""


def choice_or_short_answer(reference: str, prediction: str, scoring: Scoring) -> float:
    """1 or 0."""
    if is_multiple_choice(scoring):
        return float(choices.choice_of(prediction, scoring) == reference)
    return float(is_stated(reference, prediction))


def counts(answers: Sequence[Answer]) -> dict[str, int]:
    """Answers that choose nothing, of those that should."""
    return choices.counts([answer for answer in answers if is_multiple_choice(answer.scoring)])


def is_stated(reference: str, prediction: str) -> bool:
    """Whether an open answer states the reference."""
    wanted, stated = comparable(reference).casefold(), _stated(plain(prediction)).casefold()
    numbers = numbers_in(wanted)
    if len(numbers) == 1 and NUMBER.sub("", wanted).strip() == "":
        return numbers_in(stated) == numbers
    if len(wanted) == 1:
        return ENDING.sub("", stated).strip() == wanted
    return bool(wanted) and _unspaced(wanted) in _unspaced(stated)


def _unspaced(text: str) -> str:
    """Without white space and the commas of thousands."""
    return re.sub(r"(?<=\d),(?=\d{3})", "", "".join(text.split()))


def numbers_in(text: str) -> set[float]:
    """The numbers of a text, each once."""
    found = (one.replace(",", "").replace("−", "-") for one in NUMBER.findall(text) if re.search(r"\d", one))
    return {round(float(one), NUM_DIGITS) for one in found}


def _stated(text: str) -> str:
    """What stands behind the last word that begins an answer and has something behind it; else the whole text."""
    parts = [part for part in STATEMENT.split(text) if ENDING.sub("", part)]
    return parts[-1] if parts else text
