import json
import logging
import re
import threading
import time
from dataclasses import replace

import pytest

from pipeline.config.evaluation import JudgeConfig
from pipeline.core.errors import ConfigError, JudgeError, TransientError
from pipeline.core.retries import Patience
from pipeline.core.settings import Settings
from pipeline.evaluation.chat_completion import most_tokens
from pipeline.evaluation.inquiry import Inquiry
from pipeline.evaluation.judge.headline import read_judge_scores
from pipeline.evaluation.judge.protocols import judging_of
from pipeline.evaluation.judge.rows import read_judgements
from pipeline.evaluation.judge.step import judge
from pipeline.evaluation.openai_client import Endpoint, OpenAiJudge, Spending, judge_of
from pipeline.store.artifacts import ArtifactStore
from tests.support.judge_server import Act, completion, refused, serving, verdict
from tests.support.judged_benchmark import BENCHMARK, BY_CATEGORY, answers, judged, publish_dataset, publish_predictions
from tests.support.raw_server import head, serving_raw

KEY = "sk-a-secret-that-nobody-may-read"
QUICK = Patience(attempts=6, first_delay=0.01, longest_delay=0.05, timeout=0.6)
TROUBLED = replace(QUICK, timeout=1.5)
"""In which a busy machine answers eight requests at once: none of them is asked for again."""
INQUIRY = Inquiry(
    model="gpt-4-0125-preview",
    messages=({"role": "system", "content": "judge"}, {"role": "user", "content": "文脈0\n"}),
    sampling={"temperature": 0.0, "max_tokens": 1024},
    repeat=0,
    attempt=0,
)


def connected(server, *, ceiling=None, patience=QUICK, max_concurrency=8):
    return OpenAiJudge(Endpoint(server.url, KEY, max_concurrency, patience), Spending(ceiling))


def judge_with(judge_, store, **config):
    return judge(
        judging_of("heron-official", JudgeConfig(**config)),
        benchmark=BENCHMARK,
        dataset=publish_dataset(store),
        predictions=publish_predictions(store, answers()),
        judge=judge_,
        store=store,
    )


def ask(server, **options):
    return connected(server, **options).ask(INQUIRY, stop=threading.Event())


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path / "store")


TROUBLES = (
    refused(429, "rate_limit_exceeded", Retry_After="0"),
    refused(500, "server_error"),
    Act(status=503, body=b"<html>busy</html>", headers={"Content-Type": "text/html"}),
    Act(body=b'{"choices": [{"mess'),
    Act(body=b"<html>a proxy says hello</html>"),
    Act(body=b'{"choices": []}'),
    completion(None),
    Act(body=completion("8 6").body, drops=True),
    Act(body=completion("8 6").body, delay=2.0),  # too late for ``TROUBLED``
)


def troubled(item: int, count: int) -> Act:
    """Every item has one trouble first, every tenth a second one."""
    if count == 0:
        act = TROUBLES[item % len(TROUBLES)]
        return Act(act.status, act.body, act.headers, act.delay, act.drops)
    return TROUBLES[1] if count == 1 and item % 10 == 0 else verdict(item)


def test_a_server_full_of_troubles_gives_the_numbers_of_an_undisturbed_run_and_each_reply_once(store, tmp_path):
    undisturbed, _ = judged(ArtifactStore(tmp_path / "undisturbed"))
    with serving(troubled) as server:
        manifest = judge_with(connected(server, patience=TROUBLED), store)
    assert read_judge_scores(manifest) == read_judge_scores(undisturbed)
    assert manifest.summary["num_failed"] == 0
    assert server.delivered == dict.fromkeys(range(103), 1)
    assert server.asked.total() == 103 + 103 + 11
    assert server.most_at_once <= 8


def test_a_finished_run_is_not_asked_for_again_by_another_judgement_of_it(store):
    with serving(lambda item, _: verdict(item)) as server:
        first = judge_with(connected(server), store)
        store.discard(first)
        second = judge_with(connected(server), store)
        assert server.asked.total() == 103
    assert read_judge_scores(first) == read_judge_scores(second)


