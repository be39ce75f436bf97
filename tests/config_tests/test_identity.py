import hashlib
import os
import shutil

import pytest

from model.config import BundledTokenizer, LocalFolder
from pipeline.config.experiment import TOKENIZER_FOLDER, LocalSource, ShapesJaSource
from pipeline.config.identity import content_digest, identity
from pipeline.core.errors import DataError


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("LLAVA_JP_STORE", str(tmp_path / "store"))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "here" / "deep").mkdir(parents=True)
    (tmp_path / "here" / "a.txt").write_text("one")
    (tmp_path / "here" / "deep" / "猫.txt").write_text("two")
    return tmp_path / "here"


def test_the_digest_of_a_file_is_its_sha256(folder):
    assert content_digest(folder / "a.txt") == hashlib.sha256(b"one").hexdigest()


def test_the_digest_of_a_folder_is_that_of_its_names_and_digests(folder):
    lines = [
        f"{name}\0{hashlib.sha256(content).hexdigest()}\n"
        for name, content in (("a.txt", b"one"), ("deep/猫.txt", b"two"))
    ]
    assert content_digest(folder) == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_the_digest_does_not_depend_on_where_the_files_lie(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "there")
    assert content_digest(folder) == content_digest(tmp_path / "there")


def test_other_content_or_another_name_is_another_digest(folder):
    digests = [content_digest(folder)]
    (folder / "a.txt").write_text("three")
    digests.append(content_digest(folder))
    (folder / "a.txt").rename(folder / "b.txt")
    digests.append(content_digest(folder))
    assert len(set(digests)) == 3


def test_a_file_of_the_same_size_and_time_in_place_of_another_is_read(folder):
    before, stat = content_digest(folder / "a.txt"), (folder / "a.txt").stat()
    (folder / "new.txt").write_text("ONE")
    os.utime(folder / "new.txt", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    (folder / "new.txt").replace(folder / "a.txt")
    assert content_digest(folder / "a.txt") == hashlib.sha256(b"ONE").hexdigest() != before


def test_a_path_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(DataError) as caught:
        content_digest(tmp_path / "no")
    assert str(caught.value) == f"{tmp_path / 'no'} does not exist; check the paths of the experiment"


def test_a_link_to_nothing_a_pipe_and_a_circle_of_links_are_no_content(folder):
    before = content_digest(folder)
    (folder / "link").symlink_to("nowhere")
    (folder / "circle").symlink_to(folder)
    os.mkfifo(folder / "pipe")
    assert content_digest(folder) == before


def test_what_a_link_to_a_folder_leads_to_is_content(folder, tmp_path):
    before = content_digest(folder)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "photo").write_bytes(b"one")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    linked = content_digest(folder)
    (tmp_path / "elsewhere" / "photo").write_bytes(b"two!")
    assert len({before, linked, content_digest(folder)}) == 3


def test_paths_become_digests_of_what_lies_there(folder):
    source = LocalSource(kind="local", annotations=folder / "a.txt", images=folder / "deep")
    assert identity(source) == {
        "kind": "local",
        "annotations_sha256": hashlib.sha256(b"one").hexdigest(),
        "images_sha256": content_digest(folder / "deep"),
    }
    assert identity(LocalFolder(kind="local", folder=folder)) == {
        "kind": "local",
        "folder_sha256": content_digest(folder),
    }


def test_a_bundled_tokenizer_is_known_by_its_content():
    assert identity(BundledTokenizer(kind="bundled", name="shapes-ja")) == {
        "kind": "bundled",
        "name": "shapes-ja",
        "sha256": content_digest(TOKENIZER_FOLDER / "shapes-ja"),
    }


def test_a_section_without_paths_is_itself():
    source = ShapesJaSource(kind="shapes-ja", content="captions", num_images=3, seed=1)
    assert identity(source) == {"kind": "shapes-ja", "content": "captions", "num_images": 3, "seed": 1}
