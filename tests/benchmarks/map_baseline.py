"""Most of the translation checks as Python functions under ``datasets.map``: what one would write without SQL.

The regular expressions are those of ``sql/macros``. What needs the whole dataset (usual lengths and wordings, copies)
is collected by ``map`` and decided afterwards.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import median_low
from typing import Any

from datasets import Dataset, Features, List, Value, disable_progress_bars, load_dataset

from tests.benchmarks import baseline_text, baseline_translation
from tests.benchmarks.baseline_patterns import macro, macro_text, pattern, patterns_inside
from tests.benchmarks.baseline_translation import distance, lacks_usual_end
from tests.benchmarks.conversation import Conversation

Rule = Callable[[Conversation], Iterator[int]]
LOCAL_RULES: Mapping[str, Rule] = {
    **{name: getattr(baseline_text, name) for name in (
        "answer_copies_question", "broken_alternation", "control_characters_or_mojibake", "degenerate_repetition",
        "empty_turn", "html_entities", "image_token_lost_or_moved", "mixed_style", "repeated_turn",
        "translator_chatter_or_refusal", "wrong_language",
    )},
    **{name: getattr(baseline_translation, name) for name in (
        "answer_format_instruction_untranslated", "boxes_changed", "choice_letters_changed",
        "links_or_code_damaged", "numbers_differ", "quoted_text_lost", "truncated",
        "untranslated", "untranslated_question",
    )},
}  # fmt: skip
JAPANESE = pattern(r"\p{Hiragana}|\p{Katakana}|\p{Han}")
ENDINGS = pattern(patterns_inside("plain_words")[2])
FORMS = [pattern(text) for text in patterns_inside("format_asked_for")[::2] if text]
INSTRUCTED = pattern(r"\?\s*\n" + macro_text("format_instruction"))
LAST_SENTENCE = pattern(r"[^。\n？?<>]+[。？?]?\s*(?:<image>)?\s*$")
TEXT, TEXTS, PLACES = Value("string"), List(Value("string")), List(Value("int64"))
FACTS = Features({
    "sample_id": TEXT, "source": TEXT, "checks": TEXTS, "places": PLACES, "roles": TEXTS, "bins": List(Value("double")),
    "asked_at": PLACES, "forms": TEXTS, "wordings": TEXTS, "picture": TEXT, "whole": TEXT, "texts": TEXT, "words": TEXT,
    "ends": TEXTS, "ended_at": PLACES, "has_end": List(Value("bool")),
})  # fmt: skip
"""Said, because the first rows of a batch may have no finding."""
Places = set[tuple[str, int | None]]


def findings_by_map(samples: Path, *, num_processes: int, cache: Path) -> dict[str, Places]:
    """The sample and turn of every finding, by check."""
    disable_progress_bars()
    rows = load_dataset("parquet", data_files=str(samples), split="train", cache_dir=str(cache))
    facts = rows.map(
        judged,
        batched=True,
        num_proc=num_processes,
        features=FACTS,
        remove_columns=rows.column_names,
        load_from_cache_file=False,
    )
    found: dict[str, Places] = {name: set() for name in LOCAL_RULES}
    for sample_id, checks, places in zip(facts["sample_id"], facts["checks"], facts["places"], strict=True):
        for check, place in zip(checks, places, strict=True):
            found[check].add((sample_id, place))
    found["truncated"] |= without_usual_end(facts)
    return found | {
        "length_ratio": unusual_lengths(facts),
        "answer_format_instruction_inconsistent": unusual_instructions(facts),
        **copies(facts),
    }


def judged(rows: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """A batch's findings, and the facts that the rules about the whole dataset need."""
    facts: dict[str, list[Any]] = defaultdict(list)
    for sample_id, image, sha256, source, turns in zip(
        *(rows[name] for name in ("sample_id", "image", "image_sha256", "source", "turns")), strict=True
    ):
        talk = Conversation.of(image, source, turns)
        findings = [(check, place) for check, rule in LOCAL_RULES.items() for place in rule(talk)]
        instructions = list(_instructions(talk))
        facts["sample_id"].append(sample_id)
        facts["source"].append(source)
        facts["checks"].append([check for check, _ in findings])
        facts["places"].append([place for _, place in findings])
        facts["roles"].append(talk.roles)
        facts["bins"].append([_bin(*texts) for texts in zip(talk.texts, talk.originals, strict=True)])
        facts["asked_at"].append([place for place, _, _ in instructions])
        facts["forms"].append([form for _, form, _ in instructions])
        facts["wordings"].append([wording for _, _, wording in instructions])
        facts["picture"].append(sha256 or image or "")
        facts["whole"].append("\x00".join(map(repr, turns)))
        facts["texts"].append("\x00".join(talk.texts))
        facts["words"].append(_plain("\n".join(talk.texts)))
        facts["ends"].append(_ends(talk.texts))
        ended = list(lacks_usual_end(talk))
        facts["ended_at"].append([place for place, _ in ended])
        facts["has_end"].append([has_end for _, has_end in ended])
    return facts


def _bin(text: str, original: str | None) -> float:
    if not text or not original or not JAPANESE.search(text):
        return math.nan
    return float(round(50 * math.log((len(text) + 10) / (len(original) + 20))))


