"""Rules that compare a text with its English original, one function per check, for the baseline."""

import re
from collections.abc import Iterator

from pipeline.data.samples import TEXT_ONLY
from tests.benchmarks.baseline_numbers import (
    english_numbers,
    has_source,
    is_in_other_words,
    japanese_counts,
    japanese_numbers,
)  # fmt: skip
from tests.benchmarks.baseline_patterns import macro, pattern, patterns_inside
from tests.benchmarks.conversation import Conversation

CODE_AND_LINKS = re.compile(r"```.*?```|`[^`]*`|https?://[!-~]+|<image>", re.S)
NOT_LATIN, CODE_SIGN = re.compile("[^A-Za-z]+"), re.compile(r"[^{}()\[\];=<>_/\\]+")
NOT_JAPANESE = pattern(r"[^\p{Hiragana}\p{Katakana}\p{Han}]+")
SMALL_WORD = re.compile(r"(?:^|\s|[^\x00-\x7F])[a-z]{2,}(?:[.,!?;:]|\s|[^\x00-\x7F]|$)", re.A)
QUESTION_WORD = re.compile(r"(?:^|\s)[a-z]{2,}(?:[.,!?;:]|\s|$)", re.A)
MAY_BE_ENGLISH = re.compile(r"[A-Za-z][ ,.!?\n]+[a-z0-9]+[ ,.!?\n]+[a-z]|^[\sa-z]+[.!]?\s*$", re.A)
MAY_BE_ENGLISH_QUESTION = re.compile(r"[A-Za-z][ ,]+[a-z]+[ ,]+[A-Za-z]")
SPACES = re.compile(r"\s+", re.A)
SMALL_WORDS_ALONE = re.compile(r"[a-z]+(?: [a-z]+)*[.!]?")
HIRAGANA = pattern(r"\p{Hiragana}")
BOX_SPACES = re.compile(r"\s", re.A)
NOT_ALPHANUMERIC = pattern(patterns_inside("letters_and_digits")[0])
HALF_WIDTH = str.maketrans(*(text for text in patterns_inside("half_width") if len(text) > 90))
QUOTED, _, QUOTED_LETTERS = (pattern(text) if "[" in text else text for text in patterns_inside("quoted_texts"))
NO_READING, READING_SENTENCE, CAPITALS = (pattern(text) for text in patterns_inside("read_texts")[:3])
WRITTEN = [pattern(text) for text in patterns_inside("written_texts") if "“" in text and "[" in text and len(text) > 30]
OCR_TOKENS, TOKEN = re.compile(r"OCR tokens?:([^\n]*)"), re.compile(r"[^\s,]+")
LATIN_QUOTED = re.compile("[「『]([A-Za-z][A-Za-z0-9 '’!?.,&-]+)[」』]")
QUOTED_IN_JAPANESE = re.compile('[「『"“]')
NEW_NAME = re.compile("[A-Z][a-z]{3,}")
CODE_BLOCK = re.compile(r"```[A-Za-z]*\n(.*?)```", re.S)
LATIN_WORD = pattern(patterns_inside("latin_words")[0])
CHOICE, CHOICES = (pattern(text) for text in patterns_inside("choice_letters") if text)
ANSWERED = [pattern(text) for text in patterns_inside("answered_letter") if text]
LONE_LETTER = re.compile("(?:^|[^A-Za-z0-9])([A-J])(?:[^A-Za-z0-9]|$)")
NOT_LONE = re.compile("([^A-Za-z0-9Ａ-Ｚａ-ｚ])")
HAS_END = re.compile(r"[^.][.!?][\"'”’)\s]*$", re.A)
OPEN_END = re.compile("[をへ、，（「『【]$")
SENTENCES = pattern(patterns_inside("num_sentences")[0])
LIST_LINE = pattern(patterns_inside("is_list")[1])
EMPTY_LINE = re.compile(r"[^0-9]\n[0-9]{1,2}[.．)]?$")


def untranslated(talk: Conversation) -> Iterator[int]:
    for index in talk.answers():
        text = talk.texts[index].strip(" ")
        if not MAY_BE_ENGLISH.search(text):
            continue
        words = macro("quotation").sub(" ", CODE_AND_LINKS.sub(" ", talk.texts[index]))
        num_latin, num_japanese, num_code = _counts(words)
        if 10 * num_code >= num_latin:
            continue
        num_small = len(SMALL_WORD.findall(SPACES.sub("  ", words)))
        if (
            (num_latin >= 20 and num_small >= 3 and num_japanese < 0.25 * (num_latin + num_japanese))
            or (num_latin >= 20 and num_small >= 5 and num_japanese < 0.38 * (num_latin + num_japanese))
            or macro("english_sentence").search(words)
            or (num_japanese == 0 and num_small >= 2 and macro("english_answer").search(text))
            or (text == (talk.originals[index] or "").strip(" ") and SMALL_WORDS_ALONE.fullmatch(text))
        ):
            yield index


