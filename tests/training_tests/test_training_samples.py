"""The file of tokenised samples: what is in it, what is left out and why, who writes it."""

import copy

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from transformers import AutoTokenizer

from model.conversation.encode import IGNORED_LABEL, IMAGE_TOKEN_ID, ConversationEncoder, Tokens
from pipeline.config.experiment import TOKENIZER_FOLDER, StageConfig
from pipeline.core.errors import ConfigError
from pipeline.core.parquet import write_rows, write_table
from pipeline.data.samples import FINDING_SCHEMA, Sample, SampleImage, Turn, sample_table
from pipeline.training import tokenise as tokenisation
from pipeline.training.dataset import TOKENS_FILE, load_samples
from tests.support import llava_jp_strings
from tests.support.encoded import encode_conversation
from tests.support.shared_data import shared_data

IMAGES = tuple(digits * 32 for digits in ("ab", "01", "02", "03", "04", "05", "06", "07", "08"))
IMAGE = IMAGES[0]
WITHOUT_FEATURES = "ff" * 32


class FourVisionTokens:
    """Features of all images but one."""

    num_vision_tokens = 4

    def __contains__(self, image_sha256):
        return image_sha256 != WITHOUT_FEATURES


@pytest.fixture(scope="module")
def shapes_ja():
    return AutoTokenizer.from_pretrained(TOKENIZER_FOLDER / "shapes-ja")


@pytest.fixture(scope="module")
def llm_jp():
    return AutoTokenizer.from_pretrained(shared_data() / "llmjp_tokenizer")


def load(tmp_path, tokenizer, talks, *, max_length=1000, template="v1", **options):
    """``talks``: has an image or not, or the images, and the texts of the turns, by sample id."""
    samples = [
        sample_of(name, index, images if isinstance(images, tuple) else IMAGES[: int(images)], texts)
        for index, (name, (images, *texts)) in enumerate(talks.items())
    ]
    tmp_path.mkdir(exist_ok=True)
    write_table(tmp_path / "samples.parquet", sample_table(samples))
    accepted = ({"sample_id": name} for name in talks)
    write_rows(tmp_path / "accepted.parquet", accepted, schema=pa.schema([("sample_id", pa.string())]))
    return load_samples(
        tmp_path / "samples.parquet",
        tmp_path / "accepted.parquet",
        features=FourVisionTokens(),
        tokenizer=tokenizer,
        template=template,
        max_length=max_length,
        directory=tmp_path / "stage",
        **options,
    )


def sample_of(name, index, images, texts):
    further = tuple(SampleImage(image, image) for image in images[1:])
    first = images[0] if images else None
    return Sample(name, index, "local", first, None, turns_of(texts), image_sha256=first, further_images=further)


def turns_of(texts):
    return tuple(Turn(("user", "assistant")[place % 2], text) for place, text in enumerate(texts))


def findings(tmp_path):
    rows = pq.read_table(tmp_path / "stage" / "findings.parquet", schema=FINDING_SCHEMA).to_pylist()
    return [(row["sample_id"], row["check"], row["severity"], row["evidence"]) for row in rows]


TALK = ("図形の数", "二つ", "図形の数", "三つ")


def test_samples_keep_the_order_of_the_dataset_over_many_batches(tmp_path, shapes_ja, monkeypatch):
    monkeypatch.setattr(tokenisation, "SAMPLES_AT_ONCE", 3)
    talks = {f"s{index}": (index % 2 == 0, *TALK[: 2 + 2 * (index % 3 == 0)]) for index in range(11)}
    loaded = load(tmp_path, shapes_ja, talks)
    assert [sample.sample_id for sample in loaded] == list(talks)
    assert [loaded.sample_id(index) for index in range(11)] == list(talks)
    for sample, (has_image, *texts) in zip(loaded, talks.values(), strict=True):
        exchanges = list(zip(texts[::2], texts[1::2], strict=True))
        expected = encode_conversation(exchanges, num_images=int(has_image), template="v1", tokenizer=shapes_ja)
        assert (sample.encoded, sample.images) == (expected, (IMAGE,) if has_image else ())
    assert loaded[4:6] == [loaded[4], loaded[5]]
    with pytest.raises(IndexError, match="there is no sample 11 of 11"):
        loaded[11]


def test_lengths_count_the_vision_tokens(tmp_path, shapes_ja):
    loaded = load(tmp_path, shapes_ja, {"with": (True, *TALK[:2]), "without": (False, *TALK[:2])})
    assert loaded.lengths.dtype == np.int32
    assert loaded.lengths.tolist() == [9 + 1 + 4, 9]
    assert [len(sample.encoded.input_ids) for sample in loaded] == [9 + 1 + 1, 9]