def test_the_request_is_the_official_one(store):
    with serving(lambda item, _: verdict(item)) as server:
        judge_with(connected(server), store)
    payload = server.payloads[0]
    messages = payload.pop("messages")
    assert payload == {"model": "gpt-4-0125-preview", "temperature": 0.0, "max_tokens": 1024}
    assert [message["role"] for message in messages] == ["system", "user"]
    assert server.keys == {f"Bearer {KEY}"}


def test_the_server_says_how_long_to_wait():
    waits = []
    patience = Patience(attempts=3, first_delay=0.01, sleep=waits.append, timeout=5)
    script = {0: refused(429, "rate_limit_exceeded", Retry_After="7"), 1: refused(503, "busy")}
    with serving(lambda item, count: script.get(count, verdict(item))) as server:
        assert ask(server, patience=patience).text == "10 5\nWhy."
    assert waits[0] == 7
    assert 0.01 <= waits[1] <= 0.02


def test_a_server_that_stays_busy_is_said_once_and_given_up_with_its_last_words(caplog):
    with serving(lambda *_: refused(503, "busy", "come back later")) as server:
        message = r"127\.0\.0\.1:\d+ gave no reply in 6 attempts; the last: status 503: come back later"
        with pytest.raises(TransientError, match=message):
            ask(server)
    (said,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "gives no reply: status 503: come back later. It is tried again, 6 times" in said


def test_nobody_at_the_address_is_said():
    endpoint = Endpoint("http://user:password@127.0.0.1:9/v1", KEY, patience=Patience(attempts=1))
    spending = Spending(10_000)
    with pytest.raises(TransientError, match=r"^127\.0\.0\.1:9 gave no reply in 1 attempts; the last: .*refused"):
        OpenAiJudge(endpoint, spending).ask(INQUIRY, stop=threading.Event())
    assert spending.spent == 0  # nothing was sent


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (refused(401, "invalid_api_key", f"Incorrect key {KEY}"), "does not accept the key (status 401); set OPENAI_A"),
        (refused(403, "forbidden", f"not {KEY}"), "does not accept the key (status 403)"),
        (refused(429, "insufficient_quota", "You exceeded"), "says that the account has no credit left: You exceeded"),
        (
            refused(404, "model_not_found", "The model does not exist"),
            "does not judge (status 404): The model does not",
        ),
        (refused(400, "unsupported_parameter", f"max_tokens {KEY}"), "does not judge (status 400): max_tokens …"),
    ],
)
def test_what_time_does_not_cure_is_said_at_once_and_without_the_key(store, caplog, act, message):
    caplog.set_level(logging.DEBUG)
    with serving(lambda *_: act) as server, pytest.raises(JudgeError, match=re.escape(message)) as caught:
        judge_with(connected(server, max_concurrency=2), store)
    assert server.asked.total() <= 3
    assert KEY not in str(caught.value) + caplog.text


def test_the_key_is_in_no_file_of_the_store(store):
    with serving(lambda item, _: verdict(item)) as server:
        judge_with(connected(server), store)
    files = [path for path in store.root.rglob("*") if path.is_file()]
    assert len(files) > 103
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
    assert KEY not in repr(Endpoint(server.url, KEY))


def test_a_text_that_the_endpoint_does_not_want_is_a_failed_row_and_not_asked_about_twice(store):
    def script(item, _count):
        acts = {
            3: refused(400, "content_filter", "the prompt was filtered"),
            4: completion(None, refusal="I cannot judge that."),
        }
        return acts.get(item, verdict(item))

    with serving(script) as server:
        manifest = judge_with(connected(server), store, attempts=1)
    rows = read_judgements(manifest)
    assert (rows[3].status, rows[3].reason) == ("refused", "status 400, content_filter: the prompt was filtered")
    assert (rows[4].status, rows[4].reason) == ("refused", "I cannot judge that.")
    assert manifest.summary["num_failed"] == 2


