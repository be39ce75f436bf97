"""A summary of every step, as the demo and the tests of an earlier version left it."""

from typing import TypeVar

from pipeline.comparison.step import ComparisonSummary
from pipeline.data.contamination import ContaminationSummary
from pipeline.data.prepare import DatasetSummary
from pipeline.data.translation_report import TranslationSummary
from pipeline.evaluation.judge.headline import JudgementsSummary
from pipeline.evaluation.predict import PredictionsSummary
from pipeline.evaluation.scores import ScoresSummary
from pipeline.features.summaries import CalibrationSummary, FeaturesSummary, ShardSummary
from pipeline.store.manifest import Summary
from pipeline.training.job import StageSummary

T = TypeVar("T", bound=Summary)

INTERVAL = {"mean": 78.75, "low": 75.0, "high": 82.29166666666667, "num_items": 480, "num_clusters": 480}
STORED: dict[type[Summary], dict] = {
    DatasetSummary: {
        "source": "shapes-ja",
        "num_records": 1000,
        "num_rejected": 0,
        "num_images": 1000,
        "num_samples": 1000,
        "num_text_only": 0,
        "num_with_original": 0,
        "num_turns": 2000,
        "num_characters": 63026,
    },
    TranslationSummary: {
        "num_samples": 1000,
        "num_accepted": 1000,
        "num_rejected": 0,
        "findings_by_check": {
            "boxes_changed": {"severity": "reject", "num_samples": 0},
            "mixed_style": {"severity": "warn", "num_samples": 2},
        },
    },
    ContaminationSummary: {
        "num_samples": 1000,
        "num_contaminated": 0,
        "num_accepted": 1000,
        "num_images_by_benchmark": {
            "shapes-ja": {"same_bytes": 0, "same_picture_id": 0, "similar": 0, "any": 0},
        },
        "num_samples_by_benchmark": {"shapes-ja": 0},
    },
    CalibrationSummary: {"num_images": 3, "num_channels": 32},
    ShardSummary: {
        "num_images": 512,
        "num_failed": 0,
        "num_not_finite": 0,
        "payload_bytes": 4194304,
        "sides": [112, 56],
        "num_tokens": 4,
        "width": 256,
        "dtype": "float32",
        "form": "exact",
        "dataset": "d6b8504cf91ecb1c",
    },
    FeaturesSummary: {
        "form": "exact",
        "encoder": "c0a4543022564e3f",
        "num_images": 1000,
        "num_failed": 0,
        "num_not_finite": 0,
        "num_shards": 2,
        "payload_bytes": 8192000,
        "parts": ["feature_shard/5d87418985eef5cc", "feature_shard/dd784ece0c4b77cb"],
    },
    StageSummary: {
        "num_optimizer_steps": 32,
        "first_loss": 7.02632372032641,
        "final_loss": 5.727020263671875,
        "num_samples": 1000,
        "num_trained_on": 1000,
        "num_held_out": 0,
        "num_without_features": 0,
        "num_too_long": 0,
        "num_without_supervision": 0,
        "num_not_in_template": 0,
        "num_shortened": 0,
        "num_tokens": 26110,
        "num_parameters": 649344,
        "num_trained_parameters": 49408,
        "num_processes": 2,
    },
    PredictionsSummary: {
        "benchmark": "shapes-ja",
        "protocol": "all",
        "generation": "custom",
        "num_items": 480,
        "num_failed": 0,
    },
    ScoresSummary: {
        "benchmark": "shapes-ja",
        "protocol": "all",
        "num_items": 480,
        "num_failed": 0,
        "metrics": {"exact_match": {"overall": {"overall": INTERVAL}, "answer_length": {"01-05": INTERVAL}}},
        "not_computed": [],
    },
    JudgementsSummary: {
        "benchmark": "japanese-heron-bench",
        "label": "heron-official.gpt-4-0125-preview.93bd8ed1",
        "judge_model": "gpt-4-0125-preview",
        "served_models": ["gpt-4-0125-preview"],
        "prompt_sha256": "dfd2a076e3311561250788fde3f0e73135477b9c141d3ccf6176d1417bc2ff7b",
        "num_items": 103,
        "num_repeats": 1,
        "num_judgements": 103,
        "num_failed": 2,
        "failures": {"refused": 2},
        "num_parsers_differ": 0,
        "num_input_tokens": 10200,
        "num_output_tokens": 2040,
    },
    ComparisonSummary: {
        "experiments": ["demo-v1.0"],
        "benchmarks": ["shapes-ja"],
        "num_items": 480,
        "num_sample_answers": 24,
        "num_differences": 0,
    },
}
"""By its model, as JSON."""


def summary_with(model: type[T], **changes: object) -> T:
    """A whole summary of a step, of which a test says what matters to it."""
    return model.model_validate(STORED[model] | changes)