def test_what_is_left_out_or_shortened_is_a_finding_with_its_reason(tmp_path, shapes_ja):
    talks = {
        "fits": (False, *TALK[:2]),
        "longer": (False, *TALK),
        "too-long": (False, "図形の数" * 9, "二つ"),
        "silent": (False, "図形の数", " \n"),
    }
    loaded = load(tmp_path, shapes_ja, talks, max_length=12)
    assert [sample.sample_id for sample in loaded] == ["fits", "longer"]
    assert findings(tmp_path) == [
        ("longer", "shortened", "warn", "1 of 2 answers fit into 12 tokens"),
        ("too-long", "too_long", "reject", "25 tokens up to the first answer's end, of 12"),
        ("silent", "nothing_supervised", "reject", " \n"),
    ]
    assert loaded.num_findings == {"shortened": 1, "too_long": 1, "nothing_supervised": 1}


def test_a_longest_beginning_that_fits_is_kept(tmp_path, shapes_ja):
    talks = {"a": (False, *(text for index in range(6) for text in ("図形の数", "二つ")))}
    (sample,) = load(tmp_path, shapes_ja, talks, max_length=9 + 3 * 7 + 6)
    assert len(sample.encoded.input_ids) == 9 + 3 * 7


def test_a_caption_of_white_space_never_reaches_the_optimizer(tmp_path, shapes_ja):
    loaded = load(tmp_path, shapes_ja, {"a": (True, "説明", " "), "b": (True, "説明", "赤い丸")}, template="plain")
    assert [sample.sample_id for sample in loaded] == ["b"]
    assert loaded.num_findings == {"nothing_supervised": 1}


def test_a_supervised_token_with_nothing_before_it_cannot_be_predicted():
    assert Tokens([5, 6, 7], [(0, 1)]).num_predicted == 0
    assert Tokens([5, 6, 7], [(0, 2), (2, 3)]).num_predicted == 2


def test_a_message_that_a_chat_template_changes_is_left_out_by_name(tmp_path, shapes_ja):
    shapes_ja = AutoTokenizer.from_pretrained(TOKENIZER_FOLDER / "shapes-ja")
    shapes_ja.chat_template = "{% for m in messages %}{{ m.content.split('#')[-1] + eos_token }}{% endfor %}"
    loaded = load(tmp_path, shapes_ja, {"a": (False, "図形", "一#二つ"), "b": (False, "図形", "二つ")}, template="chat")
    assert [sample.sample_id for sample in loaded] == ["b"]
    ((sample_id, check, severity, evidence),) = findings(tmp_path)
    assert (sample_id, check, severity) == ("a", "not_in_template", "reject")
    assert evidence.startswith("the chat template does not write these messages as they are")


def test_a_tokenizer_without_the_template_stops_before_any_sample(tmp_path, shapes_ja):
    with pytest.raises(ConfigError, match="template chat: the template chat needs a tokenizer with one chat template"):
        load(tmp_path, shapes_ja, {"a": (False, *TALK)}, template="chat")


def test_a_restart_and_the_other_processes_read_what_the_first_one_wrote(tmp_path, shapes_ja):
    path = tmp_path / "stage" / "work" / TOKENS_FILE
    with pytest.raises(FileNotFoundError):
        load(tmp_path, shapes_ja, {"a": (False, *TALK)}, rank=1)
    calls = []
    first = load(tmp_path, shapes_ja, {"a": (False, *TALK)}, rank=0, wait=lambda: calls.append(path.exists()))
    written = path.stat().st_mtime_ns
    other = load(tmp_path, None, {"a": (False, *TALK)}, rank=1, wait=lambda: calls.append(path.exists()))
    again = load(tmp_path, shapes_ja, {"a": (False, *TALK)}, rank=0)
    assert list(first) == list(other) == list(again)
    assert calls == [True, True]
    assert path.stat().st_mtime_ns == written


def test_a_crash_while_tokenising_leaves_no_file(tmp_path, shapes_ja, monkeypatch):
    def stop(*_):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(tokenisation.SampleTokeniser, "tokenise", stop)
    with pytest.raises(RuntimeError, match="out of memory"):
        load(tmp_path, shapes_ja, {"a": (False, *TALK)})
    assert not (tmp_path / "stage" / "work" / TOKENS_FILE).exists()


def test_the_masks_of_llava_jp_are_refused_for_a_chat_template_when_the_experiment_is_read():
    with pytest.raises(ValidationError, match="supervision llava-jp has no meaning for template chat"):
        StageConfig(
            template="chat", supervision="llava-jp", learning_rate=1e-3, global_batch_size=2, micro_batch_size=1
        )


# Several images


