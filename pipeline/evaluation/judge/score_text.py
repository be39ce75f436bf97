"""A judge's reply in one form: without reasoning, decoration and "of 10", JSON as lines, all digits ASCII."""

import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from pipeline.evaluation.reasoning import without_reasoning

MOST_CHARACTERS = 100_000
"""Scores come first."""

OUT_OF = {
    most: re.compile(
        rf"(?:/|\bout\s+of\b|\bof\b)\s*{most}(?:\.0+)?(?![0-9.])|(?<![0-9]){most}\s*(?:点満点|段階評価|段階)(?:中|で)?",
        re.IGNORECASE,
    )
    for most in (5, 10)
}
DECORATION = re.compile(r"</[^<>\n]{1,40}>|[*`$\\{}\[\]#|\"<>「」【】]")
LINE_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
PIECE_END = re.compile(r"[。!]|\.(?=\s|$)|\n")
ENUMERATED = re.compile(r"^[^\S\n]*([12])[.)]\s+(?=-?[0-9])", re.MULTILINE)
"""The number of a line of a list."""

CIRCLED = str.maketrans({"①": " (1) ", "②": " (2) "})
KEYCAP = re.compile("([12])\ufe0f?\u20e3")
KANJI = str.maketrans({sign: f" {value} " for value, sign in enumerate("一二三四五六七八九十", 1)})
KANJI_DECIMAL = re.compile("[〇零一二三四五六七八九十][・.]?[〇零一二三四五六七八九十]")

REASON_KEY = re.compile(
    r"reason|expla|comment|feedback|justif|rationale|analysis|理由|説明|解説|根拠|コメント", re.IGNORECASE
)
NAME_KEY = re.compile(r"assistant|model|answer|response|candidate|id|name|アシスタント|モデル|回答", re.IGNORECASE)
SCORE_TEXT = re.compile(r"\s*-?[0-9][0-9\s./,点-]*")
"""A text in JSON that is a number, or two."""
OF_GPT, OF_MODEL = "score_gpt", "score"
"""The keys of llm-jp-eval-mm: the reference answer is GPT's."""


def pieces_of(reply: str, *, most: int) -> list[str]:
    """Lines and sentences with something in them, in order; ``most`` is the highest score."""
    text = without_reasoning(reply)[:MOST_CHARACTERS]
    text = _labels_apart(text)
    text = unicodedata.normalize("NFKC", text)
    if not re.search("[0-9]", text) and not KANJI_DECIMAL.search(text):
        text = text.translate(KANJI)
    text = _json_as_lines(text)
    text = OUT_OF[most].sub(" ", LINE_BREAK.sub("\n", text))
    text = ENUMERATED.sub(r"(\1) ", DECORATION.sub(" ", text))
    return [piece for piece in PIECE_END.split(text) if re.search(r"\w", piece)]


def _labels_apart(text: str) -> str:
    """①8 ②6 becomes (1) 8 (2) 6, where the circled numbers are not the scores themselves."""
    text = KEYCAP.sub(r" (\1) ", text)
    return text.translate(CIRCLED) if re.search("[0-9０-９]", text) else text


def _json_as_lines(text: str) -> str:
    """The text with a JSON value at its beginning written as lines of ``keys: number``; a key may be a label."""
    start = re.search(r"[\[{]", text)
    if start is None or re.search("[0-9]", text[: start.start()]):
        return text
    try:
        value, end = json.JSONDecoder().raw_decode(text, start.start())
    except (ValueError, RecursionError):
        return text
    return "\n".join(_lines(value)) + "\n" + text[end:]


def _lines(value: Any, path: str = "", *, is_inside: bool = False) -> Iterator[str]:
    if isinstance(value, dict):
        has_both = OF_GPT in value and OF_MODEL in value
        names = {OF_GPT: "assistant 1", OF_MODEL: "assistant 2"} if has_both else {}
        path = f"{path} {_named_by(value)}" if is_inside else path
        for key, member in value.items():
            if is_inside and key in _names_in(value):
                continue
            yield from _lines(member, f"{path} {names.get(key, ' '.join(key.split()))}", is_inside=True)
    elif isinstance(value, list):
        for member in value:
            yield from _lines(member, path, is_inside=True)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield f"{path}: {value}" if path else str(value)
    elif isinstance(value, str) and SCORE_TEXT.fullmatch(value):
        yield f"{path}: {value}" if path else value


def _names_in(value: dict[str, Any]) -> list[str]:
    """The keys of what an object inside of a JSON value is about: ``{"assistant": 2, "score": 6}``."""
    return [
        key
        for key, member in value.items()
        if (isinstance(member, str) and not SCORE_TEXT.fullmatch(member) and not REASON_KEY.search(key))
        or (isinstance(member, int) and NAME_KEY.fullmatch(key))
    ]


def _named_by(value: dict[str, Any]) -> str:
    """The same as text: a number with its key, as a label has it."""
    return " ".join(
        value[key] if isinstance(value[key], str) else f"{key} {value[key]}" for key in _names_in(value)
    ).replace("\n", " ")
