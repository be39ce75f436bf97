import hashlib
import json
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor

import pytest

from pipeline.core.errors import StoreError
from pipeline.core.files import write_text
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Request


def make_request(label: str = "a") -> Request:
    return Request(step="dataset", version=1, config={"label": label, "名前": [1, 2.5, None]}, inputs={"x": "0123"})


def two_files(directory) -> dict[str, int]:
    (directory / "one.txt").write_text("one")
    (directory / "deep").mkdir(exist_ok=True)
    (directory / "deep" / "two.txt").write_text("two!")
    return {"num_files": 2}


def files_of(manifest) -> dict[str, int]:
    return {file.path: file.num_bytes for file in manifest.files}


def test_a_fingerprint_never_changes_by_itself():
    # sha256 of {"config":{"label":"a","名前":[1,2.5,null]},"inputs":{"x":"0123"},"step":"dataset","version":1}
    assert make_request().fingerprint == "42bf614aeb5e736e"


def test_the_order_of_keys_does_not_matter_and_every_value_does():
    one = Request(step="s", version=1, config={"a": 1, "b": 2})
    assert one.fingerprint == Request(step="s", version=1, config={"b": 2, "a": 1}).fingerprint
    others = [
        Request(step="t", version=1, config={"a": 1, "b": 2}),
        Request(step="s", version=2, config={"a": 1, "b": 2}),
        Request(step="s", version=1, config={"a": 1, "b": 3}),
        Request(step="s", version=1, config={"a": 1, "b": 2}, inputs={"c": "d"}),
    ]
    assert len({one.fingerprint, *(other.fingerprint for other in others)}) == 5


def test_what_was_made_is_published_with_its_manifest(tmp_path):
    store, request = ArtifactStore(tmp_path), make_request()
    manifest = store.produce(request, two_files)
    assert manifest.directory == tmp_path / "artifacts" / "dataset" / request.fingerprint
    assert files_of(manifest) == {"deep/two.txt": 4, "one.txt": 3}
    assert manifest.num_bytes == 7
    assert manifest.summary == {"num_files": 2}
    assert manifest.path("deep/two.txt").read_text() == "two!"
    assert not list((tmp_path / "partial" / "dataset").iterdir())


def test_a_published_artifact_is_found_and_not_made_again(tmp_path):
    store, request = ArtifactStore(tmp_path), make_request()
    made = store.produce(request, two_files)
    assert store.find(request) == made
    assert store.produce(request, lambda directory: pytest.fail("made again")) == made
    assert list(store.manifests()) == [made]


def test_a_file_that_an_artifact_does_not_have_is_named(tmp_path):
    manifest = ArtifactStore(tmp_path).produce(make_request(), two_files)
    with pytest.raises(KeyError, match=r"has no file 'three.txt'; it has \['deep/two.txt', 'one.txt'\]"):
        manifest.path("three.txt")


def test_a_crash_publishes_nothing_and_keeps_the_finished_files(tmp_path):
    store, request = ArtifactStore(tmp_path), make_request()

    def crash(directory):
        two_files(directory)
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        store.produce(request, crash)
    assert store.find(request) is None
    assert list(store.manifests()) == []
    seen = []

    def go_on(directory):
        seen.append((directory / "one.txt").read_text())
        return {}

    assert files_of(store.produce(request, go_on)) == {"deep/two.txt": 4, "one.txt": 3}
    assert seen == ["one"]


def test_unfinished_files_and_the_work_folder_are_not_published(tmp_path):
    def work(directory):
        (directory / "whole.txt").write_text("1")
        (directory / "half.txt.tmp").write_text("2")
        (directory / "manifest.json").write_text("{}")
        (directory / "work").mkdir()
        (directory / "work" / "checkpoint.bin").write_text("3")
        return {}

    manifest = ArtifactStore(tmp_path).produce(make_request(), work)
    assert files_of(manifest) == {"whole.txt": 1}
    present = {path.name for path in manifest.directory.rglob("*")}
    assert present == {"whole.txt", "manifest.json"}


def make_slowly(root) -> int:
    def work(directory):
        with (root / "made.log").open("a") as log:
            log.write("made\n")
        time.sleep(0.3)
        return {"pid": os.getpid()}

    return ArtifactStore(root).produce(make_request(), work).summary["pid"]


def test_processes_that_want_the_same_artifact_make_it_once(tmp_path):
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        makers = set(pool.map(make_slowly, [tmp_path] * 4))
    assert len(makers) == 1
    assert (tmp_path / "made.log").read_text() == "made\n"


def test_verify_finds_nothing_wrong_with_what_was_published(tmp_path):
    store = ArtifactStore(tmp_path)
    assert store.verify(store.produce(make_request(), two_files)) == ()


