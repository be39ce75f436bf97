"""One of our own checkpoints as a model that answers questions."""

import gc
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from model.config import Dtype, GenerationConfig
from model.conversation.templates import IMAGE_TOKEN, without_image_token
from model.decoding import item_seed
from model.generator import Generator, Prompt, encode_images
from pipeline.evaluation.answers import Question, Unanswered
from pipeline.evaluation.models.weights import open_model

IMAGES_KEPT = 512
"""Images whose features stay in memory, for further questions about them: 1.7 GB at 768 pixels."""


class CheckpointUnderTest:
    """A folder that training or ``llava-jp export`` wrote, or a published LLaVA-JP, on this machine's best device."""

    max_images = None

    def __init__(self, folder: Path, generation: GenerationConfig, *, dtype: Dtype = "float32") -> None:
        self._model = open_model(folder, dtype=dtype)
        self._generator = Generator.of(self._model)
        self._generation = generation
        self._known_features: dict[str, torch.Tensor] = {}

    def answer(self, questions: Sequence[Question]) -> list[str | Unanswered]:
        """Answers in order. A prompt that leaves too little room for an answer has none."""
        return in_halves(self._answer, questions)

    def _answer(self, questions: Sequence[Question]) -> list[str | Unanswered]:
        prompts = [
            self._generator.prompt(_text(question), features)
            for question, features in zip(questions, self._features(questions), strict=True)
        ]
        results: dict[int, str | Unanswered] = {}
        for index, prompt in enumerate(prompts):
            if problem := self._too_long(prompt):
                results[index] = Unanswered(problem)
        if answerable := [index for index in range(len(questions)) if index not in results]:
            texts = self._generator.answer(
                [prompts[index] for index in answerable],
                self._generation,
                seeds=[item_seed(self._generation.seed, questions[index].item_id) for index in answerable],
            )
            results |= dict(zip(answerable, texts, strict=True))
        return [results[index] for index in range(len(questions))]

    def _features(self, questions: Sequence[Question]) -> list[list[torch.Tensor]]:
        """Features of each question's images, ``[P, V]``. Questions share images, and the tower is half of the work."""
        images = {
            name: image
            for question in questions
            for name, image in zip(question.images_sha256, question.images, strict=True)
        }
        if unknown := [name for name in images if name not in self._known_features]:
            encoded = encode_images(self._model, [images[name] for name in unknown])
            self._known_features |= zip(unknown, encoded, strict=True)
        features = [[self._known_features[name] for name in one.images_sha256] for one in questions]
        for name in list(self._known_features)[:-IMAGES_KEPT]:
            del self._known_features[name]  # the oldest
        return features

    def _too_long(self, prompt: Prompt) -> str | None:
        """Nobody measures answers that were cut short because their prompts are long."""
        room = self._generator.room(prompt)
        if room is None or room >= self._generation.max_new_tokens:
            return None
        return (
            f"{prompt.num_tokens} tokens of prompt and image with {self._generation.max_new_tokens} of answer are more "
            f"than the LLM's {self._generator.max_length} positions; lower max_new_tokens"
        )


def _text(question: Question) -> str:
    """The text as a prompt takes it: with placeholders only where the images do not all stand before it."""
    if question.image_places is None:
        return without_image_token(question.text) if len(question.images) > 1 else question.text
    return "".join(part if isinstance(part, str) else IMAGE_TOKEN for part in question.parts())


log = logging.getLogger(__name__)

Answer = Callable[[Sequence[Question]], list[str | Unanswered]]


def in_halves(answer: Answer, questions: Sequence[Question]) -> list[str | Unanswered]:
    """Answers in order, with as few questions at a time as the memory of the device makes necessary."""
    try:
        return answer(questions)
    except torch.OutOfMemoryError as error:
        reason = str(error).splitlines()[0]
    gc.collect()  # outside of the handler: the traceback holds what has to go
    torch.cuda.empty_cache()
    if len(questions) == 1:
        return [Unanswered(f"the device has too little memory for this one question: {reason}")]
    log.warning("%d questions do not fit into the device's memory at once; they are asked in halves", len(questions))
    middle = len(questions) // 2
    return in_halves(answer, questions[:middle]) + in_halves(answer, questions[middle:])