def test_the_ceiling_is_never_passed_and_the_next_run_goes_on(store):
    with serving(lambda item, _: verdict(item)) as server:
        expensive = connected(server, ceiling=5000)
        message = r"the judge would cost more than LLAVA_JP_JUDGE_TOKEN_CEILING allows; \d+ of 103 judgements are made"
        with pytest.raises(JudgeError, match=message):
            judge_with(expensive, store)
        num_paid = server.delivered.total()
        assert 20 < num_paid < 42
        assert expensive.spending.spent == 120 * num_paid <= 5000
        judge_with(connected(server), store)
    assert server.delivered == dict.fromkeys(range(103), 1)


def test_a_reply_without_usage_and_one_that_may_be_charged_for_cost_the_most_they_can():
    most = most_tokens(INQUIRY)
    assert most == len("judge文脈0\n".encode()) + 64 + 1024
    with serving(lambda item, _: completion("8 6", tokens=None)) as server:
        judge_ = connected(server)
        assert judge_.ask(INQUIRY, stop=threading.Event()).input_tokens is None
        assert judge_.spending.spent == most
    with serving(lambda item, count: TROUBLES[-2] if count == 0 else verdict(item)) as server:
        judge_ = connected(server)
        judge_.ask(INQUIRY, stop=threading.Event())
        assert judge_.spending.spent == most + 120


def test_a_stop_ends_the_wait():
    stop = threading.Event()
    stop.set()
    patient = Patience(attempts=5, first_delay=60, timeout=5)
    with serving(lambda *_: refused(503, "busy")) as server, pytest.raises(TransientError, match="in 1 attempts"):
        connected(server, patience=patient).ask(INQUIRY, stop=stop)


