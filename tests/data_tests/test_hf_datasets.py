import gzip
import json
import os
import pickle
import signal
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from pipeline.config.experiment import load_experiment
from pipeline.config.identity import Identities
from pipeline.core.errors import ConfigError, DataError
from pipeline.core.settings import load_settings
from pipeline.data import prepare
from pipeline.data.hf_datasets import parts
from pipeline.data.image_reader import ImageReader
from pipeline.data.prepare import prepare_dataset, prepare_request, require_complete
from pipeline.data.sample_images import images_of
from pipeline.planning.data_sizes import data_sizes
from pipeline.planning.plan import plan_experiment
from pipeline.store.artifacts import ArtifactStore
from tests.support.small_data import local_source, picture, sha256_of, talk
from tests.support.small_tables import json_bytes, parquet_bytes, rows_with_images, source_at, tar_bytes

IMAGES = {"000000000009.jpg": picture(9), "b.png": picture(2), "broken.png": b"not an image", "c.png": picture(3)}
RECORDS = [
    {**talk("1", "000000000009.jpg", "<image>\n何。", "犬。"), "category": "conv"},
    talk("2", "b.png", "何色。", "赤。", "形は。", "丸。"),
    talk("2", "b.png"),  # a repeated id, on a photo that was there
    talk("4", "broken.png"),
    talk("5", None),
    talk("6", None, "<image>\n何。", "犬。"),
    {"id": "7", "image": "c.png", "conversations": []},
    {"id": "8", "image": "c.png", "conversations": [{"from": "human", "value": "何。"}]},
]
QUESTIONS = {"image": "image", "question": "question", "answer": "answer", "category": "category"}


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("LLAVA_JP_STORE", str(tmp_path / "store"))
    return ArtifactStore(tmp_path / "store")


def table(manifest, name):
    return pq.read_table(manifest.path(f"{name}.parquet")).to_pylist()


def without_place(rows):
    """Images without where they lie: beside a JSON file, inside a dataset that holds them."""
    return sorted(({**row, "file": None, "bytes": None} for row in rows), key=lambda row: row["image"])


def prepared_elsewhere(source, store, *, first="", **environment):
    """What a process of its own says that prepares a dataset."""
    script = (
        "import sys\nfrom pathlib import Path\nfrom pipeline.config.datasets import HfDatasetSource\n"
        "from pipeline.data.prepare import prepare_dataset\nfrom pipeline.store.artifacts import ArtifactStore\n"
        f"{first}\nsource = HfDatasetSource.model_validate_json(sys.argv[1])\n"
        "prepare_dataset(source, store=ArtifactStore(Path(sys.argv[2])))\n"
    )
    command = [sys.executable, "-c", script, source.model_dump_json(), str(store.root)]
    return subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, **environment})


KILLED_AFTER_THE_FOURTH_PART = """
import os, signal
from pipeline.data.hf_datasets import parts
def write_and_die(path, text, write=parts.write_text):
    write(path, text)
    if "000003" in path.name:
        os.kill(os.getpid(), signal.SIGKILL)
parts.ROWS_PER_PART, parts.write_text = 7, write_and_die
"""


def written(tmp_path, form):
    """The records with their images in a format of Datasets."""
    import datasets

    rows, folder = rows_with_images(RECORDS, IMAGES), tmp_path / form
    folder.mkdir()
    if form == "parquet":
        (folder / "train-00000-of-00002.parquet").write_bytes(parquet_bytes(rows[:3]))
        (folder / "train-00001-of-00002.parquet").write_bytes(parquet_bytes(rows[3:], row_group_size=2))
        return folder
    kept = datasets.Dataset.from_list(rows).cast_column("image", datasets.Image(decode=False))
    if form == "saved splits":
        kept = datasets.DatasetDict({"train": kept, "test": kept.select([0])})
    kept.save_to_disk(folder)
    return folder


