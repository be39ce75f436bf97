"""Any chat template of a tokenizer as a layout: what it writes around the messages, found by rendering marks.

A template is a program, so nothing is assumed about it. It is rendered once with marks in place of the messages, which
tells the fixed texts between them. Every conversation is then rendered itself and must equal the fixed texts with its
messages between them, as they are or without the white space around them. Where it does not, there is no layout for
that conversation, and ``TemplateError`` says so: a mask is exact or absent.
"""

import re
from collections.abc import Callable, Sequence
from itertools import product

from transformers import PreTrainedTokenizerBase

from model.conversation.template_bounds import bound_chat_templates
from model.conversation.templates import (
    ConversationLayout,
    Exchange,
    Question,
    TemplateError,
    Written,
    in_turn,
    place_images,
    write,
)

DATE = "26 Jul 2024"
"""What templates get that write a date: Llama's own default. Today's would make every day's training another one."""

CHANGES: tuple[Callable[[str], str], ...] = (str, str.strip, str.rstrip, str.lstrip)
"""What a template may do with a message's text."""


class ChatTemplate:
    """The chat template of a tokenizer, with the layouts that were found so far.

    Raises:
        TemplateError: the tokenizer has no chat template, or one that writes today's date.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        _check_source(tokenizer)
        bound_chat_templates()
        self._tokenizer = tokenizer
        self._special = _special_tokens(tokenizer)
        self._layouts: dict[int, ConversationLayout] = {}

    def write(self, exchanges: Sequence[Exchange], *, num_images: int) -> Written:
        """A whole conversation.

        Raises:
            TemplateError: the template refuses the messages, or changes them so that where an answer begins and ends
                is not known.
        """
        questions = place_images([question for question, _ in exchanges], num_images=num_images)
        messages = in_turn([question.with_tokens for question in questions], [answer for _, answer in exchanges])
        layout = self.layout(len(exchanges))
        written = _as_rendered(layout, messages, self._render(messages))
        texts = zip(written[::2], questions, strict=True)
        return write(layout, [Question.read(text, len(one.images)) for text, one in texts], written[1::2])

    def write_prompt(self, question: str, *, history: Sequence[Exchange], num_images: int) -> Written:
        """The same with the last answer open; the prompt ends at ``prompt_end``."""
        return self.write([*history, (question, _mark(2 * len(history) + 1))], num_images=num_images)

    @property
    def end_of_turn(self) -> str:
        """The special token behind an answer."""
        layout = self.layout(1)
        found: list[str] = self._special.findall(layout.fixed[-1][: layout.tails[-1]])
        return found[-1]

    def layout(self, num_exchanges: int) -> ConversationLayout:
        """What the template writes around the messages of a conversation of this length."""
        if num_exchanges not in self._layouts:
            self._layouts[num_exchanges] = self._find_layout(num_exchanges)
        return self._layouts[num_exchanges]

    def _find_layout(self, num_exchanges: int) -> ConversationLayout:
        marks = [_mark(index) for index in range(2 * num_exchanges)]
        whole = self._render(marks)
        fixed = tuple(re.split("|".join(map(re.escape, marks)), whole))
        if len(fixed) != len(marks) + 1 or _joined(fixed, marks) != whole:
            raise TemplateError(
                f"the chat template does not write every message once and in order; of {num_exchanges} questions and "
                f"answers it makes {whole[:200]!r}"
            )
        starts = [whole.index(mark) for mark in marks[1::2]]
        openings = [self._opening(marks[: 2 * index + 1], whole, start) for index, start in enumerate(starts)]
        leads = tuple(start - opening for start, opening in zip(starts, openings, strict=True))
        tails = tuple(_end_within(text, self._special) for text in fixed[2::2])
        ends = {text[:tail] for text, tail in zip(fixed[2::2], tails, strict=True)}
        if len(ends) != 1:
            endings = ", ".join(map(repr, sorted(ends)))
            raise TemplateError(f"the chat template ends its answers in different ways: {endings}")
        return ConversationLayout(fixed, leads, tails, num_unprompted=leads[-1])

    def _opening(self, messages: Sequence[str], whole: str, start: int) -> int:
        """Where the model writes on: behind the generation prompt.

        A template without one leaves only white space before the answer, or names the role there, which is then given.
        """
        prompt = self._render(messages, add_generation_prompt=True)
        if not whole[:start].startswith(prompt):
            return start
        is_opened = prompt != self._render(messages)
        return len(prompt) if is_opened or not whole[len(prompt) : start].strip() else start

    def _render(self, messages: Sequence[str], *, add_generation_prompt: bool = False) -> str:
        chat = [{"role": ("user", "assistant")[index % 2], "content": text} for index, text in enumerate(messages)]
        try:
            rendered = self._tokenizer.apply_chat_template(
                chat, tokenize=False, add_generation_prompt=add_generation_prompt, date_string=DATE
            )
        except Exception as error:  # a stranger's program raises what it likes
            raise TemplateError(f"the chat template refuses a conversation of {len(chat)} messages: {error}") from error
        assert isinstance(rendered, str)
        return rendered


def _check_source(tokenizer: PreTrainedTokenizerBase) -> None:
    try:
        source: str = tokenizer.get_chat_template()
    except ValueError as error:
        raise TemplateError(
            "the template chat needs a tokenizer with one chat template; take v1, or set chat_template in its "
            "tokenizer_config.json"
        ) from error
    if "strftime_now" in source and "date_string" not in source:
        raise TemplateError(
            "the chat template writes today's date, so no two days would train the same; write a fixed one into "
            "chat_template in tokenizer_config.json"
        )


def _special_tokens(tokenizer: PreTrainedTokenizerBase) -> re.Pattern[str]:
    """Any special token that may end an answer, which one that begins a text does not unless it is the same."""
    special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    special -= {str(tokenizer.bos_token)}
    if tokenizer.eos_token is not None:
        special |= {str(tokenizer.eos_token)}
    return re.compile("|".join(re.escape(token) for token in sorted(special, key=len, reverse=True)) or "(?!)")


def _as_rendered(layout: ConversationLayout, messages: Sequence[str], rendered: str) -> list[str]:
    """The messages as the template wrote them, which is known only if everything else is where it should be."""
    found: list[list[str]] = []
    for of_questions, of_answers in product(CHANGES, CHANGES):
        changed = [(of_answers if index % 2 else of_questions)(message) for index, message in enumerate(messages)]
        if changed not in found and _joined(layout.fixed, changed) == rendered:
            found.append(changed)
            if changed == list(messages):
                return changed  # any other would be shorter
    if len(found) != 1:
        raise TemplateError(
            "the chat template does not write these messages as they are, so where an answer begins and ends is not "
            f"known; it wrote {rendered[:200]!r}"
        )
    return found[0]


def _joined(fixed: Sequence[str], messages: Sequence[str]) -> str:
    return "".join(in_turn(fixed, [*messages, ""]))


def _mark(index: int) -> str:
    """A text that no template holds, without white space around it."""
    return f"\ue000{index}\ue001"


def _end_within(text: str, special: re.Pattern[str]) -> int:
    """Length of the text up to the first special token and with it."""
    found = special.search(text)
    if found is None:
        raise TemplateError(
            f"the chat template ends an answer without a special token (it writes {text[:80]!r}), so the model would "
            "never learn to stop"
        )
    return found.end()
