"""Every new benchmark from a Hub to items: pinned, fetched, in one form, with the images of each item."""

import pyarrow.parquet as pq
import pytest

from pipeline.benchmarks import fetched_images
from pipeline.benchmarks.known import KNOWN_BENCHMARKS
from pipeline.config.evaluation import BenchmarkConfig
from pipeline.config.experiment import PublishedSource
from pipeline.core import public_http
from pipeline.core.errors import DataError
from pipeline.data.download.datasets import fetch_datasets
from pipeline.data.prepare import prepare_dataset, require_complete
from pipeline.evaluation.predict import benchmark_items
from pipeline.store.artifacts import ArtifactStore
from tests.support.hub_server import running_hub
from tests.support.small_benchmarks import publish, small_sets

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
