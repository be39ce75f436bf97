import hashlib
import json
import logging
import random
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from huggingface_hub import HfApi, constants, hf_hub_download

from pipeline.core.errors import ConfigError, DataError, StoreError, TransientError
from pipeline.core.progress import listening
from pipeline.core.retries import Patience, retry_after
from pipeline.data.download.fetch import fetch
from pipeline.data.download.http import Connection, PartialFile, fetch_file
from pipeline.data.download.hub import auth_headers
from pipeline.store.lockfile import LOCK_NAME, LockedFile, SourceLock
from pipeline.store.sources import Source
from tests.support.hub_server import HubServer, Trick, commit_of, running_hub
from tests.support.raw_server import head, serving_raw

LARGE = random.Random(0).randbytes(3_000_000)
"""Some chunks, kept by the second server."""
SMALL = b'{"small": true}'


@pytest.fixture
def hub(monkeypatch):
    with running_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield server


@pytest.fixture
def waits():
    """The seconds that were waited for; nobody sleeps."""
    return []


@pytest.fixture
def patience(waits):
    return Patience(attempts=4, timeout=5.0, sleep=waits.append, jitter=lambda: 1.0)


def hub_source(*files: str, name: str = "talks", repo: str = "team/talks", **fields) -> Source:
    listed = [{"name": file, "approximate_bytes": 1000} for file in files]
    values = {"what": "talks", "kind": "hub_dataset", "licence": "CC BY 4.0", "citation": "us", **fields}
    return Source.model_validate({"name": name, "repo": repo, "files": listed, **values})


def web_source(hub: HubServer, *files: str, name: str = "photos", **fields) -> Source:
    listed = [{"name": file, "url": f"{hub.cdn_url}/{file}", "approximate_bytes": 1000, **fields} for file in files]
    values = {"what": "photos", "kind": "http", "licence": "CC BY 4.0", "citation": "us"}
    return Source.model_validate({"name": name, "files": listed, **values})


def fetch_one(source, root, patience):
    (fetched,) = fetch([source], root=root, patience=patience)
    return fetched


def test_files_of_the_hub_come_whole_and_are_pinned(hub, tmp_path, patience):
    commit = hub.add("datasets/team/talks", {"talks.jsonl": LARGE, "data/a.json": SMALL, "README.md": b"-"})
    fetched = fetch_one(hub_source("*.jsonl", "data/*.json"), tmp_path, patience)
    assert fetched.folder == tmp_path / "sources" / "talks" / commit
    assert (fetched.folder / "talks.jsonl").read_bytes() == LARGE
    assert fetched.paths("data/*.json") == (fetched.folder / "data" / "a.json",)
    assert sorted(path.name for path in fetched.folder.rglob("*") if path.is_file()) == ["a.json", "talks.jsonl"]
    lock = json.loads((tmp_path / LOCK_NAME).read_text())
    assert lock["talks"]["revision"] == commit
    assert lock["talks"]["files"][0] == {
        "path": "talks.jsonl",
        "num_bytes": 3_000_000,
        "sha256": hashlib.sha256(LARGE).hexdigest(),
        "etag": f'"{hashlib.md5(LARGE).hexdigest()}"',
    }


def test_a_model_is_fetched_as_a_dataset_is(hub, tmp_path, patience):
    hub.add("models/team/tower", {"config.json": SMALL, "model.safetensors": LARGE})
    fetched = fetch_one(
        hub_source("config.json", "*.safetensors", repo="team/tower", kind="hub_model"), tmp_path, patience
    )
    assert (fetched.folder / "model.safetensors").read_bytes() == LARGE


def test_a_second_run_asks_nobody_anything(hub, tmp_path, patience):
    hub.add("datasets/team/talks", {"talks.jsonl": LARGE})
    first = fetch_one(hub_source("talks.jsonl"), tmp_path, patience)
    hub.requests.clear()
    assert fetch_one(hub_source("talks.jsonl"), tmp_path, patience) == first
    assert hub.requests == []


def test_a_second_run_fetches_only_what_is_missing(hub, tmp_path, patience):
    hub.add("datasets/team/talks", {"a.jsonl": LARGE, "b.jsonl": SMALL})
    fetched = fetch_one(hub_source("*.jsonl"), tmp_path, patience)
    (fetched.folder / "b.jsonl").unlink()
    hub.requests.clear()
    fetch_one(hub_source("*.jsonl"), tmp_path, patience)
    assert [request.path.rpartition("/")[2] for request in hub.requests] == ["b.jsonl"]


