import json
import logging
import re

import duckdb
import pyarrow.parquet as pq
import pytest

from pipeline.config.evaluation import JudgeConfig
from pipeline.config.experiment import LimitsConfig
from pipeline.core.errors import DataError, JudgeError, StoreError, TransientError
from pipeline.evaluation.judge.headline import (
    JudgementsSummary,
    judge_label,
    judge_metrics,
    judgements_withheld_because,
    read_judge_scores,
    shown_judge_scores,
)
from pipeline.evaluation.judge.protocols import judging_of
from pipeline.evaluation.judge.rows import JUDGEMENT_SCHEMA, read_judgements
from pipeline.evaluation.judge.step import judge, judge_request
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Request
from tests.support.judged_benchmark import (
    BENCHMARK,
    BY_CATEGORY,
    ScriptedJudge,
    answers,
    by_category,
    category_of,
    item_of,
    item_rows,
    judged,
    publish_dataset,
    publish_predictions,
    replied,
)
from tests.support.shared_data import shared_data


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path)


def numbers(manifest, variant="clean"):
    return {row["metric"]: row["value"] for row in read_judge_scores(manifest) if row["variant"] == variant}


def status_of(manifest, item_id):
    return [(row.status, row.reason) for row in read_judgements(manifest) if row.item_id == item_id]


def test_both_averages_of_a_benchmark_that_can_be_checked_by_hand(store):
    manifest, _ = judged(store)
    found = numbers(manifest)
    assert {name: found[name] for name in ("conv", "detail", "complex")} == {"conv": 50, "detail": 75, "complex": 80}
    assert found["average_macro"] == pytest.approx((50 + 75 + 80) / 3)
    assert found["average_pooled"] == pytest.approx(100 * (42 * 5 + 21 * 6 + 40 * 4) / (42 * 10 + 21 * 8 + 40 * 5))
    assert numbers(manifest, "official") == pytest.approx({name: found[name] for name in numbers(manifest, "official")})


@pytest.mark.parametrize(
    ("answers_file", "macro", "pooled"),
    [
        ("heron_bench/gpt4v_0404_ja.jsonl", 74.8611, 71.6505),
        ("regression/laioncc-to-gpt/heron_bench.jsonl", 60.7222, 54.6602),
    ],
)
def test_the_published_answers_are_joined_by_id_and_judged(store, answers_file, macro, pooled):
    """The judge gives the reference 10 and the model 2 for an answer below 100 characters, else 9.

    GPT-4V has 22 short answers of 42 in conv, 5 of 40 in complex, none of 21 in detail: 53.33, 81.25 and 90. The other
    model has 38, 14 and none: 26.67, 65.5 and 90.
    """
    folder = shared_data()
    lines = [json.loads(line) for line in (folder / answers_file).read_text(encoding="utf-8").splitlines()]
    given = {str(line["question_id"]): line["text"] for line in reversed(lines)}  # the order does not matter

    def by_length(inquiry):
        answer = inquiry.messages[1]["content"].partition("[Assistant 2]\n")[2].partition("\n\n[End of Assistant 2]")[0]
        return "10 2" if len(answer) < 100 else "10 9"

    dataset = publish_dataset(store, published_items(folder), rules=published_rules(folder))
    predictions = publish_predictions(store, given)
    manifest = judge(
        judging_of("heron-official", JudgeConfig()),
        benchmark=BENCHMARK,
        dataset=dataset,
        predictions=predictions,
        judge=ScriptedJudge(by_length),
        store=store,
    )
    assert manifest.summary["num_failed"] == 0
    assert numbers(manifest)["average_macro"] == pytest.approx(macro, abs=1e-4)
    assert numbers(manifest)["average_pooled"] == pytest.approx(pooled, abs=1e-4)


def published_items(folder):
    questions = [json.loads(line) for line in (folder / "heron_bench/questions_ja.jsonl").open(encoding="utf-8")]
    references = [json.loads(line) for line in (folder / "heron_bench/answers_gpt4.jsonl").open(encoding="utf-8")]
    texts = {line["question_id"]: line["text"] for line in references}
    return [
        {
            "item_id": str(question["question_id"]),
            **{name: question[name] for name in ("image", "image_category", "category", "context")},
            "question": question["text"],
            "reference": texts[question["question_id"]],
        }
        for question in questions
    ]


