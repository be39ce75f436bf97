"""Every check finds the defect it is for in clean conversations, and little else."""

from collections import Counter

import pytest

from pipeline.store.sql_files import sql_files
from tests.planted_defects.corpus import generate, sample_rows
from tests.planted_defects.defects import PLANTERS, planted_corpus
from tests.planted_defects.measure import ALSO, found_in, real_samples, scores_of, total
from tests.planted_defects.written import TEXTS, measure, planted_in

pytestmark = pytest.mark.long

MIN_RECALL, MIN_PRECISION = 0.95, 0.98
LOWER_RECALL = {"links_or_code_damaged": 0.85}
"""A name that becomes another word that is no name, or is left out, is not looked for: that is what translators do."""
NUM_CLEAN, NUM_PER_CHECK = 2_000, 60


@pytest.fixture(scope="module")
def planted():
    return planted_corpus(num_clean=NUM_CLEAN, num_per_check=NUM_PER_CHECK, seed=7)


@pytest.fixture(scope="module")
def found(planted):
    samples, _ = planted
    return found_in(samples)


def test_every_planter_is_of_a_check():
    assert set(PLANTERS) <= set(sql_files("checks/translation"))


def test_implied_findings_name_checks_that_exist():
    assert {*ALSO, *(check for checks in ALSO.values() for check in checks)} <= set(PLANTERS)


@pytest.mark.parametrize("check", PLANTERS)
def test_a_planted_defect_is_found_where_it_is(planted, found, check):
    score = scores_of(planted[1], found)[check]
    assert score.num_planted == NUM_PER_CHECK
    assert score.recall >= LOWER_RECALL.get(check, MIN_RECALL)


@pytest.mark.parametrize("check", PLANTERS)
def test_what_a_check_finds_is_planted(planted, found, check):
    score = scores_of(planted[1], found)[check]
    assert score.precision >= MIN_PRECISION


def test_few_of_the_real_captions_and_conversations_have_a_finding():
    samples = real_samples()
    flagged = {sample_id for findings in found_in(samples).values() for sample_id, _ in findings}
    assert len(flagged) <= 0.03 * len(samples)


def test_the_corpus_is_decided_by_its_seed():
    assert list(generate(50, seed=3)) == list(generate(50, seed=3)) != list(generate(50, seed=4))


def test_generated_conversations_differ_and_have_several_turns():
    texts = [tuple(turn["text"] for turn in row["turns"]) for row in sample_rows(generate(3_000, seed=1))]
    assert len(set(texts)) > 0.97 * len(texts)
    assert 6 < sum(map(len, texts)) / len(texts) < 8


def test_a_planted_defect_changes_only_its_turn():
    planters = {check: PLANTERS[check] for check in ("numbers_differ", "truncated")}
    samples, planted = planted_corpus(num_clean=0, num_per_check=5, seed=2, planters=planters)
    clean = {row["sample_id"]: row for row in sample_rows(generate(2 * 5 * 60, seed=2))}
    for defect, sample in zip(planted, samples, strict=True):
        pairs = zip(clean[defect.sample_id]["turns"], sample["turns"], strict=True)
        assert [index for index, (before, after) in enumerate(pairs) if before != after] == [defect.turn_index]


def test_phrasings_of_a_planted_defect_vary():
    _, planted = planted_corpus(num_clean=0, num_per_check=40, seed=2)
    texts = {check: Counter(one.text for one in planted if one.check == check) for check in PLANTERS}
    narrow = [check for check, counts in texts.items() if len(counts) < 8 and "" not in counts]
    assert set(narrow) <= {"empty_turn"}
    assert max(len(counts) for counts in texts.values()) >= 20


def test_defects_written_by_hand_are_found_and_clean_conversations_left_alone():
    measured = measure(TEXTS / "third")
    whole = total(measured.scores.values())
    assert whole.recall >= 0.93
    assert whole.precision >= MIN_PRECISION
    assert measured.num_flagged <= 0.02 * measured.num_clean


@pytest.mark.parametrize(
    ("change", "texts", "turn_index"),
    [
        ("1 赤 → 青", ["何色？", "青です。"], 1),
        ("1 * → はい", ["何色？", "はい"], 1),
        ("1 ^ → 訳：", ["何色？", "訳：赤です。"], 1),
        ("1 $ → 以上。", ["何色？", "赤です。以上。"], 1),
        ("1 bytes utf-8 latin-1", ["何色？", "赤です。".encode().decode("latin-1")], 1),
        ("drop 0", ["赤です。"], 0),
        ("twice 1", ["何色？", "赤です。", "赤です。"], 1),
        ("again 0", ["何色？", "赤です。", "何色？", "赤です。"], 2),
    ],
)
def test_a_line_of_a_file_says_what_a_written_defect_changes(change, texts, turn_index):
    turns = [{"text": "何色？"}, {"text": "赤です。"}]
    assert planted_in(turns, change) == turn_index
    assert [turn["text"] for turn in turns] == texts


def test_a_written_defect_that_changes_nothing_is_refused():
    with pytest.raises(ValueError, match="changes nothing"):
        planted_in([{"text": "赤です。"}], "0 黒 → 白")
