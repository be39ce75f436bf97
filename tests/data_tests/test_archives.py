import gzip
import io
import os
import stat
import subprocess
import sys
import tarfile
import time
import unicodedata
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pipeline.core.errors import DataError
from pipeline.core.progress import listening
from pipeline.data.download.archive_members import Limits
from pipeline.data.download.archives import is_unpacked, unpack

KINDS = ("zip", "tar", "tar.gz")


def zip_of(path: Path, files: dict[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=compression)
    return path


def tar_of(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def archive_of(folder: Path, kind: str, files: dict[str, bytes]) -> Path:
    return (zip_of if kind == "zip" else tar_of)(folder / f"archive.{kind}", files)


def tar_with(path: Path, **fields) -> Path:
    """One harmless file and then a member with these fields of ``TarInfo``."""
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("harmless"))
        info = tarfile.TarInfo("member")
        for name, value in fields.items():
            setattr(info, name, value)
        archive.addfile(info)
    return path


def zip_with(path: Path, *, mode: int, name: str = "member") -> Path:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("harmless", b"")
        archive.writestr(info, b"/etc/passwd")
    return path


def files_below(folder: Path) -> dict[str, bytes]:
    """What was unpacked, without the marker."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".unpacked" not in path.parts
    }


@pytest.mark.parametrize("kind", KINDS)
def test_files_come_out_as_they_went_in(tmp_path, kind):
    files = {"train2017/1.jpg": b"one" * 1000, "train2017/2.jpg": b"", "./a//b.txt": b"b"}
    done = unpack(archive_of(tmp_path, kind, files), tmp_path / "out")
    expected = {"a/b.txt": b"b", "train2017/1.jpg": b"one" * 1000, "train2017/2.jpg": b""}
    assert files_below(tmp_path / "out") == expected
    assert (done.num_files, done.num_bytes) == (3, 3001)


NAMES = st.lists(
    st.text(
        st.characters(exclude_characters="/\\\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069").filter(
            lambda one: unicodedata.category(one) not in ("Cc", "Cs")
        ),
        min_size=1,
        max_size=12,
    ),
    min_size=1,
    max_size=3,
).map("/".join)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.dictionaries(NAMES, st.binary(max_size=200), min_size=1, max_size=5), kind=st.sampled_from(KINDS))
def test_any_honest_name_and_content_comes_out(tmp_path_factory, files, kind):
    names = [tuple(name.split("/")) for name in files]
    assume(all(part not in (".", "..") and len(part.encode()) < 200 for name in names for part in name))
    assume(all(name[1:2] != ":" for name in files))
    assume(all(name[0].casefold() != ".unpacked" for name in names))  # refused, as tested below
    assume(not any(a != b and b[: len(a)] == a for a in names for b in names))  # a file is not a folder as well
    folder = tmp_path_factory.mktemp("any")
    unpack(archive_of(folder, kind, files), folder / "out")
    assert files_below(folder / "out") == files


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../evil", "it climbs with '..'"),
        ("a/../../evil", "it climbs with '..'"),
        ("/etc/evil", "it is absolute"),
        ("..\\evil", "it has a backslash"),
        ("C:evil", "it has a drive letter"),
    ],
)
def test_a_name_that_leaves_the_folder_is_refused(tmp_path, kind, name, reason):
    archive = archive_of(tmp_path, kind, {"harmless": b"", name: b"evil"})
    with pytest.raises(DataError, match="is not a path inside a folder") as caught:
        unpack(archive, tmp_path / "deep" / "out")
    assert repr(name) in str(caught.value)
    assert reason in str(caught.value)
    assert not list(tmp_path.rglob("evil*"))
    if kind == "zip":
        assert files_below(tmp_path / "deep") == {}


def test_a_nul_in_a_name_is_refused(tmp_path):
    path = zip_of(tmp_path / "a.zip", {"aXb": b""})
    path.write_bytes(path.read_bytes().replace(b"aXb", b"a\0b"))
    with pytest.raises(DataError, match="it has a NUL"):
        unpack(path, tmp_path / "out")


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "symbolic link"),
        ({"type": tarfile.LNKTYPE, "linkname": "harmless"}, "hard link"),
        ({"type": tarfile.CHRTYPE, "devmajor": 1}, "device, pipe or something else"),
        ({"type": tarfile.BLKTYPE}, "device, pipe or something else"),
        ({"type": tarfile.FIFOTYPE}, "device, pipe or something else"),
    ],
)
def test_links_and_devices_of_a_tar_are_refused(tmp_path, fields, kind):
    with pytest.raises(DataError, match=rf"a.tar: member 'member' is a {kind}; only plain files are taken"):
        unpack(tar_with(tmp_path / "a.tar", **fields), tmp_path / "out")
    assert not (tmp_path / "out" / "member").exists()


@pytest.mark.parametrize(
    ("mode", "kind"),
    [(stat.S_IFLNK, "symbolic link"), (stat.S_IFIFO, "pipe"), (stat.S_IFSOCK, "socket"), (stat.S_IFCHR, "device")],
)
def test_links_and_devices_of_a_zip_are_refused_before_anything_is_written(tmp_path, mode, kind):
    with pytest.raises(DataError, match=rf"a.zip: member 'member' is a {kind}.*; only plain files are taken"):
        unpack(zip_with(tmp_path / "a.zip", mode=mode | 0o777), tmp_path / "out")
    assert files_below(tmp_path / "out") == {}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_written_through_a_link_that_is_there(tmp_path, kind):
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "a").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"out/a' is a link, so writing below it could end outside"):
        unpack(archive_of(tmp_path, kind, {"a/b": b"evil"}), tmp_path / "out")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_link_in_the_place_of_a_file_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "out" / "a").symlink_to(tmp_path / "precious")
    unpack(zip_of(tmp_path / "a.zip", {"a": b"new"}), tmp_path / "out")
    assert (tmp_path / "precious").read_text() == "mine"
    assert (tmp_path / "out" / "a").read_bytes() == b"new"
    assert not (tmp_path / "out" / "a").is_symlink()


@pytest.mark.parametrize("name", [".unpacked/archive.zip.json", ".UNPACKED/x"])
def test_a_member_cannot_forge_the_marker(tmp_path, name):
    with pytest.raises(DataError, match="would take the place of a folder of ours"):
        unpack(zip_of(tmp_path / "archive.zip", {name: b"{}"}), tmp_path / "out")


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_that_comes_twice_is_refused(tmp_path, kind):
    path = tmp_path / f"archive.{kind}"
    if kind == "zip":
        zip_of(path, {"a/b": b"1", "a/c": b"2"})
        path.write_bytes(path.read_bytes().replace(b"a/c", b"a/b"))
    else:
        tar_of(path, {"a/b": b"1", "./a/b": b"2"})
    with pytest.raises(DataError, match="twice, so which one is meant is not known"):
        unpack(path, tmp_path / "out")


@pytest.mark.parametrize("files", [{"a": b"1", "a/b": b"2"}, {"a/b": b"1", "a": b"2"}])
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_also_a_folder_is_refused(tmp_path, kind, files):
    with pytest.raises(DataError, match=r"a' is a file, but something|'a' cannot be written: Is a directory"):
        unpack(archive_of(tmp_path, kind, files), tmp_path / "out")


def test_a_name_that_is_too_long_for_the_disk_is_an_error_that_names_it(tmp_path):
    with pytest.raises(DataError, match=r"member 'x{300}' cannot be written: File name too long"):
        unpack(zip_of(tmp_path / "a.zip", {"x" * 300: b""}), tmp_path / "out")


def test_names_in_utf8_that_do_not_say_so_are_read_as_utf8(tmp_path):
    path = zip_of(tmp_path / "a.zip", {"XXXXXX.jpg": b"cat"})
    path.write_bytes(path.read_bytes().replace(b"XXXXXX", "猫猫".encode()))
    unpack(path, tmp_path / "out")
    assert files_below(tmp_path / "out") == {"猫猫.jpg": b"cat"}


def test_a_tar_with_names_that_are_not_utf8_keeps_their_bytes(tmp_path):
    path = tar_of(tmp_path / "a.tar", {"XXXX.jpg": b"cat"})
    header = bytearray(path.read_bytes())
    header[:4] = "猫".encode("euc-jp") * 2
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + sum(header[156:512]) + 8 * ord(" "))
    path.write_bytes(header)
    unpack(path, tmp_path / "out")
    assert os.listdir(os.fsencode(tmp_path / "out") + b"/") != []
    assert os.path.exists(os.fsencode(tmp_path / "out") + b"/" + "猫猫.jpg".encode("euc-jp"))


def test_modes_of_the_archive_are_ignored(tmp_path):
    path = zip_with(tmp_path / "a.zip", mode=stat.S_IFREG | 0o4777)
    unpack(path, tmp_path / "out")
    assert (tmp_path / "out" / "member").stat().st_mode & 0o7111 == 0


# ---- limits


@pytest.mark.parametrize("kind", KINDS)
def test_too_many_members_are_refused(tmp_path, kind):
    archive = archive_of(tmp_path, kind, {str(index): b"" for index in range(11)})
    with pytest.raises(DataError, match=r"more than the 10"):
        unpack(archive, tmp_path / "out", limits=Limits(max_members=10))


@pytest.mark.parametrize("kind", KINDS)
def test_a_member_that_is_too_large_is_refused(tmp_path, kind):
    archive = archive_of(tmp_path, kind, {"a": bytes(1001)})
    with pytest.raises(DataError, match=r"member 'a' has 1001 bytes, more than the 1000 that are expected"):
        unpack(archive, tmp_path / "out", limits=Limits(max_member_bytes=1000))


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_that_becomes_too_large_is_stopped(tmp_path, kind):
    archive = archive_of(tmp_path, kind, {str(index): bytes(100_000) for index in range(20)})
    with pytest.raises(DataError, match=r"becomes more than 500000 bytes, the most that is expected"):
        unpack(archive, tmp_path / "out", limits=Limits(max_bytes=500_000))
    assert sum(map(len, files_below(tmp_path / "out").values())) <= 500_000


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_bomb_is_stopped_by_what_comes_out_of_it(tmp_path, kind):
    archive = archive_of(tmp_path, kind, {str(index): bytes(1_000_000) for index in range(30)})
    with pytest.raises(DataError, match=r"over 100 times as much, which no honest archive does"):
        unpack(archive, tmp_path / "out", limits=Limits(free_bytes=1_000_000))
    assert sum(map(len, files_below(tmp_path / "out").values())) < 10_000_000


def test_a_zip_that_lies_about_its_sizes_writes_no_more_than_it_declares(tmp_path):
    path = zip_of(tmp_path / "a.zip", {"a": bytes(100_000)})
    path.write_bytes(path.read_bytes().replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(DataError, match="is damaged"):
        unpack(path, tmp_path / "out")
    assert files_below(tmp_path / "out") == {}


def test_a_zip_that_declares_more_than_it_has_is_refused(tmp_path):
    path = zip_of(tmp_path / "a.zip", {"a": bytes(100_000)})
    path.write_bytes(path.read_bytes().replace((100_000).to_bytes(4, "little"), (200_000).to_bytes(4, "little")))
    with pytest.raises(DataError, match="member 'a' is cut short; fetch the archive again"):
        unpack(path, tmp_path / "out")
    assert files_below(tmp_path / "out") == {}


def test_a_tar_with_an_endless_header_is_stopped(tmp_path):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("a")
        info.pax_headers = {"comment": "x" * 5_000_000}
        archive.addfile(info)
    with pytest.raises(DataError, match="a member's description is larger than 1000000 bytes"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "out", limits=Limits(max_header_bytes=1_000_000))


# ---- damage


def test_an_encrypted_zip_says_so(tmp_path):
    path = zip_of(tmp_path / "a.zip", {"a": b"secret"})
    content = bytearray(path.read_bytes())
    for start in (6, content.index(b"PK\x01\x02") + 8):
        content[start] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"member 'a' is encrypted; unpack the archive by hand"):
        unpack(path, tmp_path / "out")


def test_a_rare_compression_says_so(tmp_path):
    path = zip_of(tmp_path / "a.zip", {"a": b"x"}, compression=zipfile.ZIP_LZMA)
    with pytest.raises(DataError, match="is compressed in a rare way"):
        unpack(path, tmp_path / "out")


def test_a_changed_byte_in_a_zip_is_noticed(tmp_path):
    path = zip_of(tmp_path / "a.zip", {"a": b"content" * 10}, compression=zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"content", b"Content", 1))
    with pytest.raises(DataError, match=r"a.zip is damaged: Bad CRC-32 for file 'a'; fetch it again"):
        unpack(path, tmp_path / "out")
    assert files_below(tmp_path / "out") == {}
    assert not is_unpacked("a.zip", tmp_path / "out")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_an_archive_that_was_cut_is_noticed(tmp_path, kind, share):
    files = {f"{index}.bin": os.urandom(5_000) for index in range(20)}
    path = archive_of(tmp_path, kind, files)
    whole = path.stat().st_size if kind != "tar" else 20 * 5_632
    path.write_bytes(path.read_bytes()[: int(share * whole)])
    with pytest.raises(DataError, match="is damaged"):
        unpack(path, tmp_path / "out")
    assert not is_unpacked(path.name, tmp_path / "out")
    assert all(content == files[name] for name, content in files_below(tmp_path / "out").items())


def test_a_tar_that_is_cut_between_two_members_is_noticed(tmp_path):
    path = tar_of(tmp_path / "a.tar", {"a": bytes(512), "b": bytes(512)})
    path.write_bytes(path.read_bytes()[:1024])
    with pytest.raises(DataError, match="a.tar is damaged: empty header at byte 1024"):
        unpack(path, tmp_path / "out")


def test_a_broken_header_in_the_middle_of_a_tar_is_noticed(tmp_path):
    path = tar_of(tmp_path / "a.tar", {"a": b"1", "b": b"2", "c": b"3"})
    content = bytearray(path.read_bytes())
    content[1024 + 150] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a.tar is damaged: .*at byte 1024"):
        unpack(path, tmp_path / "out")


@pytest.mark.parametrize("padding", [0, 5_000_000])
def test_a_wrong_sum_at_the_end_of_a_gzip_is_noticed(tmp_path, padding):
    path = tmp_path / "a.tar.gz"
    content = bytearray(gzip.compress(tar_of(tmp_path / "a.tar", {"a": b"1"}).read_bytes() + bytes(padding)))
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="is damaged"):
        unpack(path, tmp_path / "out")


def test_something_that_is_no_archive_says_so(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"<html>not found</html>" * 100)
    with pytest.raises(DataError, match="a.zip is not a zip, tar or tar.gz archive"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


SEED_FILES = {"a/b.txt": b"hello " * 20, "c.bin": bytes(range(256)), "d/": b""}


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_a_mangled_archive_is_refused_or_stays_inside(tmp_path_factory, kind, changes):
    folder = tmp_path_factory.mktemp("mangled")
    path = archive_of(folder, kind, SEED_FILES)
    raw = bytearray(gzip.decompress(path.read_bytes()) if kind == "tar.gz" else path.read_bytes())
    for where, value in changes:
        raw[int(where * len(raw))] = value
    path.write_bytes(gzip.compress(bytes(raw)) if kind == "tar.gz" else bytes(raw))
    try:
        unpack(path, folder / "deep" / "out")
    except DataError as error:
        str(error).encode()  # can be printed
    assert {item.name for item in folder.iterdir()} <= {path.name, "deep"}
    assert {item.name for item in (folder / "deep").iterdir()} <= {"out"}


# ---- again


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_call_does_nothing(tmp_path, kind):
    path = archive_of(tmp_path, kind, {"a": b"1", "b": b"2"})
    first = unpack(path, tmp_path / "out")
    (tmp_path / "out" / "a").unlink()
    assert unpack(path, tmp_path / "out") == first
    assert files_below(tmp_path / "out") == {"b": b"2"}


@pytest.mark.parametrize("kind", KINDS)
def test_after_a_stop_whole_files_stay_and_the_rest_is_made(tmp_path, kind):
    path = archive_of(tmp_path, kind, {"a": b"aa", "b": b"bb", "c": b"cc"})
    with pytest.raises(KeyboardInterrupt), listening(_stop_at(1)):
        unpack(path, tmp_path / "out")
    assert not is_unpacked(path.name, tmp_path / "out")
    kept = (tmp_path / "out" / "a").stat().st_ino
    done = unpack(path, tmp_path / "out")
    assert files_below(tmp_path / "out") == {"a": b"aa", "b": b"bb", "c": b"cc"}
    assert (tmp_path / "out" / "a").stat().st_ino == kept
    assert (done.num_files, done.num_bytes) == (3, 6)


def _stop_at(count):
    def stop(event):
        if event.done >= count:
            raise KeyboardInterrupt

    return stop


def test_files_that_another_archive_left_are_not_taken_for_whole(tmp_path):
    unpack(zip_of(tmp_path / "a.zip", {"a": b"old"}), tmp_path / "out")
    unpack(zip_of(tmp_path / "a.zip", {"a": b"new"}), tmp_path / "out")
    assert files_below(tmp_path / "out") == {"a": b"new"}


def test_two_archives_share_a_folder(tmp_path):
    for name in ("images.zip", "images2.zip"):
        unpack(zip_of(tmp_path / name, {f"VG/{name}.jpg": b"x"}), tmp_path / "vg")
    assert sorted(files_below(tmp_path / "vg")) == ["VG/images.zip.jpg", "VG/images2.zip.jpg"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_subfolder_comes_out_without_its_name(tmp_path, kind):
    files = {"images/a": b"1", "images/b/c": b"2", "README": b"3", "imagesx": b"4"}
    unpack(archive_of(tmp_path, kind, files), tmp_path / "out", subfolder="images")
    assert files_below(tmp_path / "out") == {"a": b"1", "b/c": b"2"}


KILLED = """
import sys, time
from pathlib import Path
from pipeline.data.download.archives import unpack
unpack(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_after_a_kill_every_file_with_its_name_is_whole(tmp_path):
    files = {f"{index:05}.bin": bytes([index % 256]) * 20_000 for index in range(3000)}
    path = zip_of(tmp_path / "a.zip", files, compression=zipfile.ZIP_STORED)
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path), str(tmp_path / "out")])
    while not (tmp_path / "out" / "00100.bin").exists() and process.poll() is None:
        time.sleep(0.001)
    process.kill()
    process.wait()
    there = files_below(tmp_path / "out")
    assert all(content == files[name] for name, content in there.items())
    events = []
    with listening(events.append):
        unpack(path, tmp_path / "out")
    assert files_below(tmp_path / "out") == files
    assert (events[-1].done, events[-1].total, events[-1].unit) == (3000, 3000, "files")