def published_rules(folder):
    return json.loads((folder / "heron_bench" / "rule.json").read_text(encoding="utf-8"))


def test_a_judgement_keeps_the_raw_reply_the_judge_and_the_prompt(store):
    manifest, _ = judged(store)
    table = pq.read_table(manifest.path("judgements.parquet"))
    assert table.schema == JUDGEMENT_SCHEMA
    first = table.to_pylist()[0]
    prompt_sha256 = first.pop("prompt_sha256")
    assert prompt_sha256 == manifest.summary["prompt_sha256"]
    assert first == {
        "benchmark": BENCHMARK,
        "item_id": "0",
        "category": "conv",
        "image_category": "anime",
        "repeat": 0,
        "status": "ok",
        "reason": None,
        "reference_score": 10.0,
        "model_score": 5.0,
        "official_reference_score": 10.0,
        "official_model_score": 5.0,
        "parsers_differ": False,
        "replies": ["10 5\nWhy."],
        "protocol": "heron-official",
        "judge_model": "gpt-4-0125-preview",
        "served_model": "gpt-4-0125-preview",
        "num_input_tokens": 100,
        "num_output_tokens": 20,
        "image_sha256": None,
    }
    assert manifest.summary["num_input_tokens"] == 103 * 100


def test_what_a_judge_says_of_answers_without_the_images_has_a_label_of_its_own(store):
    options = {"benchmark": BENCHMARK, "dataset": publish_dataset(store), "store": store}
    config = judging_of("heron-official", JudgeConfig())
    labels = []
    for protocol in ("all", "all-blind"):
        predictions = publish_predictions(store, answers(), protocol=protocol)
        made = judge(config, predictions=predictions, judge=ScriptedJudge(by_category), **options)
        labels.append(made.summary["label"])
    assert labels[1] == f"{labels[0]}-blind"


def test_the_judge_is_asked_once_with_the_official_settings(store):
    _, scripted = judged(store)
    assert len(scripted.asked) == len({inquiry.key for inquiry in scripted.asked}) == 103
    inquiry = scripted.asked[0]
    assert (inquiry.model, inquiry.sampling) == ("gpt-4-0125-preview", {"temperature": 0.0, "max_tokens": 1024})


def test_models_that_take_no_temperature_and_call_the_limit_otherwise_can_judge(store):
    _, scripted = judged(store, temperature=None, max_tokens_name="max_completion_tokens", max_tokens=9000)
    assert scripted.asked[0].sampling == {"max_completion_tokens": 9000}


def test_an_unreadable_reply_is_asked_for_again_and_both_are_kept(store):
    def second_time(inquiry):
        return by_category(inquiry) if item_of(inquiry) != "3" or inquiry.attempt == 1 else "I would rather not."

    manifest, scripted = judged(store, second_time)
    row = read_judgements(manifest)[3]
    assert (row.status, row.replies) == ("ok", ("I would rather not.", "10 5\nWhy."))
    assert (manifest.summary["num_failed"], len(scripted.asked)) == (0, 104)
    assert numbers(manifest)["conv"] == 50
    assert numbers(manifest, "official")["conv"] == pytest.approx(100 * (41 * 5 - 1) / (41 * 10 - 1))


def test_a_reply_that_stays_unreadable_is_a_failed_row_and_withholds_the_number(store):
    def never(inquiry):
        return "Sorry." if item_of(inquiry) == "3" else by_category(inquiry)

    manifest, scripted = judged(store, never)
    assert status_of(manifest, "3") == [
        ("unreadable", "the last of 3 replies: no two scores can be read at the beginning")
    ]
    assert len(scripted.asked) == 105
    assert (manifest.summary["num_failed"], manifest.summary["failures"]) == (1, {"unreadable": 1})
    message = judgements_withheld_because(manifest, LimitsConfig())
    assert message.startswith(
        "japanese-heron-bench: 1 of 103 judgements failed (1 unreadable), so its numbers are withheld."
    )
    assert "limits.max_judge_failures=1 shows the numbers without the failed ones" in message
    label = manifest.summary["label"]
    metrics = judge_metrics(manifest, LimitsConfig())
    assert f"{BENCHMARK}/{label}/average_macro" not in metrics
    assert metrics[f"{BENCHMARK}/{label}/num_failed"] == 1
    assert metrics[f"{BENCHMARK}/{label}/official/conv"] == pytest.approx(100 * (41 * 5 - 1) / (41 * 10 - 1))


