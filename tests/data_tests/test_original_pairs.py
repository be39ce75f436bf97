import json
import time

import pyarrow.parquet as pq
import pytest

from pipeline.data.original_pairs import pairs_of, shape_of
from pipeline.data.prepare import prepare_dataset
from pipeline.store.artifacts import ArtifactStore
from tests.support.small_data import local_source, talk

CAPTIONS = [
    ("草の上で犬が走っています。", "A dog is running on the grass."),
    ("犬が芝生の上を走っている。", "The dog runs across a lawn."),
    ("茶色い犬が公園にいます。", "There is a brown dog in a park."),
    ("公園で犬が遊んでいるところです。", "A dog at play in a park."),
    ("一匹の犬が外を走っています。", "One dog is running outside."),
]
"""Five captions of one photo: by lengths alone the second would be given the third's original."""


def shapes(texts, *, is_japanese):
    return [shape_of([text], is_japanese=is_japanese) for text in texts]


def paired(japanese, english):
    return pairs_of(shapes(japanese, is_japanese=True), shapes(english, is_japanese=False))


@pytest.mark.parametrize("count", [2, 3, 5])
def test_the_kth_belongs_to_the_kth_when_the_counts_agree(count):
    japanese, english = zip(*CAPTIONS[:count], strict=True)
    assert paired(japanese, english) == list(range(count))


def test_captions_of_like_length_have_no_original_when_one_was_left_out():
    japanese, english = zip(*CAPTIONS, strict=True)
    assert paired(japanese[1:], english) == [None, None, None, None]


def test_digits_and_lengths_find_the_originals_when_one_was_left_out():
    english = ["In 1998.", "A long answer about a dog that plays in a park with three children.", "In 2004."]
    japanese = ["公園で三人の子供と遊んでいる犬についての長い答えです。", "2004年。"]
    assert paired(japanese, english) == [1, 2]


def test_files_in_another_order_are_seen_and_clear_pairs_alone_remain():
    english = ["In 2004.", "A red bus stops in front of us.", "In 1998.", "A blue bus leaves without us."]
    japanese = ["1998年。", "青いバスが我々を乗せずに出る。", "2004年。", "赤いバスが我々の前に止まる。"]
    assert paired(japanese, english) == [2, None, 0, None]


def test_conversations_of_other_numbers_of_turns_do_not_disturb_the_order():
    english = [["a"], ["b", "b"], ["c"], ["d", "d"], ["e", "e", "e"]]
    japanese = [["え"], ["び", "び"], ["し"], ["で", "で"]]
    pairs = pairs_of(
        [shape_of(texts, is_japanese=True) for texts in japanese],
        [shape_of(texts, is_japanese=False) for texts in english],
    )
    assert pairs == [0, 1, 2, 3]


def test_thousands_of_equal_ids_take_no_time_that_grows_with_their_square():
    japanese = [f"{'犬' * (number % 50)}です。" for number in range(4000)]
    english = [f"A {'dog ' * (number % 50)}." for number in range(4001)]
    started = time.process_time()
    assert paired(japanese, english) == [None] * 4000
    assert time.process_time() - started < 15  # all with all are 16 million comparisons, and a minute


def test_what_is_not_clear_is_counted_as_a_warning_and_has_no_original(tmp_path):
    japanese, english = zip(*CAPTIONS, strict=True)
    source = local_source(tmp_path, [talk("9", None, "説明して。", text) for text in japanese[1:]], {})
    originals = [talk("9", None, "Describe it.", text) for text in english]
    (tmp_path / "english.json").write_text(json.dumps(originals), encoding="utf-8")
    source = source.model_copy(update={"originals": tmp_path / "english.json"})
    dataset = prepare_dataset(source, store=ArtifactStore(tmp_path / "store"))
    assert dataset.summary["num_with_original"] == 0
    findings = pq.read_table(dataset.path("findings.parquet")).to_pylist()
    assert [row["evidence"] for row in findings if row["check"] == "original_unclear"] == [
        "4 conversations of this id and image here, 5 in English"
    ] * 4
    assert {row["severity"] for row in findings} == {"warn"}
