"""Samples with several images through every step: dataset, checks, features, both stages, a benchmark's answers."""

import json
import math

import pyarrow.parquet as pq
import pytest
from PIL import Image

from model.config import GenerationConfig
from pipeline.config.evaluation import BenchmarkConfig
from pipeline.config.experiment import LocalSource, load_experiment
from pipeline.core.settings import Settings, load_settings
from pipeline.data.prepare import prepare_dataset
from pipeline.data.translation_checks import check_translations
from pipeline.evaluation.predict import predict
from pipeline.evaluation.rows import read_predictions
from pipeline.evaluation.scores import score_predictions
from pipeline.features.step import cache_features, on_this_machine
from pipeline.store.artifacts import ArtifactStore
from pipeline.training.step import train_stage
from tests.support.commands import clean_environment

pytestmark = pytest.mark.long

COLOURS = ("赤", "青", "緑", "黄色", "黒", "白")
NUM_SAMPLES = 12


@pytest.fixture
def store(tmp_path, monkeypatch, forked_workers):
    for name, value in clean_environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LLAVA_JP_STORE", str(tmp_path / "store"))
    return ArtifactStore(tmp_path / "store")


def source(folder, records):
    (folder / "images").mkdir(parents=True)
    for index in range(len(COLOURS)):
        Image.new("RGB", (64, 48), (40 * index, 255 - 40 * index, 90)).save(folder / "images" / f"{index}.png")
    (folder / "records.json").write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")
    return LocalSource(kind="local", annotations=folder / "records.json", images=folder / "images")


def record(number, images, *texts):
    roles = ("human", "gpt") * len(texts)
    turns = [{"from": role, "value": text} for role, text in zip(roles, texts, strict=False)]
    return {"id": str(number), "images": [f"{index}.png" for index in images], "conversations": turns}


def training_records():
    """Two images in the first question, and a third in the second question of every other sample."""
    for number in range(NUM_SAMPLES):
        first, second, third = ((number + step) % len(COLOURS) for step in (0, 1, 3))
        answer = f"{COLOURS[first]}と{COLOURS[second]}です。この二枚は{number}番目の組です。"
        asked = ["<image>\n<image>\n何色と何色ですか。", answer]
        if number % 2:
            asked += ["では、これは？<image>", f"これは{COLOURS[third]}の一枚で、{number}番目です。"]
        yield record(number, (first, second, third)[: 2 + number % 2], *asked)


def test_two_images_a_sample_are_trained_on_and_answered(tmp_path, store):
    config = load_experiment("smoke", ["pretrain.max_length=256", "finetune.max_length=256"])
    dataset = prepare_dataset(source(tmp_path / "training", list(training_records())), store=store)
    accepted = check_translations(config.translation, dataset=dataset, store=store)
    assert (dataset.summary["num_images"], accepted.summary["num_accepted"]) == (len(COLOURS), NUM_SAMPLES)
    features = cache_features(
        config.vision_tower, config.features, dataset=dataset, store=store, run_job=on_this_machine(Settings())
    )
    inputs = {"dataset": dataset, "accepted": accepted, "features": features}
    for stage in ("pretrain", "finetune"):
        section = getattr(config, stage).model_copy(update={"num_epochs": 1})
        made = train_stage(
            stage,
            section,
            config.llm,
            config.vision_tower,
            config.features,
            inputs=inputs,
            store=store,
            settings=load_settings(),
        )
        assert (made.summary["num_samples"], made.summary["num_too_long"]) == (NUM_SAMPLES, 0)
        assert math.isfinite(made.summary["final_loss"])
        inputs = {**inputs, "projector": made}
    asked = [
        record(number, images, "どちらが明るいですか。", "二枚目")
        for number, images in enumerate(((0, 1), (1, 2), (4, 5)))
    ]
    own = source(tmp_path / "benchmark", asked)
    benchmark = BenchmarkConfig(name="pairs", source=own, metrics=("exact_match",))
    items = prepare_dataset(own, store=store)
    predictions = predict(
        benchmark, GenerationConfig(max_new_tokens=4), batch_size=2, dataset=items, model=made, store=store
    )
    rows = read_predictions(predictions)
    sha256 = {row["image"]: row["image_sha256"] for row in pq.read_table(items.path("images.parquet")).to_pylist()}
    assert [row.error for row in rows] == [None] * 3
    assert [row.images_sha256 for row in rows] == [
        (sha256[f"{first}.png"], sha256[f"{second}.png"]) for first, second in ((0, 1), (1, 2), (4, 5))
    ]
    scores = score_predictions(benchmark, predictions=predictions, store=store)
    overall = scores.summary["metrics"]["exact_match"]["overall"]["overall"]
    assert (overall["num_items"], overall["num_clusters"]) == (3, 2)
