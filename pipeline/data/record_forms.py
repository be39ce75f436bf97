"""The forms in which people write records, as LLaVA's: ``image`` or ``images``; messages with ``from`` and ``value``.

conversations, messages     ``from`` and ``value`` (LLaVA, ShareGPT), ``role`` and ``content`` (OpenAI, TRL), or
                            pairs of user and assistant; contents that are lists of parts; a system turn
question and answer         also instruction, input and output; prompt and completion, also of messages
caption                     pretraining
image, images, image_path   a name, a data URL, bytes, or a list of these; also in the parts of a message

What cannot be used stays as it is, or is named under ``PROBLEM``, for ``normalise`` to say why.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from pipeline.benchmarks.benchmark import PROBLEM
from pipeline.data.record_images import IMAGE_KEYS, IMAGE_PARTS, Picture, looks_like_image, pictures

IMAGE_TOKEN = "<image>"
"""The placeholder of the image in a turn's text."""
LEADING_TOKENS = re.compile(rf"^(?:{IMAGE_TOKEN}\n)+")
DESCRIBE = "この画像を簡潔に説明してください。"
"""The question of a caption; pretraining drops it again."""

REMARKS = "llava-jp:remarks"
"""Key of a record in LLaVA's form: lists of check and evidence for people to know. ``PROBLEM`` makes it useless."""

MESSAGE_KEYS = ("conversations", "messages", "conversation")
QUESTIONS = (("question", "answer"), ("instruction", "output"), ("prompt", "completion"), ("prompt", "response"))
CAPTION_KEYS = ("caption", "captions")
PAIRS = (("user", "assistant"), ("human", "assistant"), ("human", "gpt"), ("question", "answer"))
"""Keys of a message that is a question with its answer."""
TEXT_KEYS = (*MESSAGE_KEYS, *(key for pair in QUESTIONS for key in pair), *CAPTION_KEYS)
KEPT_KEYS = ("id", "category", "coco_id", "visual_genome_id", "image_category", "context")
UNDERSTOOD = frozenset((*IMAGE_KEYS, *TEXT_KEYS, *KEPT_KEYS, "scoring", "system", "input", REMARKS, PROBLEM))
READ_FROM = (
    f"an image is read from {', '.join(IMAGE_KEYS)} and from parts of a message; texts from {', '.join(MESSAGE_KEYS)}, "
    "question and answer, or caption"
)
MEDIA_KEY = re.compile(r"(?:^|_)(?:images?|imgs?|photos?|pictures?|pixels?|videos?|audios?)(?:_|$)", re.IGNORECASE)


class Form(NamedTuple):
    """A record in LLaVA's form, and the images that it holds itself, as ``Pair`` has them."""

    record: Any
    contents: tuple[bytes | None, ...] = ()


def llava_form(record: Any) -> Form:
    """A record of any of the forms, in LLaVA's; one that is in it already is returned as it is."""
    if not isinstance(record, dict):
        return Form(record)
    unknown = record.keys() - UNDERSTOOD
    if not unknown and _is_plain(record):
        return Form(record)
    messages = _messages_of(record)
    if isinstance(messages, list):
        messages = [one for message in messages for one in _split(message)]
    remarks = [list(remark) for remark in record.get(REMARKS, ())]
    found, problem = _pictures(record, messages)
    messages = _joined(messages)
    messages, system = _without_system(messages, record.get("system"))
    if system:
        remarks.append(["system_turn_joined", system])
    if len(found) == 1 and not isinstance(record.get("conversations"), list) and not _has_token(messages):
        messages = _with_token(messages)
    problem = record.get(PROBLEM) or problem
    if messages is None:
        problem = ["conversation_missing", f"the record has {', '.join(map(str, record)) or 'no keys'}; {READ_FROM}"]
    for key in sorted(unknown):
        if looks_like_image(record[key]) or (not found and record[key] and MEDIA_KEY.search(key)):
            evidence = f"{key}: {_shown(record[key])}; {READ_FROM}"
            if found:
                remarks.append(["image_key_unknown", evidence])
            else:
                problem = problem or ["image_key_unknown", evidence]
    return _form(record, messages, found, remarks=remarks, problem=problem)


def _is_plain(record: Mapping[str, Any]) -> bool:
    """Whether a record is LLaVA's own: nearly all are, and they are many."""
    image, messages = record.get("image"), record.get("conversations")
    return (
        (image is None or (isinstance(image, str) and len(image) < 1000 and not image.startswith("data:")))
        and isinstance(messages, list)
        and all(
            isinstance(one, dict) and one.get("from") != "system" and isinstance(one.get("value"), str)
            for one in messages
        )
        and record.keys().isdisjoint(IMAGE_KEYS[1:])
        and "system" not in record
    )


def _form(
    record: Mapping[str, Any], messages: Any, found: list[Picture], *, remarks: list[list[str]], problem: Any
) -> Form:
    kept = {key: record[key] for key in KEPT_KEYS if key in record}
    kept |= {REMARKS: remarks} if remarks else {}
    kept |= {PROBLEM: problem} if problem else {}
    if len(found) == 1:
        kept["image"] = found[0].name
    elif found:
        kept["images"] = [picture.name for picture in found]
    contents = tuple(picture.content for picture in found)
    holds_some = any(content is not None for content in contents)
    return Form({**kept, "conversations": messages}, contents if holds_some else ())


