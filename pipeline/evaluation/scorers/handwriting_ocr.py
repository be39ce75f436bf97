"""eval-mm's jawildtext-handwriting-ocr: 1 minus the edits for each character of the reference."""

import re
import unicodedata

from pipeline.evaluation.scorers.scorer import Scoring


def score(reference: str, prediction: str, scoring: Scoring) -> float:
    """At least 0. Line breaks are characters; two empty texts are equal."""
    wanted, found = normalised(reference), normalised(prediction)
    if not wanted:
        return 0.0 if found else 1.0
    return max(0.0, 1.0 - edit_distance(wanted, found) / len(wanted))


def normalised(text: str) -> str:
    r"""NFKC, a written ``\n`` as a line break, each line without outer and with single spaces, in lower case."""
    text = unicodedata.normalize("NFKC", text).replace("\\n", "\n").replace("\r\n", "\n")
    return "\n".join(re.sub(r"[ \t]+", " ", line.strip()) for line in text.split("\n")).lower()


def edit_distance(a: str, b: str) -> int:
    """Levenshtein's distance.

    A column of its table is two integers, whose bits say where the next row is one more or one less (Myers 1999), so a
    page of text takes milliseconds.
    """
    if not a or not b:
        return len(a) + len(b)
    places: dict[str, int] = {}
    for place, character in enumerate(a):
        places[character] = places.get(character, 0) | 1 << place
    everywhere, last = (1 << len(a)) - 1, 1 << len(a) - 1
    more, less, distance = everywhere, 0, len(a)
    for character in b:
        equal = places.get(character, 0)
        vertical = equal | less
        diagonal = (((equal & more) + more) ^ more) | equal
        more_across = less | ~(diagonal | more) & everywhere
        less_across = more & diagonal
        distance += bool(more_across & last) - bool(less_across & last)
        more_across = (more_across << 1 | 1) & everywhere
        less_across = less_across << 1 & everywhere
        more = less_across | ~(vertical | more_across) & everywhere
        less = more_across & vertical
    return distance
