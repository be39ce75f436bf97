"""Conversation templates in Jinja, as Transformers renders them: what the processor of a released model has.

They write the texts of ``model.conversation.templates``; tests compare both.
"""

from transformers import PreTrainedTokenizerBase

from model.config import TemplateName
from model.conversation.chat_template import DATE
from model.conversation.templates import ASSISTANT, IMAGE_TOKEN, SYSTEM_TEXT, USER, end_of_answer

FLATTENED = """\
{#- Messages whose content is a list become text as the model was trained: the one image of a conversation in front,
    several where they stand, all parts one a line. -#}
{%- set flat = namespace(messages=[], num_images=0) -%}
{%- for message in messages if message['content'] is not string -%}
  {%- for block in message['content'] if block['type'] == 'image' -%}
    {%- set flat.num_images = flat.num_images + 1 -%}
  {%- endfor -%}
{%- endfor -%}
{%- for message in messages -%}
  {%- set part = namespace(image='', text='') -%}
  {%- if message['content'] is string -%}
    {%- set part.text = message['content'] -%}
  {%- elif flat.num_images > 1 -%}
    {%- for block in message['content'] -%}
      {%- set text = '%IMAGE%' if block['type'] == 'image' else block['text'] -%}
      {%- set part.text = part.text + ('' if loop.first else '\\n') + text -%}
    {%- endfor -%}
    {%- if '%IMAGE%' in part.text -%}
      {%- set part.text = part.text | trim -%}
    {%- endif -%}
  {%- else -%}
    {%- for block in message['content'] -%}
      {%- if block['type'] == 'image' -%}
        {%- set part.image = part.image + '%IMAGE%' -%}
      {%- else -%}
        {%- set part.text = part.text + block['text'] -%}
      {%- endif -%}
    {%- endfor -%}
  {%- endif -%}
  {%- if part.image and part.text | trim -%}
    {%- set part.text = '\\n' + part.text | trim -%}
  {%- endif -%}
  {%- set flat.messages = flat.messages + [{'role': message['role'], 'content': part.image + part.text}] -%}
{%- endfor -%}
{%- set messages = flat.messages -%}
"""

ROLES = """\
{%- if messages[0]['role'] == 'system' -%}
  {{- messages[0]['content'] + ' ' -}}
{%- else -%}
  {{- '%SYSTEM% ' -}}
{%- endif -%}
{%- for message in messages -%}
  {%- if message['role'] == 'user' -%}
    {{- '%USER%: ' + message['content'] + ' ' -}}
  {%- elif message['role'] == 'assistant' -%}
    {{- '%ASSISTANT%: ' + message['content'] + '%END%' -}}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- '%ASSISTANT%: ' -}}
{%- endif -%}
"""

CAPTION = """\
{%- for message in messages -%}
  {%- if message['role'] == 'assistant' -%}
    {{- message['content'] + '\\n' -}}
  {%- else -%}
    {{- '%IMAGE%' * message['content'].count('<image>') -}}
  {%- endif -%}
{%- endfor -%}
"""


def release_template(
    template: TemplateName, tokenizer: PreTrainedTokenizerBase, *, image_text: str = IMAGE_TOKEN
) -> str:
    """The Jinja of a conversation template; ``image_text`` is what stands for an image in the rendered text.

    Raises:
        TemplateError: the tokenizer does not fit the template.
        ValueError: the tokenizer has no chat template, and ``chat`` was asked for.
    """
    if template == "chat":
        date = f"{{%- set date_string = '{DATE}' -%}}\n"  # what a template that writes a date was trained with
        body = date + str(tokenizer.get_chat_template())
    elif template == "plain":
        body = CAPTION
    else:
        texts = {"SYSTEM": SYSTEM_TEXT, "USER": USER, "ASSISTANT": ASSISTANT, "END": end_of_answer(template, tokenizer)}
        body = ROLES
        for name, text in texts.items():
            body = body.replace(f"%{name}%", text)
    return (FLATTENED + body).replace("%IMAGE%", image_text)


def added_ends(tokenizer: PreTrainedTokenizerBase) -> tuple[str, str]:
    """The tokens, as text, that the tokenizer adds to the beginning and to the end of every text; "" for none."""
    added = tokenizer("")["input_ids"]
    begin = tokenizer.bos_token if added[:1] == [tokenizer.bos_token_id] else ""
    rest = added[1:] if begin else added
    return begin, tokenizer.eos_token if rest[-1:] == [tokenizer.eos_token_id] else ""
