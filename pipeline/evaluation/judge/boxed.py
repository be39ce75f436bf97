r"""The final answer of a model that was asked to put it into ``\boxed{…}``."""

OPENING = "\\boxed{"


def boxed_answer(text: str) -> str:
    """The content of the last box, stripped; the whole text, stripped, where no box is closed.

    Braces inside count. As llm-jp-eval-mm does it at 9f450a5, where the benchmark's own page gives an answer without a
    box no point.
    """
    found, place = text.strip(), 0
    while (start := text.find(OPENING, place)) >= 0:
        start += len(OPENING)
        end = _closing(text, start)
        if end is None:
            break
        found, place = text[start:end].strip(), end + 1
    return found


def _closing(text: str, start: int) -> int | None:
    depth = 1
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return place
    return None
