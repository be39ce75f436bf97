"""Ours: which option an answer chooses, however that is written. What names several, or none, chooses none.

Read are A, Ａ, (A), A。, **A**, "A. 大阪", 答えはA, 正解は（Ａ）です, Aが正しい, Answer: A, \\boxed{A}, and an
option's own text.
"""

import re
from collections.abc import Mapping, Sequence

from pipeline.evaluation.scorers.jmmmu import letters_of, options_of
from pipeline.evaluation.scorers.matching import comparable
from pipeline.evaluation.scorers.mecha_ja import consistency
from pipeline.evaluation.scorers.reading import plain
from pipeline.evaluation.scorers.scorer import Answer, Scorer, Scoring, Statistics

MOST_OPTIONS = 10
"""Letters that are read where the options are not known."""
OPENING, CLOSING = r"[(\[{「『<\s]*", r"[)\]}」』>]"
BETWEEN = r"\s*(?:か|または|もしくは|あるいは|と|や|or|and|[,、/・&|]|\s)\s*"
STATES = (
    r"(?i:(?:答え?|回答|解答|正解|正答|選択|結論|(?:正し|適切|妥当|近|ふさわし|該当|当てはま)\w{0,3}のは"
    r"|answer|option|choice|\\boxed)"
    r"(?:\s*(?:is|は|が|として|:|=|->|→|,|、|the|correct|option|letter|選択肢))*\s*)"
)
IS_RIGHT = (
    r"\s*(?:が|は|is)\s*(?:the\s+)?(?:最も|一番|most\s+)?(?:正し|正解|適切|適当|妥当|答|correct|right|answer|best)"
)
CONCLUDES = r"(?:したがって|よって|ゆえに|以上より|以上から)[、,\s]*"
IS_SAID = r"(?=\s*(?:です|である|だ|を選|[。.\n]|$))"
IS_NOT = r"\s*(?:では|じゃ|で)\s*(?:な|あり)"
"""Behind a letter that the answer rules out."""
DELIMITER = r"\s*(?:[.:,、。]|\n|$|\s(?=[^A-Za-z]))"
ARTICLE = r"(?<=[AI])\s+(?!is\b|because\b|since\b|as\b|and\b|or\b)[a-z]"
"""Behind A or I: the English word, not the letter of an option."""


def choice_match(reference: str, prediction: str, scoring: Scoring) -> float:
    """1 when the answer chooses the reference's letter."""
    return float(choice_of(prediction, scoring) == reference)


def statistics(answers: Sequence[Answer], values: Sequence[float]) -> Statistics:
    """Of rotated questions: how many are right in all rotations, and how many answered alike."""
    return consistency(answers, values, lambda answer: choice_of(answer.prediction, answer.scoring))


def counts(answers: Sequence[Answer]) -> dict[str, int]:
    """Answers that choose nothing."""
    return {"no_choice_count": sum(choice_of(answer.prediction, answer.scoring) is None for answer in answers)}


CHOICE_MATCH = Scorer(choice_match, statistics=statistics, counts=counts)


def choice_of(prediction: str, scoring: Scoring) -> str | None:
    """The letter of the option that an answer chooses, by the first of these that says something.

    The whole answer; the last statement such as 答えはA; the letter it begins with; the only letter in it beside the
    options' texts; the only option in it.
    """
    options = options_of(scoring) if "options" in scoring else [""] * MOST_OPTIONS
    text, letters = plain(prediction), letters_of(options)
    letter = f"[{letters[0]}-{letters[-1]}]"
    if alone := re.fullmatch(rf"\W*({letter})\W*", text, re.IGNORECASE):
        return alone[1].upper()
    texts = {name: comparable(option) for name, option in zip(letters, options, strict=True) if comparable(option)}
    if named := [name for name, option in texts.items() if option.casefold() == comparable(text).casefold()]:
        return _only(named)
    one = rf"{letter}(?![A-Za-z0-9])(?!{ARTICLE})"
    text = re.sub(rf"(?<![A-Za-z0-9]){one}{CLOSING}*{IS_NOT}", " ", text)
    several = rf"(?<![A-Za-z0-9]){one}(?:{CLOSING}?{BETWEEN}[(\[{{「『<]?{one}){{0,{MOST_OPTIONS}}}"
    if stated := _statements(text, several):
        return _only(re.findall(one, stated[-1]))
    begins = re.findall(rf"(?m)^{OPENING}({several})(?:{CLOSING}|{DELIMITER})", text)
    if re.match(rf"{OPENING}{one}", text) and begins:
        return _only(re.findall(one, " ".join(begins)))  # several where the options are repeated, line by line
    rest, options_in_it = _without(text, texts)
    return _only(re.findall(rf"(?<![A-Za-z0-9]){one}", rest) or options_in_it)


def _statements(text: str, several: str) -> list[str]:
    """The letters of each statement about the answer, in the order of the text."""
    before = re.finditer(rf"{STATES}{OPENING}({several}){CLOSING}*", text)
    behind = re.finditer(rf"({several}){CLOSING}*{IS_RIGHT}", text)
    concluded = re.finditer(rf"{CONCLUDES}{OPENING}({several}){CLOSING}*{IS_SAID}", text)
    return [found[1] for found in sorted([*before, *behind, *concluded], key=lambda found: found.start(1))]


def _without(text: str, options: Mapping[str, str]) -> tuple[str, list[str]]:
    """The text without the options' own texts, and the letters of those that were in it.

    The longest go first: 東京都 is not 京都. A number or Latin word is one only as a whole.
    """
    found = []
    for name, option in sorted(options.items(), key=lambda pair: -len(pair[1])):
        pattern = rf"(?i:(?<![0-9A-Za-z.]){re.escape(option)}(?![0-9A-Za-z]|\.\d))"
        shorter = re.sub(pattern, " ", text) if len(option) > 1 or not option.isascii() or option.isdigit() else text
        if shorter != text:
            found.append(name)
            text = shorter
    return text, found


def _only(letters: Sequence[str]) -> str | None:
    """The one letter that is meant."""
    return letters[0] if len(set(letters)) == 1 else None
