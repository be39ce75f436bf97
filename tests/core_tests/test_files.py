import errno
import os
import subprocess
import sys
import threading

import pytest

from pipeline.core.disk import explaining_full_disk, full_disk_text
from pipeline.core.errors import StoreError
from pipeline.core.files import appearing, appearing_folder, write_text
from pipeline.core.hashing import sha256_of_json
from pipeline.core.locks import locked, locked_at_once, open_lock
from pipeline.core.wording import first_few


def test_a_file_appears_when_it_is_complete_and_replaces_the_one_before(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "one")
    with appearing(path) as unfinished:
        unfinished.write_text("two")
        assert path.read_text() == "one"
    assert path.read_text() == "two"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_file_whose_writer_fails_does_not_appear(tmp_path):
    with pytest.raises(ValueError, match="half"), appearing(tmp_path / "a.txt") as unfinished:
        unfinished.write_text("on")
        raise ValueError("half")
    assert not (tmp_path / "a.txt").exists()


def test_a_folder_appears_with_all_its_files_or_not_at_all(tmp_path):
    with pytest.raises(ValueError, match="half"), appearing_folder(tmp_path / "a") as unfinished:
        (unfinished / "one").write_text("1")
        raise ValueError("half")
    assert os.listdir(tmp_path) == []
    with appearing_folder(tmp_path / "a") as unfinished:
        (unfinished / "two").write_text("2")
    assert os.listdir(tmp_path / "a") == ["two"]


def test_a_lock_is_held_by_one_process_until_it_ends(tmp_path):
    code = "import sys; from pathlib import Path; from pipeline.core.locks import locked_at_once as get; "
    code += f"print(get(Path({str(tmp_path / 'lock')!r})) is not None)"

    def another_gets_it():
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        return done.stdout.strip() == "True"

    with locked(tmp_path / "lock", "waiting"):
        assert not another_gets_it()
    assert another_gets_it()


def test_a_link_in_a_locks_place_is_refused_and_its_target_stays(tmp_path):
    target, path = tmp_path / "precious", tmp_path / "lock"
    target.write_text("all of it")
    target.chmod(0o600)
    path.symlink_to(target)
    for take in (lambda: locked(path, "waiting").__enter__(), lambda: locked_at_once(path), lambda: open_lock(path)):
        with pytest.raises(StoreError, match=r"lock should be the file of a lock and is a link .* remove it"):
            take()
    assert (target.read_text(), target.stat().st_mode & 0o777) == ("all of it", 0o600)


def test_a_link_to_nothing_makes_no_file_elsewhere(tmp_path):
    (tmp_path / "lock").symlink_to(tmp_path / "new")
    with pytest.raises(StoreError, match="is a link"):
        locked_at_once(tmp_path / "lock")
    assert not (tmp_path / "new").exists()


def test_a_pipe_in_a_locks_place_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "lock")
    with pytest.raises(StoreError, match="is a link or something else"):
        locked_at_once(tmp_path / "lock")


def test_a_lock_in_a_folder_that_is_gone_is_none(tmp_path):
    assert locked_at_once(tmp_path / "gone" / "lock") is None


def test_a_locks_file_keeps_what_it_holds(tmp_path):
    (tmp_path / "lock").write_text("of an older version")
    with locked(tmp_path / "lock", "waiting"):
        assert (tmp_path / "lock").read_text() == "of an older version"


def test_shared_locks_go_together_and_keep_others_out(tmp_path):
    path = tmp_path / "locks" / "lock"
    with locked(path, "waiting", is_shared=True), locked(path, "waiting", is_shared=True):
        assert locked_at_once(path) is None


def test_who_waits_for_a_lock_says_why(tmp_path, caplog):
    caplog.set_level("INFO")
    path, has_it = tmp_path / "lock", threading.Event()

    def wait():
        with locked(path, "somebody paints"):
            has_it.set()

    with locked(path, "unused"):
        thread = threading.Thread(target=wait)
        thread.start()
        while "somebody paints" not in caplog.text:
            assert not has_it.wait(0.01)
    thread.join(5)
    assert has_it.is_set()


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "Free some space"),
        (errno.EFBIG, "Raise `ulimit -f`, or use a file system that holds larger files"),
        (errno.EDQUOT, "Free some space"),
        (errno.EROFS, "Give"),
    ],
)
def test_a_disk_that_takes_no_more_is_explained(tmp_path, number, advice):
    with pytest.raises(StoreError, match=advice), explaining_full_disk("encode", tmp_path):
        raise OSError(number, os.strerror(number))


def test_a_library_that_says_in_its_text_alone_that_a_file_is_too_large_is_understood():
    said = full_disk_text(RuntimeError("Error while serializing\nI/O error: File too large (os error 27)"))
    assert said.startswith("I/O error: File too large (os error 27); no file may become so large: raise `ulimit -f`")
    assert full_disk_text(RuntimeError("a bug")) is None


def test_a_file_elsewhere_that_may_not_be_read_is_no_trouble_of_the_disk(tmp_path):
    with pytest.raises(PermissionError), explaining_full_disk("encode", tmp_path / "store"):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "a.png"))
    with pytest.raises(StoreError, match="Give access"), explaining_full_disk("encode", tmp_path / "store"):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "store" / "a.png"))


def test_the_hash_of_a_json_value_does_not_know_the_order_of_its_keys():
    assert sha256_of_json({"b": [1, 2.5, None], "a": "犬"}) == sha256_of_json({"a": "犬", "b": [1, 2.5, None]})
    assert sha256_of_json({"a": "犬"}) == "7ffa0dc57ced53234bbcd82822e290929245c3c8d09e809c7b16e90adcbfa031"


def test_long_lists_end_with_dots():
    assert first_few(["1", "2"]) == "1, 2"
    assert first_few(list("abcd"), 3) == "a, b, c, …"
