"""Conversations to token ids and label masks, turn by turn.

The text of a conversation is put together with the character span of every answer known
(``model.conversation.templates``), cut at its images, and each piece is tokenised whole. A token is supervised when it
overlaps an answer's span. So the labels are never searched for afterwards, and the ids equal those of LLaVA-JP, whose
tokenizer joins a space with the word that follows it.

A message that spells a special token, such as an end of text that an earlier pipeline left in an answer, is cut inside
of it as well: then it is text like any other, and only the template writes control tokens.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from tokenizers import Encoding, Tokenizer
from transformers import PreTrainedTokenizerBase

from model.config import Supervision, TemplateName
from model.conversation.chat_template import ChatTemplate
from model.conversation.templates import Exchange, TemplateError, Written, end_of_answer, write_captions, write_roles

IMAGE_TOKEN_ID = -200
"""Placeholder of all vision tokens of an image in ``input_ids``, one for each image."""
IGNORED_LABEL = -100
"""Label of a token that is not supervised."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids with one label each; an id for each image is ``IMAGE_TOKEN_ID``."""

    input_ids: tuple[int, ...]
    labels: tuple[int, ...]

    @property
    def num_supervised(self) -> int:
        return sum(label != IGNORED_LABEL for label in self.labels)


@dataclass(frozen=True, slots=True)
class Tokens:
    """The same in short: token ids, and the ranges of them that are supervised, in order."""

    input_ids: list[int]
    supervised: list[tuple[int, int]]

    @property
    def num_images(self) -> int:
        """How many images stand between them."""
        return self.input_ids.count(IMAGE_TOKEN_ID)

    @property
    def num_predicted(self) -> int:
        """Supervised tokens with a token before them to be predicted from."""
        return sum(end - max(1, start) for start, end in self.supervised if end > 1)

    def cut(self, length: int) -> "Tokens":
        """The first tokens alone."""
        supervised = [(start, min(end, length)) for start, end in self.supervised if start < length]
        return Tokens(self.input_ids[:length], supervised)

    def without(self, token_id: int) -> "Tokens":
        """All tokens but those with this id."""
        places = [place for place, token in enumerate(self.input_ids) if token == token_id]
        if not places:
            return self
        ranges = (
            (start - bisect_left(places, start), end - bisect_left(places, end)) for start, end in self.supervised
        )
        supervised = [(start, end) for start, end in ranges if end > start]
        return Tokens([token for token in self.input_ids if token != token_id], supervised)

    def encoded(self) -> Encoded:
        labels = [IGNORED_LABEL] * len(self.input_ids)
        for start, end in self.supervised:
            labels[start:end] = self.input_ids[start:end]
        return Encoded(tuple(self.input_ids), tuple(labels))


class _Cut(NamedTuple):
    """Where a text is cut before it is tokenised, and whether an image stands there."""

    place: int
    is_image: bool