def untranslated_question(talk: Conversation) -> Iterator[int]:
    for index in talk.users():
        if not MAY_BE_ENGLISH_QUESTION.search(talk.texts[index]):
            continue
        words = CODE_AND_LINKS.sub(" ", talk.texts[index])
        num_latin, num_japanese, num_code = _counts(words)
        num_small = len(QUESTION_WORD.findall(SPACES.sub("  ", words)))
        if 10 * num_code >= num_latin or num_small < 2:
            continue
        is_prose = num_latin >= 10 and num_japanese < 0.1 * (num_latin + num_japanese)
        if is_prose or macro("english_question").search(macro("quotation").sub("", words)):
            yield index


def _counts(words: str) -> tuple[int, int, int]:
    return tuple(len(other.sub("", words)) for other in (NOT_LATIN, NOT_JAPANESE, CODE_SIGN))


def numbers_differ(talk: Conversation) -> Iterator[int]:
    english, japanese = macro("english_numeral"), macro("japanese_numeral")
    for index, original in enumerate(talk.originals):
        text = talk.texts[index]
        if original is None or not (english.search(original) or japanese.search(text)):
            continue
        originals, numbers = english_numbers(original), japanese_numbers(text)
        if originals == numbers:
            continue
        if any(not is_in_other_words(number, text, numbers) for number in originals - numbers) or any(
            not has_source(number, original, originals, text) for number in japanese_counts(text) - originals
        ):
            yield index


def choice_letters_changed(talk: Conversation) -> Iterator[int]:
    choices = ""
    for index, (role, text, original) in enumerate(zip(talk.roles, talk.texts, talk.originals, strict=True)):
        if role == "user":
            choices = _choices(text.translate(HALF_WIDTH) if original is None else original)
            if original is not None and choices and choices not in "".join(_lone_letters(text)):
                yield index
            continue
        letter = _answered(text)
        if original is not None:
            expected = _answered(original) if macro("lettered_answer").search(original) else ""
            if expected and letter != expected and (letter or expected not in _lone_letters(text)):
                yield index
        elif (
            choices
            and len(text) < 30
            and (macro("kana_letter").fullmatch(text.strip(" ")) or (letter and letter not in choices))
        ):
            yield index


def _choices(text: str) -> str:
    found = CHOICES.search("".join(CHOICE.findall(text)))
    return found[0] if found else ""


def _answered(text: str) -> str:
    return next((found[1] for answered in ANSWERED if (found := answered.search(text))), "")


def _lone_letters(text: str) -> list[str]:
    return LONE_LETTER.findall(NOT_LONE.sub(r"\1\1", text))


def boxes_changed(talk: Conversation) -> Iterator[int]:
    box, misspelled = macro("box"), macro("misspelled_box")
    for index, (text, original) in enumerate(zip(talk.texts, talk.originals, strict=True)):
        if misspelled.search(text) if original is None else _boxes(box, text) != _boxes(box, original):
            yield index


def _boxes(box: re.Pattern[str], text: str) -> list[str]:
    return sorted(BOX_SPACES.sub("", found[0]) for found in box.finditer(text))


def quoted_text_lost(talk: Conversation) -> Iterator[int]:
    for index, original in enumerate(talk.originals):
        if original is None:
            continue
        text, parts = talk.texts[index], []
        if not (talk.source == TEXT_ONLY and QUOTED_IN_JAPANESE.search(text)):
            quoted = [part.strip(" \"“”‘’'.,;:!?()") for part in QUOTED.findall(original)]
            if any(part not in text for part in quoted):
                parts = [part for part in quoted if QUOTED_LETTERS.search(part) and _is_written(part, original)]
        if talk.roles[index] == "user" and (tokens := OCR_TOKENS.search(original)):
            parts += [part.strip() for part in tokens[1].split(",")]
        if index > 0 and talk.roles[index - 1 : index + 1] == ["user", "assistant"] and len(original) < 100:
            asked = talk.originals[index - 1] or ""
            if tokens := OCR_TOKENS.search(asked):
                known = set(TOKEN.findall(tokens[1].lower()))
                parts += [original] if set(TOKEN.findall(original.lower().replace(".", ""))) <= known else []
            elif macro("asks_for_text").search(asked):
                parts += _readings(original)
        invented = LATIN_QUOTED.findall(text)
        if parts or invented:
            said, source = _alphanumeric(text), _alphanumeric(original)
            if any(_alphanumeric(part) not in said for part in parts) or any(
                _alphanumeric(part) not in source for part in invented
            ):
                yield index


def _is_written(part: str, original: str) -> bool:
    """Whether a quotation stands beside a word of writing, or is written like a title."""
    return any(
        part in (found[-1] if isinstance(found, tuple) else found) for one in WRITTEN for found in one.findall(original)
    )


def _readings(answer: str) -> list[str]:
    if NO_READING.search(answer):
        return []
    if READING_SENTENCE.search(answer):
        return [part for part in CAPITALS.findall(answer) if part not in ("TV", "US", "UK", "USA")]
    return [answer] if re.search("[A-Z0-9]", answer) and len(answer.split(" ")) <= 10 else []


