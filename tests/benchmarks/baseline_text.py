"""Rules about the Japanese text alone, one function per check, for the baseline."""

import re
from collections import Counter
from collections.abc import Iterator

from tests.benchmarks.baseline_patterns import macro, pattern, patterns_inside
from tests.benchmarks.conversation import Conversation

BLANK = pattern(r"[\s\p{Z}\p{Cf}]*")
SPACES = pattern(r"[\s\p{Z}]+")
IMAGE_OR_SPACES = pattern(r"<image>|[\s\p{Z}]+")
ASKED = pattern(patterns_inside("asked")[0])
NOT_LETTERS = pattern(patterns_inside("plain_letters")[0])
ENTITIES = pattern(
    r"[&＆]\s?(?:[a-zA-Z]{1,6}(?:acute|grave|circ|uml|tilde|cedil|slash|ring)"
    r"|amp|lt|gt|quot|apos|nbsp|hellip|[mn]dash|[lr][sd]quo|[lr]aquo|bull|middot|copy|reg|trade|deg|plusmn"
    r"|times|divide|frac\d\d|euro|pound|yen|cent|sect|para|hearts|[lrud]arr|ensp|emsp|thinsp|zwnj|zwj|shy"
    r"|iexcl|iquest|szlig|[A-Za-z]?elig|infin|ne|le|ge|larr|rarr|[#＃][0-9０-９]{1,6}|[#＃][xX][0-9A-Fa-f]{1,5})\s?[;；]"
    r"|&(?:quot|nbsp|amp|#\d{2,6}|#x[0-9A-Fa-f]{2,5})\b|\b(?:nbsp|quot);"
)
POINTING = re.compile("それ|これ|あれ|ここ|そこ")
SENTENCE_ENDS = re.compile("[。！？!?\n]+")
STRETCH = re.compile(r".{14,60}", re.S)
KANA = pattern(r"\p{Hiragana}|\p{Katakana}")
LONG_KANJI = pattern(r"\p{Han}{24}")
NOT_ENGLISH = pattern(r"[^\x00-\x{24F}\x{2000}-\x{2BFF}]")
ABOUT_TRANSLATION = re.compile("translat|japanese", re.I)
REFUSES = re.compile(r"sorry|apologi|unable|cannot|can't|language model|assistant|\bAI\b", re.I | re.A)
ASIDE = re.compile(r"（[^（）]*）|\([^()]*\)")


def control_characters_or_mojibake(talk: Conversation) -> Iterator[int]:
    search = macro("control_characters", "mojibake").search
    return (index for index, text in enumerate(talk.texts) if search(text))


def html_entities(talk: Conversation) -> Iterator[int]:
    return (index for index, text in enumerate(talk.texts) if ENTITIES.search(text))


def empty_turn(talk: Conversation) -> Iterator[int]:
    return (index for index, text in enumerate(talk.texts) if BLANK.fullmatch(text))


def image_token_lost_or_moved(talk: Conversation) -> Iterator[int]:
    first = talk.roles.index("user") if "user" in talk.roles else -1
    for index, text in enumerate(talk.texts):
        if text.count("<image>") != (talk.image is not None and index == first):
            yield index
            return


def broken_alternation(talk: Conversation) -> Iterator[int]:
    for index, role in enumerate(talk.roles):
        if (role == "user") != (index % 2 == 0):
            yield index
            return
    if len(talk.roles) % 2 or not talk.roles:
        yield len(talk.roles) - 1


def repeated_turn(talk: Conversation) -> Iterator[int]:
    seen, first_originals = set(), {}
    for index in talk.questions():
        question = IMAGE_OR_SPACES.sub(" ", talk.texts[index]).strip(" ")
        answer = SPACES.sub(" ", talk.texts[index + 1]).strip(" ")
        original = talk.originals[index + 1]
        first = first_originals.setdefault(answer, original)
        is_asked_again = (question, answer) in seen and not (len(answer) <= 4 and POINTING.match(question))
        is_answer_of_another = None not in (first, original) and first != original and len(answer) >= 15
        if is_asked_again or is_answer_of_another:
            yield index
        seen.add((question, answer))


def answer_copies_question(talk: Conversation) -> Iterator[int]:
    for index in talk.questions():
        question, answer = _letters_asked(talk.texts[index]), NOT_LETTERS.sub("", talk.texts[index + 1])
        if len(question) < 6 or not (answer == question or (len(question) >= 12 and answer.startswith(question))):
            continue
        original, original_answer = talk.originals[index : index + 2]
        is_copied = original is not None and original_answer is not None
        if not (is_copied and NOT_LETTERS.sub("", original_answer).startswith(_letters_asked(original))):
            yield index + 1


def _letters_asked(question: str) -> str:
    found = ASKED.search(question)
    return NOT_LETTERS.sub("", found[1] if found else "")


def degenerate_repetition(talk: Conversation) -> Iterator[int]:
    for index, text in enumerate(talk.texts):
        if len(text) < 14 or not _may_loop(text):
            continue
        if _repeats_sentence(text) or any(map(_is_loop, _stretches(text))):
            original = talk.originals[index]
            if original is None or not _repeats_sentence(original):
                yield index


def _may_loop(text: str) -> bool:
    length = len(text)
    if length >= 20:
        pieces = text.replace("。", "、").split("、")
        if len(pieces) >= 2 + len(set(pieces)):
            return True
    places = (4, length // 3, length // 2, length * 3 // 4, length - 6)
    return any(text.count(text[place - 1 : place + 2]) >= 4 for place in places)


def _stretches(text: str) -> Iterator[str]:
    yield from STRETCH.findall(text)
    for place in range(6, len(text) - 14, 6):
        yield text[place : place + 26]


def _repeats_sentence(text: str) -> bool:
    counts = Counter(part.strip(" ") for part in SENTENCE_ENDS.split(text))
    return any(count >= 3 and len(part) >= 8 for part, count in counts.items())


def _is_loop(stretch: str) -> bool:
    num_groups = len(stretch) - 3
    return len({stretch[place : place + 4] for place in range(num_groups)}) < 0.4 * num_groups


def wrong_language(talk: Conversation) -> Iterator[int]:
    letters = macro("foreign_script", "chinese_phrase", "chinese_letter")
    accented, words, quotation = macro("accented_words"), macro("chinese_words"), macro("quotation")
    for index, text in enumerate(talk.texts):
        has_kana = KANA.search(text)
        if not (letters.search(text) or accented.search(text) or LONG_KANJI.search(text)) and (
            has_kana or not words.search(text)
        ):
            continue
        unquoted = quotation.sub("", text) if has_kana else text
        found = letters.search(unquoted) or accented.search(unquoted) or LONG_KANJI.search(unquoted)
        found = found or (not KANA.search(unquoted) and words.search(unquoted))
        if found and not NOT_ENGLISH.search(talk.originals[index] or ""):
            yield index


def translator_chatter_or_refusal(talk: Conversation) -> Iterator[int]:
    chatter, refusal = macro("translator_chatter"), macro("refusal")
    for index, text in enumerate(talk.texts):
        original = talk.originals[index] or ""
        if (chatter.search(text) and not ABOUT_TRANSLATION.search(original)) or (
            refusal.search(text) and not REFUSES.search(original)
        ):
            yield index


def mixed_style(talk: Conversation) -> Iterator[int]:
    polite, plain = macro("polite_ending"), macro("plain_ending")
    for index in talk.answers():
        text = talk.texts[index]
        if polite.search(text) and plain.search(text):
            narrated = ASIDE.sub("〃", macro("quotation").sub("〃", text))
            if polite.search(narrated) and plain.search(narrated):
                yield index