def test_the_user_can_have_the_number_without_the_failures(store):
    manifest, _ = judged(store, lambda inquiry: "Sorry." if item_of(inquiry) == "3" else by_category(inquiry))
    limits = LimitsConfig(max_judge_failures=1)
    assert judgements_withheld_because(manifest, limits) is None
    label = manifest.summary["label"]
    assert judge_metrics(manifest, limits)[f"{BENCHMARK}/{label}/conv"] == 50
    assert {row["value"] for row in shown_judge_scores(manifest, LimitsConfig()) if row["variant"] == "clean"} == {None}


def test_scores_off_the_scale_and_refusals_are_failures_of_their_own(store):
    def script(inquiry):
        replies = {"0": "8 11", "1": replied(None, refusal="the content filter")}
        return replies.get(item_of(inquiry), by_category(inquiry))

    manifest, _ = judged(store, script)
    assert status_of(manifest, "0") == [("out_of_range", "the last of 3 replies: not on the scale of 0 to 10")]
    assert status_of(manifest, "1") == [("refused", "the content filter")]
    assert manifest.summary["failures"] == {"out_of_range": 1, "refused": 1}
    assert numbers(manifest, "official")["conv"] == pytest.approx(100 * (40 * 5 + 11 - 1) / (40 * 10 + 8 - 1))


def test_a_score_of_0_is_a_score_in_both_variants(store):
    manifest, _ = judged(store, lambda inquiry: "8 0" if item_of(inquiry) == "0" else by_category(inquiry))
    assert status_of(manifest, "0") == [("ok", None)]
    for variant in ("clean", "official"):
        assert numbers(manifest, variant)["conv"] == pytest.approx(100 * (41 * 5 + 0) / (41 * 10 + 8))


def test_judgements_of_before_the_images_were_kept_are_read_and_queried_beside_new_ones(store):
    manifest, _ = judged(store)
    older = pq.read_table(manifest.path("judgements.parquet")).drop_columns(["image_sha256"])

    def write(directory):
        pq.write_table(older, directory / "judgements.parquet")
        return {}

    before = [store.produce(Request(step="judgements", version=1, config={"place": name}), write) for name in "ab"]
    assert read_judgements(before[0]) == read_judgements(manifest)  # these items have no image either
    pattern = str(manifest.directory.parent / "*" / "judgements.parquet")
    counted = duckdb.sql(f"select count(distinct item_id), count(*) from read_parquet('{pattern}')").fetchall()
    assert counted == [(103, 309)]


def test_an_item_without_an_answer_is_a_failure_and_nobody_is_asked(store):
    manifest, scripted = judged(store, given={**answers(), "5": None})
    assert status_of(manifest, "5") == [("no_answer", "out of memory")]
    assert len(scripted.asked) == 102
    assert "1 no_answer" in judgements_withheld_because(manifest, LimitsConfig())


def test_an_empty_answer_is_judged(store):
    manifest, scripted = judged(store, given={**answers(), "5": ""})
    assert (manifest.summary["num_failed"], len(scripted.asked)) == (0, 103)


def test_without_a_reply_there_is_no_artifact_and_the_next_run_asks_for_that_one_only(store):
    def gone(inquiry):
        return TransientError("timed out") if item_of(inquiry) == "7" else by_category(inquiry)

    with pytest.raises(TransientError, match=r"1 of 103 judgements have no reply \(items 7\): timed out. All other"):
        judged(store, gone)
    manifest, scripted = judged(store)
    assert [item_of(inquiry) for inquiry in scripted.asked] == ["7"]
    assert numbers(manifest)["average_macro"] == pytest.approx(205 / 3)


def test_a_missing_reply_can_be_allowed_for(store):
    def gone(inquiry):
        return TransientError("timed out") if item_of(inquiry) == "7" else by_category(inquiry)

    manifest, _ = judged(store, gone, max_failures=1)
    assert status_of(manifest, "7") == [("no_reply", "timed out")]
    assert manifest.summary["failures"] == {"no_reply": 1}


