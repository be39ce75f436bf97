"""A tokenizer and a chat template that give the tokens of training for a prompt that is tokenised as one text.

Models here are trained on the pieces around the images, with what the tokenizer adds to each of them. Engines tokenise
the whole text that a chat template renders. So those tokens are put into the template, the written tokenizer adds none,
and the result is compared with the tokens of training.
"""

from dataclasses import dataclass

from tokenizers.processors import Sequence as NoProcessor
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerBase

from model.conversation.encode import IMAGE_TOKEN_ID, encode_prompt
from model.conversation.templates import IMAGE_TOKEN, Exchange
from model.disk.checkpoint import LoadedModel
from model.disk.release_templates import added_ends, release_template

PROBE = "左の犬は何をしていますか？ 2 dogs."
"""A question whose tokens are compared."""
HISTORY: tuple[Exchange, ...] = (("何匹いますか？", "2 匹です。"),)


@dataclass(frozen=True, slots=True)
class WholePrompts:
    """How prompts are written for a tokenizer that adds nothing.

    Attributes:
        template: the chat template.
        begin: the token, as text, that training put before every piece; "" for none.
        end: the one behind it.
    """

    template: str
    begin: str
    end: str


class OtherTokensError(ValueError):
    """How the tokens of a whole prompt differ from those of training."""


def whole_prompts(model: LoadedModel, tokenizer: PreTrainedTokenizerBase) -> WholePrompts:
    """For a tokenizer that knows ``<image>``; it is changed so that it adds nothing.

    Raises:
        OtherTokensError: a prompt as one text has other tokens than in training.
    """
    begin, end = ("", "") if model.config.template == "chat" else added_ends(tokenizer)
    template = begin + release_template(model.config.template, tokenizer, image_text=f"{end}{IMAGE_TOKEN}")
    tokenizer.backend_tokenizer.post_processor = NoProcessor([])
    for name in ("add_bos_token", "add_eos_token"):
        if getattr(tokenizer, name, False):
            setattr(tokenizer, name, False)
    for history in ((), HISTORY) if model.config.template != "plain" else ((),):
        for num_images in (2, 1, 0):
            _check(model, tokenizer, template, num_images=num_images, history=history)
    return WholePrompts(template, begin, end)


def add_again(tokenizer: PreTrainedTokenizerBase, *, begin: str, end: str) -> None:
    """Let a tokenizer that ``whole_prompts`` changed add to every text what it added in training."""
    parts = [*([begin] if begin else []), "$A", *([end] if end else [])]
    special = [(token, tokenizer.convert_tokens_to_ids(token)) for token in dict.fromkeys((begin, end)) if token]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single=parts, special_tokens=special)


def _check(
    model: LoadedModel,
    tokenizer: PreTrainedTokenizerBase,
    template: str,
    *,
    num_images: int,
    history: tuple[Exchange, ...],
) -> None:
    ours = encode_prompt(
        PROBE, num_images=num_images, template=model.config.template, tokenizer=model.tokenizer, history=history
    )
    texts = [text for exchange in history for text in exchange] + [PROBE]
    messages = [
        {"role": "assistant" if index % 2 else "user", "content": [{"type": "text", "text": text}]}
        for index, text in enumerate(texts)
    ]
    images = [{"type": "image"}] * num_images
    messages[0] = {**messages[0], "content": [*images, {"type": "text", "text": texts[0]}]}
    text = tokenizer.apply_chat_template(messages, chat_template=template, add_generation_prompt=True, tokenize=False)
    image = tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
    theirs = [IMAGE_TOKEN_ID if token == image else token for token in tokenizer(text)["input_ids"]]
    if theirs != list(ours):
        raise OtherTokensError(
            "this tokenizer cuts a whole prompt in another way than the pieces around the image, with which the "
            f"model was trained ({_spelled(theirs, tokenizer)} is not {_spelled(ours, model.tokenizer)})"
        )


def _spelled(ids: list[int] | tuple[int, ...], tokenizer: PreTrainedTokenizerBase) -> str:
    return " ".join(IMAGE_TOKEN if token < 0 else tokenizer.convert_ids_to_tokens(token) for token in ids)