def _alphanumeric(text: str) -> str:
    return NOT_ALPHANUMERIC.sub("", text.translate(HALF_WIDTH)).lower()


def links_or_code_damaged(talk: Conversation) -> Iterator[int]:
    broken, verbatim = macro("broken_link"), macro("verbatim_text")
    for index, (text, original) in enumerate(zip(talk.texts, talk.originals, strict=True)):
        if broken.search(text) or (
            original is not None
            and (
                any(found[0].rstrip(".,;:!?)'\"") not in text for found in verbatim.finditer(original))
                or ("```" in original and _is_code_damaged(text, original))
                or _has_misspelling(text, original)
            )
        ):
            yield index


def _is_code_damaged(text: str, original: str) -> bool:
    lines = "\n".join(CODE_BLOCK.findall(original)).split("\n")
    kept = (re.match("[^#\"'/]*", line)[0].strip(" ") for line in lines)
    return original.count("```") != text.count("```") or any(len(line) >= 4 and line not in text for line in kept)


def _has_misspelling(text: str, original: str) -> bool:
    words, known = set(LATIN_WORD.findall(text)), set(LATIN_WORD.findall(original))
    lowered = {word.lower() for word in known}
    names = [name.lower() for name in known if (len(name) >= 6 or re.search("[A-Z]", name)) and name not in words]
    unknown = [word for word in words if word.lower() not in lowered]
    if not unknown:
        return False
    said = NOT_LATIN.sub("", original).lower()
    is_new = any(NEW_NAME.fullmatch(word) and word.lower() not in said for word in unknown)
    return is_new or any(_is_misspelled(word.lower(), name) for word in unknown for name in names)


def _is_misspelled(word: str, name: str) -> bool:
    if re.fullmatch(f"{re.escape(word)}(?:['’]?s|es|ed|ing|n|ian|ese)?", name) or word in (
        name,
        f"{name}s",
        f"{name}es",
    ):
        return False
    return distance(name, word) <= (1 if len(name) < 6 else 2) or (name.startswith(word) and len(name) - len(word) >= 2)


def distance(one: str, other: str, *, limit: int = 2) -> int:
    """Damerau-Levenshtein: letters inserted, removed, replaced or swapped; ``limit`` + 1 when it is more than that."""
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    before, last = [], list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        line = [row]
        for column, sign in enumerate(other, 1):
            cost = min(last[column] + 1, line[-1] + 1, last[column - 1] + (letter != sign))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == sign:
                cost = min(cost, before[column - 2] + 1)
            line.append(cost)
        if min(line) > limit:
            return limit + 1
        before, last = last, line
    return last[-1]


def truncated(talk: Conversation) -> Iterator[int]:
    for index, text in enumerate(talk.texts):
        if len(text.encode()) >= 12 and _is_cut(text.rstrip("\n \u3000"), talk.originals[index], talk.roles[index]):
            yield index


def lacks_usual_end(talk: Conversation) -> Iterator[tuple[int, bool]]:
    """Answers whose original is a sentence: the turn, and whether it ends like one. What is usual decides later."""
    for index in talk.answers():
        text, original = talk.texts[index].rstrip("\n \u3000"), talk.originals[index]
        if len(text.encode()) >= 12 and original and len(original) >= 25 and HAS_END.search(original):
            yield index, bool(macro("sentence_end").search(text)) or _is_list(text)


def _is_list(text: str) -> bool:
    return bool(LIST_LINE.search(text.rpartition("\n")[2])) and "。\n" not in text


def _is_cut(text: str, original: str | None, role: str) -> bool:
    has_original_end = bool(original and HAS_END.search(original))
    if not macro("sentence_end").search(text):
        if OPEN_END.search(text):
            return True
        is_answer = role == "assistant"
        if is_answer and (has_original_end or "。" in text) and macro("ends_in_mid_sentence").search(text):
            return True
        if is_answer and has_original_end and not _is_list(text) and "。" in text:
            return True
    if has_original_end and EMPTY_LINE.search(text):
        return True
    if _is_open(text, original) and (original is None or _unclosed(original) == 0):
        return True
    if not has_original_end or len(text) >= 0.3 * len(original):
        return False
    expected = len(SENTENCES.findall(original))
    return expected >= 3 and len(SENTENCES.findall(text)) <= 0.5 * expected


def _is_open(text: str, original: str | None) -> bool:
    return _unclosed(text) > 0 or (original is not None and text.count('"') % 2 == 1 and original.count('"') % 2 == 0)


def _unclosed(text: str) -> int:
    count = text.count
    round_ones = count("（") + count("(") - count("）") - count(")")
    return sum(max(count(pair[0]) - count(pair[1]), 0) for pair in ("「」", "『』", "【】")) + max(round_ones, 0)


def answer_format_instruction_untranslated(talk: Conversation) -> Iterator[int]:
    instruction = macro("format_instruction")
    for index in talk.users():
        if instruction.search(talk.texts[index]):
            found = instruction.search(macro("quotation").sub("", talk.texts[index]))
            if found and not HIRAGANA.search(found[0]):
                yield index
