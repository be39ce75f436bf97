"""One bad turn costs its exchange where the rest of the conversation stands by itself."""

import pyarrow.parquet as pq
import pytest

from pipeline.config.experiment import TranslationChecksConfig
from pipeline.data.dropped_exchanges import dropped_exchanges
from pipeline.data.translation_checks import check_translations, require_acceptable
from pipeline.data.translation_report import TranslationSummary, counts_line, report_of
from pipeline.store.artifacts import ArtifactStore
from pipeline.training.tokenise import _talks, accepted_batches
from tests.data_tests.test_translation import publish, row

QUESTIONS = ("何が見えますか。", "空は何色ですか。", "人は何人いますか。", "天気はどうですか。")


@pytest.mark.parametrize(
    ("questions", "bad", "dropped"),
    [
        (QUESTIONS, {1}, (1,)),
        (QUESTIONS, {1, 3}, (1, 3)),
        (QUESTIONS, {1, 2, 3}, None),  # more than half
        (QUESTIONS, {0}, None),  # the question with the image
        ((*QUESTIONS[:2], "それはなぜですか。", QUESTIONS[3]), {1}, (1, 2)),  # points back to what is gone
        ((*QUESTIONS[:2], "それはなぜですか。", QUESTIONS[3]), {3}, (3,)),
        (("何ですか。", "その色は？"), {1}, (1,)),
    ],
)
def test_an_exchange_is_left_out_where_the_rest_stands_by_itself(questions, bad, dropped):
    assert dropped_exchanges(questions, bad) == dropped


def talk(sample_id: str, answer: str, *, first: str = "犬が走っています。", index: int = 0) -> dict:
    texts = (
        f"<image>\n{QUESTIONS[0]}",
        first,
        QUESTIONS[1],
        "青です。",
        QUESTIONS[2],
        answer,
        QUESTIONS[3],
        "晴れです。",
    )
    return row(sample_id, *texts, image=f"{sample_id}.jpg", index=index)


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    store = ArtifactStore(tmp_path_factory.mktemp("store"))
    samples = [
        talk("clean", "三人です。"),
        talk("one bad answer", "三人です。</s>", index=1),
        talk("bad first answer", "三人です。", first="犬です。</s>", index=2),
    ]
    dataset = publish(store, samples)
    return dataset, check_translations(TranslationChecksConfig(), dataset=dataset, store=store)


def test_the_rest_of_a_conversation_is_accepted(checked):
    accepted = pq.read_table(checked[1].path("accepted.parquet")).to_pylist()
    assert accepted == [
        {"sample_id": "clean", "dropped_exchanges": []},
        {"sample_id": "one bad answer", "dropped_exchanges": [2]},
    ]


def test_what_is_left_out_is_counted_and_said(checked):
    _, translation = checked
    summary = TranslationSummary.of(translation)
    assert (summary.num_accepted, summary.num_shortened, summary.num_dropped_exchanges) == (2, 1, 1)
    count = summary.findings_by_check["chat_markers_left"]
    assert (count.num_samples, count.num_dropped) == (1, 1)
    assert "2 accepted, 0 could not be used, 1 rejected by checks (chat_markers_left 1), " in counts_line(*checked)
    assert "1 exchanges left out of 1 accepted ones, 0 findings that only warn" in counts_line(*checked)
    findings = pq.read_table(translation.path("findings.parquet"), columns=["sample_id", "severity"]).to_pylist()
    assert {(finding["sample_id"], finding["severity"]) for finding in findings} == {
        ("one bad answer", "drop"),
        ("bad first answer", "reject"),
    }
    (markers,) = [line for line in report_of(translation)[0] if line["check"] == "chat_markers_left"]
    assert markers["num_findings"] == 2


def test_the_gate_counts_whole_conversations_only(checked):
    dataset, translation = checked
    require_acceptable(dataset, translation, name="talks", max_rejected_fraction=0.34)


def test_a_training_gets_the_exchanges_that_are_left(checked):
    dataset, translation = checked
    (batch,) = accepted_batches(dataset.path("samples.parquet"), translation.path("accepted.parquet"))
    questions = [[question for question, _ in talk.exchanges] for talk in _talks(batch)]
    assert questions == [
        [f"<image>\n{QUESTIONS[0]}", QUESTIONS[1], QUESTIONS[2], QUESTIONS[3]],
        [f"<image>\n{QUESTIONS[0]}", QUESTIONS[1], QUESTIONS[3]],
    ]


def test_a_list_of_before_exchanges_were_left_out_is_read(checked, tmp_path):
    old = pq.read_table(checked[1].path("accepted.parquet")).select(["sample_id"])
    pq.write_table(old, tmp_path / "old.parquet")
    (batch,) = accepted_batches(checked[0].path("samples.parquet"), tmp_path / "old.parquet")
    assert [len(talk.exchanges) for talk in _talks(batch)] == [4, 4]


def test_a_finding_about_the_whole_conversation_rejects_it(tmp_path):
    sample = talk("two images", "三人です。")
    sample["turns"][4]["text"] = f"<image>{QUESTIONS[2]}"
    store = ArtifactStore(tmp_path)
    checked = check_translations(TranslationChecksConfig(), dataset=publish(store, [sample]), store=store)
    assert pq.read_table(checked.path("accepted.parquet")).num_rows == 0
