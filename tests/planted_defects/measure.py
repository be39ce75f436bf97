"""Precision and recall of every translation check on planted defects, and what it says about real clean text.

``python -m tests.planted_defects.measure`` prints the tables.
"""

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.core.parquet import write_rows
from pipeline.data.samples import IMAGE_TOKEN, SAMPLE_SCHEMA
from pipeline.store.queries import findings_of
from pipeline.store.sql_files import sql_files
from tests.planted_defects.defects import PLANTERS, Planted, planted_corpus
from tests.planted_defects.held_out import HELD_OUT, clean_samples
from tests.planted_defects.planting import Sample
from tests.support.shared_data import shared_data

CONTENT = "numbers_differ quoted_text_lost polarity_flipped links_or_code_damaged length_ratio truncated"
"""What a text says of its original when most of the text is gone or another."""
INSTRUCTION = "answer_format_instruction_untranslated answer_format_instruction_inconsistent"
SHORT_ANSWER = "choice_letters_changed boxes_changed"
IMPLIED = {
    # English text instead of Japanese is longer and has no Japanese ending; instructions are a part of a question.
    "untranslated": CONTENT,
    "untranslated_question": f"{CONTENT} {INSTRUCTION} {SHORT_ANSWER}",
    "answer_format_instruction_untranslated": "answer_format_instruction_inconsistent untranslated_question "
    "links_or_code_damaged",
    # The content of the answer or of a part of it is lost.
    "truncated": CONTENT,
    "length_ratio": f"{CONTENT} mixed_style",
    "wrong_language": f"{CONTENT} untranslated",
    "translator_chatter_or_refusal": f"{CONTENT} untranslated mixed_style",
    "empty_turn": f"{CONTENT} {INSTRUCTION} {SHORT_ANSWER} control_characters_or_mojibake",
    "control_characters_or_mojibake": f"{CONTENT} {INSTRUCTION} {SHORT_ANSWER} wrong_language degenerate_repetition",
    "degenerate_repetition": f"{CONTENT} mixed_style untranslated",
    "answer_copies_question": f"{CONTENT} {SHORT_ANSWER}",
    # A turn more or less moves the image token or repeats a turn; a question in the wrong place is read as an answer.
    "broken_alternation": "image_token_lost_or_moved repeated_turn quoted_text_lost",
    # One place of the text, seen by the check of its neighbour: a number in a quotation, an entity in a name or
    # in the ending of a sentence, a bracket of code, a longer yes or no.
    "quoted_text_lost": "links_or_code_damaged length_ratio numbers_differ polarity_flipped",
    "links_or_code_damaged": "quoted_text_lost numbers_differ truncated",
    "polarity_flipped": "length_ratio",
    "html_entities": f"quoted_text_lost links_or_code_damaged numbers_differ mixed_style {INSTRUCTION}",
    "numbers_differ": "quoted_text_lost",
    "choice_letters_changed": "numbers_differ polarity_flipped",
    "repeated_turn": "image_token_lost_or_moved",
    "boxes_changed": "numbers_differ",
    "near_duplicate_conversation": "mixed_style",
    "duplicate_conversation": "near_duplicate_conversation",
}
ALSO: Mapping[str, frozenset[str]] = {planted: frozenset(checks.split()) for planted, checks in IMPLIED.items()}
"""Checks that rightly speak about a sample with another defect planted."""


SOFTER: Mapping[str, tuple[str, ...]] = {
    "links_or_code_damaged": ("names_differ",),
    "numbers_differ": ("numbers_lost_or_added",),
    "polarity_flipped": ("negation_differs", "facts_differ"),
    "truncated": ("full_stop_lost", "unpaired_marks"),
}
"""Checks that warn of the same kind of defect where it is less sure; a planted one may be found by either."""


@dataclass(frozen=True, slots=True)
class Score:
    """Of one check: ``num_right`` of its ``num_findings`` are planted or implied by what is planted."""

    num_planted: int
    num_found: int
    num_findings: int
    num_right: int

    @property
    def recall(self) -> float:
        return self.num_found / self.num_planted if self.num_planted else 1.0

    @property
    def precision(self) -> float:
        return self.num_right / self.num_findings if self.num_findings else 1.0


Found = Mapping[str, set[tuple[str, int | None]]]
"""The sample and the turn of every finding, by check."""


def found_in(samples: Iterable[Sample]) -> Found:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "samples.parquet"
        write_rows(path, samples, schema=SAMPLE_SCHEMA)
        found = {
            check.name: set(zip(*(table[name].to_pylist() for name in ("sample_id", "turn_index")), strict=True))
            for check, table in findings_of(sql_files("checks/translation").values(), samples=path)
        }
        return {
            name: places.union(*(found[softer] for softer in SOFTER.get(name, ()))) for name, places in found.items()
        }


def scores_of(planted: Iterable[Planted], found: Found) -> dict[str, Score]:
    """A planted turn is found at its own turn; other findings in its sample are right only when ``ALSO`` says so."""
    by_check, kind_of = defaultdict(list), {}
    for defect in planted:
        by_check[defect.check].append(defect)
        kind_of[defect.sample_id] = defect
    return {
        check: Score(
            num_planted=len(by_check[check]),
            num_found=sum(_is_found(defect, findings) for defect in by_check[check]),
            num_findings=len(findings),
            num_right=sum(_is_right(check, kind_of.get(sample_id), turn) for sample_id, turn in findings),
        )
        for check, findings in found.items()
        if check in PLANTERS
    }


