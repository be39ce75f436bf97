"""A bit that flips in a published file is an error that names the file, or changes nothing: never other data."""

import json
import os
import random
import re
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.core.errors import StoreError
from pipeline.core.parquet import write_rows
from pipeline.data.image_reader import ImageReader
from pipeline.data.images import IMAGE_SCHEMA
from pipeline.evaluation.answers import answer_items
from pipeline.evaluation.inquiry import Inquiry, Reply
from pipeline.evaluation.judge.replies import ReplyCache
from pipeline.evaluation.models.weights import ModelSource
from pipeline.evaluation.rows import Item
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Request
from pipeline.store.queries import run_query
from tests.support.small_data import picture, sha256_of
from tests.support.small_store import build

FLIPS = 300
KINDS = {
    "samples.parquet": b"PAR1" + bytes(range(200)) + b"PAR1",
    "projector.safetensors": b"\x08\x00\x00\x00\x00\x00\x00\x00{}      " + bytes(64),
    "llm/model.safetensors": bytes(500),
    "llm/config.json": b'{"hidden_size": 32}',
    "predictions.jsonl": '{"prediction": "犬"}\n'.encode(),
    "report.md": b"| accuracy | 50.0 |\n",
    "radar.png": picture(3),
}
PARAMETERS = {"wrong_answers": {"right": "one", "wrong": "two"}}


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path / "store")


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    return build(tmp_path_factory.mktemp("stored"))


@pytest.fixture
def flips():
    """Random places of a content, each with one bit of it flipped; the same in every run."""
    chance = random.Random(0)

    def flipped(content: bytes, count: int):
        for _ in range(count):
            place, bit = chance.randrange(len(content)), 1 << chance.randrange(8)
            yield content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :]

    return flipped


def attempt(work):
    """What comes of it and no error, or None and the text of the error."""
    try:
        return work(), ""
    except StoreError as error:
        return None, str(error)


def publish(store, files=KINDS, **config):
    def work(directory):
        for name, content in files.items():
            (directory / name).parent.mkdir(exist_ok=True)
            (directory / name).write_bytes(content)
        return {}

    return store.produce(Request(step="finetune", version=1, config=config), work)


