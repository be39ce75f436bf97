"""Judgements of the answers in the small store: two repeats, and a failure where there is no answer."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.config.evaluation import JudgeConfig
from pipeline.core.parquet import write_rows
from pipeline.evaluation.inquiry import Reply
from pipeline.evaluation.judge.aggregate import JUDGE_SCORE_SCHEMA, judge_score_rows
from pipeline.evaluation.judge.protocols import judging_of, wording_of
from pipeline.evaluation.judge.rows import JUDGEMENT_SCHEMA, JudgedBy, JudgedItem, judgement_of
from pipeline.evaluation.judge.step import judge_request
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Manifest

REPEATS = 2
CATEGORIES = ("colour", "counting")
WORDING = wording_of("heron-official").model_copy(update={"categories": CATEGORIES})
BY = JudgedBy("shapes", "heron-official", "judge", "a" * 64, "two_scores")


def publish_judgements(
    store: ArtifactStore,
    dataset: Manifest,
    predictions: Manifest,
    answers: Mapping[str, str | None],
    references: Mapping[str, tuple[str, str]],
) -> Manifest:
    """The judge gives 10 to the reference, to the model 10 if it says the same and 4 if it does not."""
    rows = []
    for repeat in range(REPEATS):
        for item_id, answer in answers.items():
            category, reference = references[item_id]
            item = JudgedItem(item_id, category, "drawing", "図形", "何ですか。", reference)
            text = f"10 {10 if answer == reference else 4}"
            reply = Reply(text=text, served_model="judge", input_tokens=9, output_tokens=3, started_at=0, seconds=1)
            replies = [] if answer is None else [reply]
            missing = "out of memory" if answer is None else None
            rows.append(judgement_of(item, replies, BY, repeat=repeat, missing=missing, has_answer=answer is not None))

    def work(directory: Path) -> dict[str, Any]:
        write_rows(directory / "judgements.parquet", (row.row() for row in rows), schema=JUDGEMENT_SCHEMA)
        scores = judge_score_rows(rows, WORDING, label="heron-official.judge.00000000")
        write_rows(directory / "judge_scores.parquet", scores, schema=JUDGE_SCORE_SCHEMA)
        num_failed = sum(row.status != "ok" for row in rows)
        counts = {"num_judgements": len(rows), "num_items": len(answers), "num_repeats": REPEATS}
        return {**counts, "num_failed": num_failed}

    request = judge_request(
        judging_of("heron-official", JudgeConfig(model="judge", repeats=REPEATS)),
        dataset_fingerprint=dataset.fingerprint,
        predictions_fingerprint=predictions.fingerprint,
    )
    return store.produce(request, work)


def damage_judgements(store: ArtifactStore, change: Callable[[list[dict[str, Any]]], object]) -> None:
    """Change the rows of the first judgements artifact that has no failure."""
    for path in sorted(store.root.glob("artifacts/judgements/*/judgements.parquet")):
        rows = pq.read_table(path).to_pylist()
        if all(row["status"] == "ok" for row in rows):
            change(rows)
            pq.write_table(pa.Table.from_pylist(rows, schema=JUDGEMENT_SCHEMA), path)
            return
    raise AssertionError("no artifact without a failure")


def miscount_judgements(store: ArtifactStore, **counts: int) -> None:
    """Change the summary of the first judgements artifact."""
    path = sorted(store.root.glob("artifacts/judgements/*/manifest.json"))[0]
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["summary"] |= counts
    path.write_text(json.dumps(manifest), encoding="utf-8")