def test_a_judge_that_is_gone_is_not_asked_about_every_item(store):
    message = r"4 items in a row got no reply, so the judge seems to be gone: timed out. 0 of 103 judgements"
    with pytest.raises(TransientError, match=message):
        judged(store, lambda inquiry: TransientError("timed out"))


def test_what_no_item_can_get_stops_at_once_and_keeps_the_replies(store):
    def until_40(inquiry):
        return JudgeError("no credit left") if int(item_of(inquiry)) >= 40 else by_category(inquiry)

    with pytest.raises(JudgeError, match="no credit left"):
        judged(store, until_40)
    _, scripted = judged(store)
    assert len(scripted.asked) <= 103 - 36  # four threads were at it


def test_what_is_judged_needs_no_judge_any_more(store):
    first, _ = judged(store)

    def without_a_judge(**config):
        return judge(
            judging_of("heron-official", JudgeConfig(**config)),
            benchmark=BENCHMARK,
            dataset=publish_dataset(store),
            predictions=publish_predictions(store, answers()),
            judge=None,
            store=store,
        )

    assert without_a_judge() == first
    store.discard(first)
    assert numbers(without_a_judge()) == numbers(first)
    with pytest.raises(JudgeError, match="a reply of gpt-4o is missing and no judge is configured; set OPENAI_API_KEY"):
        without_a_judge(model="gpt-4o")


def test_the_same_answer_of_another_experiment_is_not_paid_for_again(store):
    judged(store)
    predictions = publish_predictions(store, {**answers(), "0": "別の答え"}, model="another")
    scripted = ScriptedJudge(by_category)
    judge(
        judging_of("heron-official", JudgeConfig()),
        benchmark=BENCHMARK,
        dataset=publish_dataset(store),
        predictions=predictions,
        judge=scripted,
        store=store,
    )
    assert [item_of(inquiry) for inquiry in scripted.asked] == ["0"]


@pytest.mark.parametrize("change", [{"model": "gpt-4o"}, {"temperature": 0.5}, {"max_tokens": 512}])
def test_another_judge_is_asked_itself_and_has_a_label_of_its_own(store, change):
    first, _ = judged(store)
    second, scripted = judged(store, **change)
    assert len(scripted.asked) == 103
    assert first.fingerprint != second.fingerprint
    assert first.summary["label"] != second.summary["label"]


def test_repeats_are_asked_apart_and_give_the_spread(store):
    first, _ = judged(store)

    def kinder_each_time(inquiry):
        reference, model = BY_CATEGORY[category_of(inquiry)].split("\n")[0].split(" ")
        return f"{reference} {int(model) + inquiry.repeat}"

    manifest, scripted = judged(store, kinder_each_time, repeats=3)
    assert len(scripted.asked) == 206  # the first repeat is that of the first run
    (conv,) = [row for row in read_judge_scores(manifest) if (row["metric"], row["variant"]) == ("conv", "clean")]
    assert (conv["value"], conv["repeat_lowest"], conv["repeat_highest"]) == (60, 50, 70)
    assert (conv["repeat_deviation"], conv["num_repeats"], conv["num_items"]) == (10, 3, 42)
    assert first.summary["label"] == manifest.summary["label"]
    key = f"{BENCHMARK}/{manifest.summary['label']}/conv/repeat_deviation"
    assert judge_metrics(manifest, LimitsConfig())[key] == 10


def test_replies_of_two_models_are_not_one_judges_number(store):
    def script(inquiry):
        served = "gpt-4o-2024-11-20" if item_of(inquiry) == "9" else "gpt-4o-2024-08-06"
        return replied(by_category(inquiry), served_model=served)

    manifest, _ = judged(store, script, model="gpt-4o")
    assert judgements_withheld_because(manifest, LimitsConfig(max_judge_failures=9)) == (
        "japanese-heron-bench: the replies came from 2 models (gpt-4o-2024-08-06, gpt-4o-2024-11-20), so they are not "
        "one judge's. Name one of them in evaluation.judge.model instead of gpt-4o"
    )


