"""A vision model behind an endpoint that speaks OpenAI's chat completions, asked patiently and in parallel."""

import io
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
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
from pipeline.evaluation.answers import AnsweredInPartError, Question, Unanswered
from pipeline.evaluation.inquiry import Inquiry, Reply
from pipeline.evaluation.openai_client import OPENAI_URL, Endpoint, OpenAiJudge, Spending

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

    def __init__(self, model: EndpointModel, generation: GenerationConfig, endpoint: Endpoint) -> None:
        self._model = model
        self._generation = generation
        self._client = OpenAiJudge(endpoint, Spending())
        require_expressible(generation)

    def answer(self, questions: Sequence[Question]) -> list[str | Unanswered]:
        """Answers in order, asked for at once.

        Raises:
            EndpointError: the endpoint would not answer any question.
            AnsweredInPartError: the same, after it has answered some.
            TransientError: it answered none of these.
        """
        stop = threading.Event()
        with ThreadPoolExecutor(max_workers=self._client.max_concurrency) as pool:
            futures = [pool.submit(self._ask, question, stop) for question in questions]
            try:
                found = [future.result() for future in futures]
            except BaseException as interruption:
                stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
                raise AnsweredInPartError([_answer_so_far(future) for future in futures], interruption) from None
        problems = [answer for answer in found if isinstance(answer, Exception)]
        final = next((problem for problem in problems if isinstance(problem, EndpointError)), None)
        if len(problems) == len(found):
            raise final or problems[0]
        answers = [Unanswered(str(answer)) if isinstance(answer, Exception) else answer for answer in found]
        if final:
            raise AnsweredInPartError(answers, final)
        return answers

    def _ask(self, question: Question, stop: threading.Event) -> str | Unanswered | TransientError | EndpointError:
        if stop.is_set():
            return TransientError("another question could not be answered, and so none can")
        try:
            reply = self._client.ask(self._inquiry(question), stop=stop)
        except EndpointError as error:
            stop.set()
            return error
        except TransientError as error:
            return error
        return _answer(reply)

    def _inquiry(self, question: Question) -> Inquiry:
        text: list[dict[str, Any]] = [{"type": "text", "text": question.text}]
        image = [] if question.image is None else [{"type": "image_url", "image_url": {"url": png_url(question.image)}}]
        return Inquiry(
            model=self._model.model,
            messages=({"role": "user", "content": [*image, *text]},),
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


def _answer_so_far(future: Future[str | Unanswered | TransientError | EndpointError]) -> str | Unanswered:
    """What was answered, and paid for, when something ended the batch; nothing of it runs any more."""
    answer = None if future.cancelled() or future.exception() else future.result()
    return answer if isinstance(answer, str | Unanswered) else Unanswered("it was interrupted")


def _answer(reply: Reply) -> str | Unanswered:
    if reply.text is None:
        return Unanswered(f"the model refused: {reply.refusal}")
    if reply.is_cut_off:
        return Unanswered("the length limit ended the answer before any text: a model that reasons needs more tokens")
    return reply.text.strip()
