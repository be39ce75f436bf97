import huggingface_hub.constants
import pyarrow.parquet as pq
import pytest
from huggingface_hub import HfFileSystem

from pipeline.config.experiment import ExperimentName, load_experiment
from pipeline.config.identity import Identities
from pipeline.core.errors import ConfigError, DataError, TransientError
from pipeline.data.download.hub_datasets import hub_datasets, pin_hub_datasets, unpinned_datasets
from pipeline.data.hf_datasets.sizes import expected_size
from pipeline.data.prepare import prepare_dataset, prepare_request
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.lockfile import NOT_PINNED
from tests.support.hub_server import Trick, commit_of, running_hub
from tests.support.small_data import picture, talk
from tests.support.small_tables import json_bytes, parquet_bytes, rows_with_images, source_at, tar_bytes

IMAGES = {f"{shade}.png": picture(shade, side=64) for shade in range(6)}
RECORDS = [talk(str(index), f"{index}.png", "何。", f"{index}。") for index in range(6)]
ROWS = rows_with_images(RECORDS, IMAGES)
CARD = b"""---
configs:
- config_name: talks
  data_files:
  - {split: train, path: talks/a-*.parquet}
  - {split: test, path: talks/test.parquet}
- config_name: other
  data_files: other.parquet
---
"""


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub on this machine, with nothing of another in the caches."""
    import datasets

    with running_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.url)
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(huggingface_hub.hf_api.api, "endpoint", server.url)
        monkeypatch.setattr(datasets.config, "HF_ENDPOINT", server.url)
        monkeypatch.setattr(
            datasets.config, "HUB_DATASETS_URL", server.url + "/datasets/{repo_id}/resolve/{revision}/{path}"
        )
        monkeypatch.setattr(datasets.config, "STREAMING_READ_MAX_RETRIES", 1)
        monkeypatch.setattr(datasets.config, "STREAMING_READ_RETRY_INTERVAL", 0)
        HfFileSystem.clear_instance_cache()
        yield server


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("LLAVA_JP_STORE", str(tmp_path / "store"))
    return ArtifactStore(tmp_path / "store")


def samples(manifest):
    return pq.read_table(manifest.path("samples.parquet")).to_pylist()


def prepared(source, store):
    pin_hub_datasets([source] if source.revision is None else [], root=store.root)
    return prepare_dataset(source, store=store)


def test_a_repository_is_streamed_and_gives_what_its_files_give_here(hub, store, tmp_path):
    files = {f"data/train-0000{n}-of-00002.parquet": parquet_bytes(ROWS[3 * n : 3 * n + 3]) for n in range(2)}
    hub.add("datasets/team/talks", files)
    for name, content in files.items():
        (tmp_path / "clone" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "clone" / name).write_bytes(content)
    streamed = samples(prepared(source_at("team/talks"), store))
    here = samples(prepare_dataset(source_at(tmp_path / "clone"), store=store))
    assert [{**row, "source": "local"} for row in streamed] == here
    assert {row["source"] for row in streamed} == {"team/talks"}
    assert not list(store.root.rglob("train-*"))


def test_configuration_and_split_are_those_of_the_card(hub, store):
    talks = {f"talks/a-{index}.parquet": parquet_bytes(ROWS[index : index + 1]) for index in range(2)}
    others = {"talks/test.parquet": parquet_bytes(ROWS[4:5]), "other.parquet": parquet_bytes(ROWS[5:])}
    hub.add("datasets/team/talks", {"README.md": CARD, **talks, **others})
    ids = {
        (name, split): [
            row["sample_id"] for row in samples(prepared(source_at("team/talks", name=name, split=split), store))
        ]
        for name, split in [("talks", "train"), ("talks", "test"), ("other", "train")]
    }
    assert ids == {("talks", "train"): ["0", "1"], ("talks", "test"): ["4"], ("other", "train"): ["5"]}
    with pytest.raises(ConfigError, match="name: team/talks needs one; it has: talks, other"):
        prepared(source_at("team/talks"), store)
    with pytest.raises(ConfigError, match="split: team/talks has no 'valid'; it has: train, test"):
        prepared(source_at("team/talks", name="talks", split="valid"), store)


def test_archives_on_the_hub_are_read_member_by_member(hub, store):
    members = {"1.png": IMAGES["1.png"], "1.json": json_bytes({"q": "何。", "a": "犬。"})}
    hub.add("datasets/team/shards", {"0.tar": tar_bytes(members)})
    columns = {"image": "png", "question": "json.q", "answer": "json.a"}
    assert prepared(source_at("team/shards", columns), store).summary["num_images"] == 1


def test_a_repository_without_a_revision_is_pinned_once_and_keeps_its_address_when_the_branch_moves(hub, store):
    source = source_at("team/talks")
    hub.add("datasets/team/talks", {"a.parquet": parquet_bytes(ROWS[:2])})
    assert prepare_request(source, Identities(store.root)).config["revision"] == NOT_PINNED
    assert unpinned_datasets([source], root=store.root) == ["team/talks"]
    first = prepared(source, store)
    hub.add("datasets/team/talks", {"a.parquet": parquet_bytes(ROWS)}, commit="second")
    assert prepare_request(source, Identities(store.root)).config["revision"] == commit_of("first")
    assert prepared(source, store) == first
    assert expected_size(source, root=store.root).num_bytes > 0
    other = prepared(source_at("team/talks", revision=commit_of("second")), store)
    assert (first.summary["num_samples"], other.summary["num_samples"]) == (2, 6)
    assert other.fingerprint != first.fingerprint


def test_only_images_that_records_on_the_hub_name_belong_to_the_dataset(hub, store, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for name, content in IMAGES.items():
        (photos / name).write_bytes(content)
    records = [{"id": str(index), "image": f"{index}.png", "q": "何。", "a": f"{index}。"} for index in range(3)]
    hub.add("datasets/team/named", {"a.parquet": parquet_bytes(records)})
    columns = {"image": "image", "question": "q", "answer": "a"}
    source = source_at("team/named", columns, images=photos)
    assert prepare_request(source, Identities(store.root)).config["images_sha256"] == NOT_PINNED
    made = prepared(source, store)
    assert made.summary["num_images"] == 3
    num_requests = len(hub.requests)
    (photos / ".DS_Store").write_bytes(b"of a Mac")
    (photos / "5.png").write_bytes(IMAGES["1.png"])  # that no record names
    assert prepare_request(source, Identities(store.root)).fingerprint == made.fingerprint
    (photos / "2.png").write_bytes(IMAGES["1.png"])
    assert prepare_request(source, Identities(store.root)).fingerprint != made.fingerprint
    assert len(hub.requests) == num_requests  # its records were read once


def test_what_is_prepared_needs_no_hub_any_more(hub, store):
    hub.add("datasets/team/talks", {"a.parquet": parquet_bytes(ROWS)})
    first = prepared(source_at("team/talks"), store)
    num_requests = len(hub.requests)
    assert prepared(source_at("team/talks"), store) == first
    assert len(hub.requests) == num_requests


def test_a_hub_that_does_not_answer_is_worth_another_try(hub, store, monkeypatch):
    hub.add("datasets/team/talks", {"a.parquet": parquet_bytes(ROWS)})
    source = source_at("team/talks")
    pin_hub_datasets([source], root=store.root)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub.misbehave("*", *[Trick(status=503)] * 200)
    with pytest.raises(TransientError, match="team/talks cannot be read from the Hub now"):
        prepare_dataset(source, store=store)


def test_a_folder_here_of_the_same_name_is_not_taken_for_the_repository(hub, store, tmp_path, monkeypatch):
    (tmp_path / "team" / "talks").mkdir(parents=True)
    (tmp_path / "team" / "talks" / "a.parquet").write_bytes(parquet_bytes(ROWS[:1]))
    monkeypatch.chdir(tmp_path)
    hub.add("datasets/team/talks", {"a.parquet": parquet_bytes(ROWS)})
    assert prepared(source_at("team/talks"), store).summary["num_samples"] == 6


def test_what_must_be_read_says_that_the_hub_is_offline(hub, store, monkeypatch):
    hub.add("datasets/team/talks", {"a.parquet": parquet_bytes(ROWS)})
    source = source_at("team/talks")
    pin_hub_datasets([source], root=store.root)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match="HF_HUB_OFFLINE is set"):
        prepare_dataset(source, store=store)


def test_a_script_is_refused(hub, store):
    hub.add("datasets/team/talks", {"talks.py": b"raise SystemExit", "a.parquet": parquet_bytes(ROWS)})
    with pytest.raises(DataError, match="scripts are no longer supported"):
        prepared(source_at("team/talks"), store)


def test_a_card_that_names_files_of_this_machine_is_refused(hub, store, tmp_path):
    (tmp_path / "secret.parquet").write_bytes(parquet_bytes(ROWS))
    card = f"---\nconfigs:\n- config_name: default\n  data_files: {tmp_path}/secret.parquet\n---\n".encode()
    hub.add("datasets/team/talks", {"README.md": card, "a.parquet": parquet_bytes(ROWS)})
    with pytest.raises(DataError, match="don.t belong to team/talks|which is not in"):
        prepared(source_at("team/talks"), store)


def test_a_repository_that_does_not_exist_is_said_before_anything_is_prepared(hub, store):
    with pytest.raises(DataError, match="does not exist, or is private"):
        pin_hub_datasets([source_at("team/nothing")], root=store.root)


def test_an_experiment_names_its_datasets_on_the_hub_and_its_files_start_at_its_folder(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "extends: smoke\nname: mine\ndatasets:\n"
        "  pretrain: {kind: dataset, path: ./rows.parquet, columns: {caption: text}}\n"
        "  finetune: {kind: dataset, path: team/talks, columns: {conversations: messages}}\n"
    )
    config = load_experiment(str(path))
    assert config.datasets.pretrain.path == str(tmp_path / "rows.parquet")
    assert [source.path for source in hub_datasets(config.evaluation, config.datasets)] == ["team/talks"]
    assert hub_datasets(config.evaluation) == ()


@pytest.mark.parametrize("name", list(ExperimentName))
def test_a_published_experiment_pins_its_datasets_itself(name):
    config = load_experiment(name)
    assert hub_datasets(config.evaluation, config.datasets) == ()
