"""A judge behind any endpoint that speaks OpenAI's chat completions, asked through the ``openai`` client.

What time may cure is waited for here and not in the client, which waits a minute at most and counts no tokens.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import httpx2

from pipeline.core.bounded_http import IDENTITY, AnswerTooLargeError, bounding
from pipeline.core.censoring import censored, without_credentials
from pipeline.core.deadlines import TooSlowError, within
from pipeline.core.errors import ConfigError, JudgeError, PipelineError, TransientError
from pipeline.core.retries import Patience, TryAgainError, retry_after
from pipeline.core.wording import encodable
from pipeline.evaluation.chat_completion import most_tokens, read_completion, tokens_of
from pipeline.evaluation.inquiry import Inquiry, Reply
from pipeline.evaluation.unread_answers import keep_unread

if TYPE_CHECKING:
    import openai

    from pipeline.core.settings import Settings

log = logging.getLogger(__name__)

OPENAI_URL = "https://api.openai.com/v1"
RETRIED_STATUSES = (408, 409, 425, 429)
NO_MONEY_CODES = ("insufficient_quota", "billing_hard_limit_reached")
REFUSED_CODES = ("content_filter", "context_length_exceeded", "string_above_max_length")
"""Codes of a status 400 that is about one text; others are about all requests."""
MAX_MESSAGE_CHARACTERS = 300
MAX_ANSWER_BYTES = 16 << 20
"""A longer answer is no reply: a million tokens have a quarter of it."""


class Judge(Protocol):
    """Whoever replies to inquiries. Several threads ask at once."""

    max_concurrency: int

    def ask(self, inquiry: Inquiry, *, stop: threading.Event) -> Reply:
        """The reply. After ``stop`` no attempt starts; one under way is finished, because it is paid for.

        Raises:
            TransientError: there is none now.
            JudgeError: there is none, and would be none to any other inquiry.
            CeilingReachedError: it may cost too much.
        """


class NoJudge:
    """Replies to nothing: only what is kept can be read."""

    max_concurrency = 1

    def ask(self, inquiry: Inquiry, *, stop: threading.Event) -> Reply:
        raise JudgeError(
            f"a reply of {inquiry.model} is missing and no judge is configured; set OPENAI_API_KEY and OPENAI_BASE_URL "
            "(for another endpoint)"
        )


@dataclass(frozen=True)
class Endpoint:
    """Where a judge is and how it is asked."""

    base_url: str
    api_key: str = field(repr=False)
    max_concurrency: int = 8
    patience: Patience = field(default_factory=Patience)
    """Its timeout is for a whole reply."""
    error: type[PipelineError] = JudgeError
    """Raised for what no waiting cures."""
    verb: str = "judge"
    """What the model behind it does, a verb."""
    key_name: str = "OPENAI_API_KEY"
    store_root: Path | None = None
    """Where answers that cannot be read are kept: they may have been paid for."""
    advice: str = "OPENAI_BASE_URL says where the judge is, evaluation.judge which model is asked and how"

    @property
    def host(self) -> str:
        """For messages: a URL may carry a password."""
        return urlsplit(without_credentials(self.base_url)).netloc


def judge_of(settings: Settings) -> OpenAiJudge | None:
    """The judge that the environment names; None when it names neither a key nor an endpoint.

    Raises:
        ConfigError: the openai client is not installed.
    """
    key, url = settings.judge_api_key.get_secret_value(), settings.judge_base_url
    if not key and not url:
        return None
    if find_spec("openai") is None:
        raise ConfigError(
            "OPENAI_API_KEY or OPENAI_BASE_URL asks for a judge, and openai is not installed: "
            "pip install 'llava-jp-pipeline[judge]', or unset the variable to skip judged benchmarks"
        )
    endpoint = Endpoint(
        base_url=url or OPENAI_URL,
        api_key=key or "none",  # a server of one's own may want none, and the client insists
        max_concurrency=settings.judge_concurrency,
        patience=Patience(timeout=settings.judge_timeout),
        store_root=settings.store_root,
    )
    return OpenAiJudge(endpoint, Spending(settings.judge_token_ceiling))


class OpenAiJudge:
    """One endpoint with what it may cost."""

    def __init__(
        self, endpoint: Endpoint, spending: Spending, *, on_trouble: Callable[[], object] = lambda: None
    ) -> None:
        """``on_trouble`` is told whenever an attempt brought nothing: the endpoint is busy, or gone."""
        import openai  # half a second, for judged benchmarks only

        self.endpoint = endpoint
        self.spending = spending
        self._on_trouble = on_trouble
        self.max_concurrency = endpoint.max_concurrency
        self._first_trouble = threading.Lock()  # taken once, by whoever says it
        seconds = endpoint.patience.timeout
        self._client = openai.OpenAI(
            base_url=endpoint.base_url,
            api_key=endpoint.api_key,
            timeout=httpx2.Timeout(seconds, connect=seconds / 2),  # so that it is known that nothing was sent
            max_retries=0,
            default_headers=IDENTITY,
            http_client=openai.DefaultHttpxClient(event_hooks=bounding(max_bytes=MAX_ANSWER_BYTES, seconds=seconds)),
        )

    def ask(self, inquiry: Inquiry, *, stop: threading.Event) -> Reply:
        """Ask until there is a reply; see ``Judge``."""
        most = most_tokens(inquiry)
        return self.endpoint.patience.call(
            lambda: self._ask_once(inquiry, most), stop=stop, give_up=self._no_reply, on_failure=self._trouble
        )

    def _trouble(self, failures: int, error: TryAgainError) -> None:
        self._on_trouble()
        if failures == 2 and self._first_trouble.acquire(blocking=False):
            log.warning(
                "%s gives no reply: %s. It is tried again, %d times with growing pauses: that may take minutes",
                self.endpoint.host,
                error,
                self.endpoint.patience.attempts,
            )

    def _no_reply(self, failures: int, error: TryAgainError) -> TransientError:
        return TransientError(f"{self.endpoint.host} gave no reply in {failures} attempts; the last: {error}")

    def _ask_once(self, inquiry: Inquiry, most: int) -> Reply:
        import openai

        sent: dict[str, Any] = {"model": inquiry.model, "messages": list(inquiry.messages), **inquiry.sampling}
        started = time.time()
        with self.spending.charging(most) as charge:
            try:
                reply = self._read(inquiry, self._exchange(sent), started)
            except openai.APIStatusError as error:
                charge.num_tokens = 0  # an error costs nothing
                reply = Reply(
                    text=None, refusal=self._refusal(error), started_at=started, seconds=time.time() - started
                )
            except openai.APIConnectionError as error:
                if not _was_sent(error):
                    charge.num_tokens = 0
                raise TryAgainError(self._plain(error.__cause__ or error)) from error
            else:
                if (cost := tokens_of(reply)) is not None:
                    charge.num_tokens = cost
        return reply

    def _read(self, inquiry: Inquiry, body: bytes, started: float) -> Reply:
        """The reply in an answer.

        Raises:
            TryAgainError: it is no completion; its bytes are kept.
        """
        try:
            return read_completion(body, started=started)
        except TryAgainError as error:
            if self.endpoint.store_root is None:
                raise
            kept = keep_unread(self.endpoint.store_root, inquiry, body)
            raise TryAgainError(f"{error}; it is kept in {kept}") from error

    def _exchange(self, sent: Mapping[str, Any]) -> bytes:
        """The body of the answer to a request.

        Raises:
            TryAgainError: it did not come in time.
            TransientError: it is too long. It was paid for, and the next would be as long.
        """
        create: Callable[..., Any] = self._client.chat.completions.with_raw_response.create
        try:
            content: bytes = within(self.endpoint.patience.timeout, lambda: create(**sent)).content
        except TooSlowError as error:
            raise TryAgainError(str(error)) from error
        except AnswerTooLargeError as error:
            raise TransientError(f"{self.endpoint.host} cannot be read: {error}") from error
        return content

    def _refusal(self, error: openai.APIStatusError) -> str:
        """Why the endpoint does not want to reply to this text.

        Raises:
            TryAgainError: it may reply later.
            PipelineError: it would not reply to any text; of the endpoint's kind.
        """
        status, said = error.status_code, self._plain(error)
        if status == 429 and error.code in NO_MONEY_CODES:
            raise self.endpoint.error(
                f"{self.endpoint.host} says that the account has no credit left: {said}"
            ) from error
        if status in RETRIED_STATUSES or status >= 500:
            raise TryAgainError(f"status {status}: {said}", after=retry_after(error.response.headers)) from error
        if error.code in REFUSED_CODES:
            return f"status {status}, {error.code}: {said}"
        if status in (401, 403):  # its message repeats the key
            raise self.endpoint.error(
                f"{self.endpoint.host} does not accept the key (status {status}); set {self.endpoint.key_name}"
            ) from error
        raise self.endpoint.error(
            f"{self.endpoint.host} does not {self.endpoint.verb} (status {status}): {said}. {self.endpoint.advice}"
        ) from error

    def _plain(self, error: BaseException) -> str:
        """What an error says, short and without the key."""
        body = getattr(error, "body", None)
        message = body.get("message") if isinstance(body, dict) else None
        text = " ".join(str(message or error or type(error).__name__).split())
        return encodable(censored(text, self.endpoint.api_key, self.endpoint.base_url))[:MAX_MESSAGE_CHARACTERS]


def _was_sent(error: openai.APIConnectionError) -> bool:
    """Whether the request may have arrived, and so may be charged for."""
    return not isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)


class CeilingReachedError(Exception):
    """The next request might cost more than is left."""


@dataclass(slots=True)
class Charge:
    """What one request has cost; until that is known, the most it can."""

    num_tokens: int


class Spending:
    """What judging has cost since this was made; shared by threads, and by the retries of a task."""

    def __init__(self, ceiling: int | None = None) -> None:
        self.ceiling = ceiling
        self.spent = 0
        self._reserved = 0
        self._changed = threading.Condition()

    @contextmanager
    def charging(self, most: int) -> Iterator[Charge]:
        """Reserve ``most`` tokens, then spend those of the charge. Waits while open requests may leave enough.

        Raises:
            CeilingReachedError: what is left is less, with no request open.
        """
        with self._changed:
            while not self._fits(most):
                if not self._reserved:
                    raise CeilingReachedError
                self._changed.wait()
            self._reserved += most
        charge = Charge(most)
        try:
            yield charge
        finally:
            with self._changed:
                self._reserved -= most
                self.spent += charge.num_tokens
                self._changed.notify_all()

    def _fits(self, most: int) -> bool:
        return self.ceiling is None or self.spent + self._reserved + most <= self.ceiling
