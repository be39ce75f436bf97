"""A conversation with a model about images, answered piece by piece."""

from collections import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import Queue
from threading import Event, Thread
from typing import Any

import torch
from PIL import Image
from transformers import PreTrainedTokenizerBase, StoppingCriteriaList

from model.config import GenerationConfig
from model.conversation.templates import IMAGE_TOKEN, Exchange, without_image_token
from model.disk.checkpoint import LoadedModel
from model.generator import Generator, NoRoomError, Prompt, encode_images

INCOMPLETE = "\ufffd"
"""What a decoder writes for a character of which bytes are missing."""


class TooLongError(ValueError):
    """The conversation has outgrown the model's longest sequence."""


class PlaceholderError(ValueError):
    """A question names another number of images than are shown with it."""


@dataclass
class Chat:
    """What has been said so far. Images stand before the question that they are shown with, or at its ``<image>``.

    ``images`` are shown with the first question.
    """

    model: LoadedModel
    images: Sequence[Image.Image]
    generation: GenerationConfig
    history: list[Exchange] = field(default_factory=list)
    """As the model reads it: with the placeholders of the images."""

    def __post_init__(self) -> None:
        self._generator = Generator.of(self.model)
        self._features: list[torch.Tensor] = []
        self._num_new = 0
        if self.images:
            self.show(self.images)

    def show(self, images: Sequence[Image.Image]) -> None:
        """Show more images with the next question."""
        self._features += encode_images(self.model, list(images))
        self._num_new += len(images)

    def answer(self, question: str) -> abc.Generator[str]:
        """The answer's text, as it comes. A consumer that stops early stops the generation; nothing is remembered then.

        Raises:
            TooLongError: there is no room for an answer within the model's longest sequence.
        """
        prompt = self.prompt(question)
        generation = self._fitted(prompt)
        pieces: Queue[str | BaseException | None] = Queue()
        is_stopped = Event()
        thread = Thread(target=self._generate, args=(prompt, generation, pieces, is_stopped), daemon=True)
        thread.start()
        whole = ""
        try:
            while (piece := pieces.get()) is not None:
                if isinstance(piece, BaseException):
                    raise piece
                whole += piece
                yield piece
        finally:
            is_stopped.set()
            thread.join()
        self.history.append((self._with_placeholders(question), whole.strip()))
        self._num_new = 0

    def prompt(self, question: str) -> Prompt:
        """Everything so far and the question, up to where the answer begins.

        Raises:
            PlaceholderError: the question has ``<image>`` for another number of images than are shown with it.
        """
        return self._generator.prompt(self._with_placeholders(question), self._features, history=self.history)

    def _with_placeholders(self, question: str) -> str:
        num_named = question.count(IMAGE_TOKEN)
        if not self._num_new:
            return without_image_token(question)
        if num_named not in (0, self._num_new):
            raise PlaceholderError(
                f"the question names {num_named} images with {IMAGE_TOKEN}, and {self._num_new} are shown with it; "
                "name each of them or none"
            )
        return question if num_named else f"{IMAGE_TOKEN}\n" * self._num_new + question

    def _fitted(self, prompt: Prompt) -> GenerationConfig:
        """An answer takes the room that is left."""
        try:
            return self._generator.fitted(self.generation, [prompt])
        except NoRoomError as error:
            raise TooLongError(
                f"the conversation has {error.num_tokens} tokens and the model takes {error.num_positions}; "
                "start a new conversation"
            ) from error

    def _generate(self, prompt: Prompt, generation: GenerationConfig, pieces: "Queue[Any]", is_stopped: Event) -> None:
        streamer = _Pieces(self.model.tokenizer, pieces.put) if generation.num_beams == 1 else None
        try:
            (text,) = self._generator.answer(
                [prompt],
                generation,
                streamer=streamer,
                stopping_criteria=StoppingCriteriaList([_Stopped(is_stopped)]),
            )
            if streamer is None:
                pieces.put(text)
        except BaseException as error:
            pieces.put(error)
        else:
            pieces.put(None)


class _Pieces:
    """A streamer of Transformers that hands text on as soon as its characters are whole.

    All tokens are decoded again each time: a token's text depends on those before it, and a character of several bytes
    may come in several tokens.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, put: Callable[[str], None]) -> None:
        self._tokenizer = tokenizer
        self._put = put
        self._ids: list[int] = []
        self._done = ""

    def put(self, value: torch.Tensor) -> None:
        self._ids += value.flatten().tolist()
        text = self._tokenizer.decode(self._ids, skip_special_tokens=True)
        if not text.endswith(INCOMPLETE) and text.startswith(self._done):
            self._hand_on(text)

    def end(self) -> None:
        self._hand_on(self._tokenizer.decode(self._ids, skip_special_tokens=True))

    def _hand_on(self, text: str) -> None:
        if new := text[len(self._done) :]:
            self._put(new)
        self._done = text


class _Stopped:
    """A stopping criterion of Transformers."""

    def __init__(self, event: Event) -> None:
        self._event = event

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        return torch.full((len(input_ids),), self._event.is_set(), device=input_ids.device)
