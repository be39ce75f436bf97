"""Amounts, lists and foreign texts as people read them."""

import math
import re
from collections.abc import Sequence

OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters but line end and tab, and those that turn the direction of writing."""


def size_text(num_bytes: float) -> str:
    """``27.4 GB``, ``12.3 MB``, ``800 bytes``; decimal units as download pages use them."""
    if num_bytes < 1000:
        return f"{int(num_bytes)} bytes"
    for unit, size in (("kB", 1e3), ("MB", 1e6), ("GB", 1e9)):
        if num_bytes < 999.95 * size:
            return f"{num_bytes / size:.1f} {unit}"
    return f"{num_bytes / 1e12:.2f} TB"


def duration_text(seconds: float) -> str:
    """``45 s``, ``3 min 20 s``, ``5 h 10 min``."""
    if seconds < 99.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    return f"{minutes // 60} h {minutes % 60} min"


def first_few(names: Sequence[str], count: int = 5) -> str:
    """``17, 18, 19``, or the first ones and ``…``."""
    return ", ".join(names[:count]) + (", …" if len(names) > count else "")


def printable(text: str) -> str:
    """A text from outside without what a terminal obeys: it could move the cursor, hide lines or colour them."""
    return encodable(OBEYED.sub("", text))


def encodable(text: str) -> str:
    """The text with ``\\udc83`` spelled out for halves of surrogate pairs, which no file and no terminal takes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


HALF_PAIR = re.compile("[\ud800-\udfff]")
REPLACEMENT = "\ufffd"
"""What Unicode puts where bytes or halves of pairs are no character; tokenizers do the same."""


def whole_characters(text: str) -> str:
    """The text with ``REPLACEMENT`` for each half of a surrogate pair: JSON can spell one, no file can hold it."""
    return HALF_PAIR.sub(REPLACEMENT, text)


MARKDOWN = re.compile(r"[\\`*<>&|~]|!(?=\[)|\](?=[(\[:])|(?<=:)//|(?<=www)\.", re.IGNORECASE)
"""What begins something in Markdown; of brackets only those of a link, so that ``[1.0, 2.0]`` can be read as it is."""
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "//": "&#47;&#47;", ".": "&#46;"}
"""Where a backslash does not help: HTML, and addresses, which some readers turn into links by themselves."""


def markdown_text(text: object) -> str:
    """A text from outside as one line of Markdown that shows it: no picture, link, HTML or cell comes out of it."""
    line = printable(" ".join(str(text).split()))
    return MARKDOWN.sub(lambda found: ENTITIES.get(found[0], f"\\{found[0]}"), line)


SLOWEST_RATE = 0.01
"""Below it, the time for one says more."""


def rate_text(per_second: float, unit: str) -> str:
    """``1234 tokens/s``, ``61.3 images/s``, ``0.0123 images/s``, ``1 in 3 min 20 s``: three digits at least."""
    if 0 < per_second < SLOWEST_RATE:
        return f"1 in {duration_text(1 / per_second)}"
    return f"{three_digits(per_second)} {unit}/s"


def three_digits(value: float) -> str:
    """``1234``, ``61.3``, ``6.13``, ``0.0613``: at least three digits that count, without an exponent."""
    magnitude = math.floor(math.log10(abs(value))) if value and math.isfinite(value) else 0
    return f"{value:.{max(0, 2 - magnitude)}f}"