@pytest.mark.parametrize("form", ["parquet", "saved", "saved splits"])
def test_rows_give_the_samples_images_and_findings_that_the_same_records_give_as_json(tmp_path, store, form):
    as_json = prepare_dataset(local_source(tmp_path / "json", RECORDS, IMAGES), store=store)
    as_rows = prepare_dataset(source_at(written(tmp_path, form)), store=store)
    assert table(as_rows, "samples") == table(as_json, "samples")
    assert table(as_rows, "findings") == table(as_json, "findings")
    assert without_place(table(as_rows, "images")) == without_place(table(as_json, "images"))
    assert as_rows.summary == {**as_json.summary, "source": "dataset"}
    assert {row["check"] for row in table(as_rows, "findings")} == {
        "id_repeated",
        "image_unreadable",
        "image_token_without_image",
        "conversation_missing",
        "answer_missing",
    }
    assert ImageReader([as_rows]).read(sha256_of(picture(2))) == picture(2)


def test_members_of_an_archive_are_the_columns_and_their_json_has_fields(tmp_path, store):
    talks = json_bytes({"conversations": talk("1", None)["conversations"]})
    members = {"a/1.jpg": picture(1), "a/1.json": talks, "a/2.json": talks, "a/3.jpg": picture(3), "a/3.json": b"{'"}
    (tmp_path / "0.tar").write_bytes(tar_bytes(members))
    columns = {"image": "jpg", "conversations": "json.conversations", "id": "__key__"}
    dataset = prepare_dataset(source_at(tmp_path / "0.tar", columns), store=store)
    samples = [(row["sample_id"], row["image"]) for row in table(dataset, "samples")]
    assert samples == [("a/1", "a/1.jpg"), ("a/2", None)]
    (finding,) = table(dataset, "findings")
    assert (finding["check"], finding["record_index"]) == ("record_not_json", 2)
    assert [row["image_sha256"] for row in table(dataset, "images")] == [sha256_of(picture(1))]


class Evil:
    def __reduce__(self):
        return pytest.fail, ("unpickled",)


def test_nothing_in_an_archive_is_unpickled_and_no_member_leaves_it(tmp_path, store, monkeypatch):
    monkeypatch.setattr(pickle, "loads", lambda *_: pytest.fail("unpickled"))
    monkeypatch.setattr("torch.load", lambda *_, **__: pytest.fail("unpickled"))
    monkeypatch.setattr("numpy.lib.format.read_array", lambda *_, **__: pytest.fail("decoded"))
    bad = pickle.dumps(Evil())
    members = {"../../1.jpg": picture(1), "../../1.txt": "赤。".encode(), "../../1.pth": bad, "../../1.npy": bad}
    (tmp_path / "0.tar").write_bytes(tar_bytes({**members, "../../1.pickle": bad}))
    before = set(tmp_path.parent.iterdir())
    for column in ("txt", "pth"):
        dataset = prepare_dataset(source_at(tmp_path / "0.tar", {"image": "jpg", "caption": column}), store=store)
        assert dataset.summary["num_records"] == 1
    assert dataset.summary["num_rejected"] == 1
    assert set(tmp_path.parent.iterdir()) == before


def test_a_member_larger_than_an_image_may_be_is_a_finding_and_is_not_read_whole(tmp_path, store, monkeypatch):
    monkeypatch.setattr("pipeline.data.hf_datasets.members.MAX_FILE_BYTES", 1000)
    monkeypatch.setattr("pipeline.data.hf_datasets.parts.MAX_FILE_BYTES", 1000)
    (tmp_path / "0.tar").write_bytes(tar_bytes({"1.jpg": bytes(100_000), "1.txt": b"x"}))
    dataset = prepare_dataset(source_at(tmp_path / "0.tar", {"image": "jpg", "caption": "txt"}), store=store)
    (finding,) = table(dataset, "findings")
    assert (finding["check"], finding["evidence"]) == ("image_unreadable", "1.jpg: more than 1000 bytes")


@pytest.mark.parametrize(
    ("columns", "row"),
    [
        ({"question": "q", "answer": "a"}, {"q": "何。", "a": "犬。"}),
        (
            {"conversations": "m"},
            {"m": [{"role": "user", "content": "何。"}, {"role": "assistant", "content": "犬。"}]},
        ),
        ({"conversations": "m"}, {"m": {"from": ["human", "gpt"], "value": ["何。", "犬。"]}}),
        ({"conversations": "m"}, {"m": [{"user": "何。", "assistant": "犬。", "source": "x"}]}),
        ({"conversations": "m"}, {"m": json.dumps(talk("", None)["conversations"])}),
        ({"conversations": "m.talk"}, {"m": {"talk": talk("", None)["conversations"], "other": 1}}),
        (
            {"conversations": "m"},
            {
                "m": [
                    {"role": "user", "content": [{"type": "text", "text": "何。"}]},
                    {"role": "assistant", "content": [{"type": "text", "text": "犬。"}]},
                ]
            },
        ),
    ],
)
def test_a_conversation_is_understood_in_the_ways_that_tables_hold_it(tmp_path, store, columns, row):
    (tmp_path / "rows.parquet").write_bytes(parquet_bytes([row]))
    dataset = prepare_dataset(source_at(tmp_path / "rows.parquet", columns), store=store)
    (sample,) = table(dataset, "samples")
    assert [turn["text"] for turn in sample["turns"]] == ["何。", "犬。"]


