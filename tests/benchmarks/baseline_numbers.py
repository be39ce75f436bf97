"""Numbers in English and Japanese text, as the macros of ``sql/macros`` read them, in Python."""

import re
from collections.abc import Iterable

from pipeline.store.sql_files import check_macros
from tests.benchmarks.baseline_patterns import macro, pattern, patterns_inside

ENGLISH = macro("english_number")
JAPANESE = pattern(patterns_inside("japanese_numbers")[0])
NOT_COUNTS, COUNTS = (pattern(text) for text in patterns_inside("japanese_counts") if len(text) > 20)
ENGLISH_PARTS = re.compile(r"[0-9]+(?:\.[0-9]+)?|[a-z]+")
KANJI_DIGITS = re.compile("[〇零一二三四五六七八九]{2,}")
JAPANESE_PARTS = re.compile(r"[0-9]+(?:\.[0-9]+)?|[十百千万億兆]")
TO_DIGITS = str.maketrans("０１２３４５６７８９．〇零一二三四五六七八九", "0123456789.00123456789", ",，")
TEENS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
ORDINALS = "third fourth fifth sixth seventh eighth ninth tenth"
ENGLISH_UNITS = {
    **{word: float(value) for value, word in enumerate(TEENS.split(), 1)},
    **{word: 10.0 * value for value, word in enumerate(TENS.split(), 2)},
    **{word: float(value) for value, word in enumerate(ORDINALS.split(), 3)},
    "hundred": 100.0, "thousand": 1000.0, "million": 1e6, "billion": 1e9,
}  # fmt: skip
JAPANESE_UNITS = {"十": 10.0, "百": 100.0, "千": 1000.0, "万": 1e4, "億": 1e8, "兆": 1e12}


def _words_of(macro: str) -> dict[int, re.Pattern[str]]:
    """``when 2 then regexp_matches(sentence, '…')`` of a macro, by number."""
    body = re.sub(r"'\s*\|\|\s*'", "", check_macros()[macro].text)
    found = re.findall(r"when (\d+) then regexp_matches\(\s*sentence,\s*'((?:[^']|'')*)'", body)
    return {int(number): pattern(text.replace("''", "'")) for number, text in found}


OTHER_WORDS = _words_of("is_number_in_other_words")
SOURCES = _words_of("has_source_in_english")
LATIN = re.compile("[A-Za-z]{3}")
AFTERNOON = re.compile("午後|夜|夕|晩|正午")
MONTH, MONTH_NAME = (pattern(text) for text in patterns_inside("english_months") if "jan" in text and "|" in text)
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
TWO_PEOPLE, TOGETHER = (
    re.compile("[2２二][人名者体]"),
    re.compile(r"\b(?:and|with|they|their|them|others?|another)\b", re.I),
)
SECOND = re.compile("[2２二](?:つ目|番目|台目|本目|枚目|つのうち|脚)")
TEENTH = re.compile(r"teenth\b|twentieth", re.I | re.A)
TIETH = re.compile(r"\b(?:twent|thirt|fort|fift|sixt|sevent|eight|ninet)ie", re.I | re.A)
HALF = re.compile(r"\bhalf|\bquarter", re.I | re.A)
WHOLE = re.compile("centur|percent|complet|fully|hundred|thousand|all", re.I)
ANGLE = re.compile("直角|垂直|反対|真逆|一周|全方位|ぐるり")
ALWAYS = re.compile("はたち|二十歳|終日|一日中|年中|いつでも|週間|毎日")


def english_numbers(text: str) -> set[float]:
    return {round(_english_amount(phrase), 4) for phrase in ENGLISH.findall(text)}


def japanese_numbers(text: str) -> set[float]:
    return {round(_japanese_amount(phrase), 4) for phrase in JAPANESE.findall(text)}


def japanese_counts(text: str) -> set[float]:
    return {round(_japanese_amount(phrase), 4) for phrase in COUNTS.findall(NOT_COUNTS.sub("", text))}


def _english_amount(phrase: str) -> float:
    total = 0.0
    for word in ENGLISH_PARTS.findall(phrase.lower().replace(",", "")):
        part = float(word) if word[0].isdigit() else ENGLISH_UNITS.get(word, 0.0)
        if part in (100.0, 1000.0, 1e6, 1e9):
            rest = total % (part * 10)
            total += max(rest, 1.0) * part - rest
        elif 10 <= part <= 99 and 10 <= total <= 99:
            total = 100 * total + part
        else:
            total += part
    return total


def _japanese_amount(phrase: str) -> float:
    if KANJI_DIGITS.fullmatch(phrase):
        return float(phrase.translate(TO_DIGITS))
    total = 0.0
    for text in JAPANESE_PARTS.findall(phrase.translate(TO_DIGITS)):
        part = JAPANESE_UNITS.get(text)
        if part is None:
            total += float(text)
        else:
            rest = total % (10.0 if part <= 1000 else part)
            total += max(rest, 1.0) * part - rest
    return total


def is_in_other_words(number: float, text: str, numbers: Iterable[float]) -> bool:
    """Whether the Japanese text says the number in a way that is no numeral."""
    return bool(
        number in (0, 1)
        or (number in OTHER_WORDS and OTHER_WORDS[int(number)].search(text))
        or (number in (30, 50, 0.5) and "半" in text)
        or (number in (90, 180, 360) and ANGLE.search(text))
        or (number in (20, 24, 7) and ALWAYS.search(text))
        or (12 <= number <= 24 and number - 12 in numbers and AFTERNOON.search(text))
        or (number >= 1900 and (number - 1900 in numbers or number - 2000 in numbers))
        or (number >= 1000 and number // 1000 in numbers and re.search("[千万億]|,", text))
        or (LATIN.search(text) and number in english_numbers(re.sub("[0-9]", " ", text)))
        or (number % 1 and number // 1 in numbers and round(100 * (number % 1)) in numbers)
    )


def has_source(number: float, text: str, numbers: Iterable[float], japanese: str) -> bool:
    """Whether the English text speaks of the number in a way that is no numeral."""
    return bool(
        number in (0, 1)
        or (number in SOURCES and SOURCES[int(number)].search(text))
        or (1 <= number <= 12 and "月" in japanese and number in _months(text))
        or (number == 2 and TWO_PEOPLE.search(japanese) and TOGETHER.search(text))
        or (number == 2 and SECOND.search(japanese))
        or (13 <= number <= 20 and TEENTH.search(text))
        or (12 <= number <= 24 and number - 12 in numbers)
        or (20 <= number <= 90 and number % 10 == 0 and TIETH.search(text))
        or (number in (15, 30, 45, 50, 0.5, 1.5, 2.5) and HALF.search(text))
        or (number in (50, 100, 1000, 10000) and WHOLE.search(text))
        or (number >= 1900 and (number - 1900 in numbers or number - 2000 in numbers))
        or ("割" in japanese and round(number * 10, 4) in numbers)
        or (number >= 13 and number % 12 == 0 and "dozen" in text)
    )


def _months(text: str) -> set[int]:
    return {MONTHS.index(MONTH_NAME.search(found[0].lower())[0]) + 1 for found in MONTH.finditer(text)}
