"""Conversations and defects written by hand, one set in each folder of ``texts``.

A set that has not been measured yet says what to expect from texts that no check was improved with.
``python -m tests.planted_defects.written NAME`` measures one.

A line of a file starts with a sign::

    @ source       a new conversation; all but text-only ones have an image of their own
    Q, A           what the user, the assistant says in the English original
    =              the Japanese text of the turn above
    ! check ...    a defect of the conversation above, planted into a copy of it

A defect is ``turn old → new`` (``*`` is the whole text, ``^`` its start, ``$`` its end), ``turn bytes written read``
(the turn's bytes read in another encoding), or what happens to turns: ``drop turn``, ``twice turn``, ``again turn``
(with the answer), ``copy``; ``copy turn old → new`` changes a copy beside the conversation.
"""

import argparse
import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.data.samples import TEXT_ONLY
from tests.planted_defects.defects import Planted
from tests.planted_defects.measure import Found, Score, found_in, scores_of, total
from tests.planted_defects.planting import Sample

TEXTS = Path(__file__).parent / "texts"
ESCAPES = {r"\n": "\n", **{rf"\u{code:04x}": chr(code) for code in (0x00, 0x08, 0x1B, 0x200B)}}


@dataclass(frozen=True, slots=True)
class Written:
    """A conversation with the defects that are planted into copies of it, as they stand in the file."""

    source: str
    turns: list[dict[str, Any]] = field(default_factory=list)
    defects: list[tuple[str, str]] = field(default_factory=list)


def conversations(folder: Path) -> Iterator[Written]:
    for path in sorted(folder.glob("*.txt")):
        current = Written("")
        for line in path.read_text(encoding="utf-8").splitlines():
            sign, _, text = line.partition(" ")
            for escaped, character in ESCAPES.items():
                text = text.replace(escaped, character)
            match sign:
                case "@":
                    if current.turns:
                        yield current
                    current = Written(text)
                case "Q" | "A":
                    current.turns.append({"role": "user" if sign == "Q" else "assistant", "original": text})
                case "=":
                    current.turns[-1]["text"] = text
                case "!":
                    check, _, change = text.partition(" ")
                    current.defects.append((check, change))
                case _ if line:
                    raise ValueError(f"{path}: a line starts with {sign!r}, not with one of @ Q A = !")
        yield current


def rounds(folder: Path) -> Iterator[tuple[list[Sample], list[Planted]]]:
    """The conversations as they are, then with their first defect, their second, and so on.

    A conversation and its copies are never measured together, because they are near duplicates.
    """
    written = list(conversations(folder))
    yield _numbered([_sample(one, index) for index, one in enumerate(written)]), []
    for number in range(max(len(one.defects) for one in written)):
        samples, planted = [], []
        for index, one in enumerate(written):
            sample = _sample(one, index)
            if number >= len(one.defects):
                samples.append(sample)
                continue
            check, change = one.defects[number]
            defective = deepcopy(sample)
            if change.startswith("copy"):
                samples.append(sample)
                defective["sample_id"] += "-copy"
                change = change.removeprefix("copy").strip()
            turn_index = planted_in(defective["turns"], change)
            samples.append(defective)
            is_whole = check in ("broken_alternation", "duplicate_conversation", "near_duplicate_conversation")
            planted.append(Planted(check, defective["sample_id"], None if is_whole else turn_index, change))
        yield _numbered(samples), planted


def planted_in(turns: list[dict[str, Any]], change: str) -> int | None:
    """Change the turns in place; returns the turn that is wrong then."""
    if not change:
        return None
    if match := re.fullmatch(r"(drop|twice|again) (\d+)", change):
        index = int(match[2])
        if match[1] == "drop":
            del turns[index]
        elif match[1] == "twice":
            turns.insert(index, dict(turns[index]))
        else:
            turns.extend(dict(turn) for turn in turns[index : index + 2])
            return len(turns) - 2
        return index
    place, _, change = change.partition(" ")
    turn = turns[int(place)]
    text, changed = turn["text"], _changed(turn["text"], change)
    if changed == text:
        raise ValueError(f"the defect {change!r} changes nothing in {text!r}")
    turn["text"] = changed
    return int(place)


