"""Conversation templates in Jinja, as Transformers renders them: what a released processor has."""

from transformers import PreTrainedTokenizerBase

from model.config import TemplateName
from model.conversation import ASSISTANT, IMAGE_TOKEN, SYSTEM_TEXT, USER

FLATTENED = """\
{#- Messages whose content is a list become text: the image in front, as the model was trained. -#}
{%- set flat = namespace(messages=[]) -%}
{%- for message in messages -%}
  {%- set part = namespace(image='', text='') -%}
  {%- if message['content'] is string -%}
    {%- set part.text = message['content'] -%}
  {%- else -%}
    {%- for block in message['content'] -%}
      {%- if block['type'] == 'image' -%}
        {%- set part.image = part.image + '%IMAGE%' -%}
      {%- else -%}
        {%- set part.text = part.text + block['text'] -%}
      {%- endif -%}
    {%- endfor -%}
  {%- endif -%}
  {%- set content = part.image + '\\n' + part.text if part.image else part.text -%}
  {%- set flat.messages = flat.messages + [{'role': message['role'], 'content': content}] -%}
{%- endfor -%}
{%- set messages = flat.messages -%}
"""

V1 = f"""\
{{%- if messages[0]['role'] == 'system' -%}}
  {{{{- messages[0]['content'] + ' ' -}}}}
{{%- else -%}}
  {{{{- '{SYSTEM_TEXT} ' -}}}}
{{%- endif -%}}
{{%- for message in messages -%}}
  {{%- if message['role'] == 'user' -%}}
    {{{{- '{USER}: ' + message['content'] + ' ' -}}}}
  {{%- elif message['role'] == 'assistant' -%}}
    {{{{- '{ASSISTANT}: ' + message['content'] + eos_token -}}}}
  {{%- endif -%}}
{{%- endfor -%}}
{{%- if add_generation_prompt -%}}
  {{{{- '{ASSISTANT}: ' -}}}}
{{%- endif -%}}
"""

PLAIN = f"""\
{{%- for message in messages -%}}
  {{%- if '{IMAGE_TOKEN}' in message['content'] -%}}
    {{{{- '%IMAGE%' -}}}}
  {{%- endif -%}}
  {{%- if message['role'] == 'assistant' -%}}
    {{{{- message['content'] + '\\n' -}}}}
  {{%- endif -%}}
{{%- endfor -%}}
"""


def chat_template(template: TemplateName, *, image_text: str = IMAGE_TOKEN) -> str:
    """The Jinja of a conversation template; ``image_text`` is what stands for an image in the rendered text."""
    body = {"v1": V1, "plain": PLAIN}[template]
    return (FLATTENED + body).replace("%IMAGE%", image_text)


def added_ends(tokenizer: PreTrainedTokenizerBase) -> tuple[str, str]:
    """The tokens, as text, that the tokenizer adds to the beginning and to the end of every text; "" for none."""
    added = tokenizer("")["input_ids"]
    begin = tokenizer.bos_token if added[:1] == [tokenizer.bos_token_id] else ""
    end = tokenizer.eos_token if len(added) > len(bool(begin) * [0]) and added[-1] == tokenizer.eos_token_id else ""
    return begin, end
