import json
import threading
import zipfile
from dataclasses import replace
from io import BytesIO

import pytest

from pipeline.core.errors import StoreError
from pipeline.core.retries import Patience
from pipeline.data.download.fetch import fetch
from pipeline.data.download.plan import COLUMNS, fetch_plan, require_disk
from pipeline.data.download.registry import find_source, sources_of
from pipeline.store.sources import Source
from tests.support.hub_server import Trick, running_hub

QUICK = Patience(attempts=2, timeout=5.0, sleep=lambda _seconds: None)


@pytest.fixture
def hub(monkeypatch):
    with running_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield server


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def talks(**fields) -> Source:
    values = {
        "name": "talks",
        "what": "talks",
        "kind": "hub_dataset",
        "repo": "team/talks",
        "files": [{"name": "*.jsonl", "approximate_bytes": 7_000}],
        "licence": "CC BY 4.0",
        "citation": "us",
    }
    return Source.model_validate({**values, **fields})


def photos(hub) -> Source:
    unpacked = {"folder": "coco", "num_bytes": 1_000_000, "num_files": 10}
    file = {"name": "a.zip", "url": f"{hub.cdn_url}/a.zip", "approximate_bytes": 500, "unpacked": unpacked}
    values = {"name": "photos", "what": "photos", "kind": "http", "licence": "Flickr", "citation": "us"}
    return Source.model_validate({**values, "files": [file], "is_non_commercial": True})


def zipped() -> bytes:
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("train2017/1.jpg", b"one")
    return content.getvalue()


def test_sizes_come_from_the_servers_and_nothing_is_fetched_or_written(hub, tmp_path):
    hub.add("datasets/team/talks", {"a.jsonl": bytes(2000), "b.jsonl": bytes(500), "c.txt": bytes(9)})
    hub.files["/a.zip"] = bytes(300)
    plan = fetch_plan([talks(), photos(hub)], root=tmp_path)
    assert [(one.num_files, one.bytes_to_fetch, one.bytes_to_unpack, one.estimate) for one in plan.sources] == [
        (2, 2500, 0, ""),
        (1, 300, 1_000_000, ""),
    ]
    assert plan.bytes_to_fetch == 2800
    assert plan.disk_bytes == 2800 + 1_000_000 + 10 * 4096
    assert {request.method for request in hub.asked(server="cdn")} == {"HEAD"}
    assert hub.asked("*/resolve/*") == []
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_counted_again_and_needs_no_server(hub, tmp_path):
    hub.add("datasets/team/talks", {"a.jsonl": bytes(2000), "b.jsonl": bytes(500)})
    hub.files["/a.zip"] = zipped()
    fetched, _ = fetch([talks(), photos(hub)], root=tmp_path, patience=QUICK)
    fetched.paths("b.jsonl")[0].unlink()
    hub.requests.clear()
    plan = fetch_plan([talks(), photos(hub)], root=tmp_path)
    assert [(one.bytes_there, one.bytes_to_fetch, one.disk_bytes) for one in plan.sources] == [
        (2000, 500, 500),
        (len(zipped()), 0, 0),
    ]
    assert hub.requests == []
    assert plan.rows()[1]["to fetch"] == plan.rows()[1]["disk"] == "there"


def test_bytes_of_a_part_are_not_counted_again(hub, tmp_path):
    hub.files["/a.zip"] = bytes(3000)
    hub.misbehave("/a.zip", Trick(), Trick(drop_after=1000), Trick(status=503))
    with pytest.raises(Exception, match="1.0 kB are kept"):
        fetch([photos(hub)], root=tmp_path, patience=QUICK)
    (plan,) = fetch_plan([photos(hub)], root=tmp_path).sources
    assert (plan.bytes_there, plan.bytes_to_fetch) == (1000, 2000)


def test_what_came_out_of_an_archive_before_a_stop_is_not_counted_again(hub, tmp_path):
    hub.files["/a.zip"] = zipped()
    fetch([photos(hub)], root=tmp_path, patience=QUICK)
    marker = tmp_path / "images" / "coco" / ".unpacked" / "a.zip.json"
    record = json.loads(marker.read_text())
    marker.write_text(json.dumps({**record, "state": "begun", "num_files": 4, "num_bytes": 300_000}))
    (plan,) = fetch_plan([photos(hub)], root=tmp_path).sources
    assert (plan.bytes_to_unpack, plan.files_to_unpack) == (700_000, 6)