def _changed(text: str, change: str) -> str:
    if match := re.fullmatch(r"bytes (\S+) (\S+)", change):
        return text.encode(match[1], "replace").decode(match[2], "replace")
    old, arrow, new = change.partition(" →")
    if not arrow:
        raise ValueError(f"the defect {change!r} has no arrow")
    new = new.removeprefix(" ")
    match old:
        case "*":
            return new
        case "^":
            return new + text
        case "$":
            return text + new
    return text.replace(old, new, 1)


def _sample(written: Written, index: int) -> Sample:
    image = None if written.source == "text" else f"{written.source}/{index:012}.jpg"
    return {
        "sample_id": f"written-{index:04}", "record_index": index, "source": written.source if image else TEXT_ONLY,
        "image": image, "image_sha256": image, "category": None, "turns": deepcopy(written.turns),
    }  # fmt: skip


def _numbered(samples: list[Sample]) -> list[Sample]:
    return [{**sample, "record_index": index} for index, sample in enumerate(samples)]


@dataclass(frozen=True, slots=True)
class Measured:
    """``num_seen`` defects were found by any check; ``num_flagged`` of ``num_clean`` clean samples have a finding."""

    scores: dict[str, Score]
    num_seen: int
    num_clean: int
    num_flagged: int
    remarks: tuple[str, ...]


def measure(folder: Path) -> Measured:
    scores: dict[str, Score] = {}
    num_seen = num_clean = num_flagged = 0
    remarks = []
    for samples, planted in rounds(folder):
        found = found_in(samples)
        if not planted:
            num_clean, num_flagged = len(samples), len({one for places in found.values() for one, _ in places})
        else:
            defective = {defect.sample_id for defect in planted}
            found = {check: {place for place in places if place[0] in defective} for check, places in found.items()}
        seen = {sample_id for places in found.values() for sample_id, _ in places}
        num_seen += sum(defect.sample_id in seen for defect in planted)
        for check, score in scores_of(planted, found).items():
            scores[check] = total([scores[check], score]) if check in scores else score
        remarks += _remarks(samples, planted, found)
    return Measured(scores, num_seen, num_clean, num_flagged, tuple(remarks))


def _remarks(samples: list[Sample], planted: list[Planted], found: Found) -> Iterator[str]:
    """What was missed and what was found elsewhere, to read."""
    turns = {sample["sample_id"]: sample["turns"] for sample in samples}
    kind_of = {defect.sample_id: defect for defect in planted}
    for defect in planted:
        checks = sorted(name for name, places in found.items() if any(one == defect.sample_id for one, _ in places))
        if defect.check not in checks:
            kind = "MISSED" if not checks else "ELSEWHERE"
            yield f"{kind} {defect.check} {defect.sample_id} {defect.text!r} {checks}"
    for check, places in found.items():
        for sample_id, turn_index in sorted(places, key=str):
            kind = kind_of[sample_id].check if sample_id in kind_of else "clean"
            right = sample_id in kind_of and scores_of([kind_of[sample_id]], {check: {(sample_id, turn_index)}})
            if right and right[check].num_right:
                continue
            turn = turns[sample_id][turn_index] if turn_index is not None else {"text": "", "original": ""}
            yield f"FALSE {check} {sample_id}:{turn_index} (planted {kind}) {turn['text']!r} | {turn['original']!r}"


def table(measured: Measured) -> str:
    whole = total(measured.scores.values())
    lines = ["| check | planted | found | recall | findings | right |", "|---|---:|---:|---:|---:|---:|"]
    for name, score in [*sorted(measured.scores.items()), ("**all**", whole)]:
        counts = f"{score.num_planted} | {score.num_found} | {score.recall:.3f} | {score.num_findings}"
        lines.append(f"| {name} | {counts} | {score.num_right} |")
    return "\n".join((
        *lines, "",
        f"Precision {whole.precision:.3f}; found by any check: {measured.num_seen} of {whole.num_planted} "
        f"({measured.num_seen / max(whole.num_planted, 1):.3f}). Clean conversations: {measured.num_clean}, of which "
        f"{measured.num_flagged} ({100 * measured.num_flagged / measured.num_clean:.1f} %) have a finding.",
    ))  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    measured = measure(TEXTS / parser.parse_args().name)
    print(*measured.remarks, table(measured), sep="\n")


if __name__ == "__main__":
    main()