def test_it_is_said_how_often_the_parsers_differ(store, caplog):
    caplog.set_level(logging.INFO)
    manifest, _ = judged(store, lambda inquiry: "8, 6" if category_of(inquiry) == "detail" else by_category(inquiry))
    assert manifest.summary["num_parsers_differ"] == 21
    assert "the official parser reads 21 of 103 replies otherwise than the tolerant one" in caplog.text
    assert numbers(manifest)["detail"] == 75
    assert numbers(manifest, "official")["detail"] == 100  # -1 / -1: why failures do not belong into means


def test_the_cost_is_said_before_anything_is_asked(store, caplog):
    caplog.set_level(logging.INFO)
    judged(store)
    judged(store, repeats=2)
    lines = [record.getMessage() for record in caplog.records if "judges" in record.getMessage()]
    assert lines[0].startswith("gpt-4-0125-preview judges 103 answers: 0 replies are kept, 103 to ask for, at most ")
    assert lines[1].startswith("gpt-4-0125-preview judges 206 answers: 103 replies are kept, 103 to ask for")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"3": None, "103": "?"}, "1 item (103) are not in the benchmark"),
        ({}, "103 items (0, 1, 2, 3, 4, …) have no answer"),
    ],
)
def test_answers_that_are_not_those_of_the_benchmark_are_refused(store, given, message):
    full = {**answers(), **given} if given else {}
    with pytest.raises(DataError, match=re.escape(message)):
        judged(store, given=full)


def test_a_missing_answer_names_the_item(store):
    given = answers()
    del given["41"]
    with pytest.raises(DataError, match=r"does not answer each of the 103 items once: 1 item \(41\) have no answer"):
        judged(store, given=given)


def test_answers_that_all_failed_are_not_judged_and_stop_no_other_step(store):
    manifest, _ = judged(store, given=dict.fromkeys(answers(), None))
    summary = JudgementsSummary.of(manifest)
    assert (summary.num_failed, summary.failures) == (103, {"no_answer": 103})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.pop(), "has 102 items and the benchmark has 103"),
        (lambda rows: rows[1].update(item_id="0"), "1 item (0) occur more than once"),
        (lambda rows: rows[1].update(context=None), "1 item (1) have no context or a category other than conv, detail"),
        (lambda rows: rows[1].update(category="math"), "1 item (1) have no context or a category other than conv"),
    ],
)
def test_items_that_are_not_complete_are_refused(store, change, message):
    rows = item_rows()
    change(rows)
    with pytest.raises(DataError, match=re.escape(message)):
        judge(
            judging_of("heron-official", JudgeConfig()),
            benchmark=BENCHMARK,
            dataset=publish_dataset(store, rows),
            predictions=publish_predictions(store, answers()),
            judge=ScriptedJudge(by_category),
            store=store,
        )


def test_a_damaged_reply_is_named(store):
    judged(store)
    path = sorted((store.root / "judge_replies").rglob("*.json"))[0]
    path.write_text("{", encoding="utf-8")
    with pytest.raises(StoreError, match=rf"{path.name} is damaged: .*Delete it to ask the judge again"):
        judged(store, repeats=2)


def test_the_request_follows_from_judge_wording_items_and_answers():
    request = judge_request(
        judging_of("heron-official", JudgeConfig()), dataset_fingerprint="d" * 16, predictions_fingerprint="p" * 16
    )
    assert (request.step, request.inputs) == ("judgements", {"dataset": "d" * 16, "predictions": "p" * 16})
    assert request.config["judge"] == {
        "protocol": "heron-official",
        "model": "gpt-4-0125-preview",
        "temperature": 0.0,
        "max_tokens": 1024,
        "max_tokens_name": "max_tokens",
        "seed": None,
        "repeats": 1,
        "attempts": 3,
    }
    assert len(request.config["wording_sha256"]) == 64


def test_a_label_has_the_judge_in_it_and_no_character_that_a_metric_cannot_have():
    label = judge_label(judging_of("heron-official", JudgeConfig(model="meta/llama 4:70b")), prompt_sha256="ab")
    assert re.fullmatch(r"heron-official\.meta_llama_4_70b\.[0-9a-f]{8}", label)
