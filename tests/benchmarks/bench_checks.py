"""What the translation checks say about real Japanese: human texts, human and machine translations, planted defects.

``python -m tests.benchmarks.bench_checks [folder]`` (default: ``real_ja`` of the shared data) prints the tables that
stand in ``docs/translation_checks.md``; ``--read CHECK`` prints findings beside their texts, for a person to judge.
"""

import argparse
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from pipeline.data.samples import Sample, Turn
from tests.benchmarks.planted_in_real import PLANTERS, Pair, planted
from tests.benchmarks.real_texts import HALVES, Found, files_of, found_in, read
from tests.support.shared_data import shared_data

HUMAN_TRANSLATIONS = ("humantr_wmt", "humantr_jsick", "humantr_tanaka")
MILLION = 1_000_000


def file_table(folder: Path, half: str) -> str:
    """Of each file, how many conversations are rejected, and by which checks."""
    lines = ["| file | conversations | rejected | any finding | by check (bold rejects) |", "|---|---:|---:|---:|---|"]
    for path in files_of(folder):
        samples = read(path, half=half)
        found = found_in(samples)
        rejected, any_of = (
            {one.sample_id for one in found if one.severity in kept} for kept in ("reject", "reject warn")
        )
        name = path.name.removesuffix(".jsonl.gz")
        shares = " | ".join(f"{100 * len(ids) / max(1, len(samples)):.2f} %" for ids in (rejected, any_of))
        lines.append(f"| {name} | {len(samples):,} | {shares} | {by_check(found)} |")
    return "\n".join(lines)


def by_check(found: Sequence[Found]) -> str:
    counts = Counter((one.check, one.severity) for one in found)
    return ", ".join(
        f"**{check}** {count}" if severity == "reject" else f"{check} {count}"
        for (check, severity), count in counts.most_common()
    )


def planted_table(folder: Path, half: str, *, per_kind: int, seed: int) -> str:
    """Of each kind of defect, how many any check finds that says nothing of the same text without the defect."""
    rows = planted(human_pairs(folder, half), per_kind=per_kind, seed=seed)
    clean = {(one.sample_id.removeprefix("clean "), one.check) for one in found_in([row.clean for row in rows])}
    found: dict[str, set[str]] = {}
    for one in found_in([row.defective for row in rows]):
        if (one.sample_id, one.check) not in clean and not one.check.startswith(("duplicate", "near_duplicate")):
            found.setdefault(one.sample_id, set()).add(one.check)
    lines = ["| kind | planted | found | recall | by |", "|---|---:|---:|---:|---|"]
    total = 0
    for kind in PLANTERS:
        names = [row.defective.sample_id for row in rows if row.kind == kind]
        num_found = sum(name in found for name in names)
        total += num_found
        checks = Counter(check for name in names for check in found.get(name, ()))
        by = ", ".join(check for check, _ in checks.most_common(3))
        lines.append(f"| {kind} | {len(names)} | {num_found} | {num_found / max(1, len(names)):.2f} | {by} |")
    return "\n".join((*lines, f"| **all** | {len(rows)} | {total} | {total / max(1, len(rows)):.2f} | |"))


def human_pairs(folder: Path, half: str) -> list[Pair]:
    """Translations that people made, of a sentence or more."""
    turns = [
        turn for path in files_of(folder) if path.name.startswith(HUMAN_TRANSLATIONS)
        for sample in read(path, half=half) for turn in sample.turns[1::2]
    ]  # fmt: skip
    return [
        (turn.original, turn.text)
        for turn in turns
        if turn.original and 30 <= len(turn.original) <= 250 and turn.text.endswith(("。", "？", "?", "か"))
    ]


def cost_table(folder: Path, *, num_characters: int) -> str:
    """CPU seconds for a million Japanese characters, in answers of several lengths."""
    lines = ["| sentences an answer | characters | CPU s for a million |", "|---:|---:|---:|"]
    pairs = [pair for pair in human_pairs(folder, "all") if pair[1].endswith("。")]
    for num_sentences in (1, 6, 24, 96):
        samples = list(_long_answers(pairs, num_sentences, num_characters))
        size = sum(len(turn.text) for sample in samples for turn in sample.turns)
        begin = time.process_time()
        found_in(samples)
        seconds = time.process_time() - begin
        lines.append(f"| {num_sentences} | {size:,} | {seconds * MILLION / size:.1f} |")
    return "\n".join(lines)


def _long_answers(pairs: Sequence[Pair], num_sentences: int, num_characters: int) -> Iterator[Sample]:
    rng, size, number = Random(0), 0, 0
    while size < num_characters:
        chosen = rng.sample(pairs, num_sentences)
        answer = Turn("assistant", "".join(text for _, text in chosen), " ".join(text for text, _ in chosen))
        yield Sample(
            f"{number}", number, "text-only", None, None, (Turn("user", "説明してください。", "Describe it."), answer)
        )
        size, number = size + len(answer.text), number + 1


def print_findings(folder: Path, half: str, check: str, number: int) -> None:
    """Findings of a check, drawn at random, with the texts that a person needs to judge them."""
    for path in files_of(folder):
        samples = {sample.sample_id: sample for sample in read(path, half=half)}
        found = [one for one in found_in(list(samples.values())) if one.check == check]
        print(f"# {path.name}: {len(found)}")
        for one in Random(0).sample(found, min(number, len(found))):
            turn = samples[one.sample_id].turns[one.turn_index or 0]
            print(f"{one.sample_id}:{one.turn_index}  {one.evidence[:120]}\n    {turn.original}\n    {turn.text}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="default: real_ja of the shared data")
    parser.add_argument("--half", choices=HALVES, default="all")
    parser.add_argument("--per-kind", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--characters", type=int, default=2_000_000, help="of each row of the table of costs")
    parser.add_argument("--read", metavar="CHECK", help="print findings of this check instead")
    parser.add_argument("--number", type=int, default=25, help="findings to print of each file")
    options = parser.parse_args()
    folder = options.folder or shared_data() / "real_ja"
    if options.read:
        print_findings(folder, options.half, options.read, options.number)
        return
    print(file_table(folder, options.half), end="\n\n", flush=True)
    print(planted_table(folder, options.half, per_kind=options.per_kind, seed=options.seed), end="\n\n", flush=True)
    print(cost_table(folder, num_characters=options.characters))


if __name__ == "__main__":
    main()
