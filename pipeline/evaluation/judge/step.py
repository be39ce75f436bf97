"""Step: a judge's opinion of a model's answers to a judged benchmark, and the numbers that follow from it.

What the judge replied is kept in the store apart from this artifact (``replies``), so that no reply is paid for
twice, whatever happens to the step.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from pipeline.benchmarks.known import BLIND, is_blind
from pipeline.core.clusters import image_clusters
from pipeline.core.errors import DataError, StoreError, TransientError
from pipeline.core.parquet import write_rows
from pipeline.core.wording import first_few
from pipeline.evaluation.judge.aggregate import JUDGE_SCORE_SCHEMA, judge_score_rows
from pipeline.evaluation.judge.ask import Asked, Asker, OnReply
from pipeline.evaluation.judge.headline import JudgementsSummary, judge_label
from pipeline.evaluation.judge.prompt import RULES_FILE, JudgePrompt, read_prompt
from pipeline.evaluation.judge.protocols import Judging, wording_of
from pipeline.evaluation.judge.replies import ReplyCache
from pipeline.evaluation.judge.rows import (
    JUDGEMENT_SCHEMA,
    JudgedBy,
    JudgedItem,
    Judgement,
    Status,
    join_answers,
    judgement_of,
    read_items,
    worthless,
)
from pipeline.evaluation.openai_client import Judge, NoJudge
from pipeline.evaluation.rows import Prediction, read_predictions
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Manifest, Request

log = logging.getLogger(__name__)

VERSION = 2  # raise when the same request should give a different result: also when a number is computed otherwise


def judge_request(config: Judging, *, dataset_fingerprint: str, predictions_fingerprint: str) -> Request:
    """What ``judge`` is asked to make. The rules are a part of the dataset."""
    return Request(
        step="judgements",
        version=VERSION,
        config={"judge": config.model_dump(mode="json"), "wording_sha256": wording_of(config.protocol).sha256},
        inputs={"dataset": dataset_fingerprint, "predictions": predictions_fingerprint},
    )


def judge(
    config: Judging,
    *,
    benchmark: str,
    dataset: Manifest,
    predictions: Manifest,
    judge: Judge | None,
    store: ArtifactStore,
    max_failures: int = 0,
    on_reply: OnReply = lambda _item, _answered: None,
) -> Manifest:
    """Write ``judgements.parquet`` and ``judge_scores.parquet``.

    Args:
        config: who judges, and how.
        benchmark: its name in the tables.
        dataset: the benchmark's dataset, with ``items.parquet`` and ``rule.json``.
        predictions: one model's answers to it.
        judge: who replies; None where no reply is missing.
        store: where the artifact and the replies are kept.
        max_failures: so many judgements may be published without a reply; with more there is no artifact, so that the
            next run asks for them again. Replies that cannot be read are published in any case: another run would read
            the same.
        on_reply: is told of every reply that was asked for now.

    Raises:
        DataError: the items are not complete, or the predictions do not answer each of them once.
        JudgeError: the judge cannot be asked, or may not cost more.
        TransientError: more than ``max_failures`` items have no reply yet.
    """
    request = judge_request(
        config, dataset_fingerprint=dataset.fingerprint, predictions_fingerprint=predictions.fingerprint
    )

    def work(directory: Path) -> JudgementsSummary:
        items, answers, prompt = _read(config, dataset, predictions)
        asker = Asker(config, prompt, judge or NoJudge(), ReplyCache(store.root), on_reply)
        with store.locked("judge-replies"):  # so that another process does not pay for the same replies
            asked = asker.ask_all(_to_judge(items, answers, prompt))
        by = JudgedBy(benchmark, config.protocol, config.model, prompt.sha256, prompt.wording.reading)
        rows = _judgements(items, answers, asked, by, prompt, num_repeats=config.repeats)
        _require_replies(rows, max_failures=max_failures)
        blind = BLIND if is_blind(next(iter(answers.values())).protocol) else ""
        return _write(rows, directory, config, prompt, label=judge_label(config, prompt_sha256=prompt.sha256) + blind)

    return store.produce(request, work)


def needs_no_judge(
    config: Judging, *, dataset: Manifest | None, predictions: Manifest | None, store: ArtifactStore
) -> bool:
    """Whether all replies are kept, so that ``judge`` asks for none: after an update, or in another experiment."""
    if dataset is None or predictions is None:
        return False
    try:
        items, answers, prompt = _read(config, dataset, predictions)
        asker = Asker(config, prompt, NoJudge(), ReplyCache(store.root), lambda _item, _answered: None)
        return asker.needs_no_reply(_to_judge(items, answers, prompt))
    except (DataError, StoreError):
        return False  # whoever has a judge is told


def _read(
    config: Judging, dataset: Manifest, predictions: Manifest
) -> tuple[tuple[JudgedItem, ...], Mapping[str, Prediction], JudgePrompt]:
    """Items, the answer to each, and the prompt."""
    wording = wording_of(config.protocol)
    items = read_items(dataset, num_items=wording.num_items, categories=wording.categories)
    source = str(predictions.directory / "predictions.parquet")
    answers = join_answers(items, read_predictions(predictions), source=source)
    return items, answers, read_prompt(config.protocol, dataset.directory / RULES_FILE)


def _to_judge(
    items: Sequence[JudgedItem], answers: Mapping[str, Prediction], prompt: JudgePrompt
) -> dict[JudgedItem, str]:
    """The answers that there are, less those that score 0 unseen; an empty one is an answer."""
    found = {item: text for item in items if (text := answers[item.item_id].prediction) is not None}
    return {item: text for item, text in found.items() if not prompt.is_worthless(text)}


def _judgements(
    items: Sequence[JudgedItem],
    answers: Mapping[str, Prediction],
    asked: Mapping[tuple[JudgedItem, int], Asked],
    by: JudgedBy,
    prompt: JudgePrompt,
    *,
    num_repeats: int,
) -> list[Judgement]:
    rows = []
    images = image_clusters([answer.images_sha256 for answer in answers.values()])
    images_of_item = dict(zip(answers, images, strict=True))
    for repeat in range(num_repeats):
        for item in items:
            answer = answers[item.item_id]
            replies, image = asked.get((item, repeat)), images_of_item[item.item_id]
            if replies is not None:
                found, missing = replies.replies, replies.missing
                rows.append(judgement_of(item, found, by, repeat=repeat, missing=missing, image_sha256=image))
            elif answer.prediction is not None and prompt.is_worthless(answer.prediction):
                rows.append(worthless(item, by, repeat=repeat, image_sha256=image))
            else:
                missing = answer.error
                row = judgement_of(item, (), by, repeat=repeat, missing=missing, has_answer=False, image_sha256=image)
                rows.append(row)
    return rows


def _require_replies(rows: Sequence[Judgement], *, max_failures: int) -> None:
    missing = [row for row in rows if row.status == "no_reply"]
    if len(missing) > max_failures:
        shown = first_few(list(dict.fromkeys(row.item_id for row in missing)))
        raise TransientError(
            f"{len(missing)} of {len(rows)} judgements have no reply (items {shown}): {missing[0].reason}. All other "
            "replies are kept; run the same command again to ask only for these, or allow for them in "
            "limits.max_judge_failures"
        )


def _write(
    rows: Sequence[Judgement], directory: Path, config: Judging, prompt: JudgePrompt, *, label: str
) -> JudgementsSummary:
    """Both tables, and what the summary says of them."""
    write_rows(directory / "judgements.parquet", (row.row() for row in rows), schema=JUDGEMENT_SCHEMA)
    scores = judge_score_rows(rows, prompt.wording, label=label)
    write_rows(directory / "judge_scores.parquet", scores, schema=JUDGE_SCORE_SCHEMA)
    statuses = Counter(row.status for row in rows)
    num_differing = sum(row.parsers_differ for row in rows)
    if num_differing:
        log.info(
            "the official parser reads %d of %d replies otherwise than the tolerant one, which counts",
            num_differing,
            sum(bool(row.replies) for row in rows),
        )
    return JudgementsSummary(
        benchmark=rows[0].benchmark,
        label=label,
        judge_model=config.model,
        served_models=tuple(sorted({row.served_model for row in rows if row.served_model})),
        prompt_sha256=prompt.sha256,
        num_items=len(rows) // config.repeats,
        num_repeats=config.repeats,
        num_judgements=len(rows),
        num_failed=len(rows) - statuses["ok"],
        failures={name: statuses[name] for name in get_args(Status) if name != "ok" and statuses[name]},
        num_parsers_differ=num_differing,
        num_input_tokens=sum(row.num_input_tokens for row in rows),
        num_output_tokens=sum(row.num_output_tokens for row in rows),
    )
