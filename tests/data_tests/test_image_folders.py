"""Folders of images: spelt with dots, moved, with files that nobody named, with names composed in two ways."""

import shutil
from unicodedata import normalize

import pyarrow.parquet as pq
import pytest

from pipeline.config.identity import Identities
from pipeline.core.errors import DataError
from pipeline.core.named_files import NamedFiles, relative_name
from pipeline.core.parquet import write_rows
from pipeline.data.image_reader import ImageReader
from pipeline.data.images import IMAGE_SCHEMA
from pipeline.data.prepare import prepare_dataset, prepare_request
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.image_folders import note_image_folder
from tests.support.small_data import local_source, picture, sha256_of, talk
from tests.support.small_tables import parquet_bytes, source_at

KEY = sha256_of(picture(1))


@pytest.fixture
def source(tmp_path):
    return local_source(tmp_path, [talk("1", "deep/a.png")], {}).model_copy(update={"images": photos(tmp_path)})


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path / "store")


def photos(folder):
    (folder / "photos" / "deep").mkdir(parents=True)
    (folder / "photos" / "deep" / "a.png").write_bytes(picture(1))
    return folder / "photos"


def fingerprint(source, store):
    return prepare_request(source, Identities(store.root)).fingerprint


def images(dataset):
    return pq.read_table(dataset.path("images.parquet")).to_pylist()


@pytest.mark.parametrize("spelt", ["exp/../photos", "./photos", "linked", "linked/../photos"])
def test_a_folder_may_be_spelt_in_any_way(tmp_path, source, store, spelt):
    (tmp_path / "exp").mkdir()
    (tmp_path / "linked").symlink_to("photos")
    same = source.model_copy(update={"images": tmp_path / spelt})
    assert fingerprint(same, store) == fingerprint(source, store)
    dataset = prepare_dataset(same, store=store)
    assert dataset.summary["num_rejected"] == 0
    assert ImageReader([dataset]).read(KEY) == picture(1)


@pytest.mark.parametrize("name", ["が" * 300 + ".png", "a/" * 3000 + "a.png", "a\0/b.png", "a\0b", "deep"])
def test_a_name_that_no_file_can_have_is_a_missing_image(tmp_path, store, name):
    source = local_source(tmp_path, [talk("1", name)], {}).model_copy(update={"images": photos(tmp_path)})
    dataset = prepare_dataset(source, store=store)
    assert (dataset.summary["num_records"], dataset.summary["num_rejected"]) == (1, 1)


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("a.png", "a.png"),
        ("./b/../a.png", "a.png"),
        ("/data/photos/a.png", "a.png"),
        ("/data/exp/../photos/a.png", "a.png"),
        ("../a.png", None),
        ("b/../../a.png", None),
        ("..", None),
        ("/data/a.png", None),
        ("/data/photos2/a.png", None),
        ("..a.png", "..a.png"),
    ],
)
def test_a_name_leads_into_the_folder_or_out_of_it_however_both_are_spelt(tmp_path, name, inside):
    assert relative_name(name, tmp_path / "data/exp/../photos") == inside or name.startswith("/")
    if name.startswith("/"):
        assert relative_name(f"{tmp_path}{name}", tmp_path / "data/exp/../photos") == inside


def test_images_that_moved_are_the_same_dataset_and_are_found(tmp_path, source, store):
    made = prepare_dataset(source, store=store)
    assert [row["file"] for row in images(made)] == ["deep/a.png"]
    shutil.move(tmp_path / "photos", tmp_path / "elsewhere")
    moved = source.model_copy(update={"images": tmp_path / "elsewhere"})
    dataset = prepare_dataset(moved, store=store)
    assert dataset.fingerprint == made.fingerprint
    assert ImageReader([made]).read(KEY) == picture(1)


def test_an_image_that_was_renamed_is_found_by_its_hash(tmp_path, source, store):
    made = prepare_dataset(source, store=store)
    shutil.move(tmp_path / "photos" / "deep" / "a.png", tmp_path / "photos" / "b.png")
    with pytest.raises(DataError, match=r"a.png: No such file or directory; it was there when"):
        ImageReader([made]).read(KEY)
    other = local_source(tmp_path / "other", [talk("1", "b.png")], {}).model_copy(update={"images": source.images})
    fingerprint(other, store)  # another experiment has seen it
    assert ImageReader([made]).read(KEY) == picture(1)
    (tmp_path / "photos" / "b.png").write_bytes(picture(2))
    with pytest.raises(DataError, match="it was there when"):
        ImageReader([made]).read(KEY)


