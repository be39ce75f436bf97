"""Conversations to token ids and label masks, turn by turn.

The text of a conversation is put together with the character span of every answer known, cut at the image, and each
piece is tokenised whole. A token is supervised when it overlaps an answer's span. So the labels are never searched for
afterwards, and the ids equal those of LLaVA-JP, whose tokenizer joins a space with the word that follows it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from model.config import TemplateName

IMAGE_TOKEN = "<image>"
IMAGE_TOKEN_ID = -200
"""Placeholder of all vision tokens of an image in ``input_ids``."""
IGNORED_LABEL = -100
"""Label of a token that is not supervised."""

SYSTEM_TEXT = (
    "これは好奇心旺盛なユーザーと人工知能システムのチャットです。システムはユーザーの質問に親切、詳細、丁寧に答える。"
)
USER, ASSISTANT = "ユーザー", "システム"

Exchange = tuple[str, str]
"""A user's message and its answer."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids with one label each; at most one id is ``IMAGE_TOKEN_ID``."""

    input_ids: tuple[int, ...]
    labels: tuple[int, ...]

    @property
    def num_supervised(self) -> int:
        return sum(label != IGNORED_LABEL for label in self.labels)


@dataclass(frozen=True, slots=True)
class _Text:
    """A conversation as one text, with the spans that are supervised."""

    text: str
    answers: tuple[tuple[int, int], ...]
    is_end_supervised: bool = False


def encode_conversation(
    exchanges: Sequence[Exchange], *, has_image: bool, template: TemplateName, tokenizer: PreTrainedTokenizerBase
) -> Encoded:
    """A whole conversation for training.

    ``plain`` throws the questions away and keeps ``<image>`` + caption (pretraining). ``v1`` is LLaVA-JP's Vicuna-like
    template (``llava/conversation.py`` there, ``conv_vicuna_v1``).

    Raises:
        ValueError: there is no exchange.
    """
    if not exchanges:
        raise ValueError("a conversation needs at least one question with an answer")
    if template == "plain":
        return _tokenised(_plain_text(exchanges, has_image=has_image), tokenizer, has_image=has_image)
    text = _v1_text(exchanges, has_image=has_image, end_of_answer=_eos(tokenizer))
    return _tokenised(text, tokenizer, has_image=has_image)


def encode_prompt(
    question: str, *, has_image: bool, template: TemplateName, tokenizer: PreTrainedTokenizerBase
) -> tuple[int, ...]:
    """Token ids up to where the answer begins; an end-of-text that the tokenizer adds by itself is dropped."""
    if template == "plain":
        opened = _Text(IMAGE_TOKEN if has_image else "", ())
    else:
        opened = _v1_text([(question, "")], has_image=has_image, end_of_answer="")
    ids = _tokenised(opened, tokenizer, has_image=has_image).input_ids
    return ids[:-1] if ids and ids[-1] == tokenizer.eos_token_id else ids


def without_image_token(text: str) -> str:
    """A message without the image placeholder and the white space around it."""
    return text.replace(IMAGE_TOKEN, "").strip() if IMAGE_TOKEN in text else text


def _eos(tokenizer: PreTrainedTokenizerBase) -> str:
    if not isinstance(tokenizer.eos_token, str):
        raise ValueError("the tokenizer has no end-of-text token, so no answer could ever end")
    return tokenizer.eos_token


def _plain_text(exchanges: Sequence[Exchange], *, has_image: bool) -> _Text:
    captions = "".join(f"{answer}\n" for _, answer in exchanges)
    start = len(IMAGE_TOKEN) if has_image else 0
    return _Text(f"{IMAGE_TOKEN if has_image else ''}{captions}", ((start, start + len(captions)),), True)


def _v1_text(exchanges: Sequence[Exchange], *, has_image: bool, end_of_answer: str) -> _Text:
    text = f"{SYSTEM_TEXT} "
    answers = []
    for index, (question, answer) in enumerate(exchanges):
        image = f"{IMAGE_TOKEN}\n" if has_image and index == 0 else ""
        text += f"{USER}: {image}{without_image_token(question)} {ASSISTANT}: "
        start = len(text) - 1  # the space before an answer is part of its first token
        text += f"{answer}{end_of_answer}"
        answers.append((start, len(text)))
    return _Text(text, tuple(answers))


def _tokenised(source: _Text, tokenizer: PreTrainedTokenizerBase, *, has_image: bool) -> Encoded:
    """Tokenise the pieces around the image; special tokens added to a piece stay, except a second BOS."""
    pieces = _pieces(source.text, has_image=has_image)
    input_ids: list[int] = []
    labels: list[int] = []
    begin = 0
    for index, piece in enumerate(pieces):
        if index:
            input_ids.append(IMAGE_TOKEN_ID)
            labels.append(IGNORED_LABEL)
        tokens = tokenizer(piece, return_offsets_mapping=True)
        for position, (token, (start, end)) in enumerate(
            zip(tokens["input_ids"], tokens["offset_mapping"], strict=True)
        ):
            if index and position == 0 and token == tokenizer.bos_token_id and end == 0:
                continue
            span = (begin + start, begin + end)
            is_added = end == start == 0 and position > 0
            is_end = index == len(pieces) - 1
            supervised = source.is_end_supervised and is_end if is_added else _overlaps(span, source.answers)
            input_ids.append(token)
            labels.append(token if supervised else IGNORED_LABEL)
        begin += len(piece) + len(IMAGE_TOKEN)
    return Encoded(tuple(input_ids), tuple(labels))


def _pieces(text: str, *, has_image: bool) -> list[str]:
    """The text before and after the image, or the whole text. A placeholder in an answer is ordinary text."""
    before, _, after = text.partition(IMAGE_TOKEN)
    return [before, after] if has_image else [text]


def _overlaps(span: tuple[int, int], answers: Sequence[tuple[int, int]]) -> bool:
    return any(span[0] < end and span[1] > start for start, end in answers)
