"""Amounts and lists as people read them."""

import math
from collections.abc import Sequence


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
