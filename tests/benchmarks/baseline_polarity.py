"""Yes and no, negations and opposites, as the check ``polarity_flipped`` compares them, for the baseline."""

import re
from collections.abc import Iterator

from pipeline.store.sql_files import check_macros
from tests.benchmarks.baseline_patterns import macro, pattern, patterns_inside
from tests.benchmarks.conversation import Conversation

ASKS_FOR_NO = re.compile("(?:ません|ない|なかった)(?:です|でしょう|の)*か")
IS_NEGATIVE_QUESTION = re.compile(r"n't\b|n’t\b|\bnot\b", re.I | re.A)
MAY_BE_IDIOM = re.compile("かも|なけ|しか|違い|申し|だけで")
ENGLISH_IDIOMS, JAPANESE_IDIOMS = (
    pattern(patterns_inside(f"without_{name}_idioms")[0]) for name in ("english", "japanese")
)
ABBREVIATION, ENGLISH_END, ENGLISH_WORD = (
    pattern(text) for text in patterns_inside("english_sentences") if len(text) > 2
)
JAPANESE_END, JAPANESE_WORD = (pattern(text) for text in patterns_inside("japanese_sentences"))


def _pairs() -> list[tuple[re.Pattern[str], ...]]:
    """Of each pair of opposites: two English patterns and four Japanese ones, in the order of ``are_opposites``."""
    calls = check_macros()["has_opposite"].text.split("are_opposites(")[1:]
    quoted = [re.findall(r"'((?:[^']|'')*)'", call) for call in calls]
    return [
        tuple(pattern(rf"(?i)\b(?:{text})" if place < 2 else text) for place, text in enumerate(one)) for one in quoted
    ]


PAIRS = _pairs()


def polarity_flipped(talk: Conversation) -> Iterator[int]:
    for index, original in enumerate(talk.originals):
        if original is None:
            continue
        text, is_answer = talk.texts[index], talk.roles[index] == "assistant"
        question = talk.texts[index - 1] if index else ""
        asked = (talk.originals[index - 1] or "") if index else ""
        is_open = not ASKS_FOR_NO.search(question) and not IS_NEGATIVE_QUESTION.search(asked)
        if (
            (is_answer and is_open and _is_other_side(text, original))
            or _is_negation_changed(text, original, may_gain=is_answer or "describes" in original)
            or (is_answer and len(original) < 100 and _is_opposite(text, original))
        ):
            yield index


def _is_other_side(text: str, original: str) -> bool:
    original_side = _side(original, "english_yes", "english_no")
    if original_side is None:
        return False
    side = {"no": "yes", "yes": "no", None: None}[_side(text, "japanese_no", "japanese_yes")]
    is_negative = bool(macro("japanese_negation").search(re.match("[^。！？!?\n]*", text)[0]))
    is_original_negative = bool(macro("english_negation").search(re.match("[^.!?\n;]*", original)[0]))
    if side:
        return side != original_side
    if re.fullmatch(r"no\W*", original, re.I) and re.fullmatch("[^。]{1,12}ます。?", text):
        return True
    if original_side == "yes":
        return is_negative and not is_original_negative
    return not is_negative and is_original_negative and len(text) < 60


def _side(text: str, first: str, second: str) -> str | None:
    if macro(first).search(text):
        return "yes"
    return "no" if macro(second).search(text) else None


def _is_negation_changed(text: str, original: str, *, may_gain: bool) -> bool:
    english, japanese = macro("plain_english_negation"), macro("strong_japanese_negation")
    num_english, num_japanese = len(english.findall(original)), len(japanese.findall(text))
    if not num_english and not num_japanese:
        return False
    if num_english and num_english == num_japanese and not MAY_BE_IDIOM.search(text):
        return False
    if len(text) < 4 or len(original) >= 2000 or "```" in text or len(text) <= 0.25 * len(original):
        return False
    said, original_said = JAPANESE_IDIOMS.sub("", text), ENGLISH_IDIOMS.sub("", original)
    sentences = [part for part in JAPANESE_END.split(said) if JAPANESE_WORD.search(part)]
    originals, whole = _english_sentences(original_said), _english_sentences(original)
    is_aligned = len(sentences) == len(originals) and all(
        0.15 * len(one) <= len(part) <= 1.1 * len(one) for part, one in zip(sentences, originals, strict=True)
    )
    if not is_aligned:
        sentences, originals, whole = [said], [original_said], [original]
    if len(whole) != len(originals):
        whole = [original] * len(originals)
    return any(
        (english.search(one) and not macro("any_japanese_negation").search(part))
        or (may_gain and japanese.search(part) and not macro("any_english_negation").search(full))
        for part, one, full in zip(sentences, originals, whole, strict=True)
    )


def _english_sentences(text: str) -> list[str]:
    return [part for part in ENGLISH_END.split(ABBREVIATION.sub(r"\1", text)) if ENGLISH_WORD.search(part)]


def _is_opposite(text: str, original: str) -> bool:
    if (
        not macro("japanese_opposite").search(text)
        or macro("plain_english_negation").search(original)
        or macro("strong_japanese_negation").search(text)
    ):
        return False
    return any(
        (
            there.search(text)
            and not any_here.search(text)
            and here_en.search(original)
            and not there_en.search(original)
        )
        or (
            here.search(text)
            and not any_there.search(text)
            and there_en.search(original)
            and not here_en.search(original)
        )
        for here_en, there_en, here, any_here, there, any_there in PAIRS
    )