def test_questions_and_captions_get_the_placeholder_of_their_image_where_there_is_one(tmp_path, store):
    rows = [{"image": {"bytes": picture(1), "path": None}, "text": "赤。"}, {"image": None, "text": "青。"}]
    (tmp_path / "rows.parquet").write_bytes(parquet_bytes(rows))
    source = source_at(tmp_path / "rows.parquet", {"image": "image", "caption": "text"})
    samples = table(prepare_dataset(source, store=store), "samples")
    assert [sample["turns"][0]["text"].startswith("<image>\n") for sample in samples] == [True, False]
    assert [sample["image"] for sample in samples] == [sha256_of(picture(1)), None]


def test_images_may_be_lists_or_bare_bytes(tmp_path, store):
    inside = [{"bytes": picture(shade), "path": f"{shade}.png"} for shade in (1, 2)]
    rows = [{"images": inside[:1], "q": "何。", "a": "犬。"}, {"images": inside, "q": "何。", "a": "犬。"}]
    (tmp_path / "lists.parquet").write_bytes(parquet_bytes(rows))
    (tmp_path / "bare.parquet").write_bytes(parquet_bytes([{"images": picture(1), "q": "何。", "a": "犬。"}]))
    columns = {"image": "images", "question": "q", "answer": "a"}
    lists = prepare_dataset(source_at(tmp_path / "lists.parquet", columns), store=store)
    assert [row["image"] for row in table(lists, "images")] == ["1.png", "2.png"]
    one, two = table(lists, "samples")
    assert (one["image_sha256"], one["further_images"]) == (sha256_of(picture(1)), [])
    assert (two["image"], two["image_sha256"]) == ("1.png", sha256_of(picture(1)))
    assert [(image["image"], image["image_sha256"]) for image in two["further_images"]] == [
        ("2.png", sha256_of(picture(2)))
    ]
    bare = prepare_dataset(source_at(tmp_path / "bare.parquet", columns), store=store)
    assert table(bare, "images")[0]["bytes"] == picture(1)


def test_two_images_of_one_name_in_one_row_stay_two(tmp_path, store):
    inside = [{"bytes": picture(shade), "path": "a.png"} for shade in (1, 2, 1)]
    (tmp_path / "rows.parquet").write_bytes(parquet_bytes([{"images": inside, "question": "何。", "answer": "犬。"}]))
    made = prepare_dataset(source_at(tmp_path / "rows.parquet", None), store=store)
    (sample,) = table(made, "samples")
    assert images_of(sample) == [sha256_of(picture(shade)) for shade in (1, 2, 1)]
    assert len(table(made, "images")) == 2


def test_two_images_of_one_name_stay_two(tmp_path, store):
    rows = rows_with_images([talk("1", "a.png")], {"a.png": picture(1)})
    rows += rows_with_images([talk("2", "a.png")], {"a.png": picture(2)})
    (tmp_path / "rows.parquet").write_bytes(parquet_bytes(rows))
    samples = table(prepare_dataset(source_at(tmp_path / "rows.parquet"), store=store), "samples")
    assert [row["image_sha256"] for row in samples] == [sha256_of(picture(1)), sha256_of(picture(2))]


def test_rows_may_name_files_of_a_folder(tmp_path, store):
    as_json = local_source(tmp_path / "json", RECORDS, IMAGES)
    (tmp_path / "rows.jsonl").write_bytes(b"\n".join(json_bytes({"category": None, **one}) for one in RECORDS[:6]))
    dataset = prepare_dataset(source_at(tmp_path / "rows.jsonl", images=as_json.images), store=store)
    assert table(dataset, "samples") == table(prepare_dataset(as_json, store=store), "samples")
    alone = prepare_dataset(source_at(tmp_path / "rows.jsonl"), store=store)
    assert {row["check"] for row in table(alone, "findings")} >= {"image_missing"}