def _is_found(defect: Planted, findings: set[tuple[str, int | None]]) -> bool:
    if defect.turn_index is not None:
        return (defect.sample_id, defect.turn_index) in findings
    return any(sample_id == defect.sample_id for sample_id, _ in findings)


def _is_right(check: str, defect: Planted | None, turn_index: int | None) -> bool:
    if defect is None:
        return False
    if defect.check != check:
        return check in ALSO.get(defect.check, ())
    return defect.turn_index in (None, turn_index)


def real_samples() -> list[Sample]:
    """The captions and conversations of ``photos``; no English original is known."""
    samples = []
    for name in ("pretrain", "instruct"):
        for record in json.loads((shared_data() / "photos" / f"{name}.json").read_text(encoding="utf-8")):
            turns = [
                {"role": ("user", "assistant")[index % 2], "text": message["value"], "original": None}
                for index, message in enumerate(record["conversations"])
            ]
            image = record["image"] if any(IMAGE_TOKEN in turn["text"] for turn in turns) else None
            samples.append({
                "sample_id": record["id"], "record_index": len(samples), "source": "photos", "image": image,
                "image_sha256": image, "category": None, "turns": turns,
            })  # fmt: skip
    return samples


def held_out_table(*, num_clean: int, num_per_check: int, seed: int) -> str:
    """Other forms of the defects, and clean texts that were written by hand."""
    samples, planted = planted_corpus(num_clean=num_clean, num_per_check=num_per_check, seed=seed, planters=HELD_OUT)
    hand = clean_samples()
    scores = scores_of(planted, found_in(samples))
    lines = ["| check | planted | found | recall |", "|---|---:|---:|---:|"]
    for name, score in [*((name, scores[name]) for name in sorted(HELD_OUT)), ("**all**", total(scores.values()))]:
        lines.append(f"| {name} | {score.num_planted} | {score.num_found} | {score.recall:.3f} |")
    flagged = {sample_id for findings in found_in(hand).values() for sample_id, _ in findings}
    precision = total(scores.values()).precision
    return "\n".join((
        *lines, "",
        f"Precision over all checks: {precision:.3f}. Clean texts written by hand: {len(hand)}, of which "
        f"{len(flagged)} have a finding.",
    ))  # fmt: skip


def total(scores: Iterable[Score]) -> Score:
    scores = list(scores)
    return Score(*(sum(getattr(score, name) for score in scores) for name in Score.__slots__))


def tables(scores: Mapping[str, Score], *, num_clean: int, clean: Mapping[str, int], real: Found, num_real: int) -> str:
    lines = [
        "| check | planted | found | recall | findings | right | precision | in clean samples | in real samples |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, score in [*sorted(scores.items()), ("**all**", total(scores.values()))]:
        numbers = f"{score.num_planted} | {score.num_found} | {score.recall:.3f} | {score.num_findings}"
        places = (clean.get(name, 0), len(real.get(name, ()))) if name in scores else (clean.total(), "")
        lines.append(f"| {name} | {numbers} | {score.num_right} | {score.precision:.3f} | {places[0]} | {places[1]} |")
    flagged = {sample_id for findings in real.values() for sample_id, _ in findings}
    percent = 100 * len(flagged) / num_real if num_real else 0
    return "\n".join((
        *lines, "",
        f"Clean generated samples: {num_clean}, of which {clean.total()} findings. "
        f"Real captions and conversations: {num_real}, of which {len(flagged)} ({percent:.1f} %) have a finding.",
    ))  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clean", type=int, default=20_000)
    parser.add_argument("--per-check", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--examples", type=int, default=0, help="print so many missed and false findings per check")
    options = parser.parse_args()
    samples, planted = planted_corpus(num_clean=options.clean, num_per_check=options.per_check, seed=options.seed)
    found = found_in(samples)
    defective = {defect.sample_id for defect in planted}
    clean = Counter(name for name, findings in found.items() for sample, _ in findings if sample not in defective)
    real = real_samples()
    report = tables(
        scores_of(planted, found), num_clean=options.clean, clean=clean, real=found_in(real), num_real=len(real)
    )
    held_out = held_out_table(num_clean=options.clean, num_per_check=options.per_check, seed=options.seed + 1)
    print(report, held_out, sep="\n\n")
    if options.examples:
        _print_examples(options.examples, samples, planted, found)


def _print_examples(number: int, samples: list[Sample], planted: list[Planted], found: Found) -> None:
    turns = {sample["sample_id"]: sample["turns"] for sample in samples}
    kind_of = {defect.sample_id: defect for defect in planted}
    for check, findings in found.items():
        missed = [defect for defect in planted if defect.check == check and not _is_found(defect, findings)]
        for defect in missed[:number]:
            original = turns[defect.sample_id][defect.turn_index]["original"] if defect.turn_index is not None else ""
            print(f"MISSED {check} {defect.sample_id}:{defect.turn_index} {defect.text!r} | {original!r}")
        wrong = [place for place in findings if not _is_right(check, kind_of.get(place[0]), place[1])]
        for sample_id, turn_index in wrong[:number]:
            turn = turns[sample_id][turn_index] if turn_index is not None else {"text": "", "original": ""}
            kind = kind_of[sample_id].check if sample_id in kind_of else "clean"
            print(f"FALSE {check} {sample_id}:{turn_index} (planted {kind}) {turn['text']!r} | {turn['original']!r}")


if __name__ == "__main__":
    main()
