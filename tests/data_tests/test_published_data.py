"""Published datasets from a hub to samples: pinned before they are planned, fetched, and brought into one form."""

import io
import json
import re
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from flows.cli.main import app
from pipeline.benchmarks.benchmark import table_rows
from pipeline.config.experiment import PublishedSource, load_experiment
from pipeline.config.identity import Identities
from pipeline.core.errors import ConfigError, DataError, StoreError
from pipeline.core.retries import Patience
from pipeline.core.settings import load_settings
from pipeline.data.download import fetch as download
from pipeline.data.download import plan as fetch_plan
from pipeline.data.download import registry as sources
from pipeline.data.download.datasets import fetch_datasets, pin_datasets, plan_download, published_datasets, revisions
from pipeline.data.download.registry import known_datasets, read_registry
from pipeline.data.formats import RECORD_READERS, coco_2014_records, stair_captions, visual_genome_questions
from pipeline.data.prepare import prepare_dataset, prepare_request
from pipeline.planning.plan import plan_experiment
from pipeline.store.artifacts import ArtifactStore
from tests.support.hub_server import running_hub
from tests.support.small_data import picture, talk

REGISTRY = """
sources:
  llava-pretrain-ja: {what: captions, kind: hub_dataset, repo: team/captions, licence: CC BY-NC 4.0,
    is_non_commercial: true, citation: us, files: [{name: ja.jsonl, approximate_bytes: 900}]}
  llava-pretrain-originals: {what: captions, kind: hub_dataset, repo: team/english, licence: CC BY 4.0, citation: us,
    files: [{name: en.json, approximate_bytes: 900}]}
  llava-pretrain-images: {what: photos, kind: http, licence: Flickr, citation: us, files: [{name: images.zip,
    url: "CDN/images.zip", approximate_bytes: 900, unpacked: {folder: photos, num_bytes: 9000, num_files: 2}}]}
  ja-vg-vqa-500: {what: questions, kind: hub_dataset, repo: team/vg, licence: CC BY 4.0, citation: us,
    files: [{name: data/test-*.parquet, approximate_bytes: 900}]}
  ja-vlm-bench-in-the-wild: {what: questions, kind: hub_dataset, repo: team/wild, licence: none, citation: us,
    files: [{name: data/test-*.parquet, approximate_bytes: 900}]}
  japanese-heron-bench: {what: questions, kind: hub_dataset, repo: team/heron, licence: Apache 2.0, citation: us,
    files: [{name: "*.jsonl", approximate_bytes: 900}, {name: images/*.jpg, approximate_bytes: 900}]}
  heron-bench-judge: {what: rules, kind: http, licence: Apache 2.0, citation: us,
    files: [{name: rule.json, url: "CDN/rule.json", approximate_bytes: 900}]}
datasets:
  llava-pretrain-ja: {annotations: {source: llava-pretrain-ja, file: ja.jsonl}, images: [llava-pretrain-images],
    originals: {source: llava-pretrain-originals, file: en.json}, image_folder: photos, num_records: 2, num_images: 2}
  ja-vg-vqa-500: {annotations: {source: ja-vg-vqa-500, file: data/test-*.parquet}, num_records: 2, num_images: 1}
  ja-vlm-bench-in-the-wild: {annotations: {source: ja-vlm-bench-in-the-wild, file: data/test-*.parquet},
    num_records: 2, num_images: 1}
  japanese-heron-bench: {annotations: {source: japanese-heron-bench, file: questions_ja.jsonl}, image_folder: images,
    kept: [{source: heron-bench-judge, file: rule.json}], num_records: 1, num_images: 1}
"""
RULES = b'{"conv": {"role": "Assistant", "prompt": "Compare."}}\n'


def lines(*records) -> bytes:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()


def table(*rows) -> bytes:
    content = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), content)
    return content.getvalue()


