"""eval-mm's mecha-ja: the right letter is anywhere in the answer. Every question may be asked in four rotations.

Rotation i asks with the options from the i-th on, then those before it; its item's id ends in ``_rot<i>``.
"""

import re
from collections.abc import Callable, Sequence

from pipeline.evaluation.scorers.scorer import Answer, Statistics
from pipeline.evaluation.scorers.statistics import mean_of

ROTATED = re.compile(r"(.*)_rot(\d+)$")
LETTERS = "ABCD"
FACTOID = 0


def statistics(answers: Sequence[Answer], values: Sequence[float]) -> Statistics:
    """Means by kind of answer and by background, of all items and of each rotation; and how consistent answers are."""
    rotations = [f"rot_{rotation_of(answer.item_id)}" for answer in answers]
    found = dict(_groups(answers, values, [True] * len(answers)))
    del found["overall"]  # is the mean
    for name in dict.fromkeys(rotations):
        chosen = [rotation == name for rotation in rotations]
        found |= {f"{name}/{group}": mean for group, mean in _groups(answers, values, chosen).items()}
    return {**found, **consistency(answers, values, only_letter)}


def rotation_of(item_id: str) -> str:
    """``no_rot`` of an item that is no rotation."""
    found = ROTATED.match(item_id)
    return found[2] if found else "no_rot"


def _groups(answers: Sequence[Answer], values: Sequence[float], chosen: Sequence[bool]) -> Statistics:
    is_factoid = [answer.scoring.get("answer_type") == FACTOID for answer in answers]
    has_background = [bool(answer.scoring.get("background_text")) for answer in answers]
    groups = {
        "overall": [True] * len(answers),
        "Factoid": is_factoid,
        "Non-Factoid": [not one for one in is_factoid],
        "with_background": has_background,
        "without_background": [not one for one in has_background],
    }
    return {
        name: mean_of(values, [one and other for one, other in zip(members, chosen, strict=True)])
        for name, members in groups.items()
    }


def consistency(
    answers: Sequence[Answer], values: Sequence[float], letter_of: Callable[[Answer], str | None]
) -> Statistics:
    """What rotations are for; nothing where some items are no rotations.

    ``strict_accuracy`` is the share of questions right in all four rotations, ``consistency`` of those whose four
    letters mean the same option, right or wrong; the script's soft accuracy is the mean of the items. A question that
    lacks an answer to a rotation is in neither.
    """
    questions: dict[str, dict[int, int]] = {}
    for place, answer in enumerate(answers):
        if (rotated := ROTATED.match(answer.item_id)) is None:
            return {}
        questions.setdefault(rotated[1], {})[int(rotated[2])] = place
    is_asked, is_right, is_same = ([0.0] * len(answers) for _ in range(3))
    for places in questions.values():
        if sorted(places) != list(range(len(LETTERS))):
            continue
        first = places[0]
        letters = [letter_of(answers[places[rotation]]) for rotation in range(len(LETTERS))]
        meant = {None if letter is None else (LETTERS.find(letter) + i) % 4 for i, letter in enumerate(letters)}
        is_asked[first] = 1.0
        is_right[first] = float(all(values[place] == 1 for place in places.values()))
        is_same[first] = float(len(meant) == 1 and None not in meant)
    asked = [bool(one) for one in is_asked]
    return {
        "strict_accuracy": mean_of(is_right, asked),
        "consistency": mean_of(is_same, asked),
    }


def only_letter(answer: Answer) -> str | None:
    """The one of the four letters that is in the answer; None when there is none, or another one as well."""
    found = [letter for letter in LETTERS if letter in answer.prediction]
    return found[0] if len(found) == 1 else None