def _pictures(record: Mapping[str, Any], messages: Any) -> tuple[list[Picture], list[str] | None]:
    """The images in the order of their placeholders, and what is wrong with how they are named."""
    by_key = {key: found for key in IMAGE_KEYS if (found := [*pictures([record.get(key)])])}
    named = next(iter(by_key.values()), [])
    if any(found != named for found in by_key.values()):
        evidence = ", ".join(f"{key}: {_shown(record[key])}" for key in by_key)
        return named, ["image_keys_differ", f"{evidence}; name all images under one key, in their order"]
    in_parts = [*_pictures_of_parts(messages)]
    if all(picture in in_parts for picture in named):
        return in_parts, None
    return [*named, *(picture for picture in in_parts if picture not in named)], None


def _messages_of(record: Mapping[str, Any]) -> Any:
    """The messages, whichever key holds them; None when none does."""
    for key in MESSAGE_KEYS:
        if record.get(key) is not None:
            return _as_list(record[key])
    if record.get("question") is None and isinstance(record.get("prompt"), list):  # of messages, as TRL has them
        return [*record["prompt"], *_listed(record.get("completion"))]
    for question, answer in QUESTIONS:
        if record.get(question) is not None:
            more = record.get("input") if question == "instruction" else None
            asked = f"{record[question]}\n\n{more}" if isinstance(more, str) and more else record[question]
            return [{"from": "human", "value": asked}, {"from": "gpt", "value": record.get(answer)}]
    for key in CAPTION_KEYS:
        if (caption := record.get(key)) is not None:
            caption = caption[0] if isinstance(caption, list) and len(caption) == 1 else caption
            return [{"from": "human", "value": DESCRIBE}, {"from": "gpt", "value": caption}]
    return None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [{"role": "assistant", "content": value}]


def _as_list(value: Any) -> Any:
    """Messages one after the other, whichever way a table holds them."""
    if isinstance(value, str) and _is_json(value):
        value = json.loads(value)
    if isinstance(value, dict) and _are_lists_of_one_length(value.values()):  # as Datasets stored it before version 4
        value = [dict(zip(value, items, strict=True)) for items in zip(*value.values(), strict=True)]
    return value


def _are_lists_of_one_length(values: Iterable[Any]) -> bool:
    lengths = {len(value) if isinstance(value, list) else None for value in values}
    return len(lengths) == 1 and None not in lengths


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _split(message: Any) -> list[Any]:
    """A question that stands in one object with its answer, as The Cauldron has them, as two messages."""
    if isinstance(message, dict):
        for question, answer in PAIRS:
            if question in message and answer in message:
                return [{"from": "human", "value": message[question]}, {"from": "gpt", "value": message[answer]}]
    return [message]


def _parts(message: Any) -> list[Any] | None:
    """The parts of a message's content, when it is a list of them."""
    parts = message.get("content", message.get("value")) if isinstance(message, dict) else None
    return parts if isinstance(parts, list) else None


def _pictures_of_parts(messages: Any) -> Iterator[Picture]:
    for message in messages if isinstance(messages, list) else ():
        for part in _parts(message) or ():
            if isinstance(part, dict) and part.get("type") in IMAGE_PARTS:
                yield from pictures(part.get(key) for key in ("image", "image_url", "url", "path", "source"))


def _joined(messages: Any) -> Any:
    """Messages with text in place of lists of parts; a list of other parts stays."""
    if not isinstance(messages, list):
        return messages
    return [
        message if (parts := _parts(message)) is None else {**message, "content": _text(parts)} for message in messages
    ]


def _text(parts: list[Any]) -> Any:
    texts = [part if isinstance(part, str) else _text_of(part) for part in parts]
    return "\n".join(texts) if all(isinstance(text, str) for text in texts) else parts


def _text_of(part: Any) -> Any:
    if not isinstance(part, dict):
        return None
    return IMAGE_TOKEN if part.get("type") in IMAGE_PARTS else part.get("text")


def _without_system(messages: Any, system: Any) -> tuple[Any, str | None]:
    """The messages with what a system turn says at the start of the first question, and what that was."""
    if isinstance(messages, list) and messages and isinstance(messages[0], dict):
        first = messages[0]
        if first.get("from", first.get("role")) == "system":
            system, messages = first.get("value", first.get("content")), messages[1:]
    if not isinstance(system, str) or not system.strip() or not isinstance(messages, list):
        return messages, None
    return _changed_first(messages, lambda text: _after_token(system.strip(), text)), system


def _after_token(system: str, text: str) -> str:
    question = LEADING_TOKENS.sub("", text)
    return f"{text[: len(text) - len(question)]}{system}\n\n{question}"


def _with_token(messages: Any) -> Any:
    return _changed_first(messages, lambda text: f"{IMAGE_TOKEN}\n{text}") if isinstance(messages, list) else messages


def _changed_first(messages: list[Any], change: Any) -> list[Any]:
    """The messages with another text in the first; unchanged if it has none."""
    for key in ("value", "content"):
        if messages and isinstance(messages[0], dict) and isinstance(messages[0].get(key), str):
            return [{**messages[0], key: change(messages[0][key])}, *messages[1:]]
    return messages


def _has_token(messages: Any) -> bool:
    if not isinstance(messages, list):
        return False
    texts = (message.get("value", message.get("content")) for message in messages if isinstance(message, dict))
    return any(IMAGE_TOKEN in text for text in texts if isinstance(text, str))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