def test_no_step_is_made_of_an_input_in_which_a_bit_flipped_whatever_kind_of_file_it_is(store, flips):
    given = publish(store)
    asked = Request(step="predictions", version=1, config={}, inputs={"model": given.fingerprint})
    for name, content in KINDS.items():
        path = given.directory / name
        for damaged in flips(content, FLIPS // len(KINDS)):
            path.write_bytes(damaged)
            with pytest.raises(StoreError, match=rf"{path} is not as it was published: its sha256 is"):
                store.produce(asked, lambda directory: pytest.fail("made of a damaged input"))
        path.write_bytes(content)
    assert store.produce(asked, lambda directory: {"whole": 1}).summary == {"whole": 1}


def test_a_flipped_manifest_of_an_input_is_named(store, flips):
    given = publish(store)
    path = given.directory / "manifest.json"
    content = path.read_bytes()
    for number, damaged in enumerate(flips(content, FLIPS)):
        path.write_bytes(damaged)
        asked = Request(step="scores", version=1, config={"number": number}, inputs={"model": given.fingerprint})
        made, error = attempt(partial(store.produce, asked, lambda directory: {}))
        assert str(path) in error if made is None else store.at(given.address) == given  # as of another white space


def test_an_input_that_lost_a_file_says_so_and_what_brings_it_back(store):
    given = publish(store)
    (given.directory / "llm/model.safetensors").unlink()
    asked = Request(step="scores", version=1, config={}, inputs={"model": given.fingerprint})
    made, error = attempt(partial(store.produce, asked, lambda directory: {}))
    assert made is None
    assert error == (
        f"{given.directory}/llm/model.safetensors is not as it was published: it cannot be read (No such file or "
        f"directory). `llava-jp discard {given.fingerprint}` forgets the artifact; the next run makes it again, or "
        "`llava-jp pull` brings a copy"
    )


def test_a_model_is_compared_with_its_manifest_before_it_is_opened(store, tmp_path):
    given = publish(store)
    source = ModelSource("mine", given.directory, given)
    assert source.intact_folder() == given.directory
    path = given.directory / "llm/model.safetensors"
    path.write_bytes(bytes(499) + b"\x01")
    with pytest.raises(StoreError, match=rf"{path} is not as it was published"):
        source.intact_folder()
    assert ModelSource("a folder", tmp_path).intact_folder() == tmp_path  # of which nothing is known


def test_a_file_is_read_again_when_it_changed_and_not_when_it_did_not(store, monkeypatch):
    given = publish(store)
    path = given.directory / "report.md"
    monkeypatch.setattr("pipeline.core.hashing.SECONDS_UNTIL_SETTLED", -1)
    given.path("report.md")
    monkeypatch.setattr("pipeline.core.hashing.sha256_of_file", lambda path: pytest.fail("read again"))
    assert given.path("report.md") == path
    monkeypatch.undo()
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_bytes(b"| accuracy | 60.0 |\n")
    os.utime(path, ns=times)
    with pytest.raises(StoreError, match=r"report\.md is not as it was published"):
        given.path("report.md")


def test_every_flip_in_a_table_with_images_gives_the_same_bytes_or_names_the_table(store, flips, tmp_path):
    pictures = {sha256_of(picture(shade)): picture(shade) for shade in range(4)}
    rows = [
        dict.fromkeys(IMAGE_SCHEMA.names) | {"image": key, "image_sha256": key, "bytes": content, "status": "ok"}
        for key, content in pictures.items()
    ]

    def work(directory):
        write_rows(directory / "images.parquet", rows, schema=IMAGE_SCHEMA)
        return {}

    given = store.produce(Request(step="dataset", version=1, config={}), work)

    def read_all(folder):
        reader = ImageReader([given.model_copy(update={"directory": folder})])
        return {key: reader.read(key) for key in reader.usable()}

    num_named = 0
    for number, damaged in enumerate(flips(given.path("images.parquet").read_bytes(), FLIPS)):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "images.parquet").write_bytes(damaged)
        read, error = attempt(partial(read_all, folder))
        assert f"{folder}/images.parquet is not as it was published: " in error if read is None else read == pictures
        num_named += read is None
    assert num_named > FLIPS // 4  # most of so small a file is the footer


def test_image_bytes_without_checksums_of_pages_are_compared_with_the_hash_of_the_image(store):
    """As in stores of older versions, and where the page itself was written from damaged memory."""
    rows = [dict.fromkeys(IMAGE_SCHEMA.names) | {"image": "a", "image_sha256": "0" * 64, "bytes": b"x", "status": "ok"}]

    def work(directory):
        pq.write_table(pa.Table.from_pylist(rows, schema=IMAGE_SCHEMA), directory / "images.parquet")
        return {}

    reader = ImageReader([store.produce(Request(step="dataset", version=1, config={}), work)])
    with pytest.raises(StoreError, match=rf"images\.parquet is not as it was published: the bytes of image {'0' * 64}"):
        reader.read("0" * 64)


def test_tables_are_written_with_checksums_of_their_pages(tmp_path):
    write_rows(tmp_path / "a.parquet", [{"x": 2**40 + 7}], schema=pa.schema([("x", pa.int64())]))
    content = bytearray((tmp_path / "a.parquet").read_bytes())
    content[content.index((2**40 + 7).to_bytes(8, "little"))] ^= 1
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(OSError, match="CRC checksum"):
        pq.read_table(tmp_path / "a.parquet", page_checksum_verification=True)


