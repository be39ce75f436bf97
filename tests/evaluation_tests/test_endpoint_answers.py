"""A vision model behind an endpoint, played by a local server."""

import base64
import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image
from pydantic import SecretStr, ValidationError

from model.config import GENERATION_PRESETS, GenerationConfig
from pipeline.config.measured import EndpointModel
from pipeline.core.errors import ConfigError, EndpointError, TransientError
from pipeline.core.retries import Patience
from pipeline.core.settings import Settings
from pipeline.evaluation.answers import AnsweredInPartError, Question, Unanswered, answer_items
from pipeline.evaluation.models.endpoint import EndpointUnderTest, endpoint_of, host_of
from pipeline.evaluation.rows import Item
from pipeline.store.artifacts import WORK_FOLDER
from tests.support.judge_server import Act, completion, refused

GREEDY = GENERATION_PRESETS["greedy-256"]
KEY = "sk-secret"
RED, BLUE = (Image.new("RGB", (3, 2), colour) for colour in ("red", "blue"))
QUESTIONS = [Question("1", "何色ですか。", (RED,)), Question("2", "こんにちは。")]


@contextmanager
def serving(script: Callable[[str, int], Act]) -> Iterator[tuple[str, list[dict]]]:
    """A server whose act depends on the question and on how often it was asked; gives its URL and what it was sent."""
    sent, lock = [], threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            text = payload["messages"][0]["content"][-1]["text"]
            with lock:
                count = sum(one["messages"][0]["content"][-1]["text"] == text for one in sent)
                sent.append({**payload, "authorization": self.headers["Authorization"]})
            act = script(text, count)
            self.send_response(act.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(act.body)))
            self.end_headers()
            self.wfile.write(act.body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", sent
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def model_under_test(url: str, generation: GenerationConfig = GREEDY, **fields: object) -> EndpointUnderTest:
    model = EndpointModel(kind="endpoint", model="vision-1", base_url=url, **fields)
    patience = Patience(attempts=3, first_delay=0.001, timeout=5)
    settings = Settings(LLAVA_JP_MODEL_API_KEY=SecretStr(KEY))
    return EndpointUnderTest(model, generation, endpoint_of(model, settings, patience=patience))


def test_the_image_is_sent_as_png_before_the_question_and_nothing_is_added():
    with serving(lambda text, _: completion(f" {text} \n")) as (url, sent):
        assert model_under_test(url).answer(QUESTIONS) == ["何色ですか。", "こんにちは。"]
    first, second = sorted(sent, key=lambda payload: -len(payload["messages"][0]["content"]))
    image, text = first["messages"][0]["content"]
    assert text == {"type": "text", "text": "何色ですか。"}
    head, _, data = image["image_url"]["url"].partition(",")
    assert head == "data:image/png;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).tobytes() == RED.tobytes()
    assert second["messages"] == [{"role": "user", "content": [{"type": "text", "text": "こんにちは。"}]}]
    assert (first["model"], first["max_tokens"], first["temperature"]) == ("vision-1", 256, 0.0)
    assert "seed" not in first
    assert first["authorization"] == f"Bearer {KEY}"


def test_several_images_are_several_parts_in_their_order():
    asked = Question("1", "左と右の違いは。", (RED, BLUE), image_places=(1, 3))
    with serving(lambda text, _: completion("色")) as (url, sent):
        model_under_test(url).answer([asked, Question("2", "違いは。", (BLUE, RED))])
    placed, before = sorted(sent, key=lambda payload: -len(payload["messages"][0]["content"]))
    parts = placed["messages"][0]["content"]
    assert [part.get("text") for part in parts] == ["左", None, "と右", None, "の違いは。"]
    colours = [
        pixels_of(part)
        for payload in (placed, before)
        for part in payload["messages"][0]["content"]
        if "image_url" in part
    ]
    assert colours == [RED.tobytes(), BLUE.tobytes(), BLUE.tobytes(), RED.tobytes()]


def pixels_of(part):
    data = part["image_url"]["url"].partition(",")[2]
    return Image.open(io.BytesIO(base64.b64decode(data))).tobytes()


def test_sampling_is_seeded_and_a_model_may_want_other_names():
    sampling = GENERATION_PRESETS["demo"]
    with serving(lambda text, _: completion("赤")) as (url, sent):
        model_under_test(url, sampling).answer(QUESTIONS[:1])
        model_under_test(url, sends_temperature=False, max_tokens_name="max_completion_tokens").answer(QUESTIONS[:1])
    drawn, other = sent
    assert (drawn["temperature"], drawn["top_p"]) == (0.1, 1.0)
    assert 0 <= drawn["seed"] < 2**31
    assert "temperature" not in other
    assert other["max_completion_tokens"] == 256


def test_what_time_cures_is_waited_for_and_a_refusal_is_a_failed_item():
    def script(text, count):
        if text == "何色ですか。":
            return refused(429, "rate_limit") if count == 0 else completion("赤")
        return refused(400, "content_filter", "no such talk")

    with serving(script) as (url, sent):
        red, refusal = model_under_test(url).answer(QUESTIONS)
    assert red == "赤"
    assert refusal == Unanswered("the model refused: status 400, content_filter: no such talk")
    assert len(sent) == 3


def test_one_silent_question_fails_alone_and_a_silent_endpoint_stops():
    def script(text, _):
        return refused(503, "busy") if text == "何色ですか。" else completion("はい")

    with serving(script) as (url, _):
        silent, answer = model_under_test(url).answer(QUESTIONS)
        assert answer == "はい"
        assert "gave no reply in 3 attempts" in silent.reason
        with pytest.raises(TransientError, match="gave no reply in 3 attempts"):
            model_under_test(url).answer(QUESTIONS[:1])


def test_a_wrong_key_stops_at_once_and_is_not_told():
    with (
        serving(lambda text, _: refused(401, "invalid", f"wrong {KEY}")) as (url, _),
        pytest.raises(EndpointError, match=r"does not accept the key .* set LLAVA_JP_MODEL_API_KEY") as raised,
    ):
        model_under_test(url).answer(QUESTIONS)
    assert KEY not in str(raised.value)


def test_what_was_answered_before_the_account_was_empty_is_kept(tmp_path):
    other = threading.Event()

    def script(text, count):
        if text != "何色ですか。":
            other.set()
            return completion("はい")
        assert other.wait(10)  # both are under way
        return refused(429, "insufficient_quota", "no credit")

    items = [
        Item(benchmark="b", protocol="all", item_id=name, question=text, reference="")
        for name, text in (("1", "何色ですか。"), ("2", "こんにちは。"))
    ]
    options = {"images": None, "batch_size": 2, "directory": tmp_path}
    with serving(script) as (url, _), pytest.raises(EndpointError, match="has no credit left"):
        answer_items(model_under_test(url), items, **options)
    with serving(lambda text, _: completion("赤")) as (url, sent):
        answers = answer_items(model_under_test(url), items, **options)
    assert [answer.prediction for answer in answers] == ["赤", "はい"]
    assert len(sent) == 1


@pytest.mark.parametrize("preset", ["sakana", "heron"])
def test_settings_that_an_endpoint_does_not_know_are_refused(preset):
    with pytest.raises(ConfigError, match="an endpoint has no "):
        model_under_test("http://127.0.0.1:9/v1", GENERATION_PRESETS[preset])


def test_the_host_is_told_and_never_a_password():
    settings = Settings(LLAVA_JP_MODEL_BASE_URL="https://me:secret@models.example/v1")
    assert host_of(EndpointModel(kind="endpoint", model="a"), settings) == "models.example"
    assert host_of(EndpointModel(kind="endpoint", model="a", base_url="http://127.0.0.1:8000/v1"), settings) == (
        "127.0.0.1:8000"
    )
    with pytest.raises(ValidationError, match="the URL holds a user or a password"):
        EndpointModel(kind="endpoint", model="a", base_url="https://me:secret@models.example/v1")


@pytest.mark.parametrize("content", [None, "", " \n", "<think>\n赤か青か"])
def test_an_answer_that_its_limit_ended_before_any_text_is_one_request_and_a_failed_item(content):
    message = {"content": content, "reasoning_content": "考え中…"}
    cut_off = {"choices": [{"message": message, "finish_reason": "length"}]}
    with serving(lambda *_: Act(body=json.dumps(cut_off).encode())) as (url, sent):
        (answer,) = model_under_test(url).answer(QUESTIONS[:1])
    assert isinstance(answer, Unanswered)
    assert answer.reason.startswith("the length limit ended the answer before any text")
    assert len(sent) == 1


def test_an_answer_that_is_reasoning_alone_is_one_request_and_a_failed_item():
    alone = {"choices": [{"message": {"content": None, "reasoning_content": "赤…"}, "finish_reason": "stop"}]}
    with serving(lambda *_: Act(body=json.dumps(alone).encode())) as (url, sent):
        (answer,) = model_under_test(url).answer(QUESTIONS[:1])
    assert answer == Unanswered("the model refused: it only reasoned, and said nothing")
    assert len(sent) == 1


def test_half_a_surrogate_pair_in_an_answer_stands_escaped(caplog):
    body = b'{"choices": [{"message": {"content": "\xe4\xb8\xb8\\ud83d"}}]}'
    with serving(lambda *_: Act(body=body)) as (url, _):
        assert model_under_test(url).answer(QUESTIONS[:1]) == ["丸\\ud83d"]
    assert "the answer to 1 has half a surrogate pair, which is spelled out" in caplog.text


def test_a_model_without_place_and_key_is_refused_before_anybody_is_asked(monkeypatch):
    for name in ("LLAVA_JP_MODEL_API_KEY", "OPENAI_API_KEY", "LLAVA_JP_MODEL_BASE_URL", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    model = EndpointModel(kind="endpoint", model="foo")
    with pytest.raises(ConfigError, match=r"nothing says where foo is: set LLAVA_JP_MODEL_BASE_URL or OPENAI_BASE_URL"):
        endpoint_of(model, Settings())
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a")
    assert endpoint_of(model, Settings()).host == "api.openai.com"
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1")
    assert endpoint_of(model, Settings()).host == "127.0.0.1:8000"


def test_answers_that_came_before_an_interruption_are_kept(tmp_path, monkeypatch):
    def script(text, count):
        return completion("赤です。")

    with serving(script) as (url, _):
        model = model_under_test(url)
        asked = model._ask

        def ask(question, stop):
            if question.item_id == "2":
                raise KeyboardInterrupt
            return asked(question, stop)

        monkeypatch.setattr(model, "_ask", ask)
        with pytest.raises(AnsweredInPartError) as caught:
            model.answer(QUESTIONS)
    assert isinstance(caught.value.problem, KeyboardInterrupt)
    assert caught.value.answers == ["赤です。", Unanswered("it was interrupted")]


def many_items(number):
    return [
        Item(benchmark="b", protocol="all", item_id=str(index), question=f"{index}番", reference="")
        for index in range(number)
    ]


def test_every_answer_is_on_the_disk_before_the_next_question_is_asked(tmp_path):
    kept = tmp_path / WORK_FOLDER / "answers.jsonl"
    lines = []

    def script(text, _):
        lines.append(len(kept.read_bytes().splitlines()) if kept.exists() else 0)
        return completion(text)

    options = {"images": None, "batch_size": 1, "directory": tmp_path}
    with serving(script) as (url, sent):
        model = EndpointUnderTest(
            EndpointModel(kind="endpoint", model="m", base_url=url),
            GREEDY,
            endpoint_of(
                EndpointModel(kind="endpoint", model="m", base_url=url),
                Settings(LLAVA_JP_MODEL_API_KEY=SecretStr(KEY), model_concurrency=1),
            ),
        )
        answers = answer_items(model, many_items(6), **options)
    assert [answer.prediction for answer in answers] == [f"{index}番" for index in range(6)]
    assert (lines, len(sent)) == ([0, 1, 2, 3, 4, 5], 6)


def test_as_many_questions_are_asked_at_once_as_the_endpoint_takes(tmp_path):
    now, most, lock = 0, 0, threading.Lock()

    def script(text, count):
        nonlocal now, most
        with lock:
            now, most = now + 1, max(most, now + 1)
            is_too_many = now > 3
        time.sleep(0.002)
        with lock:
            now -= 1
        return refused(429, "rate_limit") if is_too_many and count == 0 else completion(text)

    options = {"images": None, "batch_size": 1, "directory": tmp_path}
    with serving(script) as (url, _):
        model = model_under_test(url)
        answers = answer_items(model, many_items(60), **options)
    assert [answer.prediction for answer in answers] == [f"{index}番" for index in range(60)]
    assert most <= 8
    assert model._pace.limit <= 6  # four, and half as many more when it tries again


def test_an_endpoint_that_goes_away_ends_the_run_soon_and_what_it_answered_is_kept(tmp_path):
    num_left, lock = 10, threading.Lock()

    def script(text, _):
        nonlocal num_left
        with lock:
            num_left -= 1
            return completion(text) if num_left >= 0 else refused(503, "gone")

    options = {"images": None, "batch_size": 1, "directory": tmp_path}
    with serving(script) as (url, sent), pytest.raises(TransientError, match="gave no reply in 3 attempts"):
        answer_items(model_under_test(url), many_items(200), **options)
    assert len(sent) < 100
    with serving(lambda text, _: completion(text)) as (url, sent):
        answer_items(model_under_test(url), many_items(200), **options)
    assert len(sent) == 190