def test_verify_finds_missing_changed_and_added_files(tmp_path):
    store = ArtifactStore(tmp_path)
    manifest = store.produce(make_request(), two_files)
    (manifest.directory / "one.txt").write_text("ONE")
    (manifest.directory / "deep" / "two.txt").unlink()
    (manifest.directory / "three.txt").write_text("3")
    sha256 = manifest.files[1].sha256
    assert store.verify(manifest) == (
        "deep/two.txt is missing",
        "three.txt does not belong to the artifact",
        f"one.txt changed: its sha256 is not {sha256[:12]}…",
    )


def test_the_first_digits_of_a_fingerprint_find_its_artifact(tmp_path):
    store = ArtifactStore(tmp_path)
    manifest = store.produce(make_request(), two_files)
    assert store.by_fingerprint(manifest.fingerprint) == manifest
    assert store.by_fingerprint(manifest.fingerprint[:5]) == manifest


@pytest.mark.parametrize("digits", ["ffff", "", "*", "../x"])
def test_digits_that_no_fingerprint_begins_with_are_explained(tmp_path, digits):
    store = ArtifactStore(tmp_path)
    store.produce(make_request(), two_files)
    with pytest.raises(StoreError) as caught:
        store.by_fingerprint(digits)
    assert str(caught.value) == (
        f"fingerprint {digits!r} matches nothing in {tmp_path}; "
        "`llava-jp show EXPERIMENT` lists the fingerprints of an experiment's steps"
    )


def test_digits_that_two_fingerprints_begin_with_are_explained(tmp_path):
    store, by_digit = ArtifactStore(tmp_path), {}
    for label in map(str, range(17)):  # seventeen fingerprints, sixteen digits
        fingerprint = make_request(label).fingerprint
        if fingerprint[0] in by_digit:
            both = sorted([label, by_digit[fingerprint[0]]], key=lambda each: make_request(each).fingerprint)
            break
        by_digit[fingerprint[0]] = label
    names = [store.produce(make_request(label), two_files).fingerprint for label in both]
    message = f"matches artifacts/dataset/{names[0]}, artifacts/dataset/{names[1]} in"
    with pytest.raises(StoreError, match=message):
        store.by_fingerprint(names[0][0])


def test_a_full_disk_is_explained_and_what_is_finished_stays(tmp_path):
    store, request = ArtifactStore(tmp_path), make_request()

    def work(directory):
        two_files(directory)
        (directory / "three.txt").symlink_to("/dev/full")
        (directory / "three.txt").write_text("3")
        return {}

    with pytest.raises(StoreError) as caught:
        store.produce(request, work)
    message = str(caught.value)
    assert message.startswith(f"dataset cannot write to {tmp_path}: No space left on device (")
    assert message.endswith(" GB free). Free some space and run the same command again: finished files are kept")
    assert store.find(request) is None
    assert (store.partial_directory(request) / "one.txt").read_text() == "one"


def test_another_error_of_the_system_is_not_taken_for_a_full_disk(tmp_path):
    with pytest.raises(FileNotFoundError):
        ArtifactStore(tmp_path).produce(make_request(), lambda directory: (directory / "no.txt").read_text())


def test_a_text_that_cannot_be_written_leaves_the_old_one(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "a.txt", "\ud800")
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_manifest_has_a_digest_of_its_content(tmp_path):
    manifest = ArtifactStore(tmp_path).produce(make_request(), two_files)
    record = json.loads((manifest.directory / "manifest.json").read_text())
    digest = record.pop("digest")
    canonical = json.dumps(record, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    assert digest == hashlib.sha256(canonical.encode()).hexdigest()


def test_a_summary_that_json_changes_does_not_break_the_digest(tmp_path):
    store, request = ArtifactStore(tmp_path), make_request()
    store.produce(request, lambda directory: {"loss": float("nan"), "pair": (1, 2), "by_size": {3: 1e-7}, "名": "絵"})
    manifest = store.find(request)
    assert manifest.summary == {"loss": None, "pair": [1, 2], "by_size": {"3": 1e-7}, "名": "絵"}
    assert store.verify(manifest) == ()


def test_every_flipped_bit_of_a_manifest_is_found(tmp_path):
    store = ArtifactStore(tmp_path)
    manifest = store.produce(make_request(), two_files)
    path = manifest.directory / "manifest.json"
    whole = path.read_bytes()
    for bit in range(0, 8 * len(whole), 5):  # every fifth: each byte, and each place in a byte
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        assert len(store.verify(manifest)) == 1, bytes(changed)
        with pytest.raises(StoreError, match="manifest.json is damaged: "):
            store.find(manifest.request)
    path.write_bytes(whole)
    assert store.verify(manifest) == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is not the JSON of a manifest: Expecting value: line 1 column 1 (char 0)"),
        ("[]", "it is not the JSON of a manifest: "),
        ("[" * 100_000, "it is not the JSON of a manifest: "),
        ("{}", "request: Field required"),
    ],
)
def test_a_damaged_manifest_is_explained(tmp_path, text, reason):
    store, request = ArtifactStore(tmp_path), make_request()
    path = store.produce(request, two_files).directory / "manifest.json"
    path.write_text(text)
    with pytest.raises(StoreError) as caught:
        store.find(request)
    message = str(caught.value)
    assert message.startswith(f"{path} is damaged: {reason}")
    assert message.endswith(
        f". `llava-jp discard {request.fingerprint}` forgets the artifact; "
        "the next run makes it again, or `llava-jp pull` brings a copy"
    )


