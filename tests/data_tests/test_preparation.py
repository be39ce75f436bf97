import base64
import json
import time

import pyarrow.parquet as pq
import pytest

from pipeline.config.experiment import LocalSource, ShapesJaSource
from pipeline.config.identity import Identities
from pipeline.core.errors import DataError
from pipeline.data import image_table
from pipeline.data import prepare as preparation
from pipeline.data.images import inspect_file
from pipeline.data.ingest import _UniqueIds
from pipeline.data.prepare import prepare_dataset, prepare_request, require_complete
from pipeline.data.sample_images import images_of
from pipeline.data.samples import Finding
from pipeline.store.artifacts import ArtifactStore
from tests.support.small_data import local_source, picture, sha256_of, talk


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
        "num_further_images": 0,
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


def test_a_sample_with_an_image_that_cannot_be_used_is_one_finding_that_names_it(tmp_path, store):
    records = [
        {"id": name, "images": images, "conversations": talk(name, None)["conversations"]}
        for name, images in (
            ("good", ["a.png", "b.png", "a.png"]),
            ("one", ["no.png", "a.png"]),
            ("two", ["a.png", "no.png", "bad.png"]),
        )
    ]
    source = local_source(tmp_path, records, {"a.png": picture(1), "b.png": picture(2), "bad.png": b"bad"})
    manifest = prepare_dataset(source, store=store)
    summary = manifest.summary
    assert (summary["num_records"], summary["num_samples"], summary["num_rejected"]) == (3, 1, 2)
    assert (summary["num_images"], summary["num_text_only"]) == (2, 0)
    (sample,) = rows(manifest, "samples.parquet")
    assert images_of(sample) == [sha256_of(picture(shade)) for shade in (1, 2, 1)]
    one, two = rows(manifest, "findings.parquet")
    assert (one["check"], one["evidence"]) == ("image_missing", "no.png: No such file or directory")
    assert two["check"] == "image_missing"
    assert two["evidence"].startswith("no.png: No such file or directory; bad.png: ")


def test_several_images_are_read_in_the_forms_of_openai_and_trl(tmp_path, store):
    held = [f"data:image/png;base64,{base64.b64encode(picture(shade)).decode()}" for shade in (1, 3)]
    text = {"type": "text", "text": "違いは。"}
    parts = [text, *({"type": "image_url", "image_url": {"url": url}} for url in (held[0], "b.png"))]
    records = [
        {"id": "openai", "messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": "色"}]},
        {
            "id": "trl",
            "images": ["b.png", held[1]],
            "prompt": [{"role": "user", "content": [{"type": "image"}, {"type": "image"}, text]}],
            "completion": [{"role": "assistant", "content": [{"type": "text", "text": "色"}]}],
        },
    ]
    manifest = prepare_dataset(local_source(tmp_path, records, {"b.png": picture(2)}), store=store)
    openai, trl = rows(manifest, "samples.parquet")
    assert openai["turns"][0]["text"] == "違いは。\n<image>\n<image>"
    assert trl["turns"][0]["text"] == "<image>\n<image>\n違いは。"
    assert images_of(openai) == [sha256_of(picture(1)), sha256_of(picture(2))]
    assert images_of(trl) == [sha256_of(picture(2)), sha256_of(picture(3))]
    assert manifest.summary["num_further_images"] == 2


def test_a_further_image_is_part_of_what_a_dataset_is(tmp_path, store):
    record = {"id": "1", "images": ["a.png", "b.png"], "conversations": talk("1", None)["conversations"]}
    source = local_source(tmp_path, [record], {"a.png": picture(1), "b.png": picture(2)})
    before = prepare_request(source, Identities(store.root)).fingerprint
    (source.images / "b.png").write_bytes(picture(3))
    assert prepare_request(source, Identities(store.root)).fingerprint != before


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


def with_originals(folder, records, originals, images):
    """A dataset beside the English records that it was translated from."""
    source = local_source(folder, records, images)
    (folder / "english.json").write_text(json.dumps(originals), encoding="utf-8")
    return source.model_copy(update={"originals": folder / "english.json"})


def originals_of(manifest):
    return {row["sample_id"]: [turn["original"] for turn in row["turns"]] for row in rows(manifest, "samples.parquet")}


def test_the_english_original_is_found_by_id_and_image(tmp_path, store):
    source = with_originals(
        tmp_path,
        [talk("9", "a.png", "<image>\n何。", "犬。"), talk("9", None, "何色。", "白。"), talk("no", None)],
        [
            talk("9", None, "Which colour?", "White."),
            talk("9", "a.gif", "<image>\nWhat?", "A dog."),
            talk("other", None, "Who?", "She."),
        ],
        {"a.png": picture(1)},
    )
    manifest = prepare_dataset(source, store=store)
    assert originals_of(manifest) == {
        "9": ["<image>\nWhat?", "A dog."],
        "9#2": ["Which colour?", "White."],
        "no": [None, None],
    }
    assert manifest.summary["num_with_original"] == 2