def test_every_flip_in_a_judges_reply_is_named_or_leaves_the_reply_as_it_is(tmp_path, flips):
    cache = ReplyCache(tmp_path)
    messages = ({"role": "user", "content": "何点ですか。"},)
    inquiry = Inquiry(model="m", messages=messages, sampling={}, repeat=0, attempt=0)
    reply = Reply(text="8 6\n良い。", input_tokens=31, output_tokens=7, started_at=1.5, seconds=0.25)
    cache.get(inquiry, lambda _: reply)
    (path,) = (tmp_path / "judge_replies").rglob("*.json")
    for damaged in flips(path.read_bytes(), FLIPS):
        path.write_bytes(damaged)
        kept, error = attempt(partial(cache.find, inquiry))
        assert kept == reply or re.match(rf"{path} is .*Delete it to ask the judge again", error)


def test_half_a_surrogate_pair_in_a_reply_costs_no_reply_that_was_paid(tmp_path):
    inquiry = Inquiry(model="m", messages=(), sampling={}, repeat=0, attempt=0)
    reply = Reply(text="8 6\ud83d", refusal="\udc00", served_model="judge\ud83d", started_at=0, seconds=0)
    ReplyCache(tmp_path).get(inquiry, lambda _: reply)
    kept = ReplyCache(tmp_path).find(inquiry)
    assert (kept.text, kept.refusal, kept.served_model) == ("8 6\\ud83d", "\\udc00", "judge\\ud83d")


def test_a_reply_of_an_older_version_has_no_checksum_and_is_used(tmp_path):
    cache = ReplyCache(tmp_path)
    inquiry = Inquiry(model="m", messages=(), sampling={}, repeat=0, attempt=0)
    reply = Reply(text="8 6", started_at=0, seconds=0)
    cache.get(inquiry, lambda _: reply)
    (path,) = (tmp_path / "judge_replies").rglob("*.json")
    stored = json.loads(path.read_text(encoding="utf-8"))
    del stored["reply_sha256"]
    path.write_text(json.dumps(stored), encoding="utf-8")
    assert cache.find(inquiry) == reply


class Echo:
    max_images = None

    def answer(self, questions):
        return [f"「{question.text}」" for question in questions]


def answered(directory):
    items = [
        Item(benchmark="b", protocol="all", item_id=item_id, question=f"{item_id}は何？", reference="犬")
        for item_id in ("a", "b")
    ]
    return answer_items(Echo(), items, images=ImageReader([]), batch_size=2, directory=directory)


def test_every_flip_in_an_answer_that_was_kept_is_named_or_leaves_the_answers_as_they_are(tmp_path, flips):
    whole = answered(tmp_path)
    path = tmp_path / "work" / "answers.jsonl"
    for damaged in flips(path.read_bytes(), FLIPS):
        path.write_bytes(damaged)
        answers, error = attempt(partial(answered, tmp_path))
        assert answers == whole or re.fullmatch(
            rf"{path}, line [12]: the answer that was kept is damaged. Delete the line to ask this question again",
            error,
        )


@pytest.mark.parametrize(
    ("query", "file"),
    [
        ("turns_per_dataset", "dataset/*/samples.parquet"),
        ("duplicate_images", "dataset/*/images.parquet"),
        ("failures_by_check", "translation/*/findings.parquet"),
        ("scores_by_category", "scores/*/scores.parquet"),
        ("wrong_answers", "predictions/*/predictions.parquet"),
        ("scores_by_category", "scores/*/manifest.json"),
    ],
)
def test_no_question_is_answered_from_a_file_in_which_a_bit_flipped(stored, flips, query, file):
    (path, *_) = sorted(stored.root.glob(f"artifacts/{file}"))
    content = path.read_bytes()
    for damaged in flips(content, 10):
        path.write_bytes(damaged)
        with pytest.raises(StoreError, match=str(path)):
            run_query(query, store_root=stored.root, parameters=PARAMETERS.get(query, {}))
    path.write_bytes(content)