def test_a_file_that_lost_bytes_is_fetched_again(hub, tmp_path, patience):
    hub.add("datasets/team/talks", {"a.jsonl": LARGE})
    fetched = fetch_one(hub_source("a.jsonl"), tmp_path, patience)
    (fetched.folder / "a.jsonl").write_bytes(LARGE[:100])
    fetch_one(hub_source("a.jsonl"), tmp_path, patience)
    assert (fetched.folder / "a.jsonl").read_bytes() == LARGE


def test_a_moved_branch_changes_nothing(hub, tmp_path, patience):
    first = hub.add("datasets/team/talks", {"a.jsonl": b"old"})
    fetch_one(hub_source("a.jsonl"), tmp_path, patience)
    hub.add("datasets/team/talks", {"a.jsonl": b"new"}, commit="second")
    (tmp_path / "sources" / "talks" / first / "a.jsonl").unlink()
    fetched = fetch_one(hub_source("a.jsonl"), tmp_path, patience)
    assert (fetched.revision, fetched.paths("a.jsonl")[0].read_bytes()) == (first, b"old")


def test_another_file_of_a_pinned_source_comes_from_the_same_revision(hub, tmp_path, patience):
    first = hub.add("datasets/team/talks", {"a.jsonl": b"old", "b.jsonl": b"old b"})
    fetch_one(hub_source("a.jsonl"), tmp_path, patience)
    hub.add("datasets/team/talks", {"a.jsonl": b"new", "b.jsonl": b"new b"}, commit="second")
    fetched = fetch_one(hub_source("a.jsonl", "b.jsonl"), tmp_path, patience)
    assert (fetched.revision, fetched.paths("b.jsonl")[0].read_bytes()) == (first, b"old b")


def test_the_registrys_revision_wins_over_the_branch_and_over_the_lock(hub, tmp_path, patience):
    first = hub.add("datasets/team/talks", {"a.jsonl": b"old"})
    second = hub.add("datasets/team/talks", {"a.jsonl": b"new"}, commit="second")
    for commit, content in ((first, b"old"), (second, b"new")):
        fetched = fetch_one(hub_source("a.jsonl", revision=commit), tmp_path, patience)
        assert fetched.paths("a.jsonl")[0].read_bytes() == content


def test_a_locked_revision_that_is_gone_says_what_to_do(hub, tmp_path, patience):
    first = hub.add("datasets/team/talks", {"a.jsonl": b"old"})
    fetched = fetch_one(hub_source("a.jsonl"), tmp_path, patience)
    fetched.paths("a.jsonl")[0].unlink()
    hub.add("datasets/team/talks", {"a.jsonl": b"new"}, commit="second")
    del hub.repositories["datasets/team/talks"].commits[first]
    with pytest.raises(DataError, match=rf"no longer has revision {first}.*remove talks from sources.lock.json"):
        fetch_one(hub_source("a.jsonl"), tmp_path, patience)


def test_a_registry_revision_that_is_gone_says_what_to_do(hub, tmp_path, patience):
    hub.add("datasets/team/talks", {"a.jsonl": b"old"})
    with pytest.raises(DataError, match=r"no longer has revision.*give source talks another revision in sources.yaml"):
        fetch_one(hub_source("a.jsonl", revision=commit_of("gone")), tmp_path, patience)


def test_a_file_that_the_repository_does_not_have_is_named_with_those_it_has(hub, tmp_path, patience):
    hub.add("datasets/team/talks", {"a.jsonl": b"-"})
    with pytest.raises(
        DataError, match=r"has no file 'b.jsonl'; it has: a.jsonl. Correct source talks in sources.yaml"
    ):
        fetch_one(hub_source("b.jsonl"), tmp_path, patience)


def test_a_repository_that_does_not_exist_is_named(hub, tmp_path, patience):
    with pytest.raises(DataError, match=r"/datasets/team/talks does not exist, or is private"):
        fetch_one(hub_source("a.jsonl"), tmp_path, patience)


def test_a_server_cannot_name_a_file_outside_the_folder(hub, tmp_path, patience):
    hub.add("datasets/team/talks", {"../evil.jsonl": b"-"})
    with pytest.raises(DataError, match=r"'../evil.jsonl' is not a path inside a folder: it climbs"):
        fetch_one(hub_source("../*.jsonl"), tmp_path, patience)