def _instructions(talk: Conversation) -> Iterator[tuple[int, str, str]]:
    japanese, english = macro("japanese_format_instruction"), macro("format_instruction")
    for index in talk.users():
        found = japanese.search(talk.texts[index])
        if not found and INSTRUCTED.search(talk.originals[index] or ""):
            found = LAST_SENTENCE.search(talk.texts[index])
        elif not found:
            continue
        wording = found[0] if found else ""
        asked = english.search(talk.originals[index] or "")
        form = (
            asked[0].lower()
            if asked
            else next((str(place) for place, one in enumerate(FORMS) if one.search(wording)), "")
        )
        if form:
            yield index, form, wording


def _plain(text: str) -> str:
    return ENDINGS.sub("", text.replace("<image>", "")).lower()


def _ends(texts: list[str]) -> list[str]:
    """Beginning and end of the first question and of the answers."""
    first, last = (texts[0], texts[-2]) if len(texts) > 1 else ("", "")
    return [_plain(text) for text in (first[:30], last[-30:], texts[1][:30] if len(texts) > 1 else "", texts[-1][-30:])]


def without_usual_end(facts: Dataset) -> Places:
    """Answers without the full stop that nearly all of their source have."""
    answers = [
        (source, sample_id, *one)
        for source, sample_id, *lists in zip(
            *(facts[name] for name in ("source", "sample_id", "ended_at", "has_end")), strict=True
        )
        for one in zip(*lists, strict=True)
    ]
    counts, num_ended = (
        Counter(source for source, _, _, has_end in answers if has_end or every) for every in (True, False)
    )
    usual = {source for source, count in counts.items() if count >= 50 and num_ended[source] >= 0.9 * count}
    return {(sample_id, place) for source, sample_id, place, has_end in answers if source in usual and not has_end}


def unusual_lengths(facts: Dataset) -> Places:
    """More than four robust deviations from the median of the source and the role."""
    groups, turns = defaultdict(list), []
    for sample_id, source, roles, bins in zip(
        *(facts[name] for name in ("sample_id", "source", "roles", "bins")), strict=True
    ):
        for place, (role, value) in enumerate(zip(roles, bins, strict=True)):
            if value is not None and not math.isnan(value):
                groups[source, role].append(value)
                turns.append((sample_id, place, (source, role), value))
    limits = {}
    for group, values in groups.items():
        middle = 50 * math.log(0.5) if len(values) < 50 else median_low(values)
        spread = 10 if len(values) < 50 else median_low(abs(value - middle) for value in values)
        limits[group] = middle, max(4 * 1.4826 * spread, 50 * math.log(2.2))
    return {
        (sample_id, place)
        for sample_id, place, group, value in turns
        if abs(value - limits[group][0]) > limits[group][1]
    }


def unusual_instructions(facts: Dataset) -> Places:
    """A wording that stands less than a fifth as often as the usual one."""
    names = ("sample_id", "asked_at", "forms", "wordings")
    asked = [
        (sample_id, *one)
        for sample_id, *lists in zip(*(facts[name] for name in names), strict=True)
        for one in zip(*lists, strict=True)
    ]
    counts = Counter((form, wording) for _, _, form, wording in asked)
    usual: Counter[str] = Counter()
    for (form, _), count in counts.items():
        usual[form] = max(usual[form], count)
    return {(sample_id, place) for sample_id, place, form, wording in asked if 5 * counts[form, wording] < usual[form]}


def copies(facts: Dataset) -> dict[str, Places]:
    """Exact copies, and conversations on one image that are nearly the same and begin or end alike."""
    exact: Places = set()
    near: Places = set()
    seen, alike = set(), defaultdict(list)
    names = ("sample_id", "picture", "whole", "texts", "words", "ends")
    columns = zip(*(facts[name] for name in names), strict=True)
    for sample_id, picture, whole, texts, words, (question, asked, answer, said) in columns:
        if (picture, whole) in seen:
            exact.add((sample_id, None))
        seen.add((picture, whole))
        keys = ((1, question, answer), (2, asked, said), (3, answer, said), (4, question, asked, said))
        for key in keys:
            group = alike[picture, *key]
            if any(earlier[0] != texts and _is_near(words, earlier[1]) for earlier in (group[:1] + group[-1:])):
                near.add((sample_id, None))
            group.append((texts, words))
    return {"duplicate_conversation": exact, "near_duplicate_conversation": near}


def _is_near(one: str, other: str) -> bool:
    if one == other:
        return True
    if len(one) < 30 or abs(len(one) - len(other)) > 0.06 * len(one):
        return False
    letters = set(one), set(other)
    if len(letters[0] & letters[1]) <= 0.85 * len(letters[0] | letters[1]):
        return False
    if len(NEGATIONS.findall(one)) != len(NEGATIONS.findall(other)) or NO_NUMBERS.sub("", one) != NO_NUMBERS.sub(
        "", other
    ):
        return False
    contents = NO_CONTENT.sub("", one), NO_CONTENT.sub("", other)
    if not (_is_contained(*contents) or _is_contained(*contents[::-1])):
        return False
    return _are_alike(one[:200], other[:200]) and (len(one) <= 200 or _are_alike(one[-200:], other[-200:]))


def _are_alike(one: str, other: str) -> bool:
    limit = int(0.06 * len(one.encode()) + 6)
    return one == other or distance(one, other, limit=limit) <= limit


def _is_contained(shorter: str, longer: str) -> bool:
    letters = iter(longer)
    return all(letter in letters for letter in shorter)


NEGATIONS = pattern(r"な[いくか]|ませ?ん|ず")
NO_NUMBERS = pattern(r"[^0-9０-９二三四五六七八九十百千]")
NO_CONTENT = pattern(r"[^\p{Han}\p{Katakana}ーa-z0-9０-９]")
