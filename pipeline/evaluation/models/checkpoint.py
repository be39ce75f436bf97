"""One of our own checkpoints as a model that answers questions."""

import gc
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from model.config import GenerationConfig
from model.conversation.encode import encode_prompt, end_token_id
from model.decoding import item_seed
from model.vision.s2 import join_scales
from model.vision.tower import pixels_of
from pipeline.evaluation.answers import Question, Unanswered
from pipeline.evaluation.models.weights import open_model
from pipeline.features.encoder import encode_pixels

IMAGES_KEPT = 512
"""Images whose features stay in memory, for further questions about them: 1.7 GB at 768 pixels."""


class CheckpointUnderTest:
    """A folder that training or ``llava-jp export`` wrote, or a published LLaVA-JP, on this machine's best device."""

    def __init__(self, folder: Path, generation: GenerationConfig) -> None:
        self._model = open_model(folder)
        self._generation = generation
        self._known_features: dict[str | None, torch.Tensor] = {}

    def answer(self, questions: Sequence[Question]) -> list[str | Unanswered]:
        """Answers in order. A prompt that leaves too little room for an answer has none."""
        return in_halves(self._answer, questions)

    def _answer(self, questions: Sequence[Question]) -> list[str | Unanswered]:
        features = self._features(questions)
        prompts = [
            encode_prompt(
                question.text,
                has_image=question.image is not None,
                template=self._model.config.template,
                tokenizer=self._model.tokenizer,
            )
            for question in questions
        ]
        results: dict[int, str | Unanswered] = {}
        for index, (prompt, feature) in enumerate(zip(prompts, features, strict=True)):
            if problem := self._too_long(len(prompt) + (0 if feature is None else len(feature) - 1)):
                results[index] = Unanswered(problem)
        answerable = [index for index in range(len(questions)) if index not in results]
        if answerable:
            texts = self._generate(
                [prompts[index] for index in answerable],
                [features[index] for index in answerable],
                [item_seed(self._generation.seed, questions[index].item_id) for index in answerable],
            )
            results |= dict(zip(answerable, texts, strict=True))
        return [results[index] for index in range(len(questions))]

    def _features(self, questions: Sequence[Question]) -> list[torch.Tensor | None]:
        """Features of each question's image, ``[P, V]``. Questions share images, and the tower is half of the work."""
        config = self._model.config.images
        images = {question.image_sha256: question.image for question in questions if question.image is not None}
        if unknown := [name for name in images if name not in self._known_features]:
            pixels = [pixels_of(images[name], image_size=config.image_size) for name in unknown]
            encoded = encode_pixels(self._model.vision_tower, pixels, config)
            self._known_features |= {
                name: join_scales(feature[None])[0] for name, feature in zip(unknown, encoded, strict=True)
            }
        features = [None if one.image is None else self._known_features[one.image_sha256] for one in questions]
        for name in list(self._known_features)[:-IMAGES_KEPT]:
            del self._known_features[name]  # the oldest
        return features

    def _too_long(self, num_tokens: int) -> str | None:
        num_positions: int | None = getattr(self._model.vlm.llm.config, "max_position_embeddings", None)
        longest = num_tokens + self._generation.max_new_tokens
        if num_positions is None or longest <= num_positions:
            return None
        return (
            f"{num_tokens} tokens of prompt and image with {self._generation.max_new_tokens} of answer are more than "
            f"the LLM's {num_positions} positions; lower max_new_tokens"
        )

    def _generate(
        self, prompts: Sequence[Sequence[int]], features: Sequence[torch.Tensor | None], seeds: Sequence[int]
    ) -> list[str]:
        tokenizer = self._model.tokenizer
        ids = self._model.vlm.generate(
            prompts,
            features,
            self._generation,
            eos_token_id=end_token_id(self._model.config.template, tokenizer),
            pad_token_id=tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id,
            seeds=seeds,
        )
        return [text.strip() for text in tokenizer.batch_decode(ids, skip_special_tokens=True)]


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
