"""Any image-text-to-text model of Transformers as a model that answers questions, in batches padded on the left."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import (
    AutoImageProcessor,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    LogitsProcessorList,
    PreTrainedModel,
)
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from model.config import GenerationConfig
from model.config_limits import ModelSizeError, read_record
from model.conversation.template_bounds import bound_chat_templates
from model.decoding import AnswerOnly, item_seed, logits_processors
from model.foreign_code import ForeignCodeError, require_no_code
from model.language_model import max_sequence_length
from model.whole_files import require_whole
from pipeline.config.measured import SavedOrDtype
from pipeline.config.model_files import explaining_damage
from pipeline.core.errors import ConfigError
from pipeline.evaluation.answers import Question, Unanswered
from pipeline.evaluation.models.checkpoint import in_halves
from pipeline.evaluation.models.presets import Preset
from pipeline.features.encoder import default_device

DEFAULT_PLACEHOLDER = "<image>"


class TransformersUnderTest:
    """A model folder that Transformers reads, on this machine's best device.

    Args:
        folder: with config.json, safetensors, processor and tokenizer.
        generation: how answers are made; penalties see the answer only, as with our own models.
        preset: the prompt in place of the processor's chat template.
        trust_remote_code: run the folder's own Python files. Code in other repositories is never fetched.
        dtype: number format of the weights.

    Raises:
        ConfigError: the folder needs code that is not trusted, has no chat template, or cannot be loaded.
    """

    def __init__(
        self,
        folder: Path,
        generation: GenerationConfig,
        *,
        preset: Preset | None = None,
        trust_remote_code: bool = False,
        dtype: SavedOrDtype = "auto",
    ) -> None:
        require_loadable(folder, trust_remote_code=trust_remote_code)
        self._generation = generation
        self._preset = preset
        self._processor, self._model = _loaded(folder, dtype, trust_remote_code=trust_remote_code)
        self._model.to(default_device()).eval()
        self._tokenizer = self._processor.tokenizer
        self._tokenizer.padding_side = "left"
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        if preset is None and not _has_chat_template(self._processor):
            raise ConfigError(
                f"{folder} has no chat template, so nobody knows how the model wants to be asked; choose a preset of "
                "pipeline/evaluation/models/presets.yaml (--preset)"
            )

    @property
    def max_images(self) -> int | None:
        """A preset's prompt has a place for one image, and so has a model without a processor for both."""
        return 1 if self._preset or isinstance(self._processor, _Pair) else None

    def answer(self, questions: Sequence[Question]) -> list[str | Unanswered]:
        """Answers in order. Questions without an image are asked apart: a processor takes all or none."""
        results: dict[str, str | Unanswered] = {}
        for has_image in (True, False):
            group = [question for question in questions if bool(question.images) == has_image]
            if group:
                found = in_halves(self._answer, group)
                results |= {question.item_id: answer for question, answer in zip(group, found, strict=True)}
        return [results[question.item_id] for question in questions]

    def _answer(self, questions: Sequence[Question]) -> list[str | Unanswered]:
        """Answers to questions that all have an image or all have none."""
        try:
            inputs = self._inputs(questions)
            problem = self._too_long(inputs)
        except ValueError as error:  # such as an image of a shape that the processor refuses
            problem = f"the processor refuses it: {error}"
        if problem is None:
            return list(self._generate(inputs, questions))
        if len(questions) == 1:
            return [Unanswered(problem)]
        return [answer for question in questions for answer in self._answer([question])]

    def _too_long(self, inputs: Mapping[str, Any]) -> str | None:
        num_positions = max_sequence_length(self._model.config.get_text_config())
        num_tokens, num_new = inputs["input_ids"].shape[1], self._generation.max_new_tokens
        if num_positions is None or num_tokens + num_new <= num_positions:
            return None
        return (
            f"{num_tokens} tokens of prompt and image with {num_new} of answer are more than the model's "
            f"{num_positions} positions; lower max_new_tokens"
        )

    def _inputs(self, questions: Sequence[Question]) -> Mapping[str, Any]:
        texts = [self._prompt(question) for question in questions]
        images: list[list[Image.Image]] | None = [list(one.images) for one in questions if one.images] or None
        begin = self._tokenizer.bos_token
        adds = self._preset.add_special_tokens if self._preset else not (begin and texts[0].startswith(begin))
        options = {"return_tensors": "pt", "padding": True, "add_special_tokens": adds}
        inputs: Mapping[str, Any] = self._processor(images=images, text=texts, **options)
        return inputs

    def _prompt(self, question: Question) -> str:
        if self._preset:
            placeholder = getattr(self._processor, "image_token", DEFAULT_PLACEHOLDER)
            return self._preset.ask(question.text, image=placeholder if question.images else "")
        content = [
            {"type": "text", "text": part} if isinstance(part, str) else {"type": "image"} for part in question.parts()
        ]
        messages = [{"role": "user", "content": content}]
        bound_chat_templates()
        try:
            text: str = self._processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        except Exception as error:  # a stranger's program raises what it likes
            raise ConfigError(f"the chat template of the model cannot be used: {error}") from error
        return text

    @torch.inference_mode()
    def _generate(self, inputs: Mapping[str, Any], questions: Sequence[Question]) -> Sequence[str]:
        generation, end = self._generation, self._model.generation_config.eos_token_id
        seeds = [item_seed(generation.seed, question.item_id) for question in questions]
        width = AnswerOnly()
        ids = self._model.generate(
            **{name: self._moved(value) for name, value in inputs.items()},
            max_new_tokens=generation.max_new_tokens,
            num_beams=generation.num_beams,
            do_sample=False,  # this and the next two: not what the model's own files may say; we bring our processors
            repetition_penalty=1.0,
            no_repeat_ngram_size=0,
            logits_processor=LogitsProcessorList([width, *logits_processors(generation, seeds)]),
            eos_token_id=self._tokenizer.eos_token_id if end is None else end,
            pad_token_id=self._tokenizer.pad_token_id,
            use_cache=True,
        )
        texts = self._tokenizer.batch_decode(ids[:, width.prompt_length :], skip_special_tokens=True)
        return [self._preset.answer(text) if self._preset else text.strip() for text in texts]

    def _moved(self, value: Any) -> Any:
        """To the model's device; numbers that are no ids in the model's format."""
        if not isinstance(value, torch.Tensor):
            return value
        return value.to(self._model.device, self._model.dtype if value.is_floating_point() else None)


