"""Bounds for chat templates: they come with a model, so they are programs of strangers.

Transformers renders them in Jinja's sandbox, which lets nothing out but bounds nothing either: two loops of a hundred
thousand rounds, or one multiplied text, hold a machine up. Here every round and call counts, no text or list grows
beyond a limit, and there is a time for the whole.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache, wraps
from typing import Any, cast

import jinja2
from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from transformers.utils import chat_template_utils

MAX_STEPS = 200_000
"""Rounds of loops, and calls, of one conversation; a thousand turns take some ten thousand."""
MAX_SECONDS = 10.0
MAX_SIZE = 4_000_000
"""Characters of a text, entries of a list."""
MAX_NUMBER = 100_000
"""Of what is given to a call or a filter: widths, counts, ranges."""
MAX_BITS = 10_000
"""Of an integer."""
MAX_DIGITS = len(str(MAX_NUMBER))


@cache
def bound_chat_templates() -> None:
    """Let Transformers render chat templates within bounds in this process, whoever asks it to."""
    compile_template = chat_template_utils._compile_jinja_template

    @lru_cache
    def compile_bounded(source: str) -> jinja2.Template:
        return _Sandbox(compile_template("").environment).from_string(source)

    chat_template_utils._compile_jinja_template = compile_bounded


class _Meter(threading.local):
    """What the rendering of a thread has used."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.num_steps = self.size = 0
        self.deadline = time.monotonic() + MAX_SECONDS

    def step(self) -> None:
        self.num_steps += 1
        if self.num_steps > MAX_STEPS or time.monotonic() > self.deadline:
            raise SecurityError(f"the chat template does not end: {self.num_steps} rounds and calls")

    def write(self, text: str) -> None:
        self.size += _checked(len(text))
        _checked(self.size)


class _Template(jinja2.Template):
    """Writes piece by piece, and no more than there may be."""

    def generate(self, *args: Any, **kwargs: Any) -> Iterator[str]:
        meter: _Meter = self.environment.meter  # type: ignore[attr-defined]
        meter.begin()
        for piece in super().generate(*args, **kwargs):
            meter.write(piece)
            yield piece

    def render(self, *args: Any, **kwargs: Any) -> str:
        return "".join(self.generate(*args, **kwargs))


class _Sandbox(ImmutableSandboxedEnvironment):
    """Counts what a template does, and looks at the size of all that it makes before it is made."""

    intercepted_binops = frozenset({"*", "**", "+", "%"})
    template_class = _Template

    def __init__(self, like: jinja2.Environment) -> None:
        super().__init__(
            trim_blocks=like.trim_blocks,
            lstrip_blocks=like.lstrip_blocks,
            extensions=[type(extension) for extension in like.extensions.values()],
        )
        self.meter = _Meter()
        self.globals.update(like.globals)
        self.globals.pop("lipsum", None)
        self.filters.update({name: self._bounded(name, function) for name, function in like.filters.items()})
        self.filters[ROUNDS], self.filters[JOINED] = self._rounds, self._joined

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        self.meter.begin()  # constants are computed when a template is compiled
        tree = super()._parse(source, name, filename)
        for loop in list(tree.find_all(nodes.For)):
            loop.iter = _filter(loop.iter, ROUNDS)
        _replace_concatenations(tree)
        tree.set_environment(self)
        return tree

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        self.meter.step()
        if operator == "*":
            _checked(_size(left) * right if _size(left) else _size(right) * left if _size(right) else 0)
            _checked(_bits(left) + _bits(right), MAX_BITS)
        elif operator == "**":
            _checked(_bits(left) * abs(right), MAX_BITS)
        elif operator == "%":
            _checked_format(left)
        else:
            _checked(_size(left) + _size(right))
        return super().call_binop(context, operator, left, right)

    def call(self, context: Any, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        self.meter.step()
        method = getattr(function, "__wrapped__", function)  # the sandbox has its own str.format
        self._look(getattr(method, "__name__", ""), getattr(method, "__self__", None), args, kwargs)
        result = super().call(context, function, *args, **kwargs)
        _checked(_size(result))
        return result

    def _bounded(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        num_hidden = int(hasattr(function, "jinja_pass_arg"))

        @wraps(function)
        def bounded(*args: Any, **kwargs: Any) -> Any:
            self.meter.step()
            subject, given = args[num_hidden], args[num_hidden + 1 :]
            self._look(name, subject, given, kwargs)
            if name == "join":
                subject = list(self._rounds(subject))
                self._look(name, subject, given, kwargs)
            result = function(*args[:num_hidden], subject, *given, **kwargs)
            _checked(_size(result))
            return result

        return bounded

    def _look(self, name: str, subject: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Check what a call would make."""
        given = [*args, *kwargs.values()]
        numbers = [abs(one) for one in given if isinstance(one, int)]
        _checked(max(numbers, default=0), MAX_NUMBER)
        texts = [one for one in given if isinstance(one, str)]
        if isinstance(subject, str):
            lines = subject.count("\n") + subject.count("\t") + 1
            _checked(lines * max([*numbers, *map(len, texts)] if name == "indent" else numbers, default=0))
            if name == "replace" and texts:
                _checked(len(subject) + subject.count(texts[0]) * len(texts[-1]))
            if name == "format":
                _checked_format(subject)
        entries = subject if isinstance(subject, list | tuple) else next((one for one in args if _is_list(one)), ())
        if name == "join":
            between = len(subject) if isinstance(subject, str) else max(map(len, texts), default=0)
            _checked(sum(_size(entry) + between for entry in entries))

    def _rounds(self, values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            self.meter.step()
            yield value

    def _joined(self, values: list[Any]) -> str:
        texts = [str(value) for value in values]
        _checked(sum(map(len, texts)))
        return "".join(texts)


ROUNDS, JOINED = "rounds within bounds", "joined within bounds"
"""Filters that no template can name."""


def _filter(node: nodes.Node, name: str) -> nodes.Filter:
    return nodes.Filter(cast(nodes.Expr, node), name, [], [], None, None, lineno=node.lineno)


def _replace_concatenations(node: nodes.Node) -> None:
    """``a ~ b`` is no operator that can be looked at; a filter is."""
    for field, value in node.iter_fields():
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, nodes.Node):
                _replace_concatenations(child)
        if isinstance(value, nodes.Concat):
            setattr(node, field, _joining(value))
        elif isinstance(value, list):
            value[:] = [_joining(child) if isinstance(child, nodes.Concat) else child for child in value]


def _joining(node: nodes.Concat) -> nodes.Filter:
    return _filter(nodes.List(node.nodes, lineno=node.lineno), JOINED)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _size(value: Any) -> int:
    return len(value) if isinstance(value, str | bytes | list | tuple | dict) else 0


def _bits(value: Any) -> int:
    return value.bit_length() if isinstance(value, int) else 0


def _checked(size: Any, limit: int = MAX_SIZE) -> Any:
    if isinstance(size, int) and size > limit:
        raise SecurityError(f"the chat template makes too much: {size} where {limit} are the most")
    return size


def _checked_format(text: Any) -> None:
    """A width in a format makes a text of that length."""
    digits = 0
    for character in text if isinstance(text, str) else "":
        digits = digits + 1 if character.isdigit() else 0
        _checked(digits, MAX_DIGITS - 1)
