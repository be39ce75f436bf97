"""Hostile replies of a judge and an endpoint: a reply of the right types, or an error that says who did not reply."""

import json
import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.core.errors import PipelineError, TransientError
from pipeline.core.retries import Patience, TryAgainError
from pipeline.evaluation.chat_completion import read_completion
from pipeline.evaluation.inquiry import Inquiry, Reply
from pipeline.evaluation.judge.parse import parse_reply
from pipeline.evaluation.judge.replies import ReplyCache
from pipeline.evaluation.openai_client import Endpoint, OpenAiJudge, Spending
from tests.campaign.cases import LostError, changed
from tests.campaign.inputs import NUMBERS, TEXTS, odd
from tests.support.judge_server import Act, completion, serving

PARSED_AT_ONCE = 500
READ_AT_ONCE = 100
PATIENCE = Patience(attempts=2, first_delay=0.001, longest_delay=0.002, timeout=0.5)


class Replies:
    """A server that answers what the case wants."""

    def __init__(self, url: str) -> None:
        self._judge = OpenAiJudge(Endpoint(url, "none", 1, PATIENCE), Spending())
        self.act = Act()

    @classmethod
    @contextmanager
    def serving(cls) -> Iterator["Replies"]:
        with serving(lambda item, count: replies.act) as server:
            replies = cls(server.url)
            yield replies

    def case(self, chance: random.Random, folder: Path) -> Mapping[str, int]:
        """One reply over the network, kept and read again; and some texts that are parsed."""
        for _ in range(PARSED_AT_ONCE):
            text = "".join(chance.choice((*TEXTS, "8", " ", "6", "\n", ",", "10", "/", "スコア：")) for _ in range(8))
            parsed = parse_reply(text)
            if (parsed.status == "ok") != (parsed.scores is not None):
                raise LostError(f"{text!r} was parsed as {parsed}")
        ends = {"parsed": PARSED_AT_ONCE}
        for _ in range(READ_AT_ONCE):
            end = _read(_act(chance).body)
            ends[end] = ends.get(end, 0) + 1
        self.act = _act(chance)
        messages = ({"role": "system", "content": "judge"}, {"role": "user", "content": "文脈0\n"})
        inquiry = Inquiry(model="m", messages=messages, sampling={"max_tokens": 9}, repeat=0, attempt=0)
        cache = ReplyCache(folder)
        try:
            reply = cache.get(inquiry, lambda asked: self._judge.ask(asked, stop=threading.Event())).reply
        except (PipelineError, TransientError) as error:
            if "127.0.0.1" not in str(error):
                raise LostError(f"the error does not say who did not reply: {error}") from error
            return {"refused by name": 1, **ends}
        if not isinstance(reply, Reply) or cache.find(inquiry) != reply:
            raise LostError(f"{reply} was not kept as it is")
        return {"reply": 1, **ends}


def _read(body: bytes) -> str:
    """A body as the client gets it, read without a network."""
    try:
        reply = read_completion(body, started=0.0)
    except TryAgainError as error:
        if not str(error):
            raise LostError(f"{body[:80]!r} is refused without a reason") from error
        return "no completion"
    Reply.model_validate_json(reply.model_dump_json())
    return "completion"


def _act(chance: random.Random) -> Act:
    body: Any = json.loads(completion(chance.choice(TEXTS)).body)
    for _ in range(chance.choice((0, 1, 2, 4))):
        body = odd(body, chance)
    if isinstance(body, dict) and chance.random() < 0.2:
        body["usage"] = {"prompt_tokens": chance.choice(NUMBERS), "completion_tokens": chance.choice(NUMBERS)}
    content = json.dumps(body).encode()
    if chance.random() < 0.3:
        content = changed(content, chance)
    kind = {"Content-Type": chance.choice(("application/json", "application/json", "text/html", "text/event-stream"))}
    return Act(chance.choice((200, 200, 200, 200, 204, 302, 400, 404, 429, 500)), content, kind)