def test_a_dataset_of_an_earlier_version_names_whole_paths_and_moves_as_well(tmp_path, source, store):
    made = prepare_dataset(source, store=store)
    (store.root / "image_folders" / made.fingerprint).unlink()
    (row,) = images(made)
    assert row["file"] == "deep/a.png"
    whole = {**row, "file": str(tmp_path / "photos" / "deep" / "a.png")}
    write_rows(made.path("images.parquet"), [whole], schema=IMAGE_SCHEMA)
    assert ImageReader([made]).read(KEY) == picture(1)
    shutil.move(tmp_path / "photos", tmp_path / "elsewhere")
    with pytest.raises(DataError, match="No such file"):
        ImageReader([made]).read(KEY)
    note_image_folder(made, tmp_path / "elsewhere")
    assert ImageReader([made]).read(KEY) == picture(1)


def test_a_dataset_from_another_machine_says_what_to_do(tmp_path, source, store):
    made = prepare_dataset(source, store=store)
    shutil.rmtree(store.root / "image_folders")
    for file in store.root.glob("file_digests.sqlite*"):
        file.unlink()
    with pytest.raises(DataError, match="deep/a.png: it is not known where .* run the experiment again"):
        ImageReader([made]).read(KEY)


def test_a_folder_inside_the_store_moves_with_it(tmp_path, source, store):
    store.root.mkdir()
    shutil.move(tmp_path / "photos", store.root / "photos")
    made = prepare_dataset(source.model_copy(update={"images": store.root / "photos"}), store=store)
    assert (store.root / "image_folders" / made.fingerprint).read_text() == "photos"
    shutil.move(store.root, tmp_path / "moved")
    (dataset,) = ArtifactStore(tmp_path / "moved").manifests("dataset")
    assert ImageReader([dataset]).read(KEY) == picture(1)


def test_files_that_no_record_names_are_no_part_of_a_dataset(tmp_path, source, store):
    before = fingerprint(source, store)
    (tmp_path / "photos" / ".DS_Store").write_bytes(b"finder")
    (tmp_path / "photos" / "deep" / "of_others.png").write_bytes(picture(2))
    assert fingerprint(source, store) == before
    (tmp_path / "photos" / "deep" / "a.png").write_bytes(picture(3))
    assert fingerprint(source, store) != before


def test_an_image_that_was_missing_and_came_makes_another_dataset(tmp_path, source, store):
    (tmp_path / "photos" / "deep" / "a.png").unlink()
    assert prepare_dataset(source, store=store).summary["num_rejected"] == 1
    (tmp_path / "photos" / "deep" / "a.png").write_bytes(picture(1))
    assert prepare_dataset(source, store=store).summary["num_rejected"] == 0


def test_records_are_read_once_for_the_names_of_their_images(tmp_path, source, store, monkeypatch):
    before = fingerprint(source, store)
    monkeypatch.setattr("pipeline.data.source_identity.json_records", None)
    assert fingerprint(source, store) == before


@pytest.mark.parametrize(("in_json", "on_disk"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_name_is_found_however_it_is_composed(tmp_path, store, in_json, on_disk):
    name = "がぞう/ぱんだ.png"
    source = local_source(tmp_path, [talk("1", normalize(in_json, name))], {})
    path = source.images / normalize(on_disk, name)
    path.parent.mkdir()
    path.write_bytes(picture(1))
    dataset = prepare_dataset(source, store=store)
    assert dataset.summary["num_rejected"] == 0
    assert [row["file"] for row in images(dataset)] == [normalize(on_disk, name)]
    assert ImageReader([dataset]).read(KEY) == picture(1)
    assert NamedFiles(source.images).find("none.png") == "none.png"


def test_a_table_names_the_images_that_count(tmp_path, store):
    (tmp_path / "rows.parquet").write_bytes(parquet_bytes([{"file": "deep/a.png", "text": "犬。"}]))
    rows = source_at(tmp_path / "rows.parquet", {"image": "file", "caption": "text"}, images=photos(tmp_path))
    before = fingerprint(rows, store)
    (tmp_path / "photos" / ".DS_Store").write_bytes(b"finder")
    assert fingerprint(rows, store) == before
    (tmp_path / "photos" / "deep" / "a.png").write_bytes(picture(3))
    assert fingerprint(rows, store) != before
