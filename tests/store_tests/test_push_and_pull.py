import hashlib
import json
import re
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.core.errors import DataError, StoreError
from pipeline.core.progress import listening
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import ArtifactFile, Manifest, Request
from pipeline.store.remote.pull import pull
from pipeline.store.remote.push import push
from pipeline.store.remote.shipments import Moved
from pipeline.store.remote.storage import ObjectStorage, StorageUrl, open_storage
from tests.support.shared_data import REPOSITORY


@pytest.fixture(scope="module")
def filesystem(running):
    """One connection for all tests: to make it takes longer than most of them."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment.items():
            patch.setenv(name, value)
        return open_storage(f"s3://{running.new_bucket()}").filesystem


@pytest.fixture
def s3(server, filesystem):
    """An empty bucket."""
    return ObjectStorage(filesystem, StorageUrl("s3", server.new_bucket(), ""))


@pytest.fixture
def share(tmp_path):
    """An empty folder, for what does not depend on the kind of storage."""
    folder = tmp_path / "share"
    folder.mkdir()
    return open_storage(folder.as_uri())


@pytest.fixture(params=["s3", "file"])
def storage(request):
    """An empty place for artifacts."""
    if request.param == "file":
        return request.getfixturevalue("share")
    s3 = request.getfixturevalue("s3")
    return ObjectStorage(s3.filesystem, StorageUrl("s3", s3.url.container, "some/prefix"))


@pytest.fixture
def here(tmp_path):
    return ArtifactStore(tmp_path / "here")


@pytest.fixture
def elsewhere(tmp_path):
    return ArtifactStore(tmp_path / "elsewhere")


def make(store, label="a", *, parts=(), files=("one", "two", "three"), num_bytes=1000) -> Manifest:
    """An artifact with files of their own content."""

    def work(directory):
        for name in files:
            path = directory / "deep" / f"{name}.bin"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(f"{label} {name} ".encode().ljust(num_bytes, b"."))
        return {"num_files": len(files), **({"parts": list(parts)} if parts else {})}

    return store.produce(Request(step="dataset", version=1, config={"label": label}), work)


def files_below(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def seconds_until(condition) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_is_pushed_is_pulled_byte_for_byte(storage, here, elsewhere):
    made = make(here)
    assert push([made.address], store=here, storage=storage) == Moved(1, 3, 3000, 0)
    assert pull([made.address], store=elsewhere, storage=storage) == Moved(1, 3, 3000, 0)
    pulled = elsewhere.find(made.request)
    assert files_below(pulled.directory) == files_below(made.directory)
    assert elsewhere.verify(pulled) == ()
    assert not list((elsewhere.root / "partial" / "dataset").iterdir())


def test_the_storage_has_the_layout_of_the_store(server, s3, here):
    made, bucket = make(here, files=("one",)), s3.url.container
    push([made.address], store=here, storage=s3)
    folder = f"artifacts/dataset/{made.fingerprint}"
    assert server.keys(bucket) == [f"{folder}/deep/one.bin", f"{folder}/manifest.json"]
    assert server.read(bucket, f"{folder}/manifest.json") == (made.directory / "manifest.json").read_bytes()


def test_the_manifest_is_sent_last(server, s3, here):
    made = make(here)
    push([made.address], store=here, storage=s3)
    sent = [request.path.rpartition("/")[2] for request in server.requests if request.method == "PUT"]
    assert (sent[1], sent[-1]) == ("pushing.tmp", "manifest.json")  # sent[0] makes the bucket
    assert set(sent[2:-1]) == {"one.bin", "two.bin", "three.bin"}


def test_what_is_there_already_is_not_moved_again(server, s3, here, elsewhere):
    made = make(here)
    push([made.address], store=here, storage=s3)
    pull([made.address], store=elsewhere, storage=s3)
    server.forget()
    assert push([made.address], store=here, storage=s3) == Moved(0, 0, 0, 1)
    assert pull([made.address], store=elsewhere, storage=s3) == Moved(0, 0, 0, 1)
    assert (server.moved("PUT"), server.moved("GET")) == ({}, {})


def test_files_without_bytes_and_with_strange_names_arrive(storage, here, elsewhere):
    def work(directory):
        for name in ("empty.bin", "名前 [1]*?#%20&+.bin", "~"):
            (directory / name).write_bytes(b"" if name == "empty.bin" else name.encode())
        return {}

    made = here.produce(Request(step="dataset", version=1, config={}), work)
    push([made.address], store=here, storage=storage)
    pull([made.address], store=elsewhere, storage=storage)
    assert elsewhere.verify(elsewhere.find(made.request)) == ()


def test_a_large_file_arrives_in_blocks(storage, here, elsewhere):
    made = make(here, files=("large",), num_bytes=20_000_000)
    seen = []
    push([made.address], store=here, storage=storage)
    with listening(lambda event: seen.append((event.name, event.unit, event.done, event.total))):
        pull([made.address], store=elsewhere, storage=storage)
    assert elsewhere.verify(elsewhere.find(made.request)) == ()
    assert seen[-1] == ("pull", "bytes", 20_000_000, 20_000_000)


def test_parts_travel_with_what_consists_of_them(storage, here, elsewhere):
    shards = [make(here, f"shard {index}", files=("shard",)) for index in range(12)]
    group = make(here, "group", parts=[shard.address for shard in shards[:7]], files=())
    whole = make(here, "whole", parts=[group.address, *(shard.address for shard in shards[5:])], files=("index",))
    assert push([whole.address], store=here, storage=storage) == Moved(14, 13, 13_000, 0)
    assert pull([whole.address], store=elsewhere, storage=storage) == Moved(14, 13, 13_000, 0)
    assert len(list(elsewhere.manifests())) == 14
    assert elsewhere.verify(elsewhere.find(whole.request)) == ()


def test_parts_are_sent_before_what_consists_of_them(server, s3, here):
    part = make(here, "part", files=("shard",))
    whole, bucket = make(here, "whole", parts=[part.address], files=("index",)), s3.url.container
    push([whole.address, part.address], store=here, storage=s3)
    sent = [request.path for request in server.requests if request.method == "PUT"]
    manifests = [path.split("/")[-2] for path in sent if path.endswith("manifest.json")]
    assert manifests == [part.fingerprint, whole.fingerprint]
    assert sent.index(f"/{bucket}/artifacts/{whole.address}/deep/index.bin") > len(sent) // 2


def test_a_missing_part_is_pulled_for_an_artifact_that_is_here(storage, here, elsewhere):
    part = make(here, "part")
    whole = make(here, "whole", parts=[part.address])
    push([whole.address], store=here, storage=storage)
    pull([whole.address], store=elsewhere, storage=storage)
    elsewhere.discard(elsewhere.find(part.request))
    assert pull([whole.address], store=elsewhere, storage=storage) == Moved(1, 3, 3000, 1)
    assert elsewhere.verify(elsewhere.find(whole.request)) == ()


def test_an_artifact_without_its_parts_is_not_pushed(storage, here):
    whole = make(here, "whole", parts=["dataset/0123456789abcdef"])
    with pytest.raises(StoreError, match=f"dataset/0123456789abcdef is not in {here.root}"):
        push([whole.address], store=here, storage=storage)


def test_a_damaged_file_is_not_pushed(storage, here, elsewhere):
    made = make(here)
    (made.directory / "deep" / "two.bin").write_bytes(b"?" * 1000)
    with pytest.raises(StoreError, match=r"deep/two\.bin is not as it was published, so dataset/\w+ is not pushed"):
        push([made.address], store=here, storage=storage)
    with pytest.raises(StoreError, match=f"has no complete artifact {made.address}; push it again"):
        pull([made.address], store=elsewhere, storage=storage)


def test_a_copy_that_was_made_elsewhere_is_not_replaced(server, s3, here, elsewhere, caplog):
    first, bucket = make(here), s3.url.container
    second = elsewhere.produce(first.request, lambda directory: {"num_files": 0})
    push([first.address], store=here, storage=s3)
    assert push([second.address], store=elsewhere, storage=s3) == Moved(0, 0, 0, 1)
    assert server.read(bucket, f"artifacts/{first.address}/manifest.json").count(b"deep/one.bin") == 1
    assert f"{first.address} is in s3://{bucket} already, made at {first.created_at} where this one was" in caplog.text


def started(code: str, store: ArtifactStore, address: str, url: str) -> "subprocess.Popen[bytes]":
    """Another process that pushes or pulls one artifact, file by file."""
    program = (
        "import sys; from pathlib import Path; from pipeline.store.remote.storage import open_storage; "
        "from pipeline.store.remote.push import push; from pipeline.store.remote.pull import pull; "
        "from pipeline.store.artifacts import ArtifactStore; "
        "root, address, url = sys.argv[1:]; "
        f"{code}([address], store=ArtifactStore(Path(root)), storage=open_storage(url), num_parallel=1)"
    )
    return subprocess.Popen([sys.executable, "-c", program, str(store.root), address, url], cwd=REPOSITORY)


def killed_at(server, method: str, name: str, process) -> None:
    """Kill the process as soon as it asks for a file; the server answers nobody meanwhile."""
    asked, answer = threading.Event(), threading.Event()

    def wait(of: str, path: str) -> None:
        if of == method and path.endswith(name):
            asked.set()
            answer.wait(20)

    server.before_answer = wait
    child = process()
    assert asked.wait(20)
    child.kill()
    child.wait()
    server.forget()
    answer.set()


def test_a_killed_pull_goes_on_with_what_is_missing(server, s3, here, elsewhere):
    made, url = make(here, num_bytes=50_000), str(s3.url)
    push([made.address], store=here, storage=s3)
    last = made.files[-1].path  # they come in this order
    killed_at(server, "GET", last, lambda: started("pull", elsewhere, made.address, url))
    partial = elsewhere.partial_directory(made.request)
    assert elsewhere.find(made.request) is None
    assert set(files_below(partial)) == {made.files[0].path, made.files[1].path, f"{last}.tmp"}
    seconds_until(lambda: server.moved("GET"))  # the answer to nobody
    server.forget()
    assert pull([made.address], store=elsewhere, storage=s3) == Moved(1, 1, 50_000, 0)
    assert server.moved("GET") == {last.rpartition("/")[2]: 50_000}
    assert elsewhere.verify(elsewhere.find(made.request)) == ()


def test_a_killed_push_goes_on_with_what_is_missing(server, s3, here, elsewhere):
    made, bucket = make(here, num_bytes=50_000), s3.url.container
    url, folder, last = f"s3://{bucket}", f"artifacts/{made.address}", made.files[-1].path

    def refuse(method: str, path: str) -> None:
        if method == "PUT" and path.endswith(last):
            asked.set()
            gone.wait(20)
            raise ConnectionError("the client is gone")

    asked, gone = threading.Event(), threading.Event()
    server.before_answer = refuse
    child = started("push", here, made.address, url)
    assert asked.wait(20)
    child.kill()
    child.wait()
    gone.set()
    whole = [f"{folder}/{file.path}" for file in made.files[:-1]]
    assert server.keys(bucket) == [*whole, f"{folder}/pushing.tmp"]
    server.forget()
    assert push([made.address], store=here, storage=s3) == Moved(1, 1, 50_000, 0)
    assert list(server.moved("PUT")) == [last.rpartition("/")[2]]
    assert f"{folder}/pushing.tmp" not in server.keys(bucket)
    pull([made.address], store=elsewhere, storage=s3)
    assert elsewhere.verify(elsewhere.find(made.request)) == ()


def test_files_of_another_making_are_not_taken_for_ours(storage, here, elsewhere, tmp_path):
    made = make(here)
    storage.write(f"artifacts/{made.address}/deep/one.bin", b"?" * 1000)  # of a machine that stopped
    storage.write(f"artifacts/{made.address}/pushing.tmp", b"0" * 64)
    assert push([made.address], store=here, storage=storage) == Moved(1, 3, 3000, 0)
    pull([made.address], store=elsewhere, storage=storage)
    assert elsewhere.verify(elsewhere.find(made.request)) == ()


def test_a_file_of_another_run_is_fetched_again(storage, here, elsewhere):
    made = make(here)
    push([made.address], store=here, storage=storage)
    partial = elsewhere.partial_directory(made.request) / "deep"
    partial.mkdir(parents=True)
    (partial / "one.bin").write_bytes(b"?" * 1000)
    pull([made.address], store=elsewhere, storage=storage)
    assert elsewhere.verify(elsewhere.find(made.request)) == ()


def test_wrong_bytes_are_named_with_both_hashes_and_nothing_is_published(storage, here, elsewhere):
    made = make(here)
    push([made.address], store=here, storage=storage)
    storage.write(f"artifacts/{made.address}/deep/two.bin", b"?" * 1000)
    right = next(file.sha256 for file in made.files if file.path == "deep/two.bin")
    with pytest.raises(StoreError) as caught:
        pull([made.address], store=elsewhere, storage=storage)
    folder = f"{storage.url}/artifacts/{made.address}"
    assert str(caught.value) == (
        f"{folder}/deep/two.bin has the sha256 {hashlib.sha256(b'?' * 1000).hexdigest()}, "
        f"and its manifest says {right}; nothing was published. "
        f"Remove {folder} and push it again from a store where it is whole"
    )
    assert elsewhere.find(made.request) is None
    assert "deep/two.bin" not in files_below(elsewhere.partial_directory(made.request))


@pytest.mark.parametrize(("content", "there"), [(b"short", "has 5 bytes"), (None, "is missing")])
def test_a_file_of_another_size_is_not_fetched(storage, here, elsewhere, content, there):
    made = make(here)
    push([made.address], store=here, storage=storage)
    key = f"artifacts/{made.address}/deep/two.bin"
    storage.remove(key) if content is None else storage.write(key, content)
    with pytest.raises(StoreError, match=f"deep/two.bin {there}, and its manifest says 1000 bytes; nothing was publ"):
        pull([made.address], store=elsewhere, storage=storage)
    assert elsewhere.find(made.request) is None


def put_manifest(storage, address: str, **changes) -> None:
    """A manifest with a right digest and a changed record."""
    text = storage.read(f"artifacts/{address}/manifest.json", max_bytes=10**6)
    manifest = Manifest(**json.loads(text), directory=Path()).model_copy(update=changes).with_digest()
    storage.write(f"artifacts/{address}/manifest.json", manifest.model_dump_json().encode())


@pytest.mark.parametrize(
    "path",
    ["../../../../evil", "/etc/evil", "deep/../../evil", "C:evil", "deep\\..\\evil", "nul\0", "", "."],
)
def test_a_path_that_leads_out_of_the_artifact_is_refused(share, here, elsewhere, tmp_path, path):
    made = make(here)
    push([made.address], store=here, storage=share)
    put_manifest(share, made.address, files=(*made.files, ArtifactFile(path=path, num_bytes=1, sha256="0" * 64)))
    with pytest.raises(DataError, match="is not a path inside a folder"):
        pull([made.address], store=elsewhere, storage=share)
    assert not [name for name in files_below(tmp_path) if "evil" in name]
    assert not elsewhere.root.exists()


@pytest.mark.parametrize(
    ("paths", "problem"),
    [
        (["deep//one.bin"], "'deep//one.bin' is not a plain path, or is there twice"),
        (["a", "a"], "'a' is not a plain path, or is there twice"),
        (["manifest.json"], "'manifest.json' is a name that no published file has"),
        (["work/checkpoint.bin"], "'work/checkpoint.bin' is a name that no published file has"),
        (["a.tmp"], "'a.tmp' is a name that no published file has"),
        (["a", "a/b"], "'a' is a file and a folder"),
        (["x" * 300], f"'{'x' * 40}…' is too long"),
    ],
)
def test_a_list_of_files_that_no_store_writes_is_refused(share, here, elsewhere, paths, problem):
    made = make(here)
    push([made.address], store=here, storage=share)
    files = tuple(ArtifactFile(path=path, num_bytes=1, sha256="0" * 64) for path in paths)
    put_manifest(share, made.address, files=files)
    with pytest.raises(StoreError, match=re.escape(f"manifest.json is damaged: {problem}. Remove file://")):
        pull([made.address], store=elsewhere, storage=share)


@pytest.mark.parametrize("parts", ["dataset/0123456789abcdef", [7], ["../../etc"], ["dataset/0123456789abcdef/.."]])
def test_parts_that_are_no_addresses_are_refused(share, here, elsewhere, parts):
    made = make(here)
    push([made.address], store=here, storage=share)
    put_manifest(share, made.address, summary={"parts": parts})
    with pytest.raises(StoreError, match="manifest.json is damaged: .* (not a list|not the address of a part)"):
        pull([made.address], store=elsewhere, storage=share)


@pytest.mark.parametrize("created_at", ["yesterday", "20260101T000000", "\x1b[2J"])
def test_a_time_that_the_views_could_not_read_is_refused(share, here, elsewhere, created_at):
    made = make(here)
    push([made.address], store=here, storage=share)
    put_manifest(share, made.address, created_at=created_at)
    with pytest.raises(StoreError, match="manifest.json is damaged: created_at is not a time: "):
        pull([made.address], store=elsewhere, storage=share)


def test_artifacts_that_are_parts_of_each_other_are_refused(share, here, elsewhere):
    one, two = make(here, "one"), make(here, "two")
    push([one.address, two.address], store=here, storage=share)
    put_manifest(share, one.address, summary={"parts": [two.address]})
    put_manifest(share, two.address, summary={"parts": [one.address]})
    with pytest.raises(DataError, match="artifacts are parts of each other: "):
        pull([one.address], store=elsewhere, storage=share)


def test_an_artifact_under_a_wrong_fingerprint_is_refused(storage, here, elsewhere):
    made = make(here)
    push([made.address], store=here, storage=storage)
    text = storage.read(f"artifacts/{made.address}/manifest.json", max_bytes=10**6)
    storage.write("artifacts/dataset/0123456789abcdef/manifest.json", text)
    with pytest.raises(StoreError, match=f"its request is that of {made.address}, not of dataset/0123456789abcdef"):
        pull(["dataset/0123456789abcdef"], store=elsewhere, storage=storage)


def test_a_flipped_bit_in_the_manifest_is_noticed(storage, here, elsewhere):
    made = make(here)
    push([made.address], store=here, storage=storage)
    key = f"artifacts/{made.address}/manifest.json"
    text = storage.read(key, max_bytes=10**6)
    storage.write(key, text.replace(b'"num_files": 3', b'"num_files": 2'))
    with pytest.raises(StoreError, match="is damaged: the digest of its content is"):
        pull([made.address], store=elsewhere, storage=storage)
    with pytest.raises(StoreError, match="is damaged: the digest of its content is"):
        push([made.address], store=here, storage=storage)


def test_a_manifest_of_any_size_is_not_read(server, s3, here, elsewhere):
    made, bucket = make(here), s3.url.container
    server.write(bucket, f"artifacts/{made.address}/manifest.json", b" " * 64_000_001)
    server.forget()
    with pytest.raises(StoreError, match="manifest.json has 64000001 bytes, more than the 64000000 that it may have"):
        pull([made.address], store=elsewhere, storage=s3)
    assert sum(request.num_bytes for request in server.requests if request.method == "GET") < 10_000


def test_what_the_disk_cannot_hold_is_not_begun(share, here, elsewhere):
    made = make(here)
    push([made.address], store=here, storage=share)
    huge = ArtifactFile(path="huge.bin", num_bytes=10**18, sha256="0" * 64)
    put_manifest(share, made.address, files=(huge, *made.files))
    with pytest.raises(StoreError) as caught:
        pull([made.address], store=elsewhere, storage=share)
    message = str(caught.value)
    assert message.startswith(f"the pull needs 1000000.00 TB at {elsewhere.root} and ")
    assert message.endswith(" are free. Free some space, or set LLAVA_JP_STORE to a folder on a larger disk")
    assert not elsewhere.root.exists()


def test_a_link_in_the_way_is_not_followed(share, here, elsewhere, tmp_path):
    made = make(here)
    push([made.address], store=here, storage=share)
    partial = elsewhere.partial_directory(made.request)
    partial.mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (partial / "deep").symlink_to(tmp_path / "outside")
    with pytest.raises(DataError, match="is a link, so writing below it could end outside"):
        pull([made.address], store=elsewhere, storage=share)
    assert files_below(tmp_path / "outside") == {}


def test_a_share_that_was_copied_by_hand_is_pulled(here, elsewhere, tmp_path):
    made = make(here)
    shutil.copytree(here.root / "artifacts", tmp_path / "share" / "artifacts")
    pull([made.address], store=elsewhere, storage=open_storage((tmp_path / "share").as_uri()))
    assert elsewhere.verify(elsewhere.find(made.request)) == ()


def test_two_pulls_at_once_fetch_an_artifact_once(server, s3, here, elsewhere):
    made = make(here, num_bytes=50_000)
    push([made.address], store=here, storage=s3)
    server.forget()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: pull([made.address], store=elsewhere, storage=s3), range(2)))
    assert server.moved("GET") == {"one.bin": 50_000, "two.bin": 50_000, "three.bin": 50_000}
    assert elsewhere.verify(elsewhere.find(made.request)) == ()
