import json
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from model.config import GenerationConfig
from pipeline.config.evaluation import BenchmarkConfig
from pipeline.config.experiment import ShapesJaSource
from pipeline.core.errors import DataError
from pipeline.core.parquet import write_rows
from pipeline.data.image_reader import ImageReader
from pipeline.data.images import IMAGE_SCHEMA, num_pixels
from pipeline.data.items import ITEM_SCHEMA
from pipeline.evaluation import answers
from pipeline.evaluation.answers import Question, Unanswered, answer_items, batches
from pipeline.evaluation.predict import benchmark_items, not_asked, select_items, write_predictions
from pipeline.evaluation.rows import Item, read_predictions
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Request
from tests.support.small_data import picture, sha256_of

IMAGE = sha256_of(picture(1))
GONE = "2" * 64


class Echo:
    """A model that says the question; ``broken`` questions have no answer, ``stop_at`` ends it like a kill."""

    max_images = None

    def __init__(self, *, broken: Sequence[str] = (), stop_at: str | None = None) -> None:
        self.broken = broken
        self.stop_at = stop_at
        self.asked: list[list[str]] = []

    def answer(self, questions: Sequence[Question]) -> list[str | Unanswered]:
        self.asked.append([question.item_id for question in questions])
        if self.stop_at in self.asked[-1]:
            raise KeyboardInterrupt
        return [
            Unanswered("the server said no") if question.item_id in self.broken else f"「{question.text}」"
            for question in questions
        ]


def item(item_id: str, question: str = "何ですか。", **fields) -> Item:
    return Item(benchmark="mine", protocol="all", item_id=item_id, question=question, reference="犬", **fields)


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path / "store")


@pytest.fixture
def images(store):
    shared = dict.fromkeys(IMAGE_SCHEMA.names) | {"image": "a", "status": "ok"}
    rows = [
        {**shared, "image_sha256": IMAGE, "bytes": picture(1)},
        {**shared, "image_sha256": GONE, "file": "/nowhere/b.png"},
    ]

    def work(directory):
        write_rows(directory / "images.parquet", rows, schema=IMAGE_SCHEMA)
        return {}

    return ImageReader([store.produce(Request(step="dataset", version=1, config={}), work)])


ITEMS = [item("a", "短い。"), item("b", "とても長い質問です。"), item("c", "中くらい。"), item("d", "長い質問です。")]


def test_answers_come_back_in_the_order_of_the_items_however_they_were_asked(images, tmp_path):
    model = Echo()
    answers = answer_items(model, ITEMS, images=images, batch_size=2, directory=tmp_path)
    assert model.asked == [["b", "d"], ["c", "a"]]  # the longest first
    assert [answer.prediction for answer in answers] == [f"「{item.question}」" for item in ITEMS]


def test_items_without_an_image_are_asked_together():
    mixed = [item("a", image_sha256=IMAGE), item("b"), item("c", image_sha256=IMAGE), item("d")]
    assert [[one.item_id for one in batch] for batch in batches(mixed, 2)] == [["a", "c"], ["b", "d"]]


def test_a_model_sees_the_question_as_it_is_and_the_image(images, tmp_path):
    seen = []

    class Looks(Echo):
        def answer(self, questions):
            seen.extend(questions)
            return super().answer(questions)

    answer_items(Looks(), [item("a", image_sha256=IMAGE)], images=images, batch_size=1, directory=tmp_path)
    (question,) = seen
    assert (question.text, question.images[0].size, question.images_sha256) == ("何ですか。", (32, 32), (IMAGE,))


def test_a_question_with_more_images_than_the_model_takes_fails_alone(images, tmp_path):
    class TakesOne(Echo):
        max_images = 1

    items = [item("a", image_sha256=IMAGE, further_images_sha256=(IMAGE,)), item("b", image_sha256=IMAGE)]
    two, one = answer_items(TakesOne(), items, images=images, batch_size=2, directory=tmp_path / "one")
    assert (two.prediction, two.error) == (None, "the question has 2 images, and the model takes 1")
    assert (one.prediction, one.error) == ("「何ですか。」", None)
    assert two.images_sha256 == (IMAGE, IMAGE)
    two, _ = answer_items(Echo(), items, images=images, batch_size=2, directory=tmp_path / "any")
    assert two.error is None


def test_an_item_that_fails_is_a_row_with_its_error_and_harms_no_other(images, tmp_path):
    items = [item("a", image_sha256=IMAGE), item("b", image_sha256=GONE), item("c", image_sha256=IMAGE)]
    first, second, third = answer_items(Echo(broken=["c"]), items, images=images, batch_size=3, directory=tmp_path)
    assert (first.prediction, first.error) == ("「何ですか。」", None)
    assert second.prediction is None
    assert "/nowhere/b.png" in second.error
    assert (third.prediction, third.error) == (None, "the server said no")