def test_questions_of_a_table_are_the_items_of_a_benchmark_and_keep_their_category(tmp_path, store):
    rows = [
        {"image": {"bytes": picture(1), "path": "1.png"}, "question": "何色。", "answer": "赤。", "category": category}
        for category in ("conv", "detail")
    ]
    (tmp_path / "rows.parquet").write_bytes(parquet_bytes(rows))
    source = source_at(tmp_path / "rows.parquet", QUESTIONS)
    benchmark = {"name": "mine", "source": source.model_dump(mode="json"), "metrics": ["rougeL"]}
    config = load_experiment("smoke", [f"evaluation.benchmarks={json.dumps([benchmark])}"])
    plan = {str(step.role): step.request for step in plan_experiment(config, load_settings())}
    dataset = prepare_dataset(config.evaluation.benchmarks[0].source, store=store)
    assert store.find(plan["dataset/mine"]) == dataset
    require_complete(dataset, name="mine")
    assert [row["category"] for row in table(dataset, "samples")] == ["conv", "detail"]


def test_the_size_of_a_table_is_known_before_it_is_prepared(tmp_path, store):
    (tmp_path / "rows.parquet").write_bytes(parquet_bytes(rows_with_images(RECORDS, IMAGES)))
    source = source_at(tmp_path / "rows.parquet").model_dump(mode="json", exclude_none=True)
    config = load_experiment("smoke", [f"datasets.pretrain={json.dumps(source)}"])
    assert data_sizes(config, plan_experiment(config, load_settings()), store=store)["pretrain"].num_samples == len(
        RECORDS
    )


def test_a_column_that_does_not_exist_is_said_with_those_that_do_and_the_likely_one(tmp_path, store):
    (tmp_path / "rows.parquet").write_bytes(parquet_bytes([{"image": None, "question": "何。", "answer": "犬。"}]))
    columns = {"image": "imge", "question": "question", "answer": "answer"}
    with pytest.raises(ConfigError, match=r"columns.image: .* no column 'imge'.* image, question, answer; .* 'image'"):
        prepare_dataset(source_at(tmp_path / "rows.parquet", columns), store=store)


def test_a_split_that_does_not_exist_is_said_with_those_that_do(tmp_path, store):
    for form in ("parquet", "saved splits"):
        with pytest.raises(ConfigError, match="has no 'validation'; it has: .*train"):
            prepare_dataset(source_at(written(tmp_path, form), split="validation"), store=store)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.parquet", b"PAR1 and no more", "cannot be read"),
        ("rows.csv", b"a,b", "one kind of .parquet"),
        ("rows.tar", b"no tar at all", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_says_so(tmp_path, store, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        prepare_dataset(source_at(tmp_path / name, {"caption": "a"}), store=store)


def test_a_line_that_is_not_json_is_a_finding_and_the_others_are_read(tmp_path, store):
    lines = '{"a": "犬。"}\n{"a": 1\n\n{"a": "猫。"}\n'.encode()
    (tmp_path / "rows.jsonl").write_bytes(lines)
    (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress(lines))
    for name in ("rows.jsonl", "rows.jsonl.gz"):
        manifest = prepare_dataset(source_at(tmp_path / name, {"caption": "a"}), store=store)
        assert [row["turns"][1]["text"] for row in table(manifest, "samples")] == ["犬。", "猫。"]
        assert [(row["check"], row["record_index"]) for row in table(manifest, "findings")] == [("record_not_json", 1)]


def test_a_folder_whose_card_names_files_elsewhere_is_refused(tmp_path, store):
    (tmp_path / "private.parquet").write_bytes(parquet_bytes([{"a": "x"}]))
    folder = tmp_path / "rows"
    folder.mkdir()
    (folder / "rows.parquet").write_bytes(parquet_bytes([{"a": "x"}]))
    (folder / "README.md").write_text(
        f"---\nconfigs:\n- config_name: default\n  data_files: {tmp_path}/private.parquet\n---\n"
    )
    with pytest.raises(DataError, match="which is not in"):
        prepare_dataset(source_at(folder, {"caption": "a"}), store=store)


def test_the_fingerprint_is_the_content_the_columns_and_the_split_and_not_the_place(tmp_path, store):
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.parquet").write_bytes(parquet_bytes([{"a": "x", "b": "y"}]))
    here = prepare_request(source_at(tmp_path / "here", {"caption": "a"}), Identities(tmp_path / "store")).fingerprint
    assert (
        prepare_request(source_at(tmp_path / "there", {"caption": "a"}), Identities(tmp_path / "store")).fingerprint
        == here
    )
    assert (
        prepare_request(source_at(tmp_path / "here", {"caption": "b"}), Identities(tmp_path / "store")).fingerprint
        != here
    )
    assert (
        prepare_request(
            source_at(tmp_path / "here", {"caption": "a"}, split="test"), Identities(tmp_path / "store")
        ).fingerprint
        != here
    )
    (tmp_path / "there" / "b.parquet").write_bytes(b"-")
    assert (
        prepare_request(source_at(tmp_path / "there", {"caption": "a"}), Identities(tmp_path / "store")).fingerprint
        != here
    )
    pattern = prepare_request(
        source_at(tmp_path / "there" / "*.parquet", {"caption": "a"}), Identities(tmp_path / "store")
    ).fingerprint
    (tmp_path / "there" / "b.parquet").write_bytes(b"+")
    assert (
        prepare_request(
            source_at(tmp_path / "there" / "*.parquet", {"caption": "a"}), Identities(tmp_path / "store")
        ).fingerprint
        != pattern
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"path": "rows.parquet"}, "neither owner/name"),
        ({"path": "a/b", "revision": "main"}, "should match pattern"),
        ({"path": "/a", "revision": "0" * 40}, "have no revision"),
        ({"columns": {"question": "q"}}, "belong together"),
        ({"columns": {"caption": "a", "conversations": "b"}}, "name one of"),
        ({"columns": {"image": "a"}}, "name one of"),
    ],
)
def test_a_source_that_means_nothing_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        source_at(**{"path": "owner/name", "columns": {"caption": "a"}, **fields})


