import gzip
import json

import pyarrow.parquet as pq
import pytest

from pipeline.config.datasets import HfDatasetSource, LocalSource
from pipeline.config.experiment import load_experiment
from pipeline.core.errors import ConfigError, DataError
from pipeline.data.image_reader import ImageReader
from pipeline.data.prepare import prepare_dataset
from pipeline.store.artifacts import ArtifactStore
from tests.support.small_data import picture, sha256_of, talk
from tests.support.small_tables import json_bytes, parquet_bytes, tar_bytes

SAID = [{"role": "user", "content": "何ですか。"}, {"role": "assistant", "content": "犬です。"}]
LINES = "".join(json.dumps({"id": name, "images": [f"{name}.png"], "messages": SAID}) + "\n" for name in "ab")
COCO = {
    "info": {},
    "images": [{"id": 9, "file_name": "a.png"}, {"id": 8, "file_name": "b.png"}],
    "annotations": [{"id": 1, "image_id": 9, "caption": "犬です。"}, {"id": 2, "image_id": 8, "caption": "猫です。"}],
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    for shade, name in enumerate("ab"):
        (tmp_path / "images" / f"{name}.png").write_bytes(picture(shade))
    return tmp_path


def prepared(folder, annotations, **options):
    source = LocalSource(kind="local", annotations=annotations, images=folder / "images", **options)
    return prepare_dataset(source, store=ArtifactStore(folder / "store"))


def samples(dataset):
    rows = pq.read_table(dataset.path("samples.parquet")).to_pylist()
    return [(row["sample_id"], row["image"], row["turns"][-1]["text"]) for row in rows]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", LINES.encode()),
        ("a.jsonl.gz", gzip.compress(LINES.encode())),
        ("a.NDJSON", LINES.encode()),
        ("a.json.gz", gzip.compress(b"[" + LINES.replace("}\n{", "},{").encode() + b"]")),
        ("a.parquet", parquet_bytes([json.loads(line) for line in LINES.splitlines()])),
    ],
)
def test_files_of_records_are_read_by_their_ending(folder, name, content):
    (folder / name).write_bytes(content)
    assert samples(prepared(folder, folder / name)) == [("a", "a.png", "犬です。"), ("b", "b.png", "犬です。")]


def test_several_files_and_a_pattern_are_read_in_order(folder):
    for name in "ab":
        (folder / f"{name}.json").write_text(json.dumps([talk(name, f"{name}.png")]), encoding="utf-8")
    expected = [("a", "a.png", "犬。"), ("b", "b.png", "犬。")]
    assert samples(prepared(folder, folder / "?.json")) == expected
    assert samples(prepared(folder, (folder / "b.json", folder / "a.json"))) == expected[::-1]


def test_captions_of_coco_are_records(folder):
    (folder / "captions.json").write_text(json.dumps(COCO), encoding="utf-8")
    assert samples(prepared(folder, folder / "captions.json")) == [
        ("1", "a.png", "犬です。"),
        ("2", "b.png", "猫です。"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"a,b", r"ending is none of .json, .jsonl, .*\.parquet"),
        ("a.json", b'{"data": [{"q": 1}]}', r"top level is an object with data \(a list of 1 with q\)"),
        ("a.json", b'{"images": [], "annotations": [{"bbox": 1}]}', r"captions as COCO has them.*1 with bbox"),
        ("a.json", b'{"id": 1}\n{"id": 2}', "name the file .jsonl"),
        ("a.jsonl.gz", gzip.compress(LINES.encode())[:-9], "not a whole gzip file"),
        ("a.jsonl.gz", b"no gzip", "not a whole gzip file"),
    ],
)
def test_what_cannot_be_read_says_what_was_seen_and_what_would_be_read(folder, name, content, message):
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        prepared(folder, folder / name)


def test_a_folder_and_files_of_two_kinds_are_refused(folder):
    with pytest.raises(DataError, match="is not a file of records; give a file, several, or a pattern"):
        prepared(folder, folder / "images")
    (folder / "a.json").write_text("[]", encoding="utf-8")
    (folder / "a.parquet").write_bytes(parquet_bytes([{"a": 1}]))
    with pytest.raises(DataError, match=r"several kinds \(json, parquet\)"):
        prepared(folder, folder / "a.*")


def test_images_inside_a_table_or_a_record_need_no_folder(folder):
    (folder / "a.parquet").write_bytes(
        parquet_bytes([{"id": "1", "image": {"bytes": picture(5), "path": "x.png"}, "caption": "犬です。"}])
    )
    (folder / "a.tar").write_bytes(
        tar_bytes({"0001.png": picture(5), "0001.json": json_bytes({"question": "何。", "answer": "犬です。"})})
    )
    (folder / "b.tar").write_bytes(tar_bytes({"0001.png": picture(5), "0001.txt": "犬です。".encode()}))
    store = ArtifactStore(folder / "store")
    for name in ("a.parquet", "a.tar", "b.tar"):
        dataset = prepare_dataset(LocalSource(kind="local", annotations=folder / name), store=store)
        ((_, image, answer),) = samples(dataset)
        assert (answer, image) == ("犬です。", "x.png" if name == "a.parquet" else "0001.png")
        assert ImageReader([dataset]).read(sha256_of(picture(5))) == picture(5)


def test_a_table_without_texts_says_which_columns_it_has(folder):
    (folder / "a.parquet").write_bytes(parquet_bytes([{"id": "1", "photo": "a.png", "text_ja": "犬です。"}]))
    with pytest.raises(ConfigError, match="has id, photo, text_ja; texts are read from conversations, messages"):
        prepared(folder, folder / "a.parquet")


def test_several_tables_of_a_dataset_may_be_named(folder):
    for name in "ab":
        (folder / f"{name}.parquet").write_bytes(parquet_bytes([{"id": name, "caption": "犬です。"}]))
    source = HfDatasetSource(kind="dataset", path=(f"{folder}/b.parquet", f"{folder}/a.parquet"))
    dataset = prepare_dataset(source, store=ArtifactStore(folder / "store"))
    assert [name for name, _, _ in samples(dataset)] == ["b", "a"]


def test_lists_of_paths_in_an_experiment_start_at_its_folder(tmp_path):
    text = "extends: smoke\nname: a\ndatasets:\n  pretrain: {kind: local, annotations: [a.json, b/c.json]}\n"
    (tmp_path / "a.yaml").write_text(text + "  finetune: {kind: dataset, path: [./a.tar, ./b.tar]}\n", encoding="utf-8")
    experiment = load_experiment(str(tmp_path / "a.yaml"))
    assert experiment.datasets.pretrain.annotations == (tmp_path / "a.json", tmp_path / "b" / "c.json")
    assert experiment.datasets.finetune.path == (str(tmp_path / "a.tar"), str(tmp_path / "b.tar"))
