"""Conversations as text: what a template writes around questions and answers, and which characters are learned.

The fixed texts of a template are known before any conversation is (``ConversationLayout``), so where an answer stands
in the whole text follows from lengths. It is never searched for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from transformers import PreTrainedTokenizerBase

from model.config import Supervision, TemplateName

IMAGE_TOKEN = "<image>"

SYSTEM_TEXT = (
    "これは好奇心旺盛なユーザーと人工知能システムのチャットです。システムはユーザーの質問に親切、詳細、丁寧に答える。"
)
USER, ASSISTANT = "ユーザー", "システム"
KARASU_END = "</s>"

Exchange = tuple[str, str]
"""A user's message and its answer."""


class TemplateError(ValueError):
    """A template cannot write a conversation so that its answers are known to the character."""


@dataclass(frozen=True, slots=True)
class ConversationLayout:
    """What a template writes around the messages of a conversation of some length.

    Attributes:
        fixed: the texts before, between and behind the messages; one more than there are messages.
        leads: by answer, characters of the text before it that are learned with it.
        tails: by answer, characters of the text behind it that are learned with it: its end.
        num_unprompted: characters before the last answer that a prompt leaves to the model.
    """

    fixed: tuple[str, ...]
    leads: tuple[int, ...]
    tails: tuple[int, ...]
    num_unprompted: int = 0


@dataclass(frozen=True, slots=True)
class Written:
    """A conversation as one text, from which the image's placeholder is taken out."""

    text: str
    answers: tuple[tuple[int, int], ...]
    """The characters that are learned; they do not overlap."""
    image: int | None
    """Where the image stands in the text, None without one."""
    prompt_end: int = 0
    """Where a prompt for the last answer ends."""
    is_end_learned: bool = False
    """Whether an end-of-text that the tokenizer adds by itself is learned."""
    is_first_token_lost: bool = False
    """Whether the first token behind the image is never learned, though it may hold a part of the answer."""
    messages: tuple[tuple[int, int], ...] = ()
    """The characters that came with the data; what they spell is text, never a control token."""


def end_of_answer(template: TemplateName, tokenizer: PreTrainedTokenizerBase) -> str:
    """The token that ends an answer in ``v1`` and ``karasu``.

    Raises:
        TemplateError: the tokenizer has no such token.
    """
    if template != "karasu":
        if not isinstance(tokenizer.eos_token, str):
            raise TemplateError("the tokenizer has no end-of-text token, so no answer could ever end")
        return tokenizer.eos_token
    if KARASU_END not in tokenizer.get_vocab() or tokenizer.bos_token is None:
        raise TemplateError(
            f"the template karasu needs a tokenizer of the Llama family, with a BOS and {KARASU_END}; take v1 or chat"
        )
    return KARASU_END


def role_layout(num_exchanges: int, *, end: str) -> ConversationLayout:
    """LLaVA-JP's Vicuna-like layout: one system sentence, named roles, every answer closed by ``end``.

    The space before an answer belongs to the answer: a SentencePiece tokenizer joins it with the first word.
    """
    question, answer = f"{USER}: ", f" {ASSISTANT}: "
    fixed = [f"{SYSTEM_TEXT} {question}", answer]
    for _ in range(num_exchanges - 1):
        fixed += [f"{end}{question}", answer]
    return ConversationLayout((*fixed, end), (1,) * num_exchanges, (len(end),) * num_exchanges)


def place_image(questions: Sequence[str], *, has_image: bool) -> tuple[list[str], int | None]:
    """The questions without any placeholder, and which one the image opens, followed by a line end.

    It is the first question that names the image, and the first of all when none does; that one is stripped as
    LLaVA-JP's ``preprocess_multimodal`` does.
    """
    clean = [without_image_token(question) for question in questions]
    if not has_image:
        return clean, None
    chosen = next((index for index, question in enumerate(questions) if IMAGE_TOKEN in question), 0)
    clean[chosen] = f"\n{clean[chosen].strip()}" if clean[chosen].strip() else ""
    return clean, chosen


def without_image_token(text: str) -> str:
    """A message without the image placeholder and the white space around it."""
    return text.replace(IMAGE_TOKEN, "").strip() if IMAGE_TOKEN in text else text


