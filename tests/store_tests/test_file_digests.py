"""What a store knows of files outside it is believed only as it was written."""

import hashlib
import random

import pytest

from pipeline.store.file_digests import DIGESTS_FILE, FileDigests


@pytest.fixture
def files(tmp_path):
    (tmp_path / "photos").mkdir()
    for number in range(20):
        (tmp_path / "photos" / f"{number}.png").write_text(str(number))
    return sorted((tmp_path / "photos").iterdir())


def test_a_record_that_is_no_database_is_made_anew_and_that_is_said(files, tmp_path, caplog):
    (tmp_path / DIGESTS_FILE).write_bytes(b"garbage")
    digests = FileDigests(tmp_path)
    expected = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    assert digests.of(files, below=files[0].parent) == expected
    assert f"{tmp_path / DIGESTS_FILE} is damaged (file is not a database): it is made anew" in caplog.text
    caplog.clear()
    assert digests.of(files, below=files[0].parent) == expected
    assert not caplog.records


def test_no_flipped_bit_of_the_record_gives_another_digest(files, tmp_path):
    expected = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    FileDigests(tmp_path).of(files, below=files[0].parent)
    whole, flips = (tmp_path / DIGESTS_FILE).read_bytes(), random.Random(0)
    for _ in range(60):
        damaged = bytearray(whole)
        damaged[flips.randrange(len(damaged))] ^= 1 << flips.randrange(8)
        (tmp_path / DIGESTS_FILE).write_bytes(damaged)
        assert FileDigests(tmp_path).of(files, below=files[0].parent) == expected


def test_texts_that_were_damaged_are_read_anew(tmp_path):
    digests, asked = FileDigests(tmp_path), []
    read = lambda: asked.append(1) or ["猫"]  # noqa: E731
    assert [digests.texts("a", read), digests.texts("a", read)] == [["猫"], ["猫"]]
    assert len(asked) == 1
    with digests._opened() as database:
        database.execute("update texts set content = x'00'")
    assert digests.texts("a", read) == ["猫"]
    assert len(asked) == 2