@pytest.mark.parametrize("form", ["parquet", "saved", "tar"])
def test_a_killed_preparation_goes_on_after_the_last_part(tmp_path, store, monkeypatch, form):
    records = [talk(str(index), f"{index % 30}.png", "何。", f"{index}。") for index in range(50)]
    images = {f"{index}.png": picture(index) for index in range(30)}
    folder = tmp_path / form
    folder.mkdir()
    if form == "tar":
        source = source_at(folder / "*.tar", {"image": "png", "conversations": "json.conversations", "id": "json.id"})
        for number in range(2):
            members = {}
            for index in range(number * 25, number * 25 + 25):
                members |= {f"{index}.png": images[f"{index % 30}.png"], f"{index}.json": json_bytes(records[index])}
            (folder / f"{number}.tar").write_bytes(tar_bytes(members))
    elif form == "saved":
        import datasets

        datasets.Dataset.from_list(rows_with_images(records, images)).save_to_disk(folder, num_shards=3)
        source = source_at(folder)
    else:
        rows = rows_with_images(records, images)
        for number in range(3):
            (folder / f"{number}.parquet").write_bytes(parquet_bytes(rows[number * 20 : number * 20 + 20]))
        source = source_at(folder)
    whole = prepare_dataset(source, store=ArtifactStore(tmp_path / "other"))
    monkeypatch.setattr(parts, "ROWS_PER_PART", 7)
    killed = prepared_elsewhere(source, store, first=KILLED_AFTER_THE_FOURTH_PART)
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    read = []
    monkeypatch.setattr(parts, "write_text", lambda path, text: (read.append(path.name), path.write_text(text)))
    again = prepare_dataset(source, store=store)
    assert read == [f"records-{number:06d}.json" for number in range(4, 8)]
    assert table(again, "samples") == table(whole, "samples")
    assert without_place(table(again, "images")) == without_place(table(whole, "images"))
    assert prepare.prepare_dataset(source, store=store) == again


def test_nothing_is_said_on_the_terminal_and_nothing_is_written_outside_the_store(tmp_path, store):
    source = source_at(written(tmp_path, "parquet"))
    home = tmp_path / "home"
    home.mkdir()
    done = prepared_elsewhere(source, store, HOME=str(home), HF_HOME=str(home / "hf"), TMPDIR=str(home))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(home.rglob("*")) == []
