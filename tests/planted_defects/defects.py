"""One planter per translation check, and a corpus in which the place of every defect is known."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from random import Random

from tests.planted_defects import defects_of_language, defects_of_translation
from tests.planted_defects.corpus import generate, sample_rows
from tests.planted_defects.planting import Planter, Sample, UnsuitableSampleError

CHECKS = {
    defects_of_language: (
        "control_characters_or_mojibake", "html_entities", "degenerate_repetition", "empty_turn", "wrong_language",
        "translator_chatter_or_refusal", "mixed_style", "answer_copies_question", "repeated_turn", "broken_alternation",
    ),
    defects_of_translation: (
        "untranslated", "untranslated_question",
        "image_token_lost_or_moved", "numbers_differ", "polarity_flipped", "choice_letters_changed",
        "boxes_changed", "quoted_text_lost", "links_or_code_damaged", "length_ratio", "truncated",
        "answer_format_instruction_untranslated", "answer_format_instruction_inconsistent", "duplicate_conversation",
        "near_duplicate_conversation",
    ),
}  # fmt: skip
PLANTERS: Mapping[str, Planter] = {
    name: getattr(module, name) for module, names in CHECKS.items() for name in sorted(names)
}
COPIES = ("duplicate_conversation", "near_duplicate_conversation")
"""These defects are a second sample beside a clean one."""


@dataclass(frozen=True, slots=True)
class Planted:
    """Where a defect is: ``turn_index`` is None when it is the conversation as a whole."""

    check: str
    sample_id: str
    turn_index: int | None
    text: str


def planted_corpus(
    *, num_clean: int, num_per_check: int, seed: int, planters: Mapping[str, Planter] = PLANTERS
) -> tuple[list[Sample], list[Planted]]:
    """Clean samples, and samples with one defect each; ids are new, images are shared by two neighbours."""
    rng = Random(seed)
    source = sample_rows(generate(num_clean + len(planters) * num_per_check * 60, seed=seed))
    samples = [next(source) for _ in range(num_clean)]
    planted = []
    for check, planter in planters.items():
        num_left = num_per_check
        while num_left:
            sample = next(source)
            defective = deepcopy(sample)
            try:
                turn_index = planter(defective, rng)
            except UnsuitableSampleError:
                continue
            if check in COPIES:
                defective["sample_id"] += "-copy"
                samples.append(sample)
            samples.append(defective)
            num_left -= 1
            text = "" if turn_index is None else defective["turns"][turn_index]["text"]
            planted.append(Planted(check, defective["sample_id"], turn_index, text))
    order = {sample["sample_id"]: index for index, sample in enumerate(samples)}
    return [{**sample, "record_index": order[sample["sample_id"]]} for sample in samples], planted