def zipped(**files: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            archive.writestr(f"00453/{name}.png", data)
    return content.getvalue()


@pytest.fixture
def hub(monkeypatch, tmp_path):
    monkeypatch.setenv("LLAVA_JP_STORE", str(tmp_path / "store"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with running_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        registry = read_registry(REGISTRY.replace("CDN", server.cdn_url))
        monkeypatch.setattr(sources, "_registry", lambda: registry)
        captions = [
            talk("1", "00453/a.png", "<image>\n説明。", "犬。"),
            talk("2", "00453/b.png", "<image>\n何。", "猫。"),
        ]
        server.add("datasets/team/captions", {"ja.jsonl": lines(*captions)})
        english = [
            talk("2", "00453/b.png", "<image>\nWhat?", "A cat."),
            talk("1", "00453/a.png", "Describe.", "A dog."),
        ]
        server.add("datasets/team/english", {"en.json": json.dumps(english).encode()})
        server.files["/images.zip"] = zipped(a=picture(1), b=picture(2))
        server.files["/rule.json"] = RULES
        yield server


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path / "store")


def prepared(name, store):
    pin_datasets([name], root=store.root)
    fetch_datasets([name], root=store.root)
    manifest = prepare_dataset(PublishedSource(kind="published", name=name), store=store)
    return manifest, pq.read_table(manifest.path("samples.parquet")).to_pylist()


def talks(rows):
    return {row["sample_id"]: [turn["text"] for turn in row["turns"]] for row in rows}


def test_a_training_set_comes_with_its_images_and_its_english(hub, store):
    manifest, rows = prepared("llava-pretrain-ja", store)
    assert talks(rows) == {"1": ["<image>\n説明。", "犬。"], "2": ["<image>\n何。", "猫。"]}
    assert [turn["original"] for turn in rows[1]["turns"]] == ["<image>\nWhat?", "A cat."]
    assert {row["source"] for row in rows} == {"llava-pretrain-ja"}
    summary = manifest.summary
    assert (summary["num_samples"], summary["num_images"], summary["num_with_original"]) == (2, 2, 2)


def test_a_published_dataset_is_named_by_the_revisions_of_its_sources(hub, store):
    source = PublishedSource(kind="published", name="llava-pretrain-ja")
    before = prepare_request(source, Identities(store.root))
    assert set(before.config["revisions"].values()) == {"not pinned yet"}
    pin_datasets(["llava-pretrain-ja"], root=store.root)
    assert not (store.root / "sources").exists()
    after = prepare_request(source, Identities(store.root))
    assert after.config["revisions"] == revisions("llava-pretrain-ja", root=store.root)
    assert "not pinned yet" not in after.config["revisions"].values()
    assert after.fingerprint != before.fingerprint
    hub.add("datasets/team/captions", {"ja.jsonl": b""}, commit="second")
    pin_datasets(["llava-pretrain-ja"], root=store.root)
    assert prepare_request(source, Identities(store.root)).fingerprint == after.fingerprint


def test_pinning_twice_asks_nobody(hub, store):
    pin_datasets(["llava-pretrain-ja"], root=store.root)
    hub.requests.clear()
    pin_datasets(["llava-pretrain-ja"], root=store.root)
    assert hub.requests == []


def test_nothing_is_pinned_or_fetched_when_the_disk_cannot_hold_it(hub, store, monkeypatch):
    monkeypatch.setattr(fetch_plan, "free_bytes", lambda path: 1_000_000_000)
    with pytest.raises(StoreError, match="and 1.0 GB are free .* set LLAVA_JP_STORE to a folder on a larger disk"):
        pin_datasets(["llava-pretrain-ja"], root=store.root)
    assert not hub.asked(method="GET", server="cdn")
    with pytest.raises(StoreError, match="and 1.0 GB are free"):
        fetch_datasets(["llava-pretrain-ja"], root=store.root)
    assert not (store.root / "sources").exists()


def test_a_dataset_that_was_not_fetched_says_how(hub, store):
    with pytest.raises(DataError, match="ja-vg-vqa-500 has not been fetched; `llava-jp fetch ja-vg-vqa-500` does it"):
        prepare_dataset(PublishedSource(kind="published", name="ja-vg-vqa-500"), store=store)


def test_visual_genome_questions_share_the_photo_in_their_table(hub, store):
    photo = picture(5)
    qas = [{"qa_id": 7, "question": "何色。", "answer": "白。"}, {"qa_id": 8, "question": "何。", "answer": "犬。"}]
    row = {"image_id": 23, "coco_id": 9.0, "qas": qas, "image": {"bytes": photo, "path": None}}
    hub.add("datasets/team/vg", {"data/test-00000-of-00001.parquet": table(row), "data/train-0.parquet": b"no"})
    manifest, rows = prepared("ja-vg-vqa-500", store)
    assert talks(rows) == {"7": ["<image>\n何色。", "白。"], "8": ["<image>\n何。", "犬。"]}
    assert {(row["image"], row["coco_id"], row["visual_genome_id"]) for row in rows} == {("23.jpg", 9, 23)}
    (image,) = pq.read_table(manifest.path("images.parquet")).to_pylist()
    assert (image["bytes"], image["status"], image["file"]) == (photo, "ok", None)


def test_wild_questions_are_numbered_by_their_row(hub, store):
    rows = [
        {
            "image_url": "https://a/b.jpg",
            "question": "何。",
            "answer": "犬。",
            "image": {"bytes": picture(1), "path": "b.jpg"},
        },
        {
            "image_url": "https://a/c.jpg",
            "question": "誰。",
            "answer": "人。",
            "image": {"bytes": picture(2), "path": "c.jpg"},
        },
    ]
    hub.add("datasets/team/wild", {"data/test-00000-of-00001.parquet": table(*rows)})
    _, samples = prepared("ja-vlm-bench-in-the-wild", store)
    assert talks(samples) == {"0": ["<image>\n何。", "犬。"], "1": ["<image>\n誰。", "人。"]}
    assert [row["image"] for row in samples] == ["00-b.jpg", "01-c.jpg"]


def heron(*answers):
    question = {"question_id": 0, "image": "001.jpg", "category": "conv", "text": "誰。", "context": "トトロ。"}
    question["image_category"] = "anime"
    return {
        "questions_ja.jsonl": lines(question, {**question, "question_id": 1, "category": "detail"}),
        "answers_gpt4.jsonl": lines(*({"question_id": int(number), "text": text} for number, text in answers)),
        "images/001.jpg": picture(3),
    }


def test_heron_questions_are_joined_with_their_references_by_id(hub, store):
    hub.add("datasets/team/heron", heron(("1", "後。"), ("0", "先。")))
    _, rows = prepared("japanese-heron-bench", store)
    assert talks(rows) == {"0": ["<image>\n誰。", "先。"], "1": ["<image>\n誰。", "後。"]}
    assert [row["category"] for row in rows] == ["conv", "detail"]


def test_a_benchmark_keeps_its_items_as_published_and_the_judges_rules(hub, store):
    hub.add("datasets/team/heron", heron(("1", "後。"), ("0", "先。")))
    manifest, rows = prepared("japanese-heron-bench", store)
    first, second = pq.read_table(manifest.path("items.parquet")).to_pylist()
    assert first == {
        "item_id": "0",
        "image": "001.jpg",
        "image_sha256": rows[0]["image_sha256"],
        "question_index": 0,
        "category": "conv",
        "image_category": "anime",
        "context": "トトロ。",
        "question": "誰。",
        "reference": "先。",
        "scoring": None,
        "further_images_sha256": None,
        "image_places": None,
    }
    assert (second["question_index"], second["category"]) == (1, "detail")
    assert manifest.path("rule.json").read_bytes() == RULES


def test_a_training_set_has_no_items(hub, store):
    manifest, _ = prepared("llava-pretrain-ja", store)
    assert "items.parquet" not in {file.path for file in manifest.files}


def test_a_heron_question_without_a_reference_is_an_error(hub, store):
    hub.add("datasets/team/heron", heron(("0", "先。")))
    with pytest.raises(DataError, match=r"answers_gpt4\.jsonl has no answer to question 1 of questions_ja\.jsonl"):
        prepared("japanese-heron-bench", store)


def test_an_experiment_names_its_published_datasets_once(hub, tmp_path):
    overrides = [
        "datasets.pretrain={kind: published, name: llava-pretrain-ja}",
        "datasets.finetune={kind: published, name: llava-pretrain-ja}",
    ]
    config = load_experiment("smoke", overrides)
    assert published_datasets(config) == ("llava-pretrain-ja",)
    assert published_datasets(load_experiment("smoke")) == ()
    assert "dataset/pretrain" in [str(step.role) for step in plan_experiment(config, load_settings())]
    assert plan_download((), root=tmp_path) is None


def test_an_unknown_published_dataset_lists_the_known_ones(hub, store):
    with pytest.raises(ConfigError, match="no published dataset is named 'heron'; there are: ja-vg-vqa-500, "):
        plan_experiment(load_experiment("smoke", ["datasets.pretrain={kind: published, name: heron}"]), load_settings())


def test_stair_captions_are_one_record_each(tmp_path):
    content = {
        "images": [{"id": 9, "file_name": "COCO_train2014_000000000009.jpg"}],
        "annotations": [{"id": 1, "image_id": 9, "caption": "犬。"}, {"id": 2, "image_id": 8, "caption": "猫。"}],
    }
    (tmp_path / "a.json").write_text(json.dumps(content), encoding="utf-8")
    first, second = (record for record, _ in stair_captions([tmp_path / "a.json"], tmp_path))
    assert (first["id"], first["image"], first["coco_id"]) == (1, "COCO_train2014_000000000009.jpg", 9)
    assert first["conversations"][1] == {"from": "gpt", "value": "犬。"}
    assert second["image"] is None  # and so a finding, as its question shows an image


def test_coco_photos_of_2014_are_found_under_their_longer_names(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(lines(talk("1", "000000000009.jpg"), talk("2", "000000000010.jpg"), "no record"))
    (tmp_path / "000000000010.jpg").write_bytes(picture(1))
    records = [record for record, _ in coco_2014_records([tmp_path / "a.jsonl"], tmp_path)]
    assert [record["image"] for record in records[:2]] == ["COCO_train2014_000000000009.jpg", "000000000010.jpg"]
    assert records[2] == "no record"


def test_visual_genome_photos_are_found_in_either_folder(tmp_path):
    (tmp_path / "VG_100K").mkdir()
    (tmp_path / "VG_100K" / "1.jpg").write_bytes(picture(1))
    qas = [{"question": "何色。", "answer": "白。"}, {"question": "何。", "answer": "犬。"}]
    (tmp_path / "qa.json").write_text(json.dumps([{"id": 1, "qas": qas}, {"id": 2, "qas": qas[:1]}]), encoding="utf-8")
    first, second = (record for record, _ in visual_genome_questions([tmp_path / "qa.json"], tmp_path))
    assert [first["image"], second["image"]] == ["VG_100K/1.jpg", "VG_100K_2/2.jpg"]
    assert [message["value"] for message in first["conversations"]] == ["<image>\n何色。", "白。", "何。", "犬。"]


def test_every_reader_belongs_to_a_dataset_of_the_registry():
    assert set(RECORD_READERS) <= set(known_datasets())


PUBLISHED = ["--set", "datasets.pretrain={kind: published, name: llava-pretrain-ja}"]


def test_show_says_what_a_download_takes_and_what_its_licences_forbid(hub):
    shown = CliRunner().invoke(app, ["show", "smoke", *PUBLISHED], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert "llava-pretrain-ja" in shown.output
    assert "NON-COMMERCIAL terms, at least for a part: llava-pretrain-ja" in shown.output
    assert re.search(r"to fetch: [\d.]+ kB; disk needed: about [\d.]+ kB, archives and what comes out", shown.output)
    assert "fingerprints of steps on sources that are not pinned yet are not final" in shown.output
    assert "Published data" not in shown.output
    with_licences = CliRunner().invoke(app, ["show", "smoke", "--config", *PUBLISHED], env={"COLUMNS": "200"})
    assert re.search(r"Published data\s.*licence", with_licences.output, re.DOTALL)
    assert not hub.asked("*.zip", method="GET")


def test_show_refuses_what_the_disk_cannot_hold(hub, monkeypatch):
    monkeypatch.setattr(fetch_plan, "free_bytes", lambda path: 5)
    shown = CliRunner().invoke(app, ["show", "smoke", *PUBLISHED], env={"COLUMNS": "200"})
    assert shown.exit_code == 1
    assert "and 5 bytes are free" in shown.output


def test_fetch_brings_a_dataset_or_a_single_source(hub, store):
    fetched = CliRunner().invoke(app, ["fetch", "llava-pretrain-ja"], env={"COLUMNS": "200"})
    assert fetched.exit_code == 0, fetched.output
    assert (store.root / "images" / "photos" / "00453" / "a.png").read_bytes() == picture(1)
    again = CliRunner().invoke(app, ["fetch", "llava-pretrain-originals"], env={"COLUMNS": "200"})
    assert again.exit_code == 0
    assert "there" in again.output


def test_fetch_lists_what_there_is_when_a_name_is_wrong(hub):
    fetched = CliRunner().invoke(app, ["fetch", "llava"])
    assert fetched.exit_code == 1
    assert "no source is named 'llava'; there are: heron-bench-judge, " in " ".join(fetched.output.split())


def test_without_a_network_the_command_line_says_so_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("LLAVA_JP_STORE", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(download, "PATIENCE_TO_PIN", Patience(attempts=2, sleep=lambda seconds: None))
    fetched = CliRunner().invoke(app, ["fetch", "ja-vlm-bench-in-the-wild"], env={"COLUMNS": "200"})
    assert fetched.exit_code == 1
    assert isinstance(fetched.exception, SystemExit)
    assert "2 times in a row; try again later" in fetched.output


def test_a_row_of_a_benchmark_with_half_a_character_is_a_finding(hub, store):
    files = heron(("1", "後。"), ("0", "先。"))
    files["questions_ja.jsonl"] = files["questions_ja.jsonl"].replace("トトロ。".encode(), b"\\\\ud83d \\ud83d", 1)
    hub.add("datasets/team/heron", files)
    manifest, rows = prepared("japanese-heron-bench", store)
    (finding,) = pq.read_table(manifest.path("findings.parquet")).to_pylist()
    assert (finding["check"], finding["record_index"]) == ("record_not_json", 0)
    assert "context: half a surrogate pair" in finding["evidence"]
    assert [row["sample_id"] for row in rows] == ["1"]


def test_a_text_of_a_table_that_is_not_utf8_is_named_with_its_file(tmp_path):
    texts = pa.array([b"\xff\xfe"], type=pa.binary()).view(pa.string())
    pq.write_table(pa.table({"question": texts}), tmp_path / "test.parquet")
    with pytest.raises(DataError, match=r"test.parquet has a text that is not UTF-8 .*; fetch it again"):
        list(table_rows([tmp_path / "test.parquet"]))
