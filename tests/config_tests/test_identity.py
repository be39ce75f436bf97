import hashlib
import os
import shutil

import pytest

from model.config import BundledTokenizer, LocalFolder
from pipeline.config.experiment import TOKENIZER_FOLDER, ShapesJaSource
from pipeline.config.identity import Identities
from pipeline.core.errors import DataError
from pipeline.core.hashing import sha256_of_file


class _Afresh:
    """Knows what earlier ones have read, as another command does."""

    def __init__(self, root):
        self._root = root

    def of(self, section):
        return Identities(self._root).of(section)

    def of_path(self, path):
        return Identities(self._root).of_path(path)


@pytest.fixture
def identities(tmp_path):
    return _Afresh(tmp_path / "store")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "here" / "deep").mkdir(parents=True)
    (tmp_path / "here" / "a.txt").write_text("one")
    (tmp_path / "here" / "deep" / "猫.txt").write_text("two")
    return tmp_path / "here"


def test_the_digest_of_a_file_is_its_sha256(folder, identities):
    assert identities.of_path(folder / "a.txt") == hashlib.sha256(b"one").hexdigest()


def test_the_digest_of_a_folder_is_that_of_its_names_and_digests(folder, identities):
    lines = [
        f"{name}\0{hashlib.sha256(content).hexdigest()}\n"
        for name, content in (("a.txt", b"one"), ("deep/猫.txt", b"two"))
    ]
    assert identities.of_path(folder) == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_the_digest_does_not_depend_on_where_the_files_lie(folder, tmp_path, identities):
    shutil.copytree(folder, tmp_path / "there")
    assert identities.of_path(folder) == identities.of_path(tmp_path / "there")


def test_other_content_or_another_name_is_another_digest(folder, identities):
    digests = [identities.of_path(folder)]
    (folder / "a.txt").write_text("three")
    digests.append(identities.of_path(folder))
    (folder / "a.txt").rename(folder / "b.txt")
    digests.append(identities.of_path(folder))
    assert len(set(digests)) == 3


def test_a_file_of_the_same_size_and_time_in_place_of_another_is_read(folder, identities):
    before, stat = identities.of_path(folder / "a.txt"), (folder / "a.txt").stat()
    (folder / "new.txt").write_text("ONE")
    os.utime(folder / "new.txt", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    (folder / "new.txt").replace(folder / "a.txt")
    assert identities.of_path(folder / "a.txt") == hashlib.sha256(b"ONE").hexdigest() != before


def test_a_path_that_does_not_exist_is_named(tmp_path, identities):
    with pytest.raises(DataError) as caught:
        identities.of_path(tmp_path / "no")
    assert str(caught.value) == f"{tmp_path / 'no'} does not exist; check the paths of the experiment"


def test_a_link_to_nothing_a_pipe_and_a_circle_of_links_are_no_content(folder, identities):
    before = identities.of_path(folder)
    (folder / "link").symlink_to("nowhere")
    (folder / "circle").symlink_to(folder)
    os.mkfifo(folder / "pipe")
    assert identities.of_path(folder) == before


def test_what_a_link_to_a_folder_leads_to_is_content(folder, tmp_path, identities):
    before = identities.of_path(folder)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "photo").write_bytes(b"one")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    linked = identities.of_path(folder)
    (tmp_path / "elsewhere" / "photo").write_bytes(b"two!")
    assert len({before, linked, identities.of_path(folder)}) == 3


def test_paths_become_digests_of_what_lies_there(folder, identities):
    assert identities.of(LocalFolder(kind="local", folder=folder)) == {
        "kind": "local",
        "folder_sha256": identities.of_path(folder),
    }


def test_a_bundled_tokenizer_is_known_by_its_content(identities):
    assert identities.of(BundledTokenizer(kind="bundled", name="shapes-ja")) == {
        "kind": "bundled",
        "name": "shapes-ja",
        "sha256": identities.of_path(TOKENIZER_FOLDER / "shapes-ja"),
    }


def test_a_section_without_paths_is_itself(identities):
    source = ShapesJaSource(kind="shapes-ja", content="captions", num_images=3, seed=1)
    assert identities.of(source) == {
        "kind": "shapes-ja",
        "content": "captions",
        "num_images": 3,
        "seed": 1,
    }


def test_a_file_is_read_once_for_a_plan_and_not_again_while_it_is_unchanged(folder, tmp_path, monkeypatch):
    read = []

    def counted(path):
        read.append(path.name)
        return sha256_of_file(path)

    monkeypatch.setattr("pipeline.store.file_digests.sha256_of_file", counted)
    first = Identities(tmp_path / "store")
    assert first.of_path(folder) == first.of_path(folder)
    Identities(tmp_path / "store").of_path(folder)
    assert sorted(read) == ["a.txt", "猫.txt"]
    (folder / "a.txt").write_text("changed")
    Identities(tmp_path / "store").of_path(folder)
    assert sorted(read) == ["a.txt", "a.txt", "猫.txt"]
