"""Chat templates that would never end, or fill the memory."""

import time

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

from model.conversation import template_bounds
from model.conversation.chat_template import ChatTemplate
from model.conversation.template_bounds import bound_chat_templates
from model.conversation.templates import TemplateError
from tests.model_tests import test_chat_template as styles

CHAT = [{"role": "user", "content": "何色？"}, {"role": "assistant", "content": "赤"}]


def rendered(template, **values):
    bound_chat_templates()
    (text,), _ = render_jinja_template([CHAT], chat_template=template, **values)
    return text


ENDLESS = {
    "nested loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "loops over a text": "{% set t = 'x' * 100000 %}{% for i in t %}{% for j in t %}{% endfor %}{% endfor %}",
    "a macro that calls itself twice": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}"
    "{{ f(60) }}",
    "a recursive loop": "{% for i in [[]] recursive %}{{ loop([[], []]) }}{% endfor %}",
    "a large range": "{{ range(10 ** 9) | list }}",
    "loops that write": "{% for i in range(99999) %}{{ 'x' * 1000 }}{% endfor %}",
    "a multiplied text": "{{ 'x' * 10 ** 10 }}",
    "a multiplied list": "{{ ([0] * 10 ** 9) | length }}",
    "doubling with ~": "{% set n = namespace(t='xx') %}{% for i in range(60) %}{% set n.t = n.t ~ n.t %}{% endfor %}",
    "doubling with +": "{% set n = namespace(t='xx') %}{% for i in range(60) %}{% set n.t = n.t + n.t %}{% endfor %}",
    "powers": "{% set n = namespace(t=10) %}{% for i in range(60) %}{% set n.t = n.t ** 10 %}{% endfor %}",
    "a format": "{{ '%1000000000d' % 1 }}",
    "a format method": "{{ '{:>1000000000}'.format('a') }}",
    "a format filter": "{{ '%1000000000d' | format(1) }}",
    "a wide centre": "{{ 'a' | center(10 ** 9) }}",
    "a wide method": "{{ 'a'.ljust(10 ** 9) }}",
    "replacements": "{{ ('x' * 1000000) | replace('x', 'y' * 1000000) }}",
    "replacements by a method": "{{ ('x' * 1000000).replace('x', 'y' * 1000000) }}",
    "a join": "{{ ('x' * 100000) | join('y' * 100000) }}",
    "a join by a method": "{{ ('y' * 100000).join(['x'] * 100000) }}",
    "an indent": "{{ ('\\n' * 100000) | indent(90000) }}",
    "lipsum": "{{ lipsum(n=99999) }}",
}


@pytest.mark.parametrize("name", ENDLESS)
def test_a_template_without_measure_ends_soon(name, monkeypatch):
    monkeypatch.setattr(template_bounds, "MAX_STEPS", 20_000)
    started = time.monotonic()
    with pytest.raises(Exception, match="."):
        rendered(ENDLESS[name])
    assert time.monotonic() - started < 8


@pytest.mark.parametrize("style", ["INSTRUCT", "CHATML", "THINKING", "HEADERS", "TURNS", "BRACKETS", "MARKED"])
def test_bounds_change_nothing_of_the_templates_of_real_models(style):
    from transformers.utils.chat_template_utils import _cached_compile_jinja_template

    values = {"messages": CHAT, "bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": True}
    values |= {"date_string": "26 Jul 2024"}
    free = _cached_compile_jinja_template(getattr(styles, style)).render(**values)
    bound = {name: value for name, value in values.items() if name != "messages"}
    assert rendered(getattr(styles, style), **bound) == free


def test_loops_and_texts_of_templates_mean_what_they_did():
    template = (
        "{% for k in 'ab' %}{{ loop.index }}{{ loop.last }}{{ loop.length }}{{ k ~ 1 ~ none }}{% endfor %}"
        "{% for m in messages[::-1] if m.role == 'user' %}{{ m.content | trim | upper }}{% else %}no{% endfor %}"
        "{{ ['a', 'b'] | join('-') }}{{ {'a': 1} | tojson }}{{ '%s' % 'x' }}"
        "{{ messages | map(attribute='role') | list }}"
        "{% for i in range(2) %}{{ i + 1 }}{{ 2 * i }}{{ 2 ** i }}{% break %}{% endfor %}"
    )
    assert rendered(template) == "1False2a1None2True2b1None何色？a-b{\"a\": 1}x['user', 'assistant']101"


def test_a_tokenizer_with_such_a_template_is_refused_with_a_reason():
    tokenizer = styles.bytes_tokenizer(ENDLESS["nested loops"])
    with pytest.raises(
        TemplateError, match=r"the chat template refuses a conversation .*: the chat template does not end"
    ):
        ChatTemplate(tokenizer).layout(1)
