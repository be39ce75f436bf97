"""eval-mm's jmmmu: choices by their letter, open answers by what stands after words such as 答えは.

At 9f450a5 ``=`` begins an answer in the last sentence of the first open question that a process scores, and in every
sentence of all later ones: a score depends on the items before. ``jmmmu-in-sequence`` does the same; ``jmmmu`` scores
each item by itself, as eval-mm did before 5c66d3c and as lmms-eval does.
"""

import ast
import re
from collections.abc import Sequence

from pipeline.core.errors import DataError
from pipeline.evaluation.scorers.scorer import Answer, Scoring, Statistics
from pipeline.evaluation.scorers.statistics import mean_of, rounded

DOMAINS = {
    "Art and Psychology": ("Design", "Music", "Psychology"),
    "Business": ("Accounting", "Economics", "Finance", "Manage", "Marketing"),
    "Science": ("Biology", "Chemistry", "Math", "Physics"),
    "Health and Medicine": (
        "Basic_Medical_Science",
        "Clinical_Medicine",
        "Diagnostics_and_Laboratory_Medicine",
        "Pharmacy",
        "Public_Health",
    ),
    "Tech and Engineering": (
        "Agriculture",
        "Architecture_and_Engineering",
        "Computer_Science",
        "Electronics",
        "Energy_and_Power",
        "Materials",
        "Mechanical_Engineering",
    ),
}
"""The four subjects of Japanese culture are in none; they count in ``Overall`` only."""
NUM_DIGITS = 5
"""To which eval-mm rounds the details."""
MULTIPLE_CHOICE = "multiple-choice"

PUNCTUATION = (",", ".", "!", "?", ";", ":", "'", "、", "。", "！", "？", "；", "：")
JAPANESE = "[\u3040-\u30ff\u4e00-\u9fff]"
FEWEST_WORDS = 6
"""Of an answer in which an option's text is looked for; a text without spaces is one word."""

INDICATORS = (
    "よって",
    "よって、",
    "答えは",
    "答えは、",
    "最終的に",
    "最終的に、",
    "解答は",
    "解答は、回答は",  # two that a missing comma made one
    "回答は、",
)
EQUALS = ("＝", "=")
NUMBERS = tuple(
    re.compile(pattern)
    for pattern in (
        r"-?\b\d{1,3}(?:,\d{3})+\b",
        r"-?\d+(?:\.\d+)?[eE][+-]?\d+",
        r"-?(?:\d+\.\d+|\.\d+|\d+)(?![eE][+-]?\d+)(?![,\d])",
        r"(\d+)(?:つ|個|度|円|人|年|匹|台|%)",
    )
)


def score(reference: str, prediction: str, scoring: Scoring) -> float:
    """1 or 0, whatever was scored before."""
    return _score(reference, prediction, scoring, is_first_open=True)


def score_in_sequence(answers: Sequence[Answer]) -> list[float]:
    """The scores of items that one process scores one after the other."""
    values, is_first_open = [], True
    for answer in answers:
        values.append(_score(answer.reference, answer.prediction, answer.scoring, is_first_open=is_first_open))
        is_first_open = is_first_open and is_multiple_choice(answer.scoring)
    return values


def _score(reference: str, prediction: str, scoring: Scoring, *, is_first_open: bool) -> float:
    if is_multiple_choice(scoring):
        return float(chosen_letter(prediction, options_of(scoring)) == reference)
    wanted = _comparable(reference)
    found = open_answers(prediction, is_first_open=is_first_open)
    texts = [one for one in found if isinstance(one, str)]
    return float(
        any(one in text for one in wanted if isinstance(one, str) for text in texts)
        or any(one in wanted for one in found if isinstance(one, float))
    )


def is_multiple_choice(scoring: Scoring) -> bool:
    return bool(scoring.get("question_type") == MULTIPLE_CHOICE)