def test_without_a_network_the_registrys_sizes_stand_in_and_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    plan = fetch_plan([talks()], root=tmp_path)
    assert plan.is_estimate
    assert plan.rows()[0]["to fetch"] == "~7.0 kB"
    assert "sizes with ~ are estimates: no answer from 127.0.0.1:9" in plan.notes()


def test_an_error_of_a_server_is_in_the_notes_and_not_raised(hub, tmp_path):
    hub.add("datasets/team/talks", {"other.txt": b"-"})
    (problem,) = [note for note in fetch_plan([talks()], root=tmp_path).notes() if "PROBLEM" in note]
    assert problem.startswith(f"PROBLEM, a run would stop: {hub.url}/datasets/team/talks at ")
    assert "has no file '*.jsonl'; it has: other.txt. Correct source talks in sources.yaml" in problem


def test_a_plan_can_be_made_without_asking_anyone(offline, hub, tmp_path):
    plan = fetch_plan(sources_of(["llava-instruct-620k-ja"]), root=tmp_path)
    assert plan.sources[0].estimate == "not asked"
    assert plan.bytes_to_fetch == 74_620_000_000
    assert hub.requests == []


def test_the_table_marks_licences_and_gates(offline, hub, tmp_path):
    plan = fetch_plan([find_source("llava-instruct-150k-ja")], root=tmp_path)
    row = plan.rows()[0]
    assert tuple(row) == COLUMNS
    page = f"{hub.url}/datasets/turing-motors/LLaVA-Instruct-150K-JA"
    assert row["terms"] == f"NON-COMMERCIAL; gated: accept the terms at {page}"
    assert row["licence"] == "CC BY-NC 4.0, and OpenAI's terms of use"
    notes = "\n".join(plan.notes())
    assert "NON-COMMERCIAL terms, at least for a part: llava-instruct-150k-ja" in notes
    assert f"HF_TOKEN is not set: accept the terms at {page}, create a token, and set HF_TOKEN" in notes


def test_with_a_token_nobody_is_told_to_set_one(offline, hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    notes = fetch_plan([find_source("llava-instruct-150k-ja")], root=tmp_path).notes()
    assert "HF_TOKEN" not in "\n".join(notes)


def test_a_disk_that_is_too_small_stops_the_download(offline, hub, tmp_path):
    plan = fetch_plan(sources_of(["llava-pretrain-ja"]), root=tmp_path)
    require_disk(replace(plan, free_bytes=10**12, free_files=None))
    message = (
        r"needs 58.9 GB at .* and 50.0 GB are free \(most of it: llava-pretrain-images 57.5 GB, .*\). "
        r"Free some space, or set LLAVA_JP_STORE"
    )
    with pytest.raises(StoreError, match=message):
        require_disk(replace(plan, free_bytes=50_000_000_000))


def test_a_disk_with_too_few_inodes_stops_the_download(offline, hub, tmp_path):
    plan = fetch_plan(sources_of(["llava-pretrain-ja"]), root=tmp_path)
    with pytest.raises(StoreError, match=r"about 558128 files and the disk at .* can take 100000 more"):
        require_disk(replace(plan, free_bytes=10**12, free_files=100_000))


def test_a_disk_that_must_take_nothing_may_be_full(hub, tmp_path):
    hub.add("datasets/team/talks", {"a.jsonl": bytes(2000)})
    fetch([talks()], root=tmp_path, patience=QUICK)
    require_disk(replace(fetch_plan([talks()], root=tmp_path), free_bytes=0))


def test_servers_are_asked_at_the_same_time(hub, tmp_path):
    barrier = threading.Barrier(2, timeout=10)
    hub.add("datasets/team/talks", {"a.jsonl": bytes(2000)})
    hub.before_answer = barrier.wait
    fetch_plan([talks(), talks(name="more")], root=tmp_path)
    assert not barrier.broken
