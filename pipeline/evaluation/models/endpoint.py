"""A vision model behind an endpoint that speaks OpenAI's chat completions, asked patiently and in parallel."""

import io
import logging
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from PIL import Image

from model.config import GenerationConfig
from model.decoding import item_seed
from pipeline.config.measured import EndpointModel
from pipeline.core.censoring import without_credentials
from pipeline.core.errors import ConfigError, EndpointError, TransientError
from pipeline.core.retries import Patience
from pipeline.core.settings import Settings
from pipeline.data.images import data_url
from pipeline.evaluation.answers import MAX_PIXELS_OF_A_BATCH, AnsweredInPartError, Question, Unanswered
from pipeline.evaluation.inquiry import Inquiry, Reply
from pipeline.evaluation.openai_client import OPENAI_URL, Endpoint, OpenAiJudge, Spending
from pipeline.evaluation.pace import Pace

log = logging.getLogger(__name__)

Answer = str | Unanswered | TransientError | EndpointError
FEWEST_FAILURES = 3
"""So many questions in a row without an answer, or as many as are asked at once, mean that the endpoint is gone."""
LARGEST_SEED = 2**31
"""Servers read a seed as a signed 32-bit number."""


def base_url(model: EndpointModel, settings: Settings) -> str:
    """Where the model is."""
    return model.base_url or settings.model_base_url or OPENAI_URL


def host_of(model: EndpointModel, settings: Settings) -> str:
    """The part of the URL that says who answers, without user or password: for fingerprints and messages."""
    return urlsplit(without_credentials(base_url(model, settings))).netloc


def endpoint_of(model: EndpointModel, settings: Settings, *, patience: Patience | None = None) -> Endpoint:
    """How the model is asked.

    Raises:
        ConfigError: the openai client is not installed, or nothing says where the model is or with which key.
    """
    key = settings.model_api_key.get_secret_value()
    if not key and base_url(model, settings) == OPENAI_URL:
        raise ConfigError(
            f"nothing says where {model.model} is: set LLAVA_JP_MODEL_BASE_URL or OPENAI_BASE_URL to its server, as "
            "https://host/v1, or LLAVA_JP_MODEL_API_KEY or OPENAI_API_KEY to a key of OpenAI"
        )
    if find_spec("openai") is None:
        raise ConfigError(
            f"{model.model} is behind an endpoint, and openai is not installed: pip install 'llava-jp-pipeline[judge]'"
        )
    return Endpoint(
        base_url=base_url(model, settings),
        api_key=key or "none",  # a server of one's own may want none
        max_concurrency=settings.model_concurrency,
        patience=patience or Patience(timeout=settings.model_timeout),
        error=EndpointError,
        store_root=settings.store_root,
        verb="answer",
        key_name="LLAVA_JP_MODEL_API_KEY or OPENAI_API_KEY",
        advice="LLAVA_JP_MODEL_BASE_URL or OPENAI_BASE_URL says where the model is",
    )