def options_of(scoring: Scoring) -> list[str]:
    """The options, which JMMMU's table has as the text of a list."""
    options = scoring.get("options")
    if options is None:
        raise DataError("its record's `scoring` has no options")
    return list(ast.literal_eval(options) if isinstance(options, str) else options)


def letters_of(options: Sequence[str]) -> list[str]:
    return [chr(ord("A") + place) for place in range(len(options))]


def chosen_letter(prediction: str, options: Sequence[str]) -> str | None:
    """The letter that eval-mm reads; None where it reads none."""
    for sign in PUNCTUATION:
        prediction = prediction.strip(sign)
    text, letters = f" {prediction} ", letters_of(options)
    if found := [letter for letter in letters if f"({letter})" in text]:
        return _last(found, [text.rfind(f"({letter})") for letter in found])
    ways = (r"{} ", JAPANESE + "{}" + JAPANESE, r"{}\.")
    for way in ways:
        if found := [letter for letter in letters if re.search(way.format(letter), text)]:
            return _last(found, [text.rfind(f" {letter} ") for letter in found])
    if len(text.split()) < FEWEST_WORDS:
        return None
    lowered = {letter: option.lower() for letter, option in zip(letters, options, strict=True)}
    found = [letter for letter in letters if lowered[letter] in text.lower()]
    return _last(found, [text.lower().rfind(lowered[letter]) for letter in found]) if found else None


def _last(letters: Sequence[str], places: Sequence[int]) -> str:
    """The letter furthest behind; of several nowhere, the first."""
    return letters[places.index(max(places))]


def open_answers(prediction: str, *, is_first_open: bool) -> list[str | float]:
    """The texts and numbers that an open answer may mean."""
    texts = _key_parts(prediction.strip().strip("。"), is_first_open=is_first_open)
    numbers = [number for text in texts for pattern in NUMBERS for number in pattern.findall(text)]
    return [one for text in [*texts, *numbers] for one in _comparable(text)]


def _key_parts(text: str, *, is_first_open: bool) -> list[str]:
    """What stands after an indicator in each sentence (decimals are cut as well); without any, the whole text."""
    sentences = re.split(r"[。！？.]\s*|\n", text)
    parts = []
    for number, sentence in enumerate(sentences, start=1):
        has_equals = number == len(sentences) or not is_first_open
        part = ""
        for indicator in (*INDICATORS, *(EQUALS if has_equals else ())):
            if indicator in sentence:
                tail = sentence.split(indicator)[-1].strip()
                part = tail if not part or len(tail) < len(part) else part
        if part and part not in PUNCTUATION:
            parts.append(part)
    return parts or [text]


def _comparable(text: str) -> list[str | float]:
    """A number to two digits, or the text in lower case; one character needs a space beside it."""
    text = text.strip()
    try:
        return [round(float(text.replace(",", "")), 2)]
    except ValueError:
        lowered = text.lower()
    return [f" {lowered}", f"{lowered} "] if len(lowered) == 1 else [lowered]


def statistics(answers: Sequence[Answer], values: Sequence[float]) -> Statistics:
    """Means of the domains and of their subjects that are there, rounded as eval-mm does.

    Raises:
        DataError: an id names no subject.
    """
    subjects = [subject_of(answer.item_id) for answer in answers]
    there = dict.fromkeys(subjects)
    found = {}
    for domain, names in DOMAINS.items():
        found[f"Overall-{domain}"] = mean_of(values, [subject in names for subject in subjects])
        found |= {name: mean_of(values, [subject == name for subject in subjects]) for name in names if name in there}
    found["Overall"] = mean_of(values)
    return {name: rounded(statistic, NUM_DIGITS) for name, statistic in found.items()}


def subject_of(item_id: str) -> str:
    """``Design`` of ``test_Design_1``."""
    found = re.fullmatch(r"[^_]*_(.+?)_\d+", item_id)
    if found is None:
        raise DataError(f"the id {item_id!r} names no subject; JMMMU's ids are like test_Design_1")
    return found[1]