@pytest.fixture
def environment(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "LLAVA_JP_JUDGE_API_KEY", "LLAVA_JP_JUDGE_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_without_key_and_place_there_is_no_judge(environment):
    assert judge_of(Settings()) is None


def test_a_key_alone_means_openai(environment):
    environment.setenv("OPENAI_API_KEY", KEY)
    judge_ = judge_of(Settings())
    assert (judge_.endpoint.host, judge_.endpoint.api_key) == ("api.openai.com", KEY)
    assert KEY not in repr(Settings())


def test_a_place_alone_means_a_server_that_wants_no_key(environment):
    environment.setenv("OPENAI_BASE_URL", "http://localhost:8000/v1")
    environment.setenv("LLAVA_JP_JUDGE_CONCURRENCY", "3")
    environment.setenv("LLAVA_JP_JUDGE_TOKEN_CEILING", "500000")
    judge_ = judge_of(Settings())
    assert (judge_.endpoint.base_url, judge_.max_concurrency) == ("http://localhost:8000/v1", 3)
    assert judge_.spending.ceiling == 500_000


def test_the_projects_own_variables_come_first(environment):
    environment.setenv("OPENAI_API_KEY", "of something else")
    environment.setenv("LLAVA_JP_JUDGE_API_KEY", KEY)
    assert judge_of(Settings()).endpoint.api_key == KEY


def test_a_missing_client_is_said_with_what_installs_it(environment, monkeypatch):
    environment.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr("pipeline.evaluation.openai_client.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"openai is not installed: pip install 'llava-jp-pipeline\[judge\]'"):
        judge_of(Settings())


def test_a_reply_is_stored_with_its_inquiry(store):
    with serving(lambda item, _: verdict(item)) as server:
        judge_with(connected(server), store)
    path = sorted((store.root / "judge_replies").rglob("*.json"))[0]
    content = json.loads(path.read_text(encoding="utf-8"))
    assert Inquiry.model_validate(content["inquiry"]).key == path.stem
    assert content["reply"]["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (completion("8 6\n丸\ud83d"), "8 6\n丸\\ud83d"),
        (completion("8 6\n\\ud83d 😀 \u2028\0"), "8 6\n\\ud83d 😀 \u2028\0"),
        (Act(body=b"\xef\xbb\xbf" + completion("8 6").body), "8 6"),
    ],
)
def test_a_reply_with_odd_characters_is_paid_for_once_and_kept(act, text):
    with serving(lambda *_: act) as server:
        assert ask(server).text == text
        assert len(server.payloads) == 1


def test_half_a_character_in_an_error_is_spelled_out():
    with (
        serving(lambda *_: refused(400, "content_filter", "bad \ud83d")) as server,
    ):
        assert ask(server).refusal == "status 400, content_filter: bad \\ud83d"


def test_a_password_of_the_url_is_in_no_message_in_any_form():
    act = refused(400, "odd", "Authorization: Basic bWU6b3Blbi1zZXNhbWU= of me:open-sesame, open-sesame")
    with serving(lambda *_: act) as server:
        url = server.url.replace("://", "://me:open-sesame@")
        with pytest.raises(JudgeError) as caught:
            OpenAiJudge(Endpoint(url, KEY, 1, QUICK), Spending()).ask(INQUIRY, stop=threading.Event())
    assert "does not judge (status 400): Authorization: Basic … of …, …. " in str(caught.value)
    assert "sesame" not in str(caught.value)


def answered(message, *, finish_reason="stop", usage=None, **fields):
    content = {"choices": [{"message": message, "finish_reason": finish_reason}], "usage": usage, **fields}
    return Act(body=json.dumps(content).encode())


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": -1000, "completion_tokens": -1000},
        {"prompt_tokens": 0, "completion_tokens": 0},
        {"prompt_tokens": 1.5, "completion_tokens": 20},
        {"prompt_tokens": "1", "completion_tokens": "1"},
        {"prompt_tokens": True, "completion_tokens": True},
        {"prompt_tokens": 10**30, "completion_tokens": 20},
        {"prompt_tokens": 100},
        [100, 20],
        None,
    ],
)
def test_a_usage_that_is_none_costs_the_most_it_can(usage):
    with serving(lambda *_: answered({"content": "8 6"}, usage=usage)) as server:
        judge_ = connected(server)
        reply = judge_.ask(INQUIRY, stop=threading.Event())
    assert reply.text == "8 6"
    assert judge_.spending.spent == most_tokens(INQUIRY)


def test_a_server_that_lies_about_what_it_cost_does_not_pass_the_ceiling(store):
    lie = {"prompt_tokens": -5000, "completion_tokens": -5000}
    with serving(lambda item, _: answered({"content": BY_CATEGORY["conv"]}, usage=lie)) as server:
        with pytest.raises(JudgeError, match="LLAVA_JP_JUDGE_TOKEN_CEILING"):
            judge_with(connected(server, ceiling=23 * 1300), store)
        assert server.asked.total() <= 23


@pytest.mark.parametrize(
    ("message", "text", "refusal"),
    [
        ({"content": [{"type": "text", "text": "8 "}, {"type": "text", "text": "6"}]}, "8 6", None),
        ({"content": {"a": 1}}, None, "its content is no text but a dict"),
        ({"content": 86}, None, "its content is no text but a int"),
        ({"content": None, "refusal": "no"}, None, "no"),
        ({"content": None, "reasoning_content": "8 6"}, None, "it only reasoned, and said nothing"),
        ({"content": "8 6", "reasoning_content": "9 9"}, "8 6", None),
        ({"content": [{"type": "thinking", "text": "9 9"}, {"type": "text", "text": "8 6"}]}, "8 6", None),
        ({"content": "8 6", "refusal": ["odd"]}, "8 6", None),
    ],
)
def test_whatever_stands_in_a_completion_becomes_a_reply_at_once(message, text, refusal):
    with serving(lambda *_: answered(message, model=7)) as server:
        reply = ask(server)
    assert (reply.text, reply.refusal, reply.served_model) == (text, refusal, None)
    assert server.asked.total() == 1


