"""Every new benchmark from a Hub to items: pinned, fetched, in one form, with the images of each item."""

import pyarrow.parquet as pq
import pytest

from pipeline.benchmarks import fetched_images
from pipeline.benchmarks.benchmark import PROBLEM
from pipeline.benchmarks.known import KNOWN_BENCHMARKS
from pipeline.config.evaluation import BenchmarkConfig
from pipeline.config.experiment import PublishedSource
from pipeline.core import public_http
from pipeline.core.errors import DataError
from pipeline.data import image_table
from pipeline.data.download.datasets import fetch_datasets
from pipeline.data.image_table import KeptImages, embedded_parts
from pipeline.data.images import inspect_bytes
from pipeline.data.prepare import prepare_dataset, require_complete
from pipeline.evaluation.predict import benchmark_items
from pipeline.store.artifacts import ArtifactStore
from tests.support.hub_server import running_hub
from tests.support.small_benchmarks import image, jmmmu_row, publish, small_sets, table
from tests.support.small_data import picture

NEW = sorted(small_sets(""))
MULTIPLE_CHOICE = "\n\n与えられた選択肢の中から最も適切な回答のアルファベットを直接記入してください。"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The datasets of all eleven in one store, by name."""
    root = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch, running_hub() as hub:
        patch.setenv("HF_ENDPOINT", hub.url)
        patch.setattr(public_http, "is_public", lambda _address: True)
        patch.setattr(fetched_images, "PAUSE_SECONDS", 0)
        publish(hub)
        fetch_datasets(NEW, root=root)
        store = ArtifactStore(root)
        return {name: prepare_dataset(PublishedSource(kind="published", name=name), store=store) for name in NEW}


def items(manifest) -> list[dict]:
    return pq.read_table(manifest.path("items.parquet")).to_pylist()


def rejected(manifest) -> list[str]:
    return [row["check"] for row in pq.read_table(manifest.path("findings.parquet")).to_pylist()]


def test_there_are_fourteen_and_eleven_of_them_are_tried_here():
    assert len(KNOWN_BENCHMARKS) == 14
    assert len(NEW) == 11


@pytest.mark.parametrize("name", NEW)
def test_every_row_becomes_an_item_and_none_is_lost_in_silence(name, prepared):
    assert len(items(prepared[name])) == (10 if name == "mecha-ja" else 2)
    assert rejected(prepared[name]) == (["image_not_fetched"] if name == "jic-vqa" else [])


def test_questions_are_asked_to_the_last_blank(prepared):
    questions = {name: items(manifest)[0]["question"] for name, manifest in prepared.items()}
    assert questions["jdocqa"] == "何割。\n"
    assert questions["jmmmu"] == f"Biologyの問2。\nA. あ2\nB. い2\nC. う2\nD. え2{MULTIPLE_CHOICE}"
    assert questions["mmmlu"] == ("問0。 A: 1 B: 2 C: NA D: 4. Output only the letter of the correct answer. Answer:")


def test_all_images_of_an_item_are_in_its_dataset(prepared):
    numbers = {
        name: [
            int(sample["image_sha256"] is not None) + len(sample["further_images"] or ())
            for sample in pq.read_table(manifest.path("samples.parquet")).to_pylist()
        ]
        for name, manifest in prepared.items()
    }
    assert numbers["ja-multi-image-vqa"] == [2, 1]
    assert numbers["jdocqa"] == [1, 2]
    assert numbers["mmmlu"] == [0, 0]
    assert {number for name in set(NEW) - {"ja-multi-image-vqa", "jdocqa", "mmmlu"} for number in numbers[name]} == {1}


def test_a_row_that_cannot_be_used_is_a_finding_that_names_it(tmp_path):
    rows = [
        {**jmmmu_row("Biology", 2), "image_1": image(1), "options": "[" * 100_000},
        {**jmmmu_row("Biology", 4), "image_1": None},
        {**jmmmu_row("Biology", 6), "image_1": image(1), "id": "6"},
        {**jmmmu_row("Biology", 8), "image_1": image(1)},
        {**jmmmu_row("Biology", 8), "image_1": image(1)},
    ]
    (tmp_path / "test.parquet").write_bytes(table("jmmmu", *rows))
    found = [record for record, _ in KNOWN_BENCHMARKS["jmmmu"].read([tmp_path / "test.parquet"], tmp_path)]
    assert [record["id"] for record in found] == ["0", "1", "2", "test_Biology_8", "test_Biology_8#2"]
    checks, evidence = zip(*(record[PROBLEM] for record in found[:3]), strict=True)
    assert set(checks) == {"row_unusable"}
    assert evidence[1:] == (
        "row 1: ValueError: image_1 is named and not there",
        "row 2: ValueError: id '6' has no subject",
    )


def test_files_without_a_column_or_of_another_kind_say_so(tmp_path):
    read = KNOWN_BENCHMARKS["jdocqa"].read
    (tmp_path / "test.parquet").write_bytes(table("cvqa"))
    with pytest.raises(DataError, match=r"test.parquet has no column question, answer, .*; it has: image, ID"):
        list(read([tmp_path / "test.parquet"], tmp_path))
    (tmp_path / "test.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(DataError, match=r"test.parquet cannot be read: .*; fetch it again"):
        list(read([tmp_path / "test.parquet"], tmp_path))
    (tmp_path / "t.csv").write_text(",Question\n0,?\n")
    with pytest.raises(DataError, match=r"t.csv has no column A, B, C, D, Answer, Subject; it has: Unnamed: 0, Quest"):
        list(KNOWN_BENCHMARKS["mmmlu"].read([tmp_path / "t.csv"], tmp_path))


def test_images_that_come_with_records_are_written_in_parts_and_kept_once(tmp_path, monkeypatch):
    monkeypatch.setattr(image_table, "BYTES_PER_PART", 100)
    kept = KeptImages(tmp_path)
    for number in range(3):
        kept.add(inspect_bytes(f"{number}", picture(number)))
    kept.finish()
    assert len(embedded_parts(tmp_path)) == 3
    assert ("1" in kept, "3" in kept) == (True, False)
    assert KeptImages(tmp_path) is not None
    assert embedded_parts(tmp_path) == []  # those of a run that was killed are made again


def test_what_scorers_need_travels_with_the_item(prepared):
    assert [items(prepared[name])[0]["scoring"] for name in ("jdocqa", "jic-vqa", "cc-ocr")] == [
        '{"answer_type": 2}',
        '{"domain": "jaflower30"}',
        None,
    ]


def test_mecha_ja_is_asked_once_or_in_four_orders(prepared):
    plain, rotated = (
        [
            item.item_id
            for item in benchmark_items(BenchmarkConfig(name="mecha-ja", protocol=protocol), prepared["mecha-ja"])
        ]
        for protocol in ("eval-mm-9f450a5", "eval-mm-9f450a5-rotated")
    )
    assert plain == ["0", "1"]
    assert rotated == [f"{number}_rot{rotation}" for number in range(2) for rotation in range(4)]


def test_another_number_of_items_is_refused_where_the_number_is_known_and_said_where_it_is_not(prepared, caplog):
    with pytest.raises(DataError, match=r"cc-ocr/eval-mm-9f450a5 has 150 questions; the dataset has 2 questions"):
        benchmark_items(BenchmarkConfig(name="cc-ocr"), prepared["cc-ocr"])
    assert len(benchmark_items(BenchmarkConfig(name="cvqa"), prepared["cvqa"])) == 2
    assert "cvqa/eval-mm-9f450a5 has 2 items here; 203 were expected, which is not verified" in caplog.text


def test_photos_that_are_gone_are_counted_and_the_others_are_asked(prepared, caplog):
    require_complete(prepared["jic-vqa"], name="jic-vqa")
    assert "the images of 1 of 3 items could not be fetched; its numbers are of the others" in caplog.text
    with pytest.raises(DataError, match="1 of 3 items cannot be used"):
        require_complete(prepared["jic-vqa"], name="cvqa")
