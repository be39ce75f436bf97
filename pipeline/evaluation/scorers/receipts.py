"""Scorers of receipts: which field and value pairs of the reference are in the JSON that the model wrote.

``jawildtext-receipt-kie`` is eval-mm's. Where that would stop (a JSON that is no object, items that are no list), the
answer counts as unreadable, like one without JSON: it scores 0 and is counted. ``receipt_fields`` is ours: it reads any
JSON object in the answer and compares amounts without currency signs and spaces.
"""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.core.errors import DataError
from pipeline.evaluation.reasoning import without_reasoning
from pipeline.evaluation.scorers.scorer import Answer, Scorer, Scoring, Statistics
from pipeline.evaluation.scorers.statistics import mean_of

FIELDS = ("store_name", "store_address", "receipt_id", "date", "time", "total_amount", "tax_amount")
ITEM_FIELDS = ("item_name", "item_price", "item_quantity")
AMOUNTS = ("total_amount", "tax_amount", "item_price")
FENCED = re.compile(r"```(?:json)?\s*\n?(.*?)\n?```", re.DOTALL)

Receipt = Mapping[str, Any]
Read = Callable[[str], Receipt | None]
"""An answer to its receipt; None where there is none to be read."""
Normalise = Callable[[str, Any], str]
"""Name of a field and its value to what is compared."""


@dataclass(frozen=True, slots=True)
class Match:
    """How one answer agrees with its reference; all 0 of one that cannot be read."""

    f1: float = 0.0
    precision: float = 0.0
    recall: float = 0.0
    fields: Mapping[str, bool] = field(default_factory=dict)
    """Whether each field is right; a field without an entry does not count."""
    is_readable: bool = False


def receipt_scorer(match: Callable[[str, str], Match]) -> Scorer:
    """The scorer whose value is F1, with precision, recall and the share right of each field."""

    def score(reference: str, prediction: str, scoring: Scoring) -> float:
        return match(reference, prediction).f1

    def statistics(answers: Sequence[Answer], values: Sequence[float]) -> Statistics:
        matches = [match(answer.reference, answer.prediction) for answer in answers]
        rates = {
            "precision": mean_of([one.precision for one in matches]),
            "recall": mean_of([one.recall for one in matches]),
        }
        fields = {
            f"field_{name}": mean_of(
                [float(one.fields.get(name, False)) for one in matches], [name in one.fields for one in matches]
            )
            for name in FIELDS
        }
        return {**rates, **fields}

    def counts(answers: Sequence[Answer]) -> dict[str, int]:
        unreadable = [not match(answer.reference, answer.prediction).is_readable for answer in answers]
        return {"parse_error_count": sum(unreadable)}

    return Scorer(score, statistics=statistics, counts=counts)


def eval_mm_match(reference: str, prediction: str) -> Match:
    """As eval-mm compares. A field that is left out is not equal to one that is null: they read as "" and "none"."""
    wanted, found = _receipt_of(reference), first_json(prediction)
    if not _is_receipt(found):
        return Match()
    fields = {
        name: _eval_mm_value(name, wanted.get(name, "")) == _eval_mm_value(name, found.get(name, "")) for name in FIELDS
    }
    return _match(_pairs(wanted, _eval_mm_value), _pairs(found, _eval_mm_value), fields)


def own_match(reference: str, prediction: str) -> Match:
    """A field that is left out is null; the share right of a field is of the receipts that have it."""
    wanted, found = _receipt_of(reference), any_receipt(prediction)
    if found is None:
        return Match()
    pairs, found_pairs = _pairs(wanted, _own_value), _pairs(found, _own_value)
    fields = {
        name: _own_value(name, wanted[name]) == _own_value(name, found.get(name))
        for name in FIELDS
        if _own_value(name, wanted.get(name))
    }
    return _match(pairs, found_pairs, fields)


def _receipt_of(reference: str) -> Receipt:
    try:
        receipt = json.loads(reference)
    except ValueError as error:
        raise DataError(f"its reference is not JSON ({error})") from error
    if not _is_receipt(receipt):
        raise DataError("its reference is no JSON object of a receipt")
    found: Receipt = receipt
    return found


def first_json(text: str) -> Any:
    """What the first fenced block holds, else what stands from the first brace to the one that closes it."""
    if (fenced := FENCED.search(text)) is not None:
        try:
            return json.loads(fenced[1].strip())
        except (ValueError, RecursionError):
            pass  # perhaps there is an object elsewhere
    start, depth = text.find("{"), 0
    for end in range(start, len(text)) if start >= 0 else ():
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        if depth == 0:
            try:
                return json.loads(text[start : end + 1])
            except (ValueError, RecursionError):
                return None
    return None


def any_receipt(text: str) -> Receipt | None:
    """The last JSON object of the answer that has a field of a receipt, else any object; None where there is none."""
    decoder, answer = json.JSONDecoder(), without_reasoning(text)
    found: list[Receipt] = []
    place = answer.find("{")
    while place >= 0:
        try:
            one, end = decoder.raw_decode(answer, place)
        except (ValueError, RecursionError):
            end = place + 1
        else:
            found.append(one)
        place = answer.find("{", end)
    with_fields = [one for one in found if {*FIELDS, "line_items"} & one.keys()]
    return next(reversed(with_fields or found), None)


def _is_receipt(found: Any) -> bool:
    """Whether eval-mm can take it: an object whose items, if there are any, can be gone through."""
    return isinstance(found, dict) and isinstance(found.get("line_items") or [], list | dict | str)


def _pairs(receipt: Receipt, normalise: Normalise) -> Counter[str]:
    """``field:value`` of everything that has a value; which items belong together, and their order, do not matter."""
    items = receipt.get("line_items")
    values = [(name, name, receipt.get(name)) for name in FIELDS]
    for item in items if isinstance(items, list) else []:
        if isinstance(item, dict):
            values += [(f"line_items.{name}", name, item.get(name)) for name in ITEM_FIELDS]
    texts = [(where, normalise(name, value)) for where, name, value in values if value is not None]
    return Counter(f"{where}:{text}" for where, text in texts if text)


def _match(wanted: Counter[str], found: Counter[str], fields: Mapping[str, bool]) -> Match:
    right = (wanted & found).total()
    if not wanted and not found:
        return Match(1.0, 1.0, 1.0, fields, is_readable=True)
    precision = right / found.total() if found else 0.0
    recall = right / wanted.total() if wanted else 1.0
    f1 = 2 * precision * recall / (precision + recall) if right else 0.0
    return Match(f1, precision, recall, fields, is_readable=True)


def _eval_mm_value(name: str, value: Any) -> str:
    """The sign of the yen goes after the outer spaces, so that a space behind it stays."""
    text = unicodedata.normalize("NFKC", str(value)).lower().strip()
    return re.sub(r"\s+", " ", re.sub("[¥￥,]", "", text))


def _own_value(name: str, value: Any) -> str:
    """Empty of null. Of amounts only the number counts, however its currency is written."""
    if value is None:
        return ""
    text = unicodedata.normalize("NFKC", str(value)).casefold()
    if name in AMOUNTS:
        return re.sub(r"[¥\\,\s円]", "", text)
    return " ".join(text.split())