@pytest.mark.parametrize("content", [None, "", " \n", "<think>8 6 or 8 7?"])
def test_a_reply_that_its_limit_ended_before_any_text_is_one_request_and_one_row_that_says_so(store, content):
    def script(item, _count):
        return answered({"content": content}, finish_reason="length") if item == 3 else verdict(item)

    with serving(script) as server:
        row = read_judgements(judge_with(connected(server), store))[3]
    assert server.asked[3] == 1
    assert (row.status, row.replies) == ("unreadable", (content or "",))
    assert row.reason == "the length limit of the reply ended it before any text; raise judge.max_tokens"


def test_half_a_surrogate_pair_loses_nothing_that_was_paid_for(store):
    def script(item, _count):
        return Act(body=b'{"choices": [{"message": {"content": "8 6\\n\\ud83d"}}]}') if item == 3 else verdict(item)

    with serving(script) as server:
        row = read_judgements(judge_with(connected(server), store))[3]
        assert server.asked.total() == 103
    assert (row.status, row.model_score, row.replies) == ("ok", 6.0, ("8 6\n\\ud83d",))
    kept = [path for path in (store.root / "judge_replies").rglob("*.json") if '"is_escaped": true' in path.read_text()]
    assert len(kept) == 1


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"choices":' * 50_000, b"1" * 5000])
def test_an_answer_that_nests_too_deeply_is_no_reply(body):
    with serving(lambda *_: Act(body=body)) as server, pytest.raises(TransientError, match="no chat completion"):
        ask(server, patience=Patience(attempts=1))


def test_an_answer_that_is_too_long_is_asked_for_once(monkeypatch):
    monkeypatch.setattr("pipeline.evaluation.openai_client.MAX_ANSWER_BYTES", 100_000)
    body = json.dumps({"choices": [{"message": {"content": "8 6" * 50_000}}]}).encode()
    with serving(lambda *_: Act(body=body)) as server:
        judge_ = connected(server)
        with pytest.raises(TransientError, match=r"^127\.0\.0\.1:\d+ cannot be read: the answer is longer than 100"):
            judge_.ask(INQUIRY, stop=threading.Event())
    assert server.asked.total() == 1
    assert judge_.spending.spent == most_tokens(INQUIRY)


def test_a_dripped_reply_ends_at_the_timeout():
    def drip(_body):
        yield head(1000)
        for _ in range(1000):
            yield b" "
            time.sleep(0.05)

    with serving_raw(drip) as url:
        judge_ = OpenAiJudge(Endpoint(f"{url}/v1", KEY, 1, Patience(attempts=1, timeout=0.4)), Spending())
        started = time.monotonic()
        with pytest.raises(TransientError, match=r"no whole answer in 0\.4 s"):
            judge_.ask(INQUIRY, stop=threading.Event())
    assert time.monotonic() - started < 0.8


def test_an_answer_that_is_no_completion_is_kept_as_it_came(tmp_path):
    def act(item, count):
        return Act(body=b'{"result": "8 6"}') if count < 2 else verdict(item)

    with serving(act) as server:
        endpoint = Endpoint(server.url, KEY, 1, replace(QUICK, attempts=2), store_root=tmp_path)
        judge_ = OpenAiJudge(endpoint, Spending())
        with pytest.raises(
            TransientError, match=r"no chat completion .*; it is kept in .*unread_answers/\w{16}-\w{16}"
        ):
            judge_.ask(INQUIRY, stop=threading.Event())
        assert judge_.ask(INQUIRY, stop=threading.Event()).text == BY_CATEGORY["conv"]
    (kept,) = (tmp_path / "unread_answers").iterdir()
    assert kept.read_bytes() == b'{"result": "8 6"}'