def test_an_artifact_under_the_address_of_another_is_noticed(tmp_path):
    store = ArtifactStore(tmp_path)
    manifest = store.produce(make_request(), two_files)
    manifest.directory.rename(manifest.directory.with_name("0123456789abcdef"))
    with pytest.raises(StoreError, match="its request is that of dataset/42bf614aeb5e736e, not of dataset/0123456789"):
        store.by_fingerprint("0123")


def test_a_manifest_without_a_digest_is_damaged(tmp_path):
    store, request = ArtifactStore(tmp_path), make_request()
    path = store.produce(request, two_files).directory / "manifest.json"
    record = json.loads(path.read_text())
    del record["digest"]
    path.write_text(json.dumps(record))
    with pytest.raises(StoreError, match="it says nothing"):
        store.find(request)


def test_verify_says_that_the_manifest_is_gone_or_another(tmp_path):
    store = ArtifactStore(tmp_path)
    manifest = store.produce(make_request(), two_files)
    path = manifest.directory / "manifest.json"
    path.write_text(manifest.model_copy(update={"summary": {}}).with_digest().model_dump_json())
    assert store.verify(manifest) == ("manifest.json is not the one that was published",)
    path.unlink()
    assert store.verify(manifest) == ("manifest.json is missing",)


def test_verify_names_the_parts_that_are_missing(tmp_path):
    store = ArtifactStore(tmp_path)
    part = store.produce(make_request("part"), two_files)
    whole = store.produce(
        make_request("whole"), lambda directory: {"parts": [part.address, "dataset/0123456789abcdef"]}
    )
    assert store.verify(whole) == (
        "its part dataset/0123456789abcdef is missing; the next run of its experiment makes it again",
    )
    store.discard(part)
    assert store.verify(whole) == (
        f"its part {part.address} is missing; the next run of its experiment makes it again",
        "its part dataset/0123456789abcdef is missing; the next run of its experiment makes it again",
    )


def test_a_discarded_artifact_is_made_again(tmp_path):
    store, request = ArtifactStore(tmp_path), make_request()
    store.discard(store.produce(request, two_files))
    assert store.find(request) is None
    assert files_of(store.produce(request, two_files)) == {"deep/two.txt": 4, "one.txt": 3}
    assert not list((tmp_path / "discarded").iterdir())


def test_what_a_crash_left_of_a_discarded_artifact_goes_with_the_next(tmp_path):
    leftover = tmp_path / "discarded" / "dataset-0123456789abcdef-1"
    leftover.mkdir(parents=True)
    (leftover / "one.txt").write_text("one")
    store = ArtifactStore(tmp_path)
    store.discard(store.produce(make_request(), two_files))
    assert not list((tmp_path / "discarded").iterdir())


def test_an_artifact_that_was_made_elsewhere_is_adopted_as_it_is(tmp_path):
    here, there = ArtifactStore(tmp_path / "here"), ArtifactStore(tmp_path / "there")
    made = there.produce(make_request(), two_files)
    partial = here.partial_directory(made.request)
    (partial / "work").mkdir(parents=True)
    (partial / "work" / "checkpoint.bin").write_text("3")
    (partial / "other.txt").write_text("of a run that did not finish")
    adopted = here.adopt(made, lambda directory: two_files(directory) and None)
    assert adopted == here.find(made.request)
    assert adopted.directory == tmp_path / "here" / "artifacts" / "dataset" / made.fingerprint
    assert (adopted.directory / "manifest.json").read_bytes() == (made.directory / "manifest.json").read_bytes()
    assert {path.name for path in adopted.directory.rglob("*")} == {"one.txt", "deep", "two.txt", "manifest.json"}
    assert here.adopt(made, lambda directory: pytest.fail("adopted again")) == adopted