def test_a_killed_run_asks_only_for_what_is_missing(images, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        answer_items(Echo(stop_at="a"), ITEMS, images=images, batch_size=2, directory=tmp_path)
    model = Echo()
    answers = answer_items(model, ITEMS, images=images, batch_size=2, directory=tmp_path)
    assert model.asked == [["c", "a"]]
    assert [answer.prediction for answer in answers] == [f"「{item.question}」" for item in ITEMS]


def test_a_line_that_a_crash_has_cut_is_asked_again(images, tmp_path):
    answer_items(Echo(), ITEMS[:2], images=images, batch_size=1, directory=tmp_path)
    (kept,) = tmp_path.rglob("answers.jsonl")
    kept.write_text(kept.read_text(encoding="utf-8")[:-8], encoding="utf-8")
    model = Echo()
    answers = answer_items(model, ITEMS[:2], images=images, batch_size=1, directory=tmp_path)
    assert model.asked == [["a"]]
    assert [answer.prediction for answer in answers] == ["「短い。」", "「とても長い質問です。」"]


def test_what_failed_is_asked_once_more_by_a_later_call(images, tmp_path):
    answer_items(Echo(broken=["b", "d"]), ITEMS, images=images, batch_size=2, directory=tmp_path)
    model = Echo(broken=["d"])
    answers = answer_items(model, ITEMS, images=images, batch_size=2, directory=tmp_path)
    assert model.asked == [["b", "d"]]
    assert [answer.error for answer in answers] == [None, None, None, "the server said no"]


def vg_items(num_images: int, per_image: int) -> list[Item]:
    return [
        Item(
            benchmark="ja-vg-vqa-500",
            protocol="all",
            item_id=f"{image}-{number}",
            question=f"質問{number}",
            reference="犬",
            image=f"{image}.jpg",
            question_index=number,
        )
        for image in range(num_images)
        for number in range(per_image)
    ]


def test_first_of_8_asks_the_first_question_on_each_photo():
    chosen = select_items(vg_items(500, 8), benchmark="ja-vg-vqa-500", protocol="first-of-8")
    assert len(chosen) == 500
    assert {item.question for item in chosen} == {"質問0"}
    assert len(select_items(vg_items(500, 8), benchmark="ja-vg-vqa-500", protocol="all")) == 4000


@pytest.mark.parametrize(
    ("items", "protocol", "message"),
    [
        (
            vg_items(499, 8),
            "first-of-8",
            r"ja-vg-vqa-500/first-of-8 has 500 questions on 500 images; the dataset has 499 questions on 499 images",
        ),
        (vg_items(500, 7), "all", "has 4000 questions on 500 images; the dataset has 3500 questions on 500 images"),
    ],
)
def test_a_benchmark_of_another_size_is_refused(items, protocol, message):
    with pytest.raises(DataError, match=message):
        select_items(items, benchmark="ja-vg-vqa-500", protocol=protocol)


def heron_items(conv: int, complex_: int, detail: int) -> list[Item]:
    categories = ["conv"] * conv + ["complex"] * complex_ + ["detail"] * detail
    return [
        Item(
            benchmark="japanese-heron-bench",
            protocol="all",
            item_id=str(number),
            question="何ですか。",
            reference="犬",
            category=category,
            image=f"{number % 21:03d}.jpg",
        )
        for number, category in enumerate(categories)
    ]


def test_heron_bench_is_103_questions_of_three_categories():
    assert len(select_items(heron_items(42, 40, 21), benchmark="japanese-heron-bench", protocol="all")) == 103
    with pytest.raises(
        DataError, match="has 103 questions on 21 images, 40 complex, 42 conv, 21 detail; the dataset has .* 41 complex"
    ):
        select_items(heron_items(41, 41, 21), benchmark="japanese-heron-bench", protocol="all")


def own_benchmark() -> BenchmarkConfig:
    source = ShapesJaSource(kind="shapes-ja", content="questions", num_images=1)
    return BenchmarkConfig(name="mine", source=source, metrics=("rougeL",))


def published(store: ArtifactStore):
    rows = [
        {
            **dict.fromkeys(ITEM_SCHEMA.names),
            "item_id": name,
            "question": question,
            "reference": "犬。",
            "question_index": 0,
            "image_category": "anime",
            "context": "犬がいる。",
        }
        for name, question in (("7", "何ですか。"), ("8", "誰ですか。"))
    ]

    def work(directory):
        write_rows(directory / "items.parquet", rows, schema=ITEM_SCHEMA)
        write_rows(directory / "images.parquet", [], schema=IMAGE_SCHEMA)
        return {}

    return store.produce(Request(step="dataset", version=1, config={"items": 2}), work)


def test_predictions_carry_what_their_items_say(store, tmp_path):
    (item, _) = benchmark_items(own_benchmark(), published(store))
    assert (item.item_id, item.image_category, item.protocol) == ("7", "anime", "all")


def test_predictions_are_a_table_and_lines_in_the_shape_of_llm_jp_eval_mm(store):
    dataset, request = published(store), Request(step="predictions", version=1, config={})

    def work(directory):
        return write_predictions(
            lambda: Echo(broken=["8"]),
            own_benchmark(),
            dataset=dataset,
            batch_size=1,
            generation=GenerationConfig(),
            directory=directory,
        )

    manifest = store.produce(request, work)
    assert manifest.summary == {
        "benchmark": "mine",
        "protocol": "all",
        "generation": "greedy-256",
        "num_items": 2,
        "num_failed": 1,
    }
    assert [row.prediction for row in read_predictions(manifest)] == ["「何ですか。」", None]
    assert pq.read_schema(manifest.path("predictions.parquet")).names[:3] == ["benchmark", "protocol", "item_id"]
    lines = manifest.path("predictions.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [
        {"question_id": "7", "text": "「何ですか。」"},
        {"question_id": "8", "text": "", "error": "the server said no"},
    ]


def test_an_incomplete_benchmark_is_refused_before_the_model_is_loaded(store):
    def load():
        raise AssertionError("the model was loaded")

    benchmark = BenchmarkConfig.model_validate({"name": "ja-vlm-bench-in-the-wild"})
    with pytest.raises(DataError, match="ja-vlm-bench-in-the-wild/all has 50 questions; the dataset has 2 questions"):
        write_predictions(
            load,
            benchmark,
            dataset=published(store),
            batch_size=1,
            generation=GenerationConfig(),
            directory=store.root,
        )


class Says:
    """A model that always says the same."""

    max_images = None

    def __init__(self, answer):
        self._answer = answer

    def answer(self, questions):
        return [self._answer for _ in questions]


@pytest.mark.parametrize(
    ("said", "prediction", "error"),
    [
        ("丸い\ud83d", "丸い\ufffd", None),
        ("\udc83\ud83d", "\ufffd\ufffd", None),
        (Unanswered("it said \ud83d"), None, "it said \ufffd"),
    ],
)
def test_half_a_character_is_marked_said_and_loses_no_answer(tmp_path, images, caplog, said, prediction, error):
    (answer,) = answer_items(Says(said), [item("q1")], images=images, batch_size=1, directory=tmp_path)
    assert (answer.prediction, answer.error) == (prediction, error)
    assert "the answer to q1 has half a surrogate pair, which becomes \ufffd" in caplog.text


@pytest.mark.parametrize("said", ["赤\u2028色\x85", "赤\0色", "赤\r\n色", "\ufeff赤", "😀"])
def test_odd_characters_of_an_answer_come_back_from_the_file_where_answers_are_kept(tmp_path, images, said):
    ask = lambda model: answer_items(model, [item("q1")], images=images, batch_size=1, directory=tmp_path)  # noqa: E731
    assert [one.prediction for one in ask(Says(said))] == [said]
    assert [one.prediction for one in ask(Says("asked again"))] == [said]


def test_a_batch_of_very_large_images_is_asked_in_parts(images, tmp_path, monkeypatch):
    one = num_pixels(images.read(IMAGE))
    monkeypatch.setattr(answers, "MAX_PIXELS_OF_A_BATCH", 2 * one)
    model, asked = Echo(), [item(str(number), image_sha256=IMAGE) for number in range(5)]
    found = answer_items(model, [*asked, item("text")], images=images, batch_size=6, directory=tmp_path)
    assert model.asked == [["0", "1"], ["2", "3"], ["4", "text"]]
    assert [answer.prediction for answer in found] == ["「何ですか。」"] * 6


@pytest.mark.parametrize(
    ("said", "prediction"),
    [
        ("<think>\n色は…\n</think>\n\n赤色です。", "赤色です。"),
        ("色は…\n</think>\n赤色です。", "赤色です。"),  # its beginning stood in the prompt
        ("◁think▷赤か青か◁/think▷赤色です。", "赤色です。"),
        (
            "<|channel|>analysis<|message|>赤?<|end|><|start|>assistant<|channel|>final<|message|>赤色です。",
            "赤色です。",
        ),
        (" 赤色です。", " 赤色です。"),
        ("2 < 3 と <b>5</b>", "2 < 3 と <b>5</b>"),
        ("", ""),
        ("<think>赤か", None),
        ("<think>赤</think>", None),
    ],
)
def test_what_a_model_thinks_is_no_part_of_its_answer(tmp_path, images, said, prediction):
    (answer,) = answer_items(Says(said), [item("1")], images=images, batch_size=1, directory=tmp_path)
    assert answer.prediction == prediction
    assert (answer.error is None) == (prediction is not None)


def test_a_benchmark_of_conversations_says_how_many_questions_it_does_not_ask(store):
    talk = ("何色ですか。", "赤色です。", "何個ありますか。", "三個です。")
    turns = [{"role": "user", "text": text} for text in talk]
    samples = pa.Table.from_pylist([{"turns": turns[:2]}, {"turns": turns}, {"turns": turns + turns[2:]}])

    def work(directory):
        pq.write_table(samples, directory / "samples.parquet")
        return {}

    dataset = store.produce(Request(step="dataset", version=1, config={"kind": "talks"}), work)
    assert not_asked("mine", dataset) == (
        "mine asks the first question of each of its 3 records; 3 later questions of 2 of them are not asked. "
        "To ask one, make it a record of its own"
    )
    assert not_asked("mine", published(store)) == ""
