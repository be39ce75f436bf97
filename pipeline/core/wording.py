"""Amounts and lists as people read them."""

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
