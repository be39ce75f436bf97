"""Defects of 34 kinds, planted into translations that people made."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from pipeline.data.samples import Sample, Turn
from tests.benchmarks.real_defects import (
    HALF,
    KANGXI,
    LINES,
    NOTES,
    OPPOSITES,
    ROLES,
    TOKENS,
    Pair,
    Planter,
    blanks_for_marks,
    bracket_unpaired,
    clause_omitted,
    colour_changed,
    cut_off,
    half_of_bold,
    in_the_middle,
    latin_marks,
    letters_lost,
    lines_lost,
    list_collapsed,
    mojibake,
    name_changed,
    name_misspelled,
    negation_added,
    negation_lost,
    number_changed,
    phrase_repeated,
    question_lost,
    sentence_omitted,
    sentence_untranslated,
    swapped,
    tag_changed,
    unit_changed,
    weekday_changed,
    words_left,
)

QUESTION = Turn("user", "説明してください。", "Please describe it.")

PLANTERS: dict[str, Planter] = {
    "number changed": number_changed,
    "unit changed": unit_changed,
    "weekday changed": weekday_changed,
    "negation lost": negation_lost,
    "negation added": negation_added,
    "opposite word": lambda _, text, rng: swapped(text, OPPOSITES, rng),
    "colour changed": colour_changed,
    "left and right exchanged": lambda _, text, rng: swapped(text, [("左", "右")], rng),
    "name changed": name_changed,
    "name misspelled": name_misspelled,
    "sentence omitted": sentence_omitted,
    "clause omitted": clause_omitted,
    "unrelated text": lambda _, text, rng: rng.choice(LINES) * max(1, len(text) // 40),
    "cut off": cut_off,
    "sentence repeated": lambda _, text, rng: text + text,
    "phrase repeated": phrase_repeated,
    "sentence untranslated": sentence_untranslated,
    "English words left": words_left,
    "another language inside": in_the_middle(("这个", "我们的", "正在进行的", "안녕", "그리고", "있는")),
    "mojibake": mojibake,
    "letters lost": letters_lost,
    "HTML entity": in_the_middle(("&amp;", "&nbsp;", "<br>", "&#39;")),
    "line breaks lost": lines_lost,
    "list collapsed": list_collapsed,
    "half of a ** pair": half_of_bold,
    "bracket unpaired": bracket_unpaired,
    "tag changed": tag_changed,
    "Latin punctuation": latin_marks,
    "blanks for marks": blanks_for_marks,
    "Kangxi radicals": lambda _, text, rng: "".join(KANGXI.get(one, one) for one in text),
    "half-width katakana": lambda _, text, rng: text.translate(HALF) if re.search(r"[ア-ン]{3}", text) else None,
    "special token left": lambda _, text, rng: text + rng.choice(TOKENS),
    "role or note left": lambda _, text, rng: (
        rng.choice(ROLES) + text if rng.random() < 0.5 else text + rng.choice(NOTES)
    ),
    "question lost": question_lost,
}


@dataclass(frozen=True, slots=True)
class Planted:
    """A sample with one defect, and the same without it."""

    kind: str
    clean: Sample
    defective: Sample


def planted(pairs: Sequence[Pair], *, per_kind: int, seed: int) -> list[Planted]:
    """So many samples of each kind: half of them in single translations, half in answers of four sentences."""
    rng = Random(seed)
    rows: list[Planted] = []
    for kind, planter in PLANTERS.items():
        count = 0
        for attempt in range(4000 + 200 * per_kind):
            if count == per_kind:
                break
            chosen = rng.sample(pairs, 1 if attempt % 2 else 4)
            original, text = " ".join(one for one, _ in chosen), "".join(one for _, one in chosen)
            changed = planter(original, text, rng)
            if changed is None or changed == text:
                continue
            english, clean, defective = changed if isinstance(changed, tuple) else (original, text, changed)
            name = f"{kind} {count}"
            rows.append(Planted(kind, _sample(f"clean {name}", english, clean), _sample(name, english, defective)))
            count += 1
    return rows


def _sample(name: str, original: str, text: str) -> Sample:
    return Sample(name, 0, "text-only", None, None, (QUESTION, Turn("assistant", text, original)))
