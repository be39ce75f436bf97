"""From a question and its images' features to the text of an answer: the one way in which our models answer.

Evaluation, chat and the answers to validation samples differ in where features come from and in what they do when an
answer does not fit. Everything else is here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from transformers import PreTrainedTokenizerBase, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

from model.config import GenerationConfig, TemplateName
from model.conversation.encode import encode_prompt, end_token_id
from model.conversation.templates import Exchange
from model.disk.checkpoint import LoadedModel
from model.language_model import max_sequence_length
from model.vision.s2 import join_scales
from model.vision.tower import pixels_of
from model.vlm import VisionLanguageModel


class NoRoomError(ValueError):
    """A prompt leaves no room for an answer."""

    def __init__(self, num_tokens: int, num_positions: int) -> None:
        super().__init__(f"the prompt has {num_tokens} tokens and the model takes {num_positions}")
        self.num_tokens = num_tokens
        self.num_positions = num_positions


@dataclass(frozen=True, slots=True, eq=False)
class Prompt:
    """Everything up to where the answer begins."""

    token_ids: tuple[int, ...]
    """With one placeholder for each image."""
    features: tuple[torch.Tensor, ...]
    """Of each image, ``[P, V]``, in the order of the placeholders."""

    @property
    def num_tokens(self) -> int:
        """Tokens that the LLM sees, those of the images included."""
        return len(self.token_ids) + sum(len(features_PV) - 1 for features_PV in self.features)


class Generator:
    """Answers questions with a vision-language model.

    Args:
        vlm: on its device.
        tokenizer: the LLM's.
        template: the conversation template that the model was trained with.
    """

    def __init__(self, vlm: VisionLanguageModel, tokenizer: PreTrainedTokenizerBase, template: TemplateName) -> None:
        self._vlm = vlm
        self._tokenizer = tokenizer
        self._template = template
        self._end = end_token_id(template, tokenizer)
        self._padding = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else self._end
        self.max_length = max_sequence_length(vlm.llm.config)
        """Tokens of prompt, image and answer together; None: as many as memory holds."""

    @classmethod
    def of(cls, model: LoadedModel) -> "Generator":
        """Of a whole model."""
        return cls(model.vlm, model.tokenizer, model.config.template)

    def answer(
        self,
        prompts: Sequence[Prompt],
        config: GenerationConfig,
        *,
        seeds: Sequence[int] | None = None,
        streamer: BaseStreamer | None = None,
        stopping_criteria: StoppingCriteriaList | None = None,
    ) -> list[str]:
        """The answers' texts, in order. An answer does not depend on what is answered together.

        Args:
            prompts: each leaves room for ``config.max_new_tokens``; see ``room`` and ``fitted``.
            config: how to generate.
            seeds: of each prompt's draws, for sampling; see ``model.decoding.item_seed``.
            streamer: gets the tokens of a single answer as they come.
            stopping_criteria: stop earlier than ``config`` says.

        Raises:
            ValueError: sampling without seeds.
        """
        ids = self._vlm.generate(
            [prompt.token_ids for prompt in prompts],
            [prompt.features for prompt in prompts],
            config,
            eos_token_id=self._end,
            pad_token_id=self._padding,
            seeds=seeds,
            streamer=streamer,
            stopping_criteria=stopping_criteria,
        )
        return [text.strip() for text in self._tokenizer.batch_decode(ids, skip_special_tokens=True)]

    def prompt(
        self, question: str, features: Sequence[torch.Tensor] = (), *, history: Sequence[Exchange] = ()
    ) -> Prompt:
        """A question in the model's template, after what was said before.

        One image opens the first question; several stand at their ``<image>``, or all before the first question.

        Args:
            question: the user's message.
            features: ``[P, V]`` of every image of the conversation, in their order.
            history: what was asked and answered before, oldest first.

        Raises:
            TemplateError: several images, and another number of ``<image>``.
        """
        token_ids = encode_prompt(
            question,
            num_images=len(features),
            template=self._template,
            tokenizer=self._tokenizer,
            history=history,
        )
        return Prompt(token_ids, tuple(features))

    def room(self, prompt: Prompt) -> int | None:
        """The longest answer that fits behind a prompt, in tokens; at most 0: none does. None: any."""
        return None if self.max_length is None else self.max_length - prompt.num_tokens

    def fitted(self, config: GenerationConfig, prompts: Sequence[Prompt]) -> GenerationConfig:
        """The config with answers as short as the longest of the prompts makes necessary.

        Raises:
            NoRoomError: there is no room for a single token.
        """
        if self.max_length is None:
            return config
        longest = max(prompt.num_tokens for prompt in prompts)
        if longest >= self.max_length:
            raise NoRoomError(longest, self.max_length)
        return config.model_copy(update={"max_new_tokens": min(config.max_new_tokens, self.max_length - longest)})


def encode_images(model: LoadedModel, images: Sequence[Image.Image]) -> list[torch.Tensor]:
    """Features of each image as a prompt takes them, ``[P, V]`` on the CPU."""
    config = model.config.images
    pixels = torch.stack([pixels_of(image, image_size=config.image_size) for image in images])
    features_NSPV = model.vision_tower.encode(pixels, config).cpu()
    return [join_scales(features_SPV[None])[0] for features_SPV in features_NSPV]  # each in memory of its own