TWO = ("<image>と<image>", "二つ", "図形の数", "三つ", "<image>は", "二つ")


def test_images_stand_in_the_order_of_their_placeholders_and_all_their_tokens_are_planned(tmp_path, shapes_ja):
    loaded = load(tmp_path, shapes_ja, {"a": (IMAGES[:3], *TWO), "b": (True, *TALK)})
    exchanges = list(zip(TWO[::2], TWO[1::2], strict=True))
    expected = encode_conversation(exchanges, num_images=3, template="v1", tokenizer=shapes_ja)
    assert (loaded[0].encoded, loaded[0].images) == (expected, IMAGES[:3])
    assert loaded.lengths[0] == len(expected.input_ids) - 3 + 3 * 4
    assert loaded[1].images == (IMAGE,)


def test_an_image_goes_with_the_exchange_that_shows_it(tmp_path, shapes_ja):
    (whole,) = load(tmp_path / "whole", shapes_ja, {"a": (IMAGES[:3], *TWO)})
    (sample,) = load(tmp_path, shapes_ja, {"a": (IMAGES[:3], *TWO)}, max_length=len(whole.encoded.input_ids) - 3 + 11)
    assert sample.images == IMAGES[:2]
    assert sample.encoded.input_ids.count(IMAGE_TOKEN_ID) == 2
    ((_, check, _, evidence),) = findings(tmp_path)
    assert (check, evidence[:12]) == ("shortened", "2 of 3 answe")


def test_a_beginning_that_fits_without_the_images_of_later_questions_is_kept(tmp_path, shapes_ja):
    texts = ("<image>", "二つ", "図形の数", "三つ", "<image><image><image><image>は", "二つ")
    (two,) = load(tmp_path / "two", shapes_ja, {"a": (True, *texts[:4])})
    length = len(two.encoded.input_ids) - 1 + 4
    (sample,) = load(tmp_path, shapes_ja, {"a": (IMAGES[:5], *texts)}, max_length=length)
    assert (sample.encoded, sample.images) == (two.encoded, (IMAGE,))


def test_one_image_without_features_leaves_the_sample_out(tmp_path, shapes_ja):
    talks = {"a": ((IMAGE, WITHOUT_FEATURES), "<image><image>", "二つ")}
    assert list(load(tmp_path, shapes_ja, talks)) == []
    assert findings(tmp_path) == [("a", "no_features", "reject", f"image {WITHOUT_FEATURES}")]


def test_images_that_do_not_fit_are_a_finding(tmp_path, shapes_ja):
    talks = {"a": (IMAGES[:8], "<image>" * 8, "二つ")}
    assert list(load(tmp_path, shapes_ja, talks, max_length=38)) == []
    assert findings(tmp_path) == [("a", "too_long", "reject", "39 tokens up to the first answer's end, of 38")]


def test_samples_that_share_any_image_are_about_one_subject(tmp_path, shapes_ja):
    shown = {"a": IMAGES[:2], "b": IMAGES[1:3], "c": IMAGES[3:5], "d": IMAGES[4:5], "e": ()}
    talks = {name: (images, "<image>" * len(images) + "何", "二つ") for name, images in shown.items()}
    subjects = load(tmp_path, shapes_ja, talks).subjects()
    assert subjects == [IMAGES[0], IMAGES[0], IMAGES[3], IMAGES[3], "sample e"]


QUESTIONS = st.lists(st.sampled_from(["図形の数", "<image>", "<unk|LLM-jp>", "\n", "a"]), max_size=5).map("".join)


@given(
    st.lists(st.tuples(QUESTIONS, st.sampled_from(["二つ", "赤い丸です。" * 5, " "])), min_size=1, max_size=4),
    st.sampled_from(["answers", "llava-jp"]),
    st.sampled_from(["v1", "plain"]),
    st.integers(20, 120),
    st.integers(1, 9),
)
@settings(deadline=None, max_examples=150)
def test_placeholders_and_images_always_agree(llm_jp, exchanges, supervision, template, max_length, num_vision_tokens):
    texts = [text for exchange in exchanges for text in exchange]
    images = IMAGES[: sum(question.count("<image>") for question, _ in exchanges)]
    assume(len(images) < len(IMAGES))
    tokeniser = tokenisation.SampleTokeniser(
        ConversationEncoder(template, llm_jp, supervision),
        has_features=lambda _: True,
        max_length=max_length,
        num_vision_tokens=num_vision_tokens,
        lost_token_id=llm_jp.unk_token_id if supervision == "llava-jp" else None,
    )
    (batch,) = sample_table([sample_of("a", 0, images, texts)]).to_batches()
    tokens, found = tokeniser.tokenise(batch)
    assert tokens.num_rows + sum(finding.severity == "reject" for finding in found) == 1
    for row in tokens.to_pylist():
        assert row["input_ids"].count(IMAGE_TOKEN_ID) == len(row["images"])
        assert tuple(row["images"]) == images[: len(row["images"])]
        assert row["length"] == len(row["input_ids"]) + len(row["images"]) * (num_vision_tokens - 1) <= max_length