def test_a_dropped_connection_is_resumed_where_it_broke(hub, tmp_path, patience, waits):
    hub.add("datasets/team/talks", {"a.jsonl": LARGE})
    hub.misbehave("/lfs/*", Trick(drop_after=1_000_000), Trick(drop_after=500_000))
    fetched = fetch_one(hub_source("a.jsonl"), tmp_path, patience)
    assert fetched.paths("a.jsonl")[0].read_bytes() == LARGE
    ranges = [request.headers.get("range") for request in hub.asked("/lfs/*")]
    assert ranges == [None, "bytes=1000000-", "bytes=1500000-"]
    assert waits == [1.0, 1.0]


def test_many_drops_that_each_bring_something_are_no_reason_to_give_up(hub, tmp_path, patience):
    hub.files["/a.zip"] = LARGE
    hub.misbehave("/a.zip", Trick(), *[Trick(drop_after=300_000)] * 9)
    assert fetch_one(web_source(hub, "a.zip"), tmp_path, patience).paths("a.zip")[0].read_bytes() == LARGE


def test_a_dead_server_is_given_up_and_the_part_is_kept(hub, tmp_path, patience, waits):
    hub.files["/a.zip"] = LARGE
    hub.misbehave("/a.zip", Trick(), Trick(drop_after=1_000_000), *[Trick(status=503)] * 3)
    with pytest.raises(TransientError, match=r"answers 503, 4 times in a row; 1.0 MB are kept, run the same command"):
        fetch_one(web_source(hub, "a.zip"), tmp_path, patience)
    assert waits == [1.0, 2.0, 4.0]
    assert list(tmp_path.glob("sources/photos/*/a.zip")) == []
    hub.requests.clear()
    fetched = fetch_one(web_source(hub, "a.zip"), tmp_path, patience)
    assert [request.headers["range"] for request in hub.requests] == ["bytes=1000000-"]
    assert fetched.paths("a.zip")[0].read_bytes() == LARGE


KILLED = """
import sys
from pathlib import Path
from pipeline.data.download.fetch import fetch
from pipeline.store.sources import Source
fetch([Source.model_validate_json(sys.argv[1])], root=Path(sys.argv[2]))
"""


def test_after_a_kill_the_part_is_gone_on_with(hub, tmp_path, patience):
    hub.add("datasets/team/talks", {"a.jsonl": LARGE})
    hub.misbehave("/lfs/*", Trick(stall_after=1_000_000, stall_seconds=5.0))
    source = hub_source("a.jsonl")
    process = subprocess.Popen([sys.executable, "-c", KILLED, source.model_dump_json(), str(tmp_path)])
    while process.poll() is None and not any(part.stat().st_size == 1_000_000 for part in tmp_path.rglob("*.part")):
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert list(tmp_path.rglob("a.jsonl")) == []
    assert fetch_one(source, tmp_path, patience).paths("a.jsonl")[0].read_bytes() == LARGE
    assert [request.headers.get("range") for request in hub.asked("/lfs/*")] == [None, "bytes=1000000-"]


def test_a_server_that_falls_silent_is_asked_again(hub, tmp_path, waits):
    hub.files["/a.zip"] = LARGE
    hub.misbehave("/a.zip", Trick(), Trick(stall_seconds=1.0))
    impatient = Patience(attempts=4, timeout=0.2, sleep=waits.append, jitter=lambda: 1.0)
    assert fetch_one(web_source(hub, "a.zip"), tmp_path, impatient).paths("a.zip")[0].read_bytes() == LARGE
    assert waits == [1.0]


def test_a_busy_server_is_given_the_time_that_it_asks_for(hub, tmp_path, patience, waits):
    hub.add("datasets/team/talks", {"a.jsonl": LARGE})
    hub.misbehave("/api/*", Trick(status=429, headers={"Retry-After": "7"}), Trick(status=503))
    hub.misbehave("/lfs/*", *[Trick(status=429, headers={"Retry-After": "30"})] * 2)
    fetch_one(hub_source("a.jsonl"), tmp_path, patience)
    assert waits == [7.0, 2.0, 30.0, 30.0]


