"""A conversation with a model about one image, answered piece by piece."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from queue import Queue
from threading import Event, Thread
from typing import Any

import torch
from PIL import Image
from transformers import PreTrainedTokenizerBase, StoppingCriteriaList

from model.config import GenerationConfig
from model.conversation.encode import encode_prompt, end_token_id
from model.conversation.templates import Exchange
from model.disk.checkpoint import LoadedModel
from model.vision.s2 import join_scales
from model.vision.tower import pixels_of

INCOMPLETE = "\ufffd"
"""What a decoder writes for a character of which bytes are missing."""


class TooLongError(ValueError):
    """The conversation has outgrown the model's longest sequence."""


@dataclass
class Chat:
    """What has been said so far. The image opens the first question, as in training."""

    model: LoadedModel
    image: Image.Image | None
    generation: GenerationConfig
    history: list[Exchange] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._features = None if self.image is None else self._encoded(self.image)

    def answer(self, question: str) -> Generator[str]:
        """The answer's text, as it comes. A consumer that stops early stops the generation; nothing is remembered then.

        Raises:
            TooLongError: there is no room for an answer within the model's longest sequence.
        """
        prompt = self.prompt(question)
        room = self._room(prompt)
        pieces: Queue[str | BaseException | None] = Queue()
        is_stopped = Event()
        thread = Thread(target=self._generate, args=(prompt, room, pieces, is_stopped), daemon=True)
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
        self.history.append((question, whole.strip()))

    def prompt(self, question: str) -> tuple[int, ...]:
        """Token ids of everything so far and the question, up to where the answer begins."""
        return encode_prompt(
            question,
            has_image=self.image is not None,
            template=self.model.config.template,
            tokenizer=self.model.tokenizer,
            history=self.history,
        )

    def _encoded(self, image: Image.Image) -> torch.Tensor:
        images = self.model.config.images
        pixels = pixels_of(image, image_size=images.image_size)[None]
        return join_scales(self.model.vision_tower.encode(pixels, images))[0]

    def _room(self, prompt: tuple[int, ...]) -> int:
        """The longest answer that fits behind a prompt, in tokens."""
        limit = getattr(self.model.vlm.llm.config, "max_position_embeddings", None)
        if limit is None:
            return self.generation.max_new_tokens
        length = len(prompt) + (0 if self._features is None else len(self._features) - 1)
        if length >= limit:
            raise TooLongError(
                f"the conversation has {length} tokens and the model takes {limit}; start a new conversation"
            )
        return int(min(self.generation.max_new_tokens, limit - length))

    def _generate(self, prompt: tuple[int, ...], room: int, pieces: "Queue[Any]", is_stopped: Event) -> None:
        tokenizer = self.model.tokenizer
        end = end_token_id(self.model.config.template, tokenizer)
        streamer = _Pieces(tokenizer, pieces.put) if self.generation.num_beams == 1 else None
        try:
            (ids,) = self.model.vlm.generate(
                [prompt],
                [self._features],
                self.generation.model_copy(update={"max_new_tokens": room}),
                eos_token_id=end,
                pad_token_id=tokenizer.pad_token_id if tokenizer.pad_token_id is not None else end,
                streamer=streamer,
                stopping_criteria=StoppingCriteriaList([_Stopped(is_stopped)]),
            )
            if streamer is None:
                pieces.put(tokenizer.decode(ids, skip_special_tokens=True))
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
