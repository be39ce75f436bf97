"""A benchmark like Japanese-Heron-Bench in size and categories, answers to it, and judges that follow a script."""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.config.evaluation import JudgeConfig
from pipeline.core.parquet import write_rows
from pipeline.evaluation.inquiry import Inquiry, Reply
from pipeline.evaluation.judge.protocols import judging_of
from pipeline.evaluation.judge.step import judge
from pipeline.evaluation.predict import PredictionsSummary
from pipeline.evaluation.rows import PREDICTION_SCHEMA, Prediction
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Manifest, Request
from tests.support.summaries import summary_with

NUM_ITEMS = {"conv": 42, "detail": 21, "complex": 40}
CATEGORIES = [name for name, count in NUM_ITEMS.items() for _ in range(count)]
IMAGE_CATEGORIES = ("anime", "food", "art")
RULES = {name: {"role": "Assistant", "prompt": f"Rate both, {name}."} for name in NUM_ITEMS}
ITEM_SCHEMA = pa.schema(
    [
        (name, pa.string())
        for name in ("item_id", "image", "image_category", "category", "context", "question", "reference")
    ]
)
BENCHMARK = "japanese-heron-bench"


def item_rows() -> list[dict[str, Any]]:
    """103 items with the ids "0" to "102"."""
    return [
        {
            "item_id": str(index),
            "image": f"{index % 21:03}.jpg",
            "image_category": IMAGE_CATEGORIES[index % 3],
            "category": category,
            "context": f"文脈{index}",
            "question": f"質問{index}",
            "reference": f"参照{index}",
        }
        for index, category in enumerate(CATEGORIES)
    ]


def publish_dataset(
    store: ArtifactStore, rows: Sequence[Mapping[str, Any]] | None = None, rules: Mapping[str, Any] = RULES
) -> Manifest:
    """The benchmark's dataset artifact, as far as the judge reads it."""

    def work(directory: Path) -> dict[str, Any]:
        write_rows(directory / "items.parquet", item_rows() if rows is None else rows, schema=ITEM_SCHEMA)
        (directory / "rule.json").write_text(json.dumps(rules), encoding="utf-8")
        return {}

    return store.produce(Request(step="dataset", version=1, config={"name": BENCHMARK, "rows": repr(rows)}), work)


def publish_predictions(
    store: ArtifactStore, answers: Mapping[str, str | None], *, model: str = "ours", protocol: str = "all"
) -> Manifest:
    """One model's answers by item; None is an answer that failed."""
    rows = [
        Prediction(
            BENCHMARK, name, None, "", "", text, None, None if text is not None else "out of memory", protocol=protocol
        ).row()
        for name, text in answers.items()
    ]

    def work(directory: Path) -> dict[str, Any]:
        write_rows(directory / "predictions.parquet", rows, schema=PREDICTION_SCHEMA)
        return summary_with(PredictionsSummary, benchmark=BENCHMARK).stored()

    return store.produce(Request(step="predictions", version=1, config={"model": model, "rows": repr(rows)}), work)


def answers(text: str = "答え") -> dict[str, str | None]:
    return {str(index): f"{text}{index}" for index in range(len(CATEGORIES))}


def item_of(inquiry: Inquiry) -> str:
    """The id of the item that an inquiry of ``item_rows`` is about."""
    return inquiry.messages[1]["content"].partition("文脈")[2].partition("\n")[0]


def category_of(inquiry: Inquiry) -> str:
    return CATEGORIES[int(item_of(inquiry))]


def replied(text: str | None, **values: Any) -> Reply:
    """A reply of 100 + 20 tokens."""
    counts = {"input_tokens": 100, "output_tokens": 20, "served_model": "gpt-4-0125-preview"}
    return Reply(text=text, **{**counts, "started_at": time.time(), "seconds": 0.0, **values})


class ScriptedJudge:
    """Replies what a function says, and counts."""

    max_concurrency = 4

    def __init__(self, script: Callable[[Inquiry], str | Reply | Exception]) -> None:
        self.script = script
        self.asked: list[Inquiry] = []
        self._lock = threading.Lock()

    def ask(self, inquiry: Inquiry, *, stop: threading.Event) -> Reply:
        with self._lock:
            self.asked.append(inquiry)
        reply = self.script(inquiry)
        if isinstance(reply, Exception):
            raise reply
        return replied(reply) if isinstance(reply, str) else reply


BY_CATEGORY = {"conv": "10 5\nWhy.", "detail": "8 6\nWhy.", "complex": "5 4\nWhy."}
"""Ratios 50, 75 and 80; 68.33 on average, and 100 * (42*5 + 21*6 + 40*4) / (42*10 + 21*8 + 40*5) = 62.94 pooled."""


def by_category(inquiry: Inquiry) -> str:
    return BY_CATEGORY[category_of(inquiry)]


def judged(
    store: ArtifactStore,
    script: Callable[[Inquiry], str | Reply | Exception] = by_category,
    *,
    given: Mapping[str, str | None] | None = None,
    max_failures: int = 0,
    **config: Any,
) -> tuple[Manifest, ScriptedJudge]:
    """The step with a scripted judge."""
    scripted = ScriptedJudge(script)
    manifest = judge(
        judging_of("heron-official", JudgeConfig(**config)),
        benchmark=BENCHMARK,
        dataset=publish_dataset(store),
        predictions=publish_predictions(store, answers() if given is None else given),
        judge=scripted,
        store=store,
        max_failures=max_failures,
    )
    return manifest, scripted