class ConversationEncoder:
    """Writes and tokenises many conversations with one template.

    Args:
        template: ``plain`` throws the questions away and keeps ``<image>`` + caption (pretraining). ``v1`` is
            LLaVA-JP's Vicuna-like template (``llava/conversation.py`` there, ``conv_vicuna_v1``), ``karasu`` the same
            for Llama's tokenizers, ``chat`` the tokenizer's own.
        tokenizer: one that tells which characters a token is made of.
        supervision: ``llava-jp`` masks what LLaVA-JP's code masked, which is not every time all but the answers.

    Raises:
        TemplateError: the tokenizer does not fit the template.
    """

    def __init__(
        self, template: TemplateName, tokenizer: PreTrainedTokenizerBase, supervision: Supervision = "answers"
    ) -> None:
        self._template = template
        self._supervision = supervision
        self._backend = _backend_of(tokenizer)
        self._bos_token_id: int | None = tokenizer.bos_token_id
        self._added: tuple[list[int], list[int]] = ([], []) if template == "chat" else _added(self._backend)
        self._chat = ChatTemplate(tokenizer) if template == "chat" else None
        self._end = "" if template in ("plain", "chat") else end_of_answer(template, tokenizer)
        self._special = _special_tokens(tokenizer)
        if template == "chat" and supervision == "llava-jp":
            raise TemplateError(
                "LLaVA-JP has no chat templates whose masks could be followed; take supervision: answers"
            )
        if template == "karasu" and self._added[0] != [self._bos_token_id]:
            raise TemplateError("the template karasu needs a tokenizer that begins every text with its BOS; take v1")

    def write(self, exchanges: Sequence[Exchange], *, num_images: int) -> Written:
        """The text of a conversation with the characters that are learned.

        Raises:
            TemplateError: the template cannot write this conversation, or the questions have placeholders for another
                number of images.
            ValueError: there is no exchange.
        """
        if not exchanges:
            raise ValueError("a conversation needs at least one question with an answer")
        if self._chat is not None:
            return self._chat.write(exchanges, num_images=num_images)
        if self._template == "plain":
            return write_captions(exchanges, num_images=num_images, supervision=self._supervision)
        return write_roles(exchanges, num_images=num_images, end=self._end, supervision=self._supervision)

    def write_prompt(self, question: str, *, history: Sequence[Exchange], num_images: int) -> Written:
        """The text of a conversation up to where the last answer begins."""
        if self._chat is not None:
            written = self._chat.write_prompt(question, history=history, num_images=num_images)
        elif self._template == "plain":
            written = write_captions([], num_images=num_images)
        else:
            written = write_roles([*history, (question, "")], num_images=num_images, end=self._end)
        return Written(written.text[: written.prompt_end], (), written.images, messages=written.messages[:-1])

    def tokenise(self, conversations: Sequence[Written]) -> list[Tokens]:
        """Token ids of many conversations, in the tokenizer's own threads.

        Tokens that the tokenizer adds to a text by itself are added to each piece around an image, except a second
        beginning-of-text; a chat template writes its own.
        """
        cuts = [self._cuts(written) for written in conversations]
        pieces = [_pieces(written, own) for written, own in zip(conversations, cuts, strict=True)]
        encodings = iter(
            self._backend.encode_batch([piece for own in pieces for piece in own], add_special_tokens=False)
        )
        return [
            self._joined(written, own_cuts, own, [next(encodings) for _ in own])
            for written, own_cuts, own in zip(conversations, cuts, pieces, strict=True)
        ]

    def _cuts(self, written: Written) -> list[_Cut]:
        """The images' places, and the ones behind the first character of every control token that a message spells."""
        cuts = [_Cut(place, is_image=True) for place in written.images]
        if self._special.search(written.text) is None:
            return cuts
        for start, end in written.messages:
            places = (found.start() + 1 for found in self._special.finditer(written.text, start, end))
            cuts += [_Cut(place, is_image=False) for place in places if place not in written.images]
        return sorted(cuts)

    def _joined(
        self, written: Written, cuts: Sequence[_Cut], pieces: Sequence[str], encodings: Sequence[Encoding]
    ) -> Tokens:
        before, after = self._added
        ids: list[int] = [*before]
        supervised: list[tuple[int, int]] = []
        before = before[1:] if before[:1] == [self._bos_token_id] else before
        begin = 0
        for cut, piece, encoding in zip((None, *cuts), pieces, encodings, strict=True):
            if cut is not None and cut.is_image:
                ids += [*after, IMAGE_TOKEN_ID, *before]
            ranges = _supervised(written, encoding, first_token=len(ids), begin=begin, end=begin + len(piece))
            is_one_answer = cut is not None and any(start < cut.place < end for start, end in written.answers)
            if is_one_answer and supervised and ranges and supervised[-1][1] == ranges[0][0]:
                ranges[0] = (supervised.pop()[0], ranges[0][1])
            supervised += ranges
            ids += encoding.ids
            begin += len(piece)
        ids += after
        if written.is_end_learned and after and supervised:
            supervised[-1] = (supervised[-1][0], len(ids))
        if written.is_first_token_lost:  # as many as of the leading images alone, whose last piece is empty
            leading = [place for place, token in enumerate(ids) if token == IMAGE_TOKEN_ID][written.images.count(0) - 1]
            lost = leading + 1 + len(before) + len(after)
            supervised = [(max(lost, start), end) for start, end in supervised if end > lost]
        return Tokens(ids, supervised)