def in_turn(questions: Sequence[str], answers: Sequence[str]) -> list[str]:
    """Questions and answers one after the other."""
    return [text for pair in zip(questions, answers, strict=True) for text in pair]


def write(layout: ConversationLayout, messages: Sequence[str], *, image_message: int | None) -> Written:
    """The whole text of a conversation. An answer of nothing but white space is not learned.

    Args:
        layout: of a conversation with this many messages.
        messages: questions and answers in turn.
        image_message: the message that the image opens.
    """
    parts: list[str] = []
    starts: list[int] = []
    length = 0
    for fixed, message in zip(layout.fixed, messages, strict=False):
        starts.append(length + len(fixed))
        parts += (fixed, message)
        length += len(fixed) + len(message)
    answers = zip(starts[1::2], messages[1::2], layout.leads, layout.tails, strict=True)
    return Written(
        "".join((*parts, layout.fixed[-1])),
        tuple((start - lead, start + len(text) + tail) for start, text, lead, tail in answers if text.strip()),
        None if image_message is None else starts[image_message],
        prompt_end=starts[-1] - layout.num_unprompted,
        messages=tuple((start, start + len(text)) for start, text in zip(starts, messages, strict=True)),
    )


def write_caption(captions: Sequence[str], *, has_image: bool, supervision: Supervision = "answers") -> Written:
    """Pretraining: the questions are thrown away, the answers stand behind the image, one a line."""
    text = "".join(f"{caption}\n" for caption in captions)
    answers = ((0, len(text)),) if text.strip() else ()
    is_first_token_lost = supervision == "llava-jp" and has_image
    image = 0 if has_image else None
    return Written(
        text,
        answers,
        image,
        is_end_learned=True,
        is_first_token_lost=is_first_token_lost,
        messages=((0, len(text)),),
    )


def write_roles(
    exchanges: Sequence[Exchange], *, has_image: bool, end: str, supervision: Supervision = "answers"
) -> Written:
    """``v1`` and ``karasu``."""
    questions, chosen = place_image([question for question, _ in exchanges], has_image=has_image)
    messages = in_turn(questions, [answer for _, answer in exchanges])
    layout = role_layout(len(exchanges), end=end)
    image_message = None if chosen is None else 2 * chosen
    if supervision == "answers":
        return write(layout, messages, image_message=image_message)
    layout = _without_ends_of_nothing(layout, messages, image_message=image_message)
    return _learned_as_in_llava_jp(write(layout, messages, image_message=image_message), end)


def _without_ends_of_nothing(
    layout: ConversationLayout, messages: Sequence[str], *, image_message: int | None
) -> ConversationLayout:
    """LLaVA-JP takes an empty message for one that is still to come, and does not end it."""
    fixed = list(layout.fixed)
    for index, message in enumerate(messages):
        if not message and index != image_message:
            fixed[index + 1] = fixed[index + 1][layout.tails[index // 2] if index % 2 else 1 :]
    return replace(layout, fixed=tuple(fixed))


def _learned_as_in_llava_jp(written: Written, end: str) -> Written:
    """LLaVA-JP takes the text apart again at every end, and stops at a part that does not name the answerer once.

    So a message that holds " システム: " loses its answer and all later ones, and of a last answer that is empty the
    end that the tokenizer adds is learned. An end that a message spells is text here, and ends nothing.
    """
    separator = f" {ASSISTANT}: "
    answers = []
    start = 0
    for part in _parts(written, end):
        if part.count(separator) != 1:
            break
        answers.append((start + part.index(separator) + len(separator) - 1, start + len(part) + len(end)))
        start += len(part) + len(end)
    return replace(written, answers=tuple(answers), is_end_learned=start > len(written.text))


def _parts(written: Written, end: str) -> list[str]:
    """The text between the ends that the template wrote."""
    parts, begin = [], 0
    between = pairwise([0, *(place for message in written.messages for place in message), len(written.text)])
    for start, stop in list(between)[::2]:  # what is not a message
        place = written.text.find(end, start, stop)
        if place >= 0:
            parts.append(written.text[begin:place])
            begin = place + len(end)
    return [*parts, written.text[begin:]]