class EndpointUnderTest:
    """One model at one endpoint. An answer that does not come is a failed item; if none comes, the endpoint is gone."""

    max_images = None

    def __init__(self, model: EndpointModel, generation: GenerationConfig, endpoint: Endpoint) -> None:
        self._model = model
        self._generation = generation
        self._pace = Pace(most=endpoint.max_concurrency)
        self._client = OpenAiJudge(endpoint, Spending(), on_trouble=self._pace.refused)
        require_expressible(generation)

    def answer(self, questions: Sequence[Question]) -> list[str | Unanswered]:
        """Answers in order; see ``stream``.

        Raises:
            AnsweredInPartError: the same as there, after some were answered.
        """
        found: dict[str, str | Unanswered] = {}
        try:
            found.update(self.stream(iter(questions)))
        except BaseException as problem:
            if not any(isinstance(answer, str) for answer in found.values()):
                raise
            interrupted = Unanswered("it was interrupted")
            answers = [found.get(question.item_id, interrupted) for question in questions]
            raise AnsweredInPartError(answers, problem) from None
        return [found[question.item_id] for question in questions]

    def stream(self, questions: Iterator[Question]) -> Iterator[tuple[str, str | Unanswered]]:
        """Item and answer as they come, of as many questions at once as the endpoint keeps up with.

        What is under way when something ends this is waited for, and comes before the error.

        Raises:
            EndpointError: the endpoint would not answer any question.
            TransientError: it answers none any more.
        """
        stop, waiting = threading.Event(), _Waiting()
        with ThreadPoolExecutor(max_workers=self._client.max_concurrency) as pool:
            try:
                while True:
                    while waiting.has_room(self._pace.limit) and (question := next(questions, None)) is not None:
                        waiting.add(pool.submit(self._ask, question, stop), question)
                    if not waiting.questions:
                        break
                    yield from self._answered(waiting)
            except GeneratorExit:
                stop.set()
                raise
            except BaseException:
                stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
                yield from waiting.so_far()
                raise
        if waiting.problem and not waiting.num_answered:
            raise waiting.problem

    def _answered(self, waiting: "_Waiting") -> Iterator[tuple[str, str | Unanswered]]:
        """The next answers.

        Raises:
            EndpointError, TransientError: they are the last.
        """
        for name, answer in waiting.next():
            if isinstance(answer, EndpointError):
                raise answer
            if isinstance(answer, TransientError):
                if waiting.is_gone(fewest=max(FEWEST_FAILURES, self._pace.limit)):
                    raise answer
                yield name, Unanswered(str(answer))
            else:
                self._pace.answered()
                yield name, answer

    def _ask(self, question: Question, stop: threading.Event) -> Answer:
        if stop.is_set():
            return TransientError("another question could not be answered, and so none can")
        try:
            reply = self._client.ask(self._inquiry(question), stop=stop)
        except EndpointError as error:
            stop.set()
            return error
        except TransientError as error:
            return error
        if reply.is_escaped:
            log.warning("the answer to %s has half a surrogate pair, which is spelled out", question.item_id)
        return _answer(reply)

    def _inquiry(self, question: Question) -> Inquiry:
        content: list[dict[str, Any]] = [
            {"type": "text", "text": part}
            if isinstance(part, str)
            else {"type": "image_url", "image_url": {"url": png_url(part)}}
            for part in question.parts()
        ]
        return Inquiry(
            model=self._model.model,
            messages=({"role": "user", "content": content},),
            sampling=self._sampling(question.item_id),
            repeat=0,
            attempt=0,
        )

    def _sampling(self, item_id: str) -> dict[str, float | int]:
        generation = self._generation
        sampling: dict[str, float | int] = {self._model.max_tokens_name: generation.max_new_tokens}
        if self._model.sends_temperature:
            sampling["temperature"] = generation.temperature if generation.do_sample else 0.0
        if generation.do_sample:
            sampling |= {"top_p": generation.top_p, "seed": item_seed(generation.seed, item_id) % LARGEST_SEED}
        return sampling


def require_expressible(generation: GenerationConfig) -> None:
    """Chat completions know neither beams nor our penalties; nothing is left out silently.

    Raises:
        ConfigError: the settings have one.
    """
    plain = GenerationConfig()
    names = ("num_beams", "repetition_penalty", "no_repeat_ngram_size")
    if others := [f"{name}={value}" for name in names if (value := getattr(generation, name)) != getattr(plain, name)]:
        raise ConfigError(f"an endpoint has no {', '.join(others)}; take the generation settings greedy-256 or demo")


def png_url(image: Image.Image) -> str:
    """The image as PNG, which loses nothing, in a URL."""
    content = io.BytesIO()
    image.save(content, format="PNG")
    return data_url(content.getvalue())


@dataclass(slots=True)
class _Waiting:
    """The questions that are being answered."""

    questions: dict[Future[Answer], Question] = field(default_factory=dict)
    num_answered: int = 0
    num_failures: int = 0
    """In a row."""
    problem: TransientError | None = None
    """The last one."""

    def has_room(self, limit: int) -> bool:
        """Whether another one may be asked: their images are held until they are sent."""
        pixels = sum(image.width * image.height for one in self.questions.values() for image in one.images)
        return len(self.questions) < limit and pixels < MAX_PIXELS_OF_A_BATCH

    def add(self, future: Future[Answer], question: Question) -> None:
        self.questions[future] = question

    def next(self) -> Iterator[tuple[str, Answer]]:
        """What is done, as soon as something is."""
        done, _ = wait(self.questions, return_when=FIRST_COMPLETED)
        for future in done:
            answer = future.result()
            name = self.questions.pop(future).item_id
            failed = isinstance(answer, Exception)
            self.num_failures = self.num_failures + 1 if failed else 0
            self.num_answered += not failed
            self.problem = answer if isinstance(answer, TransientError) else self.problem
            yield name, answer

    def is_gone(self, *, fewest: int) -> bool:
        return self.num_failures >= fewest

    def so_far(self) -> Iterator[tuple[str, str | Unanswered]]:
        """What was answered, and paid for, when something ended this; nothing of it runs any more."""
        for future, question in self.questions.items():
            if not future.cancelled() and not future.exception():
                answer = future.result()
                if isinstance(answer, str | Unanswered):
                    yield question.item_id, answer


def _answer(reply: Reply) -> str | Unanswered:
    if reply.text is None:
        return Unanswered(f"the model refused: {reply.refusal}")
    if reply.is_cut_off:
        return Unanswered("the length limit ended the answer before any text: a model that reasons needs more tokens")
    return reply.text.strip()