def encode_prompt(
    question: str,
    *,
    num_images: int,
    template: TemplateName,
    tokenizer: PreTrainedTokenizerBase,
    history: Sequence[Exchange] = (),
) -> tuple[int, ...]:
    """Token ids up to where the answer begins; an end-of-text that the tokenizer adds by itself is dropped.

    Args:
        question: the user's message.
        num_images: images of the conversation. One opens the first message that names it, or the first of all; each
            of several stands at its ``<image>``, or all open the first message when there is no ``<image>``.
        template: ``plain`` reads no question: its prompt is the images alone.
        tokenizer: that of the model.
        history: what was asked and answered before, oldest first.

    Raises:
        TemplateError: the template cannot write this conversation, the tokenizer does not fit it, or there are
            placeholders for another number of images.
    """
    encoder = ConversationEncoder(template, tokenizer)
    (tokens,) = encoder.tokenise([encoder.write_prompt(question, history=history, num_images=num_images)])
    ids = tuple(tokens.input_ids)
    return ids[:-1] if template != "chat" and ids and ids[-1] == tokenizer.eos_token_id else ids


def end_token_id(template: TemplateName, tokenizer: PreTrainedTokenizerBase) -> int:
    """The token with which a model trained on this template ends an answer.

    Raises:
        TemplateError: there is none.
    """
    if template == "chat":
        return int(tokenizer.convert_tokens_to_ids(ChatTemplate(tokenizer).end_of_turn))
    return int(tokenizer.convert_tokens_to_ids(end_of_answer(template, tokenizer)))


def _backend_of(tokenizer: PreTrainedTokenizerBase) -> Tokenizer:
    if not tokenizer.is_fast:
        raise TemplateError(
            f"{type(tokenizer).__name__} does not tell which characters a token is made of; take one that comes with a "
            "tokenizer.json"
        )
    backend: Tokenizer = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    return backend


def _added(backend: Tokenizer) -> tuple[list[int], list[int]]:
    """The tokens that the tokenizer puts before and behind every text."""
    bare, whole = (backend.encode("a", add_special_tokens=is_whole).ids for is_whole in (False, True))
    for start in range(len(whole) - len(bare) + 1):
        if whole[start : start + len(bare)] == bare:
            return whole[:start], whole[start + len(bare) :]
    raise TemplateError("the tokenizer changes a text when it adds special tokens to it")


def _special_tokens(tokenizer: PreTrainedTokenizerBase) -> re.Pattern[str]:
    """Any spelling that the tokenizer reads as a control token."""
    spelled = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    spelled |= set(tokenizer.all_special_tokens)
    longest_first = sorted((token for token in spelled if len(token) > 1), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")


def _pieces(written: Written, cuts: Sequence[_Cut]) -> list[str]:
    """The texts between the cuts."""
    places = [0, *(cut.place for cut in cuts), len(written.text)]
    return [written.text[start:end] for start, end in pairwise(places)]


def _supervised(
    written: Written, encoding: Encoding, *, first_token: int, begin: int, end: int
) -> list[tuple[int, int]]:
    """The tokens of a piece that overlap an answer, as ranges that touch each other at most.

    The piece is the text's characters from ``begin`` to ``end``.
    """
    answers = [span for span in written.answers if span[1] > begin and span[0] < end]
    if not answers:
        return []
    offsets = encoding.offsets
    ranges: list[tuple[int, int]] = []
    done = 0
    for answer_start, answer_end in answers:
        first = max(done, bisect_right(offsets, answer_start - begin, key=_end_of))
        last = bisect_left(offsets, answer_end - begin, key=_start_of)
        if last > first:
            ranges.append((first_token + first, first_token + last))
            done = last
    return ranges


def _start_of(offset: tuple[int, int]) -> int:
    return offset[0]


def _end_of(offset: tuple[int, int]) -> int:
    return offset[1]
