"""Each check finds its planted defect and leaves the clean neighbours alone; the gate says what to do."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.config.experiment import LocalSource, TranslationChecksConfig
from pipeline.core.errors import ConfigError, DataError
from pipeline.core.parquet import write_rows
from pipeline.data.prepare import DatasetSummary, prepare_dataset
from pipeline.data.samples import FINDING_SCHEMA, SAMPLE_SCHEMA
from pipeline.data.translation_checks import check_translations, require_acceptable, translation_checks_request
from pipeline.data.translation_report import counts_line, report_of
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Manifest, Request
from pipeline.store.queries import findings_of
from pipeline.store.sql_files import check_macros, sql_files
from tests.support.shared_data import shared_data
from tests.support.summaries import summary_with

ENGLISH = "A dog is running in the park."
QUESTION = "<image>\n何が見えますか。"
UNFENCED_CODE = "for item in items: total[item] = count(item); print(total[item], item)"


def row(sample_id: str, *texts: str, image: str | None = "1.jpg", index: int = 0) -> dict:
    turns = [
        {"role": ("user", "assistant")[position % 2], "text": text, "original": None}
        for position, text in enumerate(texts)
    ]
    sha256 = f"{image}-{sample_id}" if image else None
    fields = {"sample_id": sample_id, "record_index": index, "image": image, "image_sha256": sha256, "category": None}
    return {**fields, "source": "coco" if image else "text", "turns": turns}


def answers(*texts: str) -> list[dict]:
    return [row(f"clean-{index}", QUESTION, text) for index, text in enumerate(texts)]


def found(check: str, samples: list[dict], folder: Path) -> list[tuple]:
    path = folder / "samples.parquet"
    write_rows(path, samples, schema=SAMPLE_SCHEMA)
    ((_, table),) = findings_of([sql_files("checks/translation")[check]], samples=path)
    return [(finding["sample_id"], finding["turn_index"]) for finding in table.to_pylist()]


def publish(store: ArtifactStore, samples: list[dict], *, num_rejected: int = 0) -> Manifest:
    """A dataset with the given samples, of whose records some could not be read."""
    rejected = {"check": "image_missing", "severity": "reject", "sample_id": None, "turn_index": None, "evidence": "x"}

    def work(directory: Path) -> dict:
        write_rows(directory / "samples.parquet", samples, schema=SAMPLE_SCHEMA)
        findings = [{**rejected, "record_index": len(samples) + index} for index in range(num_rejected)]
        write_rows(directory / "findings.parquet", findings, schema=FINDING_SCHEMA)
        num_samples = len(samples)
        counts = {"num_samples": num_samples, "num_rejected": num_rejected}
        return summary_with(DatasetSummary, num_records=num_samples + num_rejected, **counts)

    config = {"samples": repr(samples), "num_rejected": num_rejected}
    return store.produce(Request(step="dataset", version=1, config=config), work)


@pytest.mark.parametrize("text", [ENGLISH, "Two people are playing tennis on the court.", f"犬。{ENGLISH * 3}"])
def test_english_prose_is_untranslated(tmp_path, text):
    assert found("untranslated", [row("bad", QUESTION, "犬です。", "他には。", text)], tmp_path) == [("bad", 3)]


def test_names_code_and_short_answers_are_not_untranslated(tmp_path):
    clean = answers(
        "OK", "HELLO KITTY", "12345", "Yes, it is.", "Johnson & Johnson Consumer Products Company", "",
        "https://example.com/this/is/a/very/long/path/to/an/image", "models/gemini-1.0-pro-vision-latest",
        "```python\nprint('this is a very long text in a program')\n```", UNFENCED_CODE,
        "看板には Please do not walk on the grass and keep out と書かれていて、芝生に入ることは禁止されています。",
    )  # fmt: skip
    assert found("untranslated", [*clean, row("asked", f"<image>\n{ENGLISH}", "犬が走っています。")], tmp_path) == []


@pytest.mark.parametrize(("texts", "image", "turn"), [
    (("何ですか。", "犬です。"), "1.jpg", 0),
    (("<image>\n<image>\n何ですか。", "犬です。"), "1.jpg", 0),
    (("何ですか。", "犬です。", "<image>\n色は。", "白です。"), "1.jpg", 0),
    ((QUESTION, "犬です。", "<image>\n色は。", "白です。"), "1.jpg", 2),
    ((QUESTION, "<image>です。"), "1.jpg", 1),
    ((QUESTION, "犬です。"), None, 0),
])  # fmt: skip
def test_a_lost_or_moved_image_token_is_found(tmp_path, texts, image, turn):
    assert found("image_token_lost_or_moved", [row("bad", *texts, image=image)], tmp_path) == [("bad", turn)]


def several(sample_id: str, *texts: str | tuple[str, str], images: str, index: int = 0) -> dict:
    """A sample with the images whose names are the letters, and turns of a text or of text and original."""
    plain = row(sample_id, *(text if isinstance(text, str) else text[0] for text in texts), index=index)
    for turn, text in zip(plain["turns"], texts, strict=True):
        turn["original"] = None if isinstance(text, str) else text[1]
    further = [{"image": f"{name}.jpg", "image_sha256": name} for name in images[1:]]
    return {**plain, "image": f"{images[0]}.jpg", "image_sha256": images[0], "further_images": further}


def test_the_checks_know_samples_with_several_images(tmp_path):
    store = ArtifactStore(tmp_path)
    samples = [
        several(
            "in place", "<image>\n<image>\n違いは。", "色です。", "<image>はどうですか。", "赤です。", images="abc"
        ),
        several(
            "same words",
            "<image>\n<image>\n違いは。",
            "色です。",
            "<image>はどうですか。",
            "赤です。",
            images="abd",
            index=1,
        ),
        several(
            "copy", "<image>\n<image>\n違いは。", "色です。", "<image>はどうですか。", "赤です。", images="abc", index=2
        ),
        several(
            "moved",
            ("<image>\n<image>\n何ですか。", "<image>\nWhat is it?"),
            ("猫です。", "A cat."),
            ("これは何ですか。", "And <image>?"),
            ("犬です。", "A dog."),
            images="ef",
            index=3,
        ),
    ]
    checked = check_translations(TranslationChecksConfig(), dataset=publish(store, samples), store=store)
    findings = pq.read_table(checked.path("findings.parquet")).to_pylist()
    assert [(one["check"], one["sample_id"], one["turn_index"]) for one in findings] == [
        ("duplicate_conversation", "copy", None),
        ("image_token_lost_or_moved", "moved", 0),
    ]


def test_an_image_token_in_its_place_is_not_found(tmp_path):
    clean = [
        row("first", QUESTION, "犬です。", "色は。", "白です。"),
        row("last", "何ですか。\n<image>", "犬です。"),
        row("text", "元気ですか。", "はい。", image=None),
    ]
    assert found("image_token_lost_or_moved", clean, tmp_path) == []


@pytest.mark.parametrize("text", ["", " \n\t", "\u3000", "\u200b"])
def test_an_empty_turn_is_found(tmp_path, text):
    clean = [row("clean", "<image>", "犬", "…", "0")]
    assert found("empty_turn", [row("bad", QUESTION, text), *clean], tmp_path) == [("bad", 1)]


def test_a_repeated_exchange_is_found(tmp_path):
    samples = [
        row("bad", QUESTION, "犬です。", "色は。", "白です。", "何が見えますか。", "犬です。 "),
        row("answer", QUESTION, "犬です。", "他には。", "犬です。"),
        row("question", "色は。", "白です。", "色は。", "黒です。"),
    ]
    assert found("repeated_turn", samples, tmp_path) == [("bad", 4)]


@pytest.mark.parametrize("text", [
    "猫がいます。" + "とても" * 40 + "大きいです。",
    "料理に最適な調味料は、" + "ハラペーニョ、" * 15,
    "犬が公園の中を走っています。" * 4,
    "a" * 100,
])  # fmt: skip
def test_a_loop_is_found(tmp_path, text):
    assert found("degenerate_repetition", [row("bad", QUESTION, text)], tmp_path) == [("bad", 1)]


def test_emphasis_and_lists_are_no_loop(tmp_path):
    clean = answers(
        "とてもとてもとても大きいです。", "はははははは", "犬が公園の中を走っています。" * 2,
        "左から順に、赤い丸、青い四角、黄色い三角、緑の星、紫の丸、茶色い四角、赤い星、青い丸、黄色い四角、"
        "緑の三角があります。それぞれの図形は白い背景の上に並んでいて、上の段に五つ、下の段に五つ置かれています。",
    )  # fmt: skip
    assert found("degenerate_repetition", clean, tmp_path) == []


@pytest.mark.parametrize("text", [
    "犬\x00です。",
    "犬\x1b[0mです。",
    "犬\ufffdです。",
    "犬が走っています。".encode().decode("latin-1"),
    "ひらがなとカタカナ".encode().decode("cp1252", "ignore"),
    "café".encode().decode("latin-1"),
    "it’s".encode().decode("cp1252"),
    "ひらがなとカタカナ".encode().decode("cp932", "ignore"),
])  # fmt: skip
def test_mojibake_is_found(tmp_path, text):
    assert found("control_characters_or_mojibake", [row("bad", QUESTION, text)], tmp_path) == [("bad", 1)]


def test_clean_characters_are_not_mojibake(tmp_path):
    clean = answers(
        "改行\r\n\tと字下げ", "São Paulo の café «naïve» で", "🐕‍🦺 👨‍👩‍👧 ①㈱", "縺れた糸", "Ångström ± 5°"
    )
    assert found("control_characters_or_mojibake", clean, tmp_path) == []


def test_html_entities_are_found(tmp_path):
    samples = [row("bad", QUESTION, "A&amp;B と &#39;C&#39;"), *answers("A&B;", "R&D と &c;")]
    assert found("html_entities", samples, tmp_path) == [("bad", 1)]


def test_a_duplicate_is_found_once_per_copy(tmp_path):
    same = [row(name, QUESTION, "犬です。", image=None, index=index) for index, name in enumerate(("first", "second"))]
    other = [row("image", QUESTION, "犬です。"), row("words", QUESTION, "猫です。", image=None)]
    assert found("duplicate_conversation", [*same, *other], tmp_path) == [("second", None)]


def test_the_step_writes_findings_and_accepted_samples(tmp_path):
    store = ArtifactStore(tmp_path)
    samples = [
        row("a", QUESTION, ENGLISH, index=3),
        row("b", QUESTION, "A&amp;B", index=4),
        row("c", "<image>", "犬", index=7),
    ]
    checked = check_translations(TranslationChecksConfig(), dataset=publish(store, samples), store=store)
    assert pq.read_schema(checked.path("findings.parquet")).equals(FINDING_SCHEMA)
    assert pq.read_table(checked.path("findings.parquet")).drop_columns("evidence").to_pylist() == [
        {"check": "html_entities", "severity": "warn", "sample_id": "b", "record_index": 4, "turn_index": 1},
        {"check": "untranslated", "severity": "reject", "sample_id": "a", "record_index": 3, "turn_index": 1},
    ]
    assert pq.read_table(checked.path("accepted.parquet")).to_pylist() == [
        {"sample_id": "b", "dropped_exchanges": []},
        {"sample_id": "c", "dropped_exchanges": []},
    ]
    counts = checked.summary["findings_by_check"]
    assert set(counts) == set(sql_files("checks/translation"))
    assert counts["untranslated"] == {"severity": "reject", "num_samples": 1, "num_dropped": 0}
    assert counts["empty_turn"] == {"severity": "reject", "num_samples": 0, "num_dropped": 0}
    assert [checked.summary[key] for key in ("num_samples", "num_accepted", "num_rejected")] == [3, 2, 1]


def test_an_ignored_check_rejects_nothing(tmp_path):
    store = ArtifactStore(tmp_path)
    dataset = publish(store, [row("a", QUESTION, ENGLISH)])
    config = TranslationChecksConfig(severities={"untranslated": "ignore"})
    checked = check_translations(config, dataset=dataset, store=store)
    assert checked.summary["num_accepted"] == 1
    assert "untranslated" not in checked.summary["findings_by_check"]


def test_a_check_that_only_warns_rejects_nothing_and_keeps_its_findings(tmp_path):
    store = ArtifactStore(tmp_path)
    dataset = publish(store, [row("a", QUESTION, ENGLISH)])
    checked = check_translations(
        TranslationChecksConfig(severities={"untranslated": "warn"}), dataset=dataset, store=store
    )
    assert checked.summary["num_accepted"] == 1
    (finding,) = pq.read_table(checked.path("findings.parquet"), filters=[("check", "=", "untranslated")]).to_pylist()
    assert (finding["severity"], finding["sample_id"]) == ("warn", "a")


def test_the_report_counts_all_findings_and_shows_examples_beside_the_english(tmp_path):
    store = ArtifactStore(tmp_path)
    samples = [row("a", QUESTION, ENGLISH), row("b", QUESTION, "犬です。", index=1)]
    samples[0]["turns"][1]["original"] = "A dog runs in the park."
    samples += [row(f"c{index}", QUESTION, "", index=index + 2, image=f"{index}.jpg") for index in range(4)]
    checked = check_translations(
        TranslationChecksConfig(), dataset=publish(store, samples, num_rejected=2), store=store
    )
    checks, examples = report_of(checked)
    by_name = {check["check"]: check for check in checks}
    assert set(by_name) == {"image_missing", *sql_files("checks/translation")}
    assert next(iter(by_name)) == "image_missing"
    assert [*by_name][-2:] == ["duplicate_conversation", "near_duplicate_conversation"]
    assert by_name["image_missing"] == {
        "found_by": "reading", "check": "image_missing", "severity": "reject",
        "num_findings": 2, "num_samples": 2, "percent": 25.0,
    }  # fmt: skip
    assert by_name["empty_turn"] == {
        "found_by": "translation", "check": "empty_turn", "severity": "reject",
        "num_findings": 4, "num_samples": 4, "percent": 50.0,
    }  # fmt: skip
    assert [example["sample_id"] for example in examples if example["check"] == "empty_turn"] == ["c0", "c1", "c2"]
    (example,) = [example for example in examples if example["check"] == "untranslated"]
    assert (example["source"], example["turn_index"]) == ("coco", 1)
    assert (example["japanese"], example["english"]) == (ENGLISH, "A dog runs in the park.")


def test_copies_are_said_last_and_are_no_warnings(tmp_path):
    store = ArtifactStore(tmp_path)
    samples = [{**row(f"{index}", QUESTION, "犬です。", index=index), "image_sha256": "same"} for index in range(3)]
    dataset = publish(store, samples)
    line = counts_line(dataset, check_translations(TranslationChecksConfig(), dataset=dataset, store=store))
    assert "0 findings that only warn" in line
    assert line.endswith("; 2 say what an earlier one on the same image says")


def test_a_dataset_without_samples_can_be_checked(tmp_path):
    store = ArtifactStore(tmp_path)
    checked = check_translations(TranslationChecksConfig(), dataset=publish(store, []), store=store)
    assert checked.summary["num_samples"] == 0


def test_the_request_names_the_checks_that_run_with_severity_and_content():
    config = TranslationChecksConfig(severities={"empty_turn": "ignore", "untranslated": "warn"})
    request = translation_checks_request(config, dataset_fingerprint="d")
    checks = sql_files("checks/translation")
    assert set(request.config["checks"]) == set(checks) - {"empty_turn"}
    assert request.config["checks"]["untranslated"] == {"severity": "warn", "sha256": checks["untranslated"].sha256}
    assert set(request.config["macros"]) == set(check_macros())
    assert request.inputs == {"dataset": "d"}


def test_the_severity_that_a_check_has_anyway_changes_nothing():
    one, other = (
        translation_checks_request(TranslationChecksConfig(severities=severities), dataset_fingerprint="d").fingerprint
        for severities in ({}, {"empty_turn": "reject"})
    )
    assert one == other


def test_a_severity_for_an_unknown_check_lists_all():
    message = "translation.severities names 'untranlated'; the checks are: .*control_characters.*untranslated"
    with pytest.raises(ConfigError, match=message):
        translation_checks_request(TranslationChecksConfig(severities={"untranlated": "warn"}), dataset_fingerprint="d")


def gate(folder: Path, samples: list[dict], *, num_rejected: int = 0, limit: float) -> None:
    store = ArtifactStore(folder)
    dataset = publish(store, samples, num_rejected=num_rejected)
    checked = check_translations(TranslationChecksConfig(), dataset=dataset, store=store)
    require_acceptable(dataset, checked, name="pretrain", max_rejected_fraction=limit)


def test_the_gate_counts_rejected_records_of_both_steps(tmp_path):
    samples = [row("bad", QUESTION, ENGLISH), *answers("犬です。", "猫です。")]
    gate(tmp_path, samples, num_rejected=2, limit=0.6)
    message = (
        r"dataset pretrain \([0-9a-f]{16}\): 3 of 5 records \(60.0%\) are rejected, more than the allowed 59%; "
        r"most by image_missing 2, untranslated 1\. `llava-jp query finding_examples` shows examples\. "
        r"Repair the records, make a check warn in translation.severities, or raise limits.max_rejected_fraction"
    )
    with pytest.raises(DataError, match=message):
        gate(tmp_path, samples, num_rejected=2, limit=0.59)


def test_the_limit_itself_is_allowed(tmp_path):
    bad = [row(f"bad-{index}", QUESTION, "") for index in range(29)]
    gate(tmp_path, [*bad, *answers(*["犬です。"] * 71)], limit=0.29)  # 0.29 * 100 is less than 29 in floating point


@pytest.mark.parametrize(("samples", "part"), [
    ([], r"dataset pretrain \([0-9a-f]{16}\) holds no records; check the path of its annotations"),
    ([row("bad", QUESTION, ENGLISH)], r"1 of 1 records \(100.0%\) are rejected, so no sample is left; most by untr"),
])  # fmt: skip
def test_a_dataset_without_accepted_samples_is_never_allowed(tmp_path, samples, part):
    with pytest.raises(DataError, match=part):
        gate(tmp_path, samples, limit=1.0)


@pytest.mark.parametrize("name", ["pretrain", "instruct"])
def test_real_captions_and_conversations_are_accepted(tmp_path, monkeypatch, name):
    photos = shared_data() / "photos"
    monkeypatch.setenv("LLAVA_JP_STORE", str(tmp_path))
    store = ArtifactStore(tmp_path)
    source = LocalSource(kind="local", annotations=photos / f"{name}.json", images=photos / "images")
    dataset = prepare_dataset(source, store=store)
    checked = check_translations(TranslationChecksConfig(), dataset=dataset, store=store)
    assert checked.summary["num_accepted"] == checked.summary["num_samples"] > 30
    require_acceptable(dataset, checked, name=name, max_rejected_fraction=0)


# Many texts in few datasets: the checks take the same time for one conversation as for thirty.
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.lists(st.text(max_size=60), min_size=2, max_size=4), min_size=10, max_size=30))
def test_any_text_is_accepted_or_rejected(tmp_path, texts):
    samples = [row(str(index), *turns, index=index) for index, turns in enumerate(texts)]
    store = ArtifactStore(tmp_path)
    summary = check_translations(TranslationChecksConfig(), dataset=publish(store, samples), store=store).summary
    assert summary["num_accepted"] + summary["num_rejected"] == summary["num_samples"] == len(texts)