def test_of_several_originals_under_one_id_each_goes_to_the_conversation_it_fits(tmp_path, store):
    long = "この画像には、公園で遊んでいる犬と、その後ろを歩いている三人の子供が写っています。天気は晴れです。"
    long_english = (
        "The image shows a dog playing in a park and three children who are walking behind it. The weather is sunny."
    )
    source = with_originals(
        tmp_path,
        [
            talk("9", None, "説明してください。", long),
            talk("9", None, "何年。", "1998年。"),
            talk("9", None, "何年。", "2004年。"),
        ],
        [
            talk("9", None, "Which year?", "In 2004."),
            talk("9", None, "Please describe.", long_english),
            talk("9", None, "Which year?", "In 1998."),
        ],
        {},
    )
    assert originals_of(prepare_dataset(source, store=store)) == {
        "9": ["Please describe.", long_english],
        "9#2": ["Which year?", "In 1998."],
        "9#3": ["Which year?", "In 2004."],
    }


def test_an_original_with_other_turns_is_a_warning_and_the_sample_is_kept(tmp_path, store):
    source = with_originals(tmp_path, [talk("9", None)], [talk("9", None, "a", "b", "c", "d")], {})
    manifest = prepare_dataset(source, store=store)
    assert originals_of(manifest) == {"9": [None, None]}
    (finding,) = rows(manifest, "findings.parquet")
    assert (finding["check"], finding["severity"]) == ("original_has_other_turns", "warn")
    assert finding["evidence"] == "2 turns; in English 4"


def test_english_beside_the_japanese_is_not_replaced(tmp_path, store):
    record = {
        "id": "9",
        "conversations": [
            {"from": "human", "value": "What?", "jp": "何。"},
            {"from": "gpt", "value": "A dog.", "jp": "犬。"},
        ],
    }
    source = with_originals(tmp_path, [record], [talk("9", None, "Another?", "Text.")], {})
    assert originals_of(prepare_dataset(source, store=store)) == {"9": ["What?", "A dog."]}


def test_other_originals_make_another_dataset(tmp_path, store):
    requests = [
        prepare_request(
            with_originals(tmp_path / name, [talk("1", None)], [talk("1", None, text, "b")], {}),
            Identities(store.root),
        ).fingerprint
        for name, text in (("one", "a"), ("two", "a"), ("three", "c"))
    ]
    assert requests[0] == requests[1] != requests[2]


def test_an_interrupted_preparation_decodes_no_image_twice(tmp_path, store, monkeypatch):
    monkeypatch.setattr(image_table, "IMAGES_PER_PART", 2)
    images = {f"{index}.png": picture(index) for index in range(5)}
    source = local_source(tmp_path, [talk(name, name) for name in images], images)
    inspected = []

    def inspect(name, *, folder):
        if len(inspected) == 3:
            raise KeyboardInterrupt
        inspected.append(name)
        return inspect_file(name, folder=folder)

    with monkeypatch.context() as patch:
        patch.setattr(image_table, "inspect_file", inspect)
        with pytest.raises(KeyboardInterrupt):
            prepare_dataset(source, store=store)
    inspected.clear()

    def note(name, *, folder):
        inspected.append(name)
        return inspect_file(name, folder=folder)

    monkeypatch.setattr(image_table, "inspect_file", note)
    monkeypatch.setattr(preparation, "ingest", None)  # the records are not read again either
    manifest = prepare_dataset(source, store=store)
    assert sorted(inspected) == ["2.png", "3.png", "4.png"]
    assert manifest.summary["num_samples"] == 5
    assert [row["image"] for row in rows(manifest, "images.parquet")] == list(images)


def test_a_dataset_without_records_is_a_dataset(tmp_path, store):
    summary = prepare_dataset(local_source(tmp_path, [], {}), store=store).summary
    assert (summary["num_records"], summary["num_samples"], summary["num_images"]) == (0, 0, 0)


def test_the_same_files_elsewhere_are_the_same_dataset(tmp_path, store):
    requests = [
        prepare_request(
            local_source(tmp_path / name, [talk("1", "a.png")], {"a.png": picture(1)}), Identities(store.root)
        )
        for name in "ab"
    ]
    assert requests[0].fingerprint == requests[1].fingerprint
    changed = prepare_request(
        local_source(tmp_path / "b", [talk("1", "a.png")], {"a.png": picture(99)}), Identities(store.root)
    )
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


def test_images_that_are_no_folder_are_refused_before_anything_runs(tmp_path, store):
    source = local_source(tmp_path, [], {})
    with pytest.raises(DataError, match=r"images: .*records\.json is not a folder"):
        prepare_request(source.model_copy(update={"images": source.annotations}), Identities(store.root))
    with pytest.raises(DataError, match=r"images is not a file of records"):
        prepare_request(source.model_copy(update={"annotations": source.images}), Identities(store.root))


def test_one_id_for_all_records_costs_no_square():
    ids, started = _UniqueIds(), time.monotonic()
    names = [ids.name(Finding("a", "same", index, ""))[0].sample_id for index in range(20_000)]
    assert time.monotonic() - started < 5  # half a minute and more with a search from the first number on
    assert names[:3] == ["same", "same#2", "same#3"]
    assert len(set(names)) == 20_000