# As LLaVA-JP cuts


def test_an_image_whose_placeholder_is_cut_away_is_not_trained_on(tmp_path, llm_jp):
    talks = {"a": (True, "何ですか。", "猫です。", "<image>\n" + "何ですか。" * 20, "猫です。")}
    (whole,) = load(tmp_path / "whole", llm_jp, talks)
    place = whole.encoded.input_ids.index(IMAGE_TOKEN_ID)
    for max_length, num_images in ((place + 4, 1), (place + 3, 0), (place, 0)):
        loaded = load(tmp_path / str(max_length), llm_jp, talks, max_length=max_length, supervision="llava-jp")
        assert loaded[0].images == (IMAGE,) * num_images
        assert loaded[0].encoded.input_ids == whole.encoded.input_ids[: place + num_images]


def test_the_compatible_mode_cuts_within_an_answer(tmp_path, llm_jp):
    talks = {"a": (True, "<image>\n何ですか。", "猫です。" * 20)}
    (whole,) = load(tmp_path / "whole", llm_jp, talks)
    loaded = load(tmp_path, llm_jp, talks, max_length=80, supervision="llava-jp")
    assert loaded.lengths.tolist() == [80]
    assert loaded[0].encoded.input_ids == whole.encoded.input_ids[:77]
    assert loaded[0].encoded.labels == whole.encoded.labels[:77]
    assert findings(tmp_path) == [("a", "shortened", "warn", f"77 of {len(whole.encoded.input_ids)} tokens are left")]
    with_answers_whole = load(tmp_path / "answers", llm_jp, talks, max_length=80)
    assert with_answers_whole.num_findings == {"too_long": 1}


def test_the_compatible_mode_loses_tokens_of_the_unk_that_it_pads_with(tmp_path, llm_jp):
    tokenizer = copy.deepcopy(llm_jp)
    tokenizer.unk_token = "猫"  # a token that any text may hold
    (sample,) = load(tmp_path, tokenizer, {"a": (True, "<image>\n何猫ですか。", "猫です。")}, supervision="llava-jp")
    labels = [label for label in sample.encoded.labels if label != IGNORED_LABEL]
    assert tokenizer.unk_token_id not in sample.encoded.input_ids
    assert tokenizer.convert_ids_to_tokens(labels)[:2] == ["▁", "です"]


@pytest.mark.parametrize("supervision", ["answers", "llava-jp"])
def test_an_unk_that_the_data_spells_is_text(tmp_path, llm_jp, supervision):
    talks = {"a": (True, "<image>\n何<unk|LLM-jp>ですか。", "猫<unk|LLM-jp>です。")}
    (sample,) = load(tmp_path, llm_jp, talks, supervision=supervision)
    assert llm_jp.unk_token_id not in sample.encoded.input_ids
    assert "猫<unk|LLM-jp>です。" in llm_jp.decode(sample.encoded.input_ids[-20:]).replace(" ", "")


def test_a_sample_of_the_compatible_mode_without_supervision_is_left_out(tmp_path, llm_jp):
    talks = {"a": (True, "<image>\n次は システム: です", "猫"), "b": (True, "<image>\n何" * 99, "猫")}
    loaded = load(tmp_path, llm_jp, talks, max_length=100, supervision="llava-jp")
    assert (list(loaded), loaded.num_findings) == ([], {"nothing_supervised": 2})


@pytest.mark.parametrize("num_repeats", [1, 200, 700])
def test_the_compatible_mode_trains_on_what_llava_jps_model_sees(tmp_path, llm_jp, num_repeats):
    question, answer = "<image>\n何ですか。", "The 猫🐈 です。" * num_repeats
    (sample,) = load(tmp_path, llm_jp, {"a": (True, question, answer)}, max_length=1532, supervision="llava-jp")
    expected = llava_jp_strings.seen_by_the_model(
        *llava_jp_strings.v1([(question, answer)], llm_jp), llm_jp, num_vision_tokens=4
    )
    place = sample.encoded.input_ids.index(IMAGE_TOKEN_ID)
    ids, labels = (list(values) for values in (sample.encoded.input_ids, sample.encoded.labels))
    ids[place : place + 1] = [IMAGE_TOKEN_ID] * 4
    labels[place : place + 1] = [IGNORED_LABEL] * 4
    assert (ids, labels) == expected
