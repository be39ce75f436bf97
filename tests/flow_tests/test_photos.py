"""Your own data: real photographs, Japanese records and a published tokenizer, all given as local files."""

import json
import re
import shutil
from collections import Counter

import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.config.experiment import LocalSource, TranslationChecksConfig
from pipeline.core.errors import DataError
from pipeline.data.prepare import prepare_dataset
from pipeline.data.translation_checks import check_translations, require_acceptable
from pipeline.store.artifacts import ArtifactStore
from tests.support.shared_data import shared_data

NUM_CAPTIONS, NUM_QUESTIONS, NUM_PHOTOS = 77, 38, 76


def experiment(folder):
    """An experiment file beside nothing it names: every path is absolute."""
    data = shared_data()
    photos = data / "photos"

    def source(name):
        return {"kind": "local", "annotations": str(photos / name), "images": str(photos / "images")}

    values = {
        "extends": "smoke",
        "name": "photos",
        "description": "Photographs with Japanese captions and questions",
        "datasets": {"pretrain": source("pretrain.json"), "finetune": source("instruct.json")},
        "limits": {"max_rejected_fraction": 0.1},
        "llm": {"tokenizer": {"kind": "local", "folder": str(data / "llmjp_tokenizer")}},
        "pretrain": {"max_length": 512, "global_batch_size": 16},
        "finetune": {"max_length": 512, "global_batch_size": 16},
        "evaluation": {
            "benchmarks": [{"name": "questions", "source": source("instruct.json"), "metrics": ["rougeL"]}],
            "generation": {"max_new_tokens": 8},
        },
    }
    path = folder / "photos.yaml"
    path.write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    return path


@pytest.mark.slow
@pytest.mark.long
def test_photographs_run_from_files_to_scores(commands, tmp_path):
    done = commands.llava_jp(tmp_path / "store", "run", str(experiment(tmp_path)))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "photos: 0 of 13 steps are already done" in done.stdout
    assert done.stdout.count(f"encode images: {NUM_PHOTOS // 2} images in") == 2  # each dataset's photos are its own
    assert re.search(rf"│ questions │ all +│ rougeL │ overall +│ {NUM_QUESTIONS} +│", done.stdout)
    steps = {}
    for manifest in ArtifactStore(tmp_path / "store").manifests():
        steps.setdefault(manifest.request.step, []).append(manifest)
    # the benchmark has the same records as the second stage, so it is the same dataset
    assert Counter(m.summary["num_records"] for m in steps["dataset"]) == {NUM_CAPTIONS: 1, NUM_QUESTIONS: 1}
    (pretrain,), (finetune,), (predictions,) = steps["pretrain"], steps["finetune"], steps["predictions"]
    for model in (pretrain, finetune):
        assert model.summary["num_too_long"] == model.summary["num_shortened"] == 0
        assert model.summary["num_without_features"] == 0
    assert finetune.summary["final_loss"] < finetune.summary["first_loss"]
    assert predictions.summary["num_failed"] == 0


def bad_records(folder):
    """Ten records: six good ones, a text-only one, and three that cannot be used."""
    photos = shared_data() / "photos"
    good = json.loads((photos / "instruct.json").read_text(encoding="utf-8"))[:6]
    for record in good:
        shutil.copy(photos / "images" / record["image"], folder)
    (folder / "cut.jpg").write_bytes((folder / good[0]["image"]).read_bytes()[:2000])
    question, answer = {"from": "human", "value": "何ですか?\n<image>"}, {"from": "gpt", "value": "犬"}
    bad = [
        {"id": "misspelled", "image": "000000000136.jgp", "conversations": [question, answer]},
        {"id": "truncated", "image": "cut.jpg", "conversations": [question, answer]},
        {"id": "unanswered", "image": good[0]["image"], "conversations": [question]},
        {"id": "text-only", "conversations": [{"from": "human", "value": "犬は何をしますか?"}, answer]},
    ]
    (folder / "records.json").write_text(json.dumps(good + bad, ensure_ascii=False), encoding="utf-8")
    return LocalSource(kind="local", annotations=folder / "records.json", images=folder)


@pytest.fixture
def checked(tmp_path, monkeypatch):
    """The dataset of the bad records and its translation check."""
    monkeypatch.setenv("LLAVA_JP_STORE", str(tmp_path / "store"))
    store = ArtifactStore(tmp_path / "store")
    folder = tmp_path / "photos"
    folder.mkdir()
    dataset = prepare_dataset(bad_records(folder), store=store)
    return dataset, check_translations(TranslationChecksConfig(), dataset=dataset, store=store)


def test_a_record_that_cannot_be_used_is_a_finding_that_says_why(checked):
    dataset, _ = checked
    findings = {row["sample_id"]: row for row in pq.read_table(dataset.path("findings.parquet")).to_pylist()}
    assert {sample_id: row["check"] for sample_id, row in findings.items()} == {
        "misspelled": "image_missing",
        "truncated": "image_unreadable",
        "unanswered": "answer_missing",
    }
    assert "000000000136.jgp" in findings["misspelled"]["evidence"]
    assert "cut.jpg" in findings["truncated"]["evidence"]
    assert dataset.summary["num_records"] == 10
    assert dataset.summary["num_rejected"] == 3


def test_a_conversation_without_an_image_is_kept(checked):
    dataset, accepted = checked
    assert dataset.summary["num_text_only"] == 1
    assert "text-only" in pq.read_table(accepted.path("accepted.parquet"))["sample_id"].to_pylist()


def test_too_many_rejected_records_stop_the_run(checked):
    dataset, accepted = checked
    require_acceptable(dataset, accepted, name="finetune", max_rejected_fraction=0.3)
    with pytest.raises(DataError) as caught:
        require_acceptable(dataset, accepted, name="finetune", max_rejected_fraction=0.2)
    message = str(caught.value)
    assert message.startswith(
        f"dataset finetune ({dataset.fingerprint}): 3 of 10 records (30.0%) are rejected, more than the"
    )
    assert "allowed 20%; most by " in message
    assert "raise limits.max_rejected_fraction" in message


@pytest.mark.long
def test_the_command_stops_at_the_gate_with_the_same_message(commands, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    source = bad_records(folder)
    local = f"{{kind: local, annotations: {source.annotations}, images: {source.images}}}"
    done = commands.llava_jp(tmp_path / "store", "run", "smoke", "--set", f"datasets.finetune={local}")
    assert done.returncode == 1
    assert done.stderr.startswith("error: dataset ")
    assert "3 of 10 records (30.0%) are rejected, more than the allowed 5%" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    steps = {manifest.request.step for manifest in ArtifactStore(tmp_path / "store").manifests()}
    assert steps == {"dataset", "translation"}
    found = commands.llava_jp(tmp_path / "store", "query", "finding_examples")
    assert "image_missing" in found.stdout
