"""A store small enough to check every answer by hand: two experiments over one dataset and one benchmark."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.core.parquet import write_rows
from pipeline.data.contamination import CONTAMINATION_SCHEMA
from pipeline.data.images import IMAGE_SCHEMA
from pipeline.data.samples import FINDING_SCHEMA, SAMPLE_SCHEMA
from pipeline.evaluation.rows import PREDICTION_SCHEMA
from pipeline.evaluation.scores import SCORE_SCHEMA
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Manifest, Request
from pipeline.training.job import ANSWER_SCHEMA, HELD_OUT_SCHEMA, METRIC_SCHEMA
from tests.support.small_cache import publish_features
from tests.support.small_judgements import publish_judgements

ACCEPTED_SCHEMA = pa.schema([("sample_id", pa.string())])
Rows = Sequence[Mapping[str, Any]]
REFERENCES = {"i1": ("colour", "赤"), "i2": ("colour", "青"), "i3": ("counting", "二つ")}
ANSWERS = {"one": {"i1": "赤", "i2": "緑", "i3": "二つ"}, "two": {"i1": "赤", "i2": "青", "i3": None}}


def build(
    root: Path,
    *,
    accepted: Sequence[str] = ("a1", "a3"),
    num_rejected: int = 1,
    losses: Sequence[float] = (4.0, 2.0, 3.0),
    answers: Mapping[str, Mapping[str, str | None]] = ANSWERS,
    scored: Sequence[str] = ("i1", "i2", "i3"),
    question: str = "何ですか。",
    whole: bool = False,
    number: float | None = None,
) -> ArtifactStore:
    """A healthy store; the keywords plant defects."""
    store = ArtifactStore(root)
    dataset, benchmark = _dataset(store, num_rejected), _benchmark(store, question)
    translation = _translation(store, dataset, accepted, whole)
    contamination = _contamination(store, dataset, translation, benchmark)
    features = publish_features(store, dataset, failed={"h2": "not a whole image: truncated"})
    for name, predicted in answers.items():
        stages = [_stage(store, stage, name, losses) for stage in ("pretrain", "finetune")]
        predictions, scores = _evaluation(store, name, predicted, scored, number)
        roles = {
            "dataset/pretrain": dataset,
            "dataset/shapes": benchmark,
            "translation/pretrain": translation,
            "contamination/pretrain": contamination,
            "features/pretrain": features,
            "pretrain": stages[0],
            "finetune": stages[1],
            "predictions/shapes": predictions,
            "scores/shapes": scores,
            "judgements/shapes": publish_judgements(store, benchmark, predictions, predicted, REFERENCES),
        }
        steps = [
            {"role": role, "step": manifest.request.step, "fingerprint": manifest.fingerprint}
            for role, manifest in roles.items()
        ]
        (root / "experiments").mkdir(exist_ok=True)
        text = json.dumps({"experiment": name, "steps": steps}, indent=2)
        (root / "experiments" / f"{name}.json").write_text(text, encoding="utf-8")
    return store


def produce(
    store: ArtifactStore,
    step: str,
    files: Mapping[str, tuple[Rows, pa.Schema]],
    *,
    summary: Mapping[str, Any] | None = None,
    inputs: Mapping[str, str] | None = None,
    label: str = "",
) -> Manifest:
    """Publish an artifact with the given tables."""

    def work(directory: Path) -> dict[str, Any]:
        for name, (rows, schema) in files.items():
            write_rows(directory / name, rows, schema=schema)
        return dict(summary or {})

    return store.produce(Request(step=step, version=1, config={"label": label}, inputs=dict(inputs or {})), work)


def sample(
    sample_id: str, index: int, *texts: str, image: str | None = None, sha256: str | None = None
) -> dict[str, Any]:
    """A row of ``samples.parquet``; the texts are question, answer, question, ..."""
    turns = [
        {"role": ("user", "assistant")[position % 2], "text": text, "original": f"English of {text}" if image else None}
        for position, text in enumerate(texts)
    ]
    row = {"sample_id": sample_id, "record_index": index, "image": image, "image_sha256": sha256, "category": None}
    return {**row, "source": "coco" if image else "text-only", "turns": turns}


def _finding(
    check: str, sample_id: str | None, index: int, turn: int | None, severity: str = "reject"
) -> dict[str, Any]:
    row = {"check": check, "severity": severity, "sample_id": sample_id, "record_index": index, "turn_index": turn}
    return {**row, "evidence": f"evidence of {check}"}


def image_row(image: str, sha256: str | None, status: str = "ok") -> dict[str, Any]:
    """A row of ``images.parquet``."""
    row = {"image": image, "image_sha256": sha256, "file": f"/{image}", "bytes": None, "format": "JPEG"}
    row |= {"perceptual_hash": 1 if sha256 else None}
    return {**row, "width": 4, "height": 3, "status": status, "reason": None}


def _dataset(store: ArtifactStore, num_rejected: int) -> Manifest:
    samples = [
        sample("a1", 0, "<image>\n何ですか。", "犬です。", image="1.jpg", sha256="h1"),
        sample("a2", 1, "<image>", "a dog is running in the park", "色は。", "白。", image="2.jpg", sha256="h2"),
        sample("a3", 2, "元気ですか。", "はい。"),
    ]
    images = [image_row("1.jpg", "h1"), image_row("2.jpg", "h2"), image_row("3.jpg", None, "missing")]
    return produce(
        store,
        "dataset",
        {
            "samples.parquet": (samples, SAMPLE_SCHEMA),
            "findings.parquet": ([_finding("image_missing", "a4", 3, None)], FINDING_SCHEMA),
            "images.parquet": (images, IMAGE_SCHEMA),
        },
        summary={"num_records": 4, "num_samples": 3, "num_rejected": num_rejected},
    )


def _benchmark(store: ArtifactStore, question: str) -> Manifest:
    samples = [
        sample(item_id, index, f"<image>\n{question}", reference, image=f"{item_id}.png", sha256=f"h-{item_id}")
        for index, (item_id, (_, reference)) in enumerate(REFERENCES.items())
    ]
    files = {
        "samples.parquet": (samples, SAMPLE_SCHEMA),
        "findings.parquet": ([], FINDING_SCHEMA),
        "images.parquet": ([image_row(f"{item_id}.png", f"h-{item_id}") for item_id in REFERENCES], IMAGE_SCHEMA),
    }
    summary = {"num_records": 3, "num_samples": 3, "num_rejected": 0}
    return produce(store, "dataset", files, summary=summary, label="shapes")


def _translation(store: ArtifactStore, dataset: Manifest, accepted: Sequence[str], whole: bool) -> Manifest:
    findings = [_finding("untranslated", "a2", 1, 1), _finding("html_entities", "a3", 2, None if whole else 0, "warn")]
    return produce(
        store,
        "translation",
        {
            "findings.parquet": (findings, FINDING_SCHEMA),
            "accepted.parquet": ([{"sample_id": name, "dropped_exchanges": []} for name in accepted], ACCEPTED_SCHEMA),
        },
        summary={"num_samples": 3, "num_accepted": 2, "num_rejected": 1},
        inputs={"dataset": dataset.fingerprint},
    )


def _contamination(store: ArtifactStore, dataset: Manifest, translation: Manifest, benchmark: Manifest) -> Manifest:
    match = {"image": "1.jpg", "benchmark": "shapes", "benchmark_image": "i2.png"}
    found = [{**match, "matched_by": "same_bytes", "distance": 0}, {**match, "matched_by": "similar", "distance": 0}]
    return produce(
        store,
        "contamination",
        {
            "contamination.parquet": (found, CONTAMINATION_SCHEMA),
            "accepted.parquet": ([{"sample_id": "a3", "dropped_exchanges": []}], ACCEPTED_SCHEMA),
        },
        summary={"num_samples": 2, "num_contaminated": 1, "num_accepted": 1},
        inputs={
            "dataset": dataset.fingerprint,
            "accepted": translation.fingerprint,
            "benchmark/shapes": benchmark.fingerprint,
        },
    )


def _stage(store: ArtifactStore, stage: str, experiment: str, losses: Sequence[float]) -> Manifest:
    rows = [
        {
            "optimizer_step": index + 1,
            "loss": loss,
            "learning_rate": 0.001,
            "gradient_norm": 1.0,
            "num_supervised_tokens": 10,
            "num_tokens": 100,
            "num_samples": 4,
            "num_padded_tokens": 110,
            "model_flops": 1e9,
        }
        for index, loss in enumerate(losses)
    ]
    look = {"optimizer_step": 0, "held_out_loss": 6.0, "num_supervised_tokens": 10}
    answer = {"optimizer_step": 0, "sample_id": "a1", "question": "何ですか。", "reference": "犬です。", "answer": "猫"}
    files = {
        "metrics.parquet": (rows, METRIC_SCHEMA),
        "held_out.parquet": ([look], HELD_OUT_SCHEMA),
        "held_out_answers.parquet": ([answer], ANSWER_SCHEMA),
    }
    return produce(store, stage, files, label=experiment)


def _evaluation(
    store: ArtifactStore,
    experiment: str,
    predicted: Mapping[str, str | None],
    scored: Sequence[str],
    number: float | None,
) -> tuple[Manifest, Manifest]:
    rows = [
        {
            "benchmark": "shapes",
            "protocol": "all",
            "item_id": item_id,
            "category": REFERENCES[item_id][0],
            "question": "何ですか。",
            "reference": REFERENCES[item_id][1],
            "prediction": prediction,
            "image_sha256": f"h-{item_id}",
            "error": None if prediction else "out of memory",
        }
        for item_id, prediction in predicted.items()
    ]
    predictions = produce(store, "predictions", {"predictions.parquet": (rows, PREDICTION_SCHEMA)}, label=experiment)
    names = ("benchmark", "protocol", "item_id", "category", "image_sha256")
    groups = {"question_type": "other", "answer_length": "01-05"}
    values = [
        {
            **{name: row[name] for name in names},
            **groups,
            "metric": "exact_match",
            "value": 100.0 * (row["prediction"] == row["reference"]),
        }
        for row in rows
        if row["prediction"] and row["item_id"] in scored
    ]
    scores = produce(
        store,
        "scores",
        {"scores.parquet": (values, SCORE_SCHEMA)},
        summary=_numbers([row["value"] for row in values], number),
        inputs={"predictions": predictions.fingerprint},
        label=experiment,
    )
    return predictions, scores


def _numbers(values: Sequence[float], number: float | None) -> dict[str, Any]:
    """The summary of scores; ``number`` in place of the mean."""
    mean = sum(values) / max(1, len(values)) if number is None else number
    overall = {"mean": mean, "low": 0.0, "high": 100.0, "num_items": len(values), "num_clusters": len(values)}
    metrics = {"exact_match": {"overall": {"overall": overall}}}
    return {"benchmark": "shapes", "protocol": "all", "num_failed": 0, "metrics": metrics}
