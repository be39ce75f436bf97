"""Real predictions of two models through the steps: items, predictions, scores, comparison."""

import json
import re
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from model.config import GenerationConfig
from pipeline.comparison.scores import ComparedExperiment
from pipeline.comparison.step import article_table, compare, difference_table, score_table
from pipeline.config.evaluation import BenchmarkConfig
from pipeline.core.parquet import write_rows
from pipeline.data.images import IMAGE_SCHEMA
from pipeline.data.items import ITEM_SCHEMA
from pipeline.evaluation.models.stored import StoredAnswersUnderTest, read_answers
from pipeline.evaluation.predict import all_items, benchmark_items, write_predictions
from pipeline.evaluation.scores import score_predictions
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Request
from tests.support.shared_data import shared_data
from tests.support.small_data import picture, sha256_of

MODELS = ("laioncc-to-gpt", "llava-calm2-siglip")
WILD_IMAGES = 42
"""The stored file does not say which of the 50 questions share a photo; here the last eight do with the first."""


def file_of(model: str, benchmark: str) -> Path:
    return shared_data() / "regression" / model / f"{benchmark.replace('-', '_')}.json"


def results_of(model: str, benchmark: str) -> dict:
    return json.loads(file_of(model, benchmark).read_text(encoding="utf-8"))["results"]


def bytes_of(image: int) -> bytes:
    return picture(image % 256, side=8) + str(image).encode()


def dataset(store: ArtifactStore, benchmark: str):
    results = results_of(MODELS[0], benchmark)
    is_vg = benchmark == "ja-vg-vqa-500"
    image_of = [number // 8 if is_vg else number % WILD_IMAGES for number in range(len(results["question"]))]
    images = [
        dict.fromkeys(IMAGE_SCHEMA.names)
        | {
            "image": f"{image}.jpg",
            "image_sha256": sha256_of(bytes_of(image)),
            "bytes": bytes_of(image),
            "status": "ok",
        }
        for image in sorted(set(image_of))
    ]
    rows = [
        {
            **dict.fromkeys(ITEM_SCHEMA.names),
            "item_id": str(number),
            "image": f"{image_of[number]}.jpg",
            "image_sha256": sha256_of(bytes_of(image_of[number])),
            "question_index": number % 8 if is_vg else number // WILD_IMAGES,
            "question": question,
            "reference": answer,
        }
        for number, (question, answer) in enumerate(zip(results["question"], results["answer"], strict=True))
    ]

    def work(directory):
        write_rows(directory / "items.parquet", rows, schema=ITEM_SCHEMA)
        write_rows(directory / "images.parquet", images, schema=IMAGE_SCHEMA)
        return {}

    return store.produce(Request(step="dataset", version=1, config={"name": benchmark}), work)


def evaluated(store: ArtifactStore, model: str, *benchmarks: BenchmarkConfig) -> ComparedExperiment:
    datasets, predictions, scores = [], [], []
    for benchmark in benchmarks:
        items = dataset(store, benchmark.name)
        asked = {"items": benchmark_items(benchmark, items), "all_items": all_items(benchmark, items)}
        answers = read_answers(file_of(model, benchmark.name), **asked)
        work = partial(
            *(write_predictions, partial(StoredAnswersUnderTest, answers), benchmark),
            dataset=items,
            batch_size=1000,
            generation=GenerationConfig(),
        )
        request = Request(step="predictions", version=1, config={"by": model, "asked": benchmark.label})
        predictions.append(store.produce(request, lambda directory, work=work: work(directory=directory)))
        scores.append(score_predictions(benchmark, predictions=predictions[-1], store=store))
        datasets.append(items)
    return ComparedExperiment(model, tuple(predictions), tuple(scores), tuple(datasets))


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    store = ArtifactStore(tmp_path_factory.mktemp("golden"))
    first, all_of_them, wild = (
        BenchmarkConfig.model_validate({"name": name, "protocol": protocol, "metrics": ["rougeL"]})
        for name, protocol in (
            ("ja-vg-vqa-500", "first-of-8"),
            ("ja-vg-vqa-500", "all"),
            ("ja-vlm-bench-in-the-wild", "all"),
        )
    )
    one = evaluated(store, MODELS[0], first, all_of_them, wild)
    return compare([one, evaluated(store, MODELS[1], first, wild)], store=store)


def test_both_protocols_give_the_golden_means_under_their_own_names(compared):
    rows = pq.read_table(compared.path("comparison.parquet")).to_pylist()
    means = {
        (row["benchmark"], row["protocol"], row["experiment"]): round(row["mean"], 4)
        for row in rows
        if row["breakdown"] == "overall"
    }
    assert means == {
        ("ja-vg-vqa-500", "first-of-8", "laioncc-to-gpt"): 12.7782,
        ("ja-vg-vqa-500", "first-of-8", "llava-calm2-siglip"): 21.3581,
        ("ja-vg-vqa-500", "all", "laioncc-to-gpt"): 14.6,
        ("ja-vlm-bench-in-the-wild", "all", "laioncc-to-gpt"): 42.3604,
        ("ja-vlm-bench-in-the-wild", "all", "llava-calm2-siglip"): 48.0302,
    }


def test_every_protocol_says_how_many_questions_it_asks(compared):
    overall = {
        (row["benchmark"], row["protocol"]): row["items"] for row in score_table(compared) if row["group"] == "overall"
    }
    assert overall == {
        ("ja-vg-vqa-500", "first-of-8"): "500",
        ("ja-vg-vqa-500", "all"): "4000 on 500",
        ("ja-vlm-bench-in-the-wild", "all"): "50 on 42",
    }


def test_a_difference_of_points_on_50_questions_is_not_read_as_progress(compared):
    rows = [row for row in difference_table(compared) if row["group"] == "overall"]
    wild = next(row for row in rows if row["benchmark"] == "ja-vlm-bench-in-the-wild")
    assert wild["B - A"].startswith("+5.7 [")
    assert float(wild["p"]) > 0.05
    first = next(row for row in rows if row["protocol"] == "first-of-8")
    assert float(first["p"]) == 0.0001


def test_the_first_questions_stand_in_the_articles_table_and_all_of_them_do_not(compared):
    table = article_table(compared)
    assert table[-2]["model"] == "laioncc-to-gpt"
    assert re.fullmatch(r"12\.8 \[11\.\d, 14\.\d\]", table[-2]["JA-VG-VQA-500"])
    assert re.fullmatch(r"42\.4 \[3\d\.\d, 4\d\.\d\]", table[-2]["JA-VLM-Bench-In-the-Wild"])


def test_counting_is_told_apart(compared):
    found = {row["group"] for row in score_table(compared) if row["protocol"] == "all"}
    assert {"question_type: counting", "question_type: colour", "question_type: yes_no"} <= found
