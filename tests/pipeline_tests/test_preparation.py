import json

import pyarrow.parquet as pq
import pytest

from pipeline.config import LocalSource, ShapesJaSource
from pipeline.errors import DataError
from pipeline.preparation import prepare_dataset, prepare_request, require_complete
from pipeline.store import ArtifactStore
from tests.pipeline_tests.small_data import local_source, picture, talk


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("LLAVA_JP_STORE", str(tmp_path / "store"))
    return ArtifactStore(tmp_path / "store")


def rows(manifest, name: str) -> list[dict]:
    return pq.read_table(manifest.path(name)).to_pylist()


def test_counts_in_equal_counts_out_whatever_is_wrong(tmp_path, store):
    records = [
        talk("good", "a.png"),
        talk("text", None),
        talk("good", "b.png"),
        talk("no-file", "no.png"),
        talk("bad-file", "bad.png"),
        talk("outside", "../records.json"),
        talk("no-answer", "a.png", "何。"),
        talk("token", None, "<image>\n何。", "犬。"),
        "text",
        {"id": "empty"},
    ]
    source = local_source(tmp_path, records, {"a.png": picture(1), "b.png": picture(2), "bad.png": b"bad"})
    manifest = prepare_dataset(source, store=store)
    assert manifest.summary == {
        "source": "local",
        "num_records": 10,
        "num_samples": 3,
        "num_rejected": 7,
        "num_text_only": 1,
        "num_with_original": 0,
        "num_turns": 6,
        "num_characters": 12,
        "num_images": 2,
    }
    assert [row["sample_id"] for row in rows(manifest, "samples.parquet")] == ["good", "text", "good#2"]
    findings = rows(manifest, "findings.parquet")
    assert [(row["record_index"], row["check"]) for row in findings if row["severity"] == "warn"] == [
        (2, "id_repeated")
    ]
    assert {row["record_index"]: row["check"] for row in findings if row["severity"] == "reject"} == {
        3: "image_missing",
        4: "image_unreadable",
        5: "image_outside_folder",
        6: "answer_missing",
        7: "image_token_without_image",
        8: "record_not_an_object",
        9: "conversation_missing",
    }


def test_lines_that_are_not_json_are_counted(tmp_path, store):
    images = local_source(tmp_path, [], {}).images
    (tmp_path / "a.jsonl").write_text(f"{json.dumps(talk('1', None))}\nnot json\n\n", encoding="utf-8")
    source = LocalSource(kind="local", annotations=tmp_path / "a.jsonl", images=images)
    summary = prepare_dataset(source, store=store).summary
    assert (summary["num_records"], summary["num_samples"], summary["num_rejected"]) == (2, 1, 1)


def test_an_image_of_ten_samples_is_one_image(tmp_path, store):
    records = [talk(f"sample-{index}", "a.png") for index in range(10)]
    manifest = prepare_dataset(local_source(tmp_path, records, {"a.png": picture(1)}), store=store)
    (image,) = rows(manifest, "images.parquet")
    assert (image["image"], image["status"], image["bytes"]) == ("a.png", "ok", None)
    samples = rows(manifest, "samples.parquet")
    assert [sample["image_sha256"] for sample in samples] == [image["image_sha256"]] * 10
    assert manifest.summary["num_images"] == 1


def test_two_names_of_the_same_bytes_are_one_usable_image(tmp_path, store):
    source = local_source(
        tmp_path, [talk("1", "a.png"), talk("2", "b.png")], {"a.png": picture(1), "b.png": picture(1)}
    )
    manifest = prepare_dataset(source, store=store)
    assert len(rows(manifest, "images.parquet")) == 2
    assert manifest.summary["num_images"] == 1


def test_samples_under_a_repeated_id_are_all_kept_each_under_a_name_of_its_own(tmp_path, store):
    records = [talk("x", None), talk("x#2", None), talk("x", None), talk("x", None, "何。"), talk("x", None)]
    manifest = prepare_dataset(local_source(tmp_path, records, {}), store=store)
    assert [row["sample_id"] for row in rows(manifest, "samples.parquet")] == ["x", "x#2", "x#3", "x#5"]
    assert [
        (row["severity"], row["check"], row["sample_id"], row["record_index"], row["evidence"])
        for row in rows(manifest, "findings.parquet")
    ] == [
        ("warn", "id_repeated", "x#3", 2, "x is also record 0; this one is x#3"),
        ("reject", "answer_missing", "x#4", 3, "何。"),
        ("warn", "id_repeated", "x#4", 3, "x is also record 0; this one is x#4"),
        ("warn", "id_repeated", "x#5", 4, "x is also record 0; this one is x#5"),
    ]


def test_a_dataset_without_records_is_a_dataset(tmp_path, store):
    summary = prepare_dataset(local_source(tmp_path, [], {}), store=store).summary
    assert (summary["num_records"], summary["num_samples"], summary["num_images"]) == (0, 0, 0)


def test_the_same_files_elsewhere_are_the_same_dataset(tmp_path, store):
    requests = [
        prepare_request(local_source(tmp_path / name, [talk("1", "a.png")], {"a.png": picture(1)})) for name in "ab"
    ]
    assert requests[0].fingerprint == requests[1].fingerprint
    changed = prepare_request(local_source(tmp_path / "b", [talk("1", "a.png")], {"a.png": picture(99)}))
    assert changed.fingerprint != requests[0].fingerprint


def test_generated_images_lie_in_the_dataset(store):
    source = ShapesJaSource(kind="shapes-ja", content="conversations", num_images=2, seed=0)
    manifest = prepare_dataset(source, store=store)
    images = rows(manifest, "images.parquet")
    assert [image["image"] for image in images] == [f"shapes-conversations-00000{n}.png" for n in (1, 2)]
    assert all(image["bytes"].startswith(b"\x89PNG") and image["file"] is None for image in images)
    assert (manifest.summary["num_samples"], manifest.summary["num_images"]) == (12, 2)


def test_a_benchmark_with_an_item_missing_is_refused(tmp_path, store):
    manifest = prepare_dataset(local_source(tmp_path, [talk("1", None), talk("2", "no.png")], {}), store=store)
    message = (
        "benchmark heron: 1 of 2 items cannot be used; `llava-jp query finding_examples` says why. "
        "Repair the files and run again"
    )
    with pytest.raises(DataError, match=message):
        require_complete(manifest, name="heron")


def test_a_whole_benchmark_is_accepted(tmp_path, store):
    require_complete(prepare_dataset(local_source(tmp_path, [talk("1", None)], {}), store=store), name="heron")