def test_a_server_that_asks_for_hours_is_not_waited_for(hub, tmp_path, patience):
    hub.files["/a.zip"] = LARGE
    hub.misbehave("/a.zip", Trick(status=429, headers={"Retry-After": "7200"}))
    with pytest.raises(TransientError, match="asks to wait 7200 s"):
        fetch_one(web_source(hub, "a.zip"), tmp_path, patience)


def test_a_hub_that_does_not_answer_is_said_so(tmp_path, patience, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(TransientError, match=r"http://127.0.0.1:9/datasets/team/talks: .*, 4 times in a row"):
        fetch_one(hub_source("a.jsonl"), tmp_path, patience)


def test_an_endless_listing_of_the_hub_ends_at_the_bound(tmp_path, patience, monkeypatch):
    def endless(_request):
        yield head()
        while True:
            yield b" " * 65536

    monkeypatch.setattr("pipeline.data.download.hub.MAX_ANSWER_BYTES", 200_000)
    with serving_raw(endless) as url:
        monkeypatch.setenv("HF_ENDPOINT", url)
        with pytest.raises(DataError, match=r"the answer is longer than 200\.0 kB; is HF_ENDPOINT a Hub\?"):
            fetch_one(hub_source("talks.json"), tmp_path, patience)


def test_a_dripped_listing_of_the_hub_ends_at_the_timeout(tmp_path, monkeypatch):
    def drip(_request):
        yield head(1000)
        for _ in range(1000):
            yield b" "
            time.sleep(0.05)

    with serving_raw(drip) as url:
        monkeypatch.setenv("HF_ENDPOINT", url)
        with pytest.raises(TransientError, match=r"no whole answer in 0\.3 s, 1 times in a row"):
            fetch_one(hub_source("talks.json"), tmp_path, Patience(attempts=1, timeout=0.3))


def test_a_wrong_hash_is_noticed_and_mended_by_a_second_try(hub, tmp_path, patience, caplog):
    hub.add("datasets/team/talks", {"a.jsonl": LARGE, "b.json": SMALL})
    hub.misbehave("/lfs/*", Trick(content=bytes(len(LARGE))))
    hub.misbehave("*/b.json", Trick(content=bytes(len(SMALL))))
    fetched = fetch_one(hub_source("a.jsonl", "b.json"), tmp_path, patience)
    assert fetched.paths("a.jsonl")[0].read_bytes() == LARGE
    assert fetched.paths("b.json")[0].read_bytes() == SMALL
    assert "the sha256 is" in caplog.text
    assert "the git sha1 is" in caplog.text


@pytest.mark.parametrize("name", ["a.jsonl", "b.json"])
def test_a_hash_that_is_wrong_twice_is_an_error_and_leaves_no_file(hub, tmp_path, patience, name):
    contents = {"a.jsonl": LARGE, "b.json": SMALL}
    hub.add("datasets/team/talks", contents)
    pattern = {"a.jsonl": "/lfs/*", "b.json": "*/b.json"}[name]
    hub.misbehave(pattern, *[Trick(content=bytes(len(contents[name])))] * 2)
    with pytest.raises(DataError, match=rf"{name}: the .* is [0-9a-f]+, expected [0-9a-f]+, twice, from http"):
        fetch_one(hub_source(name), tmp_path, patience)
    assert [path.name for path in (tmp_path / "sources" / "talks").rglob("*") if path.is_file()] == [".guard"]


def test_a_wrong_size_is_an_error_before_its_bytes_come(hub, tmp_path, patience):
    hub.add("datasets/team/talks", {"a.jsonl": LARGE})
    hub.misbehave("/lfs/*", *[Trick(content=LARGE[:5000])] * 2)
    with pytest.raises(DataError, match=r"the server's file has 5000 bytes, expected 3000000, twice"):
        fetch_one(hub_source("a.jsonl"), tmp_path, patience)


def test_a_plain_file_that_changed_since_it_was_pinned_is_an_error(hub, tmp_path, patience):
    hub.files["/a.zip"] = LARGE
    fetched = fetch_one(web_source(hub, "a.zip"), tmp_path, patience)
    fetched.paths("a.zip")[0].unlink()
    hub.files["/a.zip"] = LARGE[::-1]
    with pytest.raises(DataError, match=r"a.zip: the sha256 is .*, twice, .* or has changed since it was pinned"):
        fetch_one(web_source(hub, "a.zip"), tmp_path, patience)


def test_a_sha256_of_the_registry_is_checked(hub, tmp_path, patience):
    hub.files["/rule.json"] = SMALL
    with pytest.raises(DataError, match=f"expected {'0' * 64}, twice"):
        fetch_one(web_source(hub, "rule.json", sha256="0" * 64), tmp_path, patience)


def test_a_file_that_changes_while_it_is_fetched_is_started_over(hub, tmp_path, patience):
    hub.files["/a.zip"] = LARGE
    hub.misbehave("/a.zip", Trick(), Trick(drop_after=1_000_000, headers={"ETag": '"an older version"'}))
    fetched = fetch_one(web_source(hub, "a.zip"), tmp_path, patience)
    assert [request.headers.get("if-range") for request in hub.asked(method="GET")] == [None, '"an older version"']
    assert fetched.paths("a.zip")[0].read_bytes() == LARGE


def test_a_server_that_ignores_ranges_sends_all_once_more(hub, tmp_path, patience):
    hub.files["/a.zip"] = LARGE
    hub.misbehave("/a.zip", Trick(), Trick(drop_after=1_000_000), Trick(ignore_range=True))
    assert fetch_one(web_source(hub, "a.zip"), tmp_path, patience).paths("a.zip")[0].read_bytes() == LARGE


@pytest.mark.parametrize(
    "trick",
    [Trick(ignore_if_range=True), Trick(range_shift=1000, headers={"ETag": '"v1"'}), Trick(status=416)],
    ids=["another version", "another place", "no such range"],
)
def test_a_range_that_does_not_fit_the_part_starts_the_file_over(hub, tmp_path, patience, trick):
    hub.files["/a.zip"] = LARGE
    hub.misbehave(
        "/a.zip", Trick(), Trick(drop_after=1_000_000, content=bytes(3_000_000), headers={"ETag": '"v1"'}), trick
    )
    assert fetch_one(web_source(hub, "a.zip"), tmp_path, patience).paths("a.zip")[0].read_bytes() == LARGE
    assert [request.headers.get("range") for request in hub.asked(method="GET")] == [None, "bytes=1000000-", None]


def test_a_file_without_a_length_cannot_be_trusted(hub, tmp_path, patience):
    hub.files["/a.zip"] = LARGE
    hub.misbehave("/a.zip", *[Trick(is_lengthless=True, ignore_range=True)] * 6)
    with pytest.raises(DataError, match="does not say how long the file is, so a cut could not be noticed"):
        fetch_one(web_source(hub, "a.zip"), tmp_path, patience)


def test_a_server_without_head_is_asked_with_a_range(hub, tmp_path, patience):
    hub.files["/a.zip"] = LARGE
    hub.misbehave("/a.zip", Trick(status=405))
    fetched = fetch_one(web_source(hub, "a.zip"), tmp_path, patience)
    assert hub.asked(method="GET")[0].headers["range"] == "bytes=0-0"
    assert fetched.files[0].num_bytes == 3_000_000


def test_a_part_of_another_file_is_not_gone_on_with(hub, tmp_path, patience):
    hub.files["/a.zip"] = LARGE
    (tmp_path / "a.zip.part").write_bytes(bytes(1000))
    with Connection.open(patience) as connection:
        file = LockedFile(path="a.zip", num_bytes=len(LARGE))
        fetch_file(file, tmp_path / "a.zip", url=f"{hub.cdn_url}/a.zip", headers={}, to=connection)
    assert (tmp_path / "a.zip").read_bytes() == LARGE
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_a_missing_file_is_an_error_that_names_the_source(hub, tmp_path, patience):
    with pytest.raises(DataError, match=r"/a.zip answers 404: the file has moved .* Correct source photos"):
        fetch_one(web_source(hub, "a.zip"), tmp_path, patience)


def test_a_failing_file_stops_the_others_and_they_are_resumed(hub, tmp_path, patience):
    hub.files |= {"/a.zip": LARGE, "/b.zip": SMALL}
    source = web_source(hub, "a.zip", "b.zip")
    hub.misbehave("/b.zip", Trick(), Trick(status=403))
    with pytest.raises(DataError, match="/b.zip answers 403"):
        fetch_one(source, tmp_path, patience)
    assert [path.read_bytes() for path in fetch_one(source, tmp_path, patience).paths("*.zip")] == [LARGE, SMALL]


# ---- tokens and gates


def test_the_token_goes_to_the_hub_and_nowhere_else(hub, tmp_path, patience, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.add("datasets/team/talks", {"a.jsonl": LARGE, "b.json": SMALL})
    hub.files["/a.zip"] = LARGE
    fetch([hub_source("a.jsonl", "b.json"), web_source(hub, "a.zip")], root=tmp_path, patience=patience)
    assert {request.headers.get("authorization") for request in hub.asked(server="hub")} == {"Bearer hf_secret"}
    assert {request.headers.get("authorization") for request in hub.asked(server="cdn")} == {None}
    assert "hf_secret" not in caplog.text
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"hf_secret" in path.read_bytes()]


def test_a_token_that_the_library_stored_is_not_used(hub, tmp_path, patience, monkeypatch):
    (tmp_path / "token").write_text("hf_stored")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    hub.add("datasets/team/talks", {"a.jsonl": LARGE})
    fetch_one(hub_source("a.jsonl"), tmp_path / "store", patience)
    assert {request.headers.get("authorization") for request in hub.requests} == {None}


def test_a_gated_source_without_a_token_says_what_to_do(hub, tmp_path, patience):
    hub.add("datasets/team/talks", {"a.jsonl": LARGE})
    hub.repositories["datasets/team/talks"].is_gated = True
    message = (
        rf"team/talks is gated \(status 401\): accept its terms at {hub.url}/datasets/team/talks, "
        rf"create a read token at {hub.url}/settings/tokens, and set HF_TOKEN; then run the same command again"
    )
    with pytest.raises(ConfigError, match=message):
        fetch_one(hub_source("a.jsonl"), tmp_path, patience)


def test_a_gated_source_with_a_strangers_token_says_what_to_do(hub, tmp_path, patience, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_stranger")
    hub.add("datasets/team/talks", {"a.jsonl": LARGE})
    hub.repositories["datasets/team/talks"].is_gated = True
    with pytest.raises(
        ConfigError, match=r"gated \(status 403\): accept its terms at .* with the account of the token"
    ):
        fetch_one(hub_source("a.jsonl"), tmp_path, patience)


def test_a_gated_source_comes_with_the_right_token(hub, tmp_path, patience, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    hub.add("datasets/team/talks", {"a.jsonl": LARGE})
    hub.repositories["datasets/team/talks"].is_gated = True
    hub.repositories["datasets/team/talks"].allowed_token = "hf_mine"
    assert fetch_one(hub_source("a.jsonl", is_gated=True), tmp_path, patience).paths("a.jsonl")[0].read_bytes() == LARGE


def test_a_token_that_the_hub_does_not_know_is_named_as_the_reason(hub, tmp_path, patience, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_old")
    hub.misbehave(
        "/api/*", Trick(status=401, headers={"X-Error-Message": "Invalid credentials in Authorization header"})
    )
    with pytest.raises(
        ConfigError, match=r"refuses the token in HF_TOKEN \(status 401, for team/talks\): create another"
    ):
        fetch_one(hub_source("a.jsonl"), tmp_path, patience)


def test_the_little_hub_is_one_to_the_library_as_well(hub, tmp_path):
    commit = hub.add("datasets/team/talks", {"a.jsonl": LARGE, "data/b.json": SMALL})
    tree = HfApi(endpoint=hub.url).list_repo_tree("team/talks", repo_type="dataset", recursive=True)
    assert [(entry.path, entry.size) for entry in tree] == [("a.jsonl", 3_000_000), ("data/b.json", 15)]
    for name, content in (("a.jsonl", LARGE), ("data/b.json", SMALL)):
        path = hf_hub_download("team/talks", name, repo_type="dataset", endpoint=hub.url, cache_dir=tmp_path)
        assert commit in path
        assert Path(path).read_bytes() == content


def test_a_token_that_cannot_be_one_is_said_so_without_showing_it(hub, tmp_path, patience, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_mine and more")
    with pytest.raises(ConfigError, match="HF_TOKEN has characters that no token has") as caught:
        fetch_one(hub_source("a.jsonl"), tmp_path, patience)
    assert "hf_mine" not in str(caught.value)


# ---- progress, archives, the lock file


def test_the_progress_counts_bytes_up_to_the_total(hub, tmp_path, patience):
    hub.add("datasets/team/talks", {"a.jsonl": LARGE, "b.json": SMALL})
    hub.misbehave("/lfs/*", Trick(content=bytes(len(LARGE))), Trick(drop_after=2_000_000))
    events = []
    with listening(events.append):
        fetch_one(hub_source("a.jsonl", "b.json"), tmp_path, patience)
    assert (events[-1].done, events[-1].total, events[-1].unit) == (3_000_015, 3_000_015, "bytes")


def test_archives_are_unpacked_below_the_image_folder_once(hub, tmp_path, patience):
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("train2017/1.jpg", b"one")
    hub.files["/train2017.zip"] = content.getvalue()
    source = web_source(hub, "train2017.zip", unpacked={"folder": "coco", "num_bytes": 3, "num_files": 1})
    fetch_one(source, tmp_path, patience)
    assert (tmp_path / "images" / "coco" / "train2017" / "1.jpg").read_bytes() == b"one"
    (tmp_path / "images" / "coco" / "train2017" / "1.jpg").unlink()
    fetch_one(source, tmp_path, patience)
    assert not (tmp_path / "images" / "coco" / "train2017" / "1.jpg").exists()


def test_two_runs_at_once_fetch_each_file_once(hub, tmp_path, patience):
    hub.add("datasets/team/talks", {"a.jsonl": LARGE})
    threads = [threading.Thread(target=fetch_one, args=(hub_source("a.jsonl"), tmp_path, patience)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(hub.asked("/lfs/*")) == 1


def test_a_damaged_lock_file_is_not_written_over(hub, tmp_path, patience):
    (tmp_path / LOCK_NAME).write_text("{")
    with pytest.raises(StoreError, match=r"sources.lock.json is damaged: .* Repair it, or remove it"):
        fetch_one(hub_source("a.jsonl"), tmp_path, patience)
    assert (tmp_path / LOCK_NAME).read_text() == "{"


def change_lock(root: Path, change) -> None:
    """What somebody else may have written into a lock file that is copied."""
    lock = json.loads((root / LOCK_NAME).read_text())
    change(lock["talks"])
    (root / LOCK_NAME).write_text(json.dumps(lock))
    shutil.rmtree(root / "sources")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda talks: talks.update(revision="../../escaped"),
            r"is damaged: revision: .*escaped.*to pin every source anew",
        ),
        (lambda talks: talks.update(revision="/tmp/escaped"), r"is damaged: revision: .*escaped"),
        (lambda talks: talks["files"][0].update(path="../../escaped.jsonl"), r"files.0.path: .*not the path of a file"),
        (lambda talks: talks["files"][0].update(path="/etc/escaped.jsonl"), r"files.0.path: .*not the path of a file"),
        (lambda talks: talks["files"][0].update(path="a\x1b[31m.jsonl"), r"files.0.path: .*not the path of a file"),
        (lambda talks: talks["files"][0].update(path="C:escaped.jsonl"), r"files.0.path: .*not the path of a file"),
        (lambda talks: talks["files"][0].update(path="あ" * 90), r"files.0.path: .*not the path of a file"),
        (lambda talks: talks["files"][0].update(path="b.jsonl"), r"talks has no file 'b.jsonl'; remove the source"),
        (lambda talks: talks["files"][0].update(url="file:///etc/passwd"), r"files.0.url: "),
        (lambda talks: talks["files"][0].update(sha256="../../x"), r"files.0.sha256: "),
        (lambda talks: talks["files"][0].update(num_bytes=-1), r"files.0.num_bytes: "),
        (
            lambda talks: talks["files"][0].update(url="http://other.example/a"),
            r"a.jsonl of talks is not at http://other",
        ),
    ],
)
def test_a_copied_lock_file_is_checked_as_the_answer_of_a_server_is(hub, tmp_path, patience, change, message):
    hub.add("datasets/team/talks", {"a.jsonl": LARGE})
    fetch_one(hub_source("a.jsonl"), tmp_path / "store", patience)
    change_lock(tmp_path / "store", change)
    with pytest.raises(StoreError, match=message):
        fetch_one(hub_source("a.jsonl"), tmp_path / "store", patience)
    assert not [path for path in tmp_path.rglob("*") if "escaped" in path.name]


def test_the_token_is_not_sent_to_an_address_in_a_lock_file(hub, tmp_path, patience, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.add("datasets/team/talks", {"a.jsonl": SMALL})
    hub.files["/stolen"] = SMALL
    fetch_one(hub_source("a.jsonl"), tmp_path, patience)
    change_lock(tmp_path, lambda talks: talks["files"][0].update(url=f"{hub.cdn_url}/stolen"))
    with pytest.raises(StoreError, match=r"a.jsonl of talks is not at http://localhost.*; remove the source from the"):
        fetch_one(hub_source("a.jsonl"), tmp_path, patience)
    assert not hub.asked(server="cdn")


@pytest.mark.parametrize(
    ("url", "is_the_hub"),
    [
        ("https://hub.example/datasets/a/b/resolve/main/c", True),
        ("https://HUB.example/c", True),
        ("http://hub.example/c", False),
        ("https://hub.example:8443/c", False),
        ("https://hub.example.evil.example/c", False),
        ("https://hub.example@evil.example/c", False),
        ("https://evil.example/hub.example/c", False),
    ],
)
def test_the_token_belongs_to_the_hubs_host(monkeypatch, url, is_the_hub):
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.example")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert auth_headers(url) == ({"Authorization": "Bearer hf_secret"} if is_the_hub else {})


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"sha": "../../escaped"}, r"is not the answer of a Hub: revision: .*escaped.*nothing is taken from it"),
        ({"sha": "/tmp/escaped"}, r"is not the answer of a Hub: revision: "),
        ({"sha": None}, r"is not the answer of a Hub: revision: "),
        ({"siblings": [{"rfilename": "a.jsonl", "size": "many", "blobId": "0" * 40}]}, r"num_bytes: .*'many'"),
        ({"siblings": [{"rfilename": "a.jsonl", "size": 1, "blobId": "../x"}]}, r"git_sha1: "),
        ({"siblings": [{"rfilename": "a\n.jsonl", "size": 1, "blobId": "0" * 40}]}, r"it has a control character"),
        ({"siblings": [{"rfilename": ["a.jsonl"]}]}, r"is not the answer of a Hub: a file's name is no text"),
        ({"siblings": [5]}, r"is not the answer of a Hub; is HF_ENDPOINT a Hub\?"),
    ],
)
def test_a_mirror_does_not_choose_where_files_go(hub, tmp_path, patience, answer, message):
    hub.add("datasets/team/talks", {"a.jsonl": LARGE})
    record = {"id": "team/talks", "sha": commit_of("first"), "tags": [], "private": False, **answer}
    record.setdefault("siblings", [{"rfilename": "a.jsonl", "size": 1, "blobId": "0" * 40}])
    hub.misbehave("/api/datasets/team/talks*", Trick(status=200, content=json.dumps(record).encode()))
    with pytest.raises(DataError, match=message):
        fetch_one(hub_source("*.jsonl"), tmp_path / "store", patience)
    assert not (tmp_path / "escaped").exists()
    assert not (tmp_path / "store" / LOCK_NAME).exists()


def test_sources_are_pinned_side_by_side(hub, tmp_path, patience):
    hub.add("datasets/team/talks", {"a.jsonl": SMALL})
    hub.files["/a.zip"] = SMALL
    fetch_one(hub_source("a.jsonl"), tmp_path, patience)
    fetch_one(web_source(hub, "a.zip"), tmp_path, patience)
    assert sorted(SourceLock(tmp_path).read()) == ["photos", "talks"]


def test_a_date_to_wait_for_is_turned_into_seconds():
    now = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
    assert retry_after({"Retry-After": "Thu, 01 Jan 2026 12:00:20 GMT"}, now=now) == 20.0
    assert retry_after({"Retry-After": "Thu, 01 Jan 2026 11:00:00 GMT"}, now=now) == 0.0
    assert retry_after({"Retry-After": "soon"}) is None
    assert retry_after({"RateLimit": '"api";r=0;t=55'}) == 55.0
    assert retry_after({"RateLimit": '"api";r=12;t=55'}) is None
    assert retry_after({}) is None


def test_a_password_of_the_hubs_address_is_not_written_down(tmp_path):
    url = "http://me:open-sesame@hub.example/datasets/team/talks/resolve/main/a.jsonl"
    part = PartialFile(tmp_path / "a.jsonl", LockedFile(path="a.jsonl", num_bytes=7, sha256="0" * 64), url)
    part.begin('"1"', '"1"')
    part.path.write_bytes(b"abc")
    assert "sesame" not in (tmp_path / "a.jsonl.part.json").read_text()
    assert PartialFile(part.target, part.file, url).num_bytes == 3
