import json

import pytest
from huggingface_hub import constants

from model.hub import LEADS_OUT
from pipeline.core.errors import ConfigError, TransientError
from pipeline.data.download.hub import MAX_ANSWER_BYTES
from pipeline.evaluation.models.weights import download_model
from tests.support.hub_server import Trick, commit_of, running_hub


@pytest.fixture
def hub(monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "home" / "cache"))
    with running_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        server.add("models/team/vlm", {"config.json": b"{}"})
        yield server


@pytest.mark.parametrize("revision", ["main", commit_of("first")])
def test_a_snapshot_is_that_of_the_commit(hub, revision):
    folder = download_model("team/vlm", revision=revision)
    assert (folder.name, (folder / "config.json").read_bytes()) == (commit_of("first"), b"{}")


def test_without_the_hub_the_cache_tells(hub):
    there = download_model("team/vlm", revision="main")
    hub.close()
    assert download_model("team/vlm", revision="main") == there


def test_the_token_goes_to_the_hub_and_not_where_it_sends_us(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_sesame")
    hub.add("models/team/large", {"model.safetensors": b"x" * 5000})
    download_model("team/large", revision="main")
    assert {request.headers.get("authorization") for request in hub.asked(server="hub")} == {"Bearer hf_sesame"}
    assert {request.headers.get("authorization") for request in hub.asked(server="cdn")} == {None}


@pytest.mark.parametrize("sha", ["../../../escaped", "/tmp/escaped", None, 5, ""])
def test_a_mirror_whose_commit_is_a_path_is_refused(hub, tmp_path, sha):
    record = {"id": "team/vlm", "sha": sha, "siblings": [{"rfilename": "config.json"}], "tags": [], "private": False}
    hub.misbehave("/api/models/team/vlm*", Trick(status=200, content=json.dumps(record).encode()))
    with pytest.raises(ConfigError, match=r"names no commit of team/vlm: .*Is HF_ENDPOINT a Hub\?"):
        download_model("team/vlm", revision="main")
    assert not list(tmp_path.rglob("*escaped*"))


def test_a_mirror_that_answers_something_else_is_refused(hub):
    hub.misbehave("/api/models/team/vlm*", Trick(status=200, content=b"[]"))
    with pytest.raises(ConfigError, match=r"has no answer about team/vlm: .*Is HF_ENDPOINT a Hub\?"):
        download_model("team/vlm", revision="main")


@pytest.mark.parametrize("header", ["ETag", "X-Repo-Commit", "X-Linked-Etag"])
@pytest.mark.parametrize("value", ['"../../../escaped"', "/tmp/escaped", 'W/"/tmp/escaped"', '".."'])
def test_a_mirror_whose_headers_are_paths_is_refused(hub, tmp_path, header, value):
    hub.misbehave("*/resolve/*", Trick(headers={header: value}))
    with pytest.raises(
        ConfigError,
        match=rf"is not the answer of a Hub: its {header} is .*Is HF_ENDPOINT",
    ) as refused:
        download_model("team/vlm", revision=commit_of("first"))
    assert "nothing is taken from it" in str(refused.value)
    assert not list(tmp_path.rglob("*escaped*"))


@pytest.mark.parametrize("etag", ['W/"1f-qL/x+9E="', '"d41d8cd98f00b204e9800998ecf8427e-12"', '"0"', ""])
def test_etags_of_honest_servers_are_taken(etag):
    assert not LEADS_OUT.search(etag)


@pytest.mark.parametrize(
    ("trick", "reason"),
    [
        (Trick(status=200, content=b"[" * 200_000 + b"]" * 200_000), "maximum recursion depth"),
        (
            Trick(status=200, content=b"{}", headers={"Content-Encoding": "br"}),
            "packed as 'br', which was not asked for",
        ),
        (Trick(status=200, content=b" " * (MAX_ANSWER_BYTES + 1)), "the answer is longer than 67.1 MB"),
    ],
)
def test_an_answer_that_nobody_can_read_is_one_message(hub, trick, reason):
    hub.misbehave("/api/models/team/vlm*", trick)
    with pytest.raises(TransientError, match=rf"/team/vlm cannot be fetched now: .*{reason}"):
        download_model("team/vlm", revision=commit_of("first"))
