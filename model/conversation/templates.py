"""Conversations as text: what a template writes around questions and answers, and which characters are learned.

The fixed texts of a template are known before any conversation is (``ConversationLayout``), so where an answer stands
in the whole text follows from lengths. It is never searched for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

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
    """A conversation as one text, from which the images' placeholders are taken out."""

    text: str
    answers: tuple[tuple[int, int], ...]
    """The characters that are learned; they do not overlap."""
    images: tuple[int, ...]
    """Where the images stand in the text, in order; several may stand at one place."""
    prompt_end: int = 0
    """Where a prompt for the last answer ends."""
    is_end_learned: bool = False
    """Whether an end-of-text that the tokenizer adds by itself is learned."""
    is_first_token_lost: bool = False
    """Whether the first token behind the leading images is never learned, though it may hold a part of the answer."""
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


@dataclass(frozen=True, slots=True)
class Question:
    """A user's message without placeholders, and how many of its characters stand before each image."""

    text: str
    images: tuple[int, ...] = ()

    @property
    def with_tokens(self) -> str:
        """The same with a placeholder for each image."""
        places = [0, *self.images, len(self.text)]
        return IMAGE_TOKEN.join(self.text[start:end] for start, end in pairwise(places))

    @classmethod
    def read(cls, text: str, num_images: int) -> "Question":
        """From a text that holds placeholders, the first of which are meant."""
        parts = text.split(IMAGE_TOKEN, num_images)
        return cls("".join(parts), tuple(accumulate(map(len, parts[:-1]))))


def place_images(questions: Sequence[str], *, num_images: int) -> list[Question]:
    """The questions with the images of the conversation at their places.

    One image opens the first question that names it, and the first of all when none does, followed by a line end; that
    one is stripped as LLaVA-JP's ``preprocess_multimodal`` does. Of several, each stands where its placeholder does, as
    LLaVA-NeXT has them, and all stand before the first question, one a line, when there is no placeholder.

    Raises:
        TemplateError: several images and another number of placeholders.
    """
    if num_images < 2:
        clean = [without_image_token(question) for question in questions]
        placed = [Question(text) for text in clean]
        if num_images:
            chosen = next((index for index, question in enumerate(questions) if IMAGE_TOKEN in question), 0)
            placed[chosen] = Question(f"\n{clean[chosen].strip()}" if clean[chosen].strip() else "", (0,))
        return placed
    counts = [question.count(IMAGE_TOKEN) for question in questions]
    if not any(counts):
        questions = [f"{IMAGE_TOKEN}\n" * num_images + questions[0], *questions[1:]]
        counts[0] = num_images
    if sum(counts) != num_images:
        raise TemplateError(f"{num_images} images, and {sum(counts)} {IMAGE_TOKEN} in the questions")
    return [
        Question.read(question.strip(), count) if count else Question(question)
        for question, count in zip(questions, counts, strict=True)
    ]


def without_image_token(text: str) -> str:
    """A message without the image placeholder and the white space around it."""
    return text.replace(IMAGE_TOKEN, "").strip() if IMAGE_TOKEN in text else text


def in_turn(questions: Sequence[str], answers: Sequence[str]) -> list[str]:
    """Questions and answers one after the other."""
    return [text for pair in zip(questions, answers, strict=True) for text in pair]


def write(layout: ConversationLayout, questions: Sequence[Question], answers: Sequence[str]) -> Written:
    """The whole text of a conversation with the layout of its length.

    An answer of nothing but white space is not learned.
    """
    messages = in_turn([question.text for question in questions], answers)
    parts: list[str] = []
    starts: list[int] = []
    length = 0
    for fixed, message in zip(layout.fixed, messages, strict=False):
        starts.append(length + len(fixed))
        parts += (fixed, message)
        length += len(fixed) + len(message)
    learned = zip(starts[1::2], answers, layout.leads, layout.tails, strict=True)
    return Written(
        "".join((*parts, layout.fixed[-1])),
        tuple((start - lead, start + len(text) + tail) for start, text, lead, tail in learned if text.strip()),
        tuple(start + place for start, one in zip(starts[::2], questions, strict=True) for place in one.images),
        prompt_end=starts[-1] - layout.num_unprompted,
        messages=tuple((start, start + len(text)) for start, text in zip(starts, messages, strict=True)),
    )


def write_captions(exchanges: Sequence[Exchange], *, num_images: int, supervision: Supervision = "answers") -> Written:
    """Pretraining: the questions are thrown away, the answers stand one a line.

    One image stands before all of them, each of several before the answer to its question.
    """
    lines = [f"{caption}\n" for _, caption in exchanges]
    images = (0,) * num_images
    if num_images > 1 and exchanges:
        starts = accumulate(map(len, lines), initial=0)
        questions = place_images([question for question, _ in exchanges], num_images=num_images)
        images = tuple(start for start, question in zip(starts, questions, strict=False) for _ in question.images)
    text = "".join(lines)
    parts = pairwise(sorted({0, *images, len(text)}))
    answers = tuple((start, end) for start, end in parts if text[start:end].strip())
    is_first_token_lost = supervision == "llava-jp" and 0 in images
    return Written(
        text,
        answers,
        images,
        is_end_learned=True,
        is_first_token_lost=is_first_token_lost,
        messages=((0, len(text)),),
    )


def write_roles(
    exchanges: Sequence[Exchange], *, num_images: int, end: str, supervision: Supervision = "answers"
) -> Written:
    """``v1`` and ``karasu``."""
    questions = place_images([question for question, _ in exchanges], num_images=num_images)
    answers = [answer for _, answer in exchanges]
    layout = role_layout(len(exchanges), end=end)
    if supervision == "answers":
        return write(layout, questions, answers)
    layout = _without_ends_of_nothing(layout, in_turn([question.with_tokens for question in questions], answers))
    return _learned_as_in_llava_jp(write(layout, questions, answers), end)


def _without_ends_of_nothing(layout: ConversationLayout, messages: Sequence[str]) -> ConversationLayout:
    """LLaVA-JP takes an empty message for one that is still to come, and does not end it."""
    fixed = list(layout.fixed)
    for index, message in enumerate(messages):
        if not message:
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