class _Pair:
    """An image processor and a tokenizer of a model that has no processor for both."""

    def __init__(self, image_processor: Any, tokenizer: Any) -> None:
        self.image_processor = image_processor
        self.tokenizer = tokenizer

    def __call__(
        self, *, images: list[list[Image.Image]] | None, text: list[str], return_tensors: str, **options: Any
    ) -> Mapping[str, Any]:
        inputs = dict(self.tokenizer(text, return_tensors=return_tensors, **options))
        if images:
            inputs |= self.image_processor(images=[one for (one,) in images], return_tensors=return_tensors)
        return inputs


def require_loadable(folder: Path, *, trust_remote_code: bool) -> None:
    """Say before anything is loaded that a model needs code that is not trusted, or that nobody here has.

    Raises:
        ConfigError: so it is.
    """
    with explaining_damage():
        require_whole(folder)
    try:
        config = read_record(folder / "config.json")
    except ModelSizeError as error:
        raise ConfigError(str(error)) from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{folder} has no readable config.json, so it is not the folder of a model") from error
    name = config.get("model_type")
    if name in CONFIG_MAPPING:
        _require_no_code(folder, trust_remote_code=trust_remote_code)
        return
    if "auto_map" not in config:
        raise ConfigError(
            f"{folder} is a model of the type {name!r}, which Transformers does not know and that has no code; run it "
            "with its own software and measure its file of answers"
        )
    if not trust_remote_code:
        raise ConfigError(
            f"{folder} is a model of the type {name!r}, which needs Python files that lie with it. Such code can do "
            "anything to this machine: read it, then pass --trust-remote-code"
        )


def _require_no_code(folder: Path, *, trust_remote_code: bool) -> None:
    """The same for what else the folder may want to be run."""
    if trust_remote_code:
        return
    try:
        require_no_code(folder)
    except ForeignCodeError as error:
        raise ConfigError(f"{error}; or read it, then pass --trust-remote-code") from error


def _loaded(folder: Path, dtype: SavedOrDtype, *, trust_remote_code: bool) -> tuple[Any, PreTrainedModel]:
    here = {"local_files_only": True}
    trusted = trust_remote_code
    try:
        processor = AutoProcessor.from_pretrained(folder, trust_remote_code=trusted, **here)
        if not hasattr(processor, "tokenizer"):
            images = AutoImageProcessor.from_pretrained(folder, trust_remote_code=trusted, **here)
            processor = _Pair(images, AutoTokenizer.from_pretrained(folder, trust_remote_code=trusted, **here))
        model = AutoModelForImageTextToText.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, trust_remote_code=trusted, **here
        )
    except (OSError, ValueError, KeyError, AttributeError, ImportError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(f"Transformers cannot load {folder} as an image-text-to-text model: {reason}") from error
    return processor, model


def _has_chat_template(processor: Any) -> bool:
    return bool(getattr(processor, "chat_template", None) or processor.tokenizer.chat_template)
