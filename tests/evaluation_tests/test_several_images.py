"""Questions about several images: what an item shows, what a model gets, which items are one observation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.core.clusters import image_clusters
from pipeline.data.items import item_rows
from pipeline.data.samples import normalise, sample_table
from pipeline.evaluation.answers import Question

RED, BLUE = (Image.new("RGB", (2, 2), colour) for colour in ("red", "blue"))


def item_of(images, *texts, details=None):
    turns = [{"from": ("human", "gpt")[place % 2], "value": text} for place, text in enumerate(texts)]
    sample = normalise({"id": "1", "images": images, "conversations": turns}, record_index=0)
    (row,) = sample_table([sample]).to_pylist()
    row["image_sha256"] = f"sha256 of {row['image']}"
    for image in row["further_images"]:
        image["image_sha256"] = f"sha256 of {image['image']}"
    (item,) = item_rows([row], details=details or {})
    return item["image"], item["further_images_sha256"], item["question"], item["image_places"]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("違いは。", "色"), ("a", ["sha256 of b"], "違いは。", None)),
        (("<image>\n<image>\n違いは。", "色"), ("a", ["sha256 of b"], "違いは。", None)),
        (("左の<image>と右の<image>の違いは。", "色"), ("a", ["sha256 of b"], "左のと右のの違いは。", [2, 5])),
        (("違いは。\n<image><image>", "色"), ("a", ["sha256 of b"], "違いは。\n", [5, 5])),
        (("<image>\n何。", "猫", "<image>は。", "犬"), ("a", None, "何。", None)),
        (("何。", "猫", "<image><image>は。", "犬"), (None, None, "何。", None)),
    ],
)
def test_an_item_has_the_images_of_its_question_at_their_places(texts, expected):
    assert item_of(["a", "b"], *texts) == expected


def test_questions_on_the_same_images_are_counted_together():
    talks = [
        {"id": str(n), "images": images, "question": "何。", "answer": "猫"}
        for n, images in enumerate(("ab", "ac", "ab"))
    ]
    samples = [normalise({**talk, "images": list(talk["images"])}, record_index=0) for talk in talks]
    rows = item_rows(sample_table(samples).to_pylist(), details={})
    assert [row["question_index"] for row in rows] == [0, 0, 1]


def test_the_parts_of_a_question_are_images_and_texts_in_their_order():
    assert Question("1", "違いは。", (RED, BLUE)).parts() == [RED, BLUE, "違いは。"]
    placed = Question("1", "左と右の違いは。", (RED, BLUE), image_places=(1, 3))
    assert placed.parts() == ["左", RED, "と右", BLUE, "の違いは。"]
    assert Question("1", "違いは。", (RED, BLUE), image_places=(0, 4)).parts() == [RED, "違いは。", BLUE]


def test_items_that_share_any_image_are_one_cluster_also_through_others():
    assert image_clusters([("a",), ("b",), ("a",), ()]) == ["a", "b", "a", None]
    assert image_clusters([("a", "b"), ("c", "d"), ("e",), ("d", "b"), ()]) == ["a", "a", "e", "a", None]


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=3), max_size=8))
def test_clusters_are_the_connected_parts(images):
    clusters = image_clusters(images)
    groups = [set(own) for own in images]
    for _ in images:
        groups = [set().union(group, *(other for other in groups if group & other)) for group in groups]
    for one, group in zip(clusters, groups, strict=True):
        assert (one is None) == (not group)
        for other, another in zip(clusters, groups, strict=True):
            if group and another:
                assert (one == other) == bool(group & another)
