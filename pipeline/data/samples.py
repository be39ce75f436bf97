"""Training records: LLaVA-style JSON in, one schema out.

A record becomes a ``Sample`` or a ``Finding`` that says why not; nothing is dropped without a row. Roles may be named
``human``/``user``/``ユーザー`` and ``gpt``/``assistant``/``システム``; a turn's Japanese text may stand under ``jp``
beside the English ``value``, which then is the turn's original. Other forms: ``pipeline.data.record_forms``.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from operator import attrgetter
from typing import Annotated, Any, Literal

import pyarrow as pa

from pipeline.benchmarks.benchmark import PROBLEM
from pipeline.core.tables import NULLABLE, row_of, schema_of, struct_of
from pipeline.data.record_forms import IMAGE_TOKEN as IMAGE_TOKEN
from pipeline.data.record_forms import llava_form
from pipeline.data.record_images import image_names

TEXT_ONLY = "text-only"
"""The source of a sample without an image."""

Role = Literal["user", "assistant"]
ROLES: Mapping[str, Role] = {
    "human": "user",
    "user": "user",
    "ユーザー": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "chatgpt": "assistant",
    "システム": "assistant",
}


@dataclass(frozen=True, slots=True)
class Turn:
    """One message; ``original`` is the English text that it was translated from, where that is known."""

    role: Role
    text: str
    original: str | None = None


TURN_TYPE = struct_of(Turn)


@dataclass(frozen=True, slots=True)
class SampleImage:
    """An image of a sample behind its first one; the fields are named and mean as those of ``Sample``."""

    image: str
    image_sha256: str | None = None
    coco_id: int | None = None
    visual_genome_id: int | None = None


IMAGE_TYPE = struct_of(SampleImage)


@dataclass(frozen=True, slots=True)
class Sample:
    """One row of ``samples.parquet``. ``image`` is the path in the record, None for a text-only conversation.

    Where there are several images, it is that of the first, and the questions hold one ``<image>`` for each.
    """

    sample_id: str
    record_index: int
    source: str
    image: str | None
    image_sha256: str | None = field(default=None, kw_only=True)
    """None also until the samples are linked to their images."""
    coco_id: int | None = field(default=None, kw_only=True)
    visual_genome_id: int | None = field(default=None, kw_only=True)
    category: str | None
    turns: Annotated[tuple[Turn, ...], pa.list_(pa.field("element", TURN_TYPE, nullable=False))]
    further_images: Annotated[tuple[SampleImage, ...], pa.list_(pa.field("element", IMAGE_TYPE, nullable=False))] = (
        field(default=(), kw_only=True)
    )
    """The column is not in tables of before there were several."""

    @property
    def images(self) -> tuple[str, ...]:
        """The paths of all images, in the order of their placeholders."""
        return (*((self.image,) if self.image else ()), *(one.image for one in self.further_images))


SAMPLE_SCHEMA = schema_of(Sample)


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of ``findings.parquet``."""

    check: str
    severity: Literal["reject", "drop", "warn"] = field(default="reject", kw_only=True)
    sample_id: str | None
    record_index: Annotated[int, NULLABLE]
    turn_index: int | None = field(default=None, kw_only=True)
    evidence: str

    def row(self) -> dict[str, Any]:
        """The row of ``FINDING_SCHEMA``."""
        return row_of(self)


FINDING_SCHEMA = schema_of(Finding)


def sample_table(samples: Sequence[Sample]) -> pa.Table:
    """Rows of ``SAMPLE_SCHEMA``."""
    columns = [
        _lists(list(map(attrgetter(column.name), samples)), column.type)
        if pa.types.is_list(column.type)
        else pa.array(list(map(attrgetter(column.name), samples)), type=column.type)
        for column in SAMPLE_SCHEMA
    ]
    return pa.table(columns, schema=SAMPLE_SCHEMA)


def _lists(rows: Sequence[Sequence[Any]], kind: pa.ListType) -> pa.ListArray:
    """A column of lists of dataclasses."""
    elements = [element for row in rows for element in row]
    fields = [pa.array(list(map(attrgetter(one.name), elements)), type=one.type) for one in kind.value_type]
    return pa.ListArray.from_arrays(
        pa.array(accumulate(map(len, rows), initial=0), type=pa.int32()),
        pa.StructArray.from_arrays(fields, fields=list(kind.value_type)),
        type=kind,
    )


def normalise(record: Any, *, record_index: int, default_source: str = "local") -> Sample | Finding:
    """One record in the common form, or the reason why it has none.

    Args:
        record: a JSON value, or the error of one that could not be parsed.
        record_index: place in the file, from 0.
        default_source: the source of a record whose image path does not name one.
    """
    result = _normalised(llava_form(record).record, record_index, default_source)
    try:
        "".join(_texts(result)).encode()
    except UnicodeEncodeError as error:  # JSON can spell half of a surrogate pair; Parquet cannot hold it
        around = error.object[max(0, error.start - 20) : error.end + 20]
        is_id_text = not any("\ud800" <= character <= "\udfff" for character in result.sample_id or "")
        return Finding("text_not_unicode", result.sample_id if is_id_text else None, record_index, ascii(around))
    return result


def _normalised(record: Any, record_index: int, default_source: str) -> Sample | Finding:
    if isinstance(record, json.JSONDecodeError):
        return Finding("record_not_json", None, record_index, str(record))
    if not isinstance(record, dict):
        return Finding("record_not_an_object", None, record_index, f"a {type(record).__name__}")
    sample_id = str(record["id"]) if record.get("id") not in (None, "") else f"record-{record_index:08d}"

    def reject(check: str, evidence: object) -> Finding:
        return Finding(check, sample_id, record_index, str(evidence)[:500])

    if PROBLEM in record:
        return reject(*record[PROBLEM])
    given = image_names(record)
    for name in given:
        if not (isinstance(name, str) or (name is None and len(given) == 1)):
            return reject("image_not_a_path", name)
        if name and name.startswith(("http://", "https://")):
            return reject("image_is_a_url", f"{name}; fetch it, and give the path of the file")
    images = [name.removeprefix("./") for name in given if name]
    turns = _turns(record.get("conversations"))
    if isinstance(turns, str):
        check, _, evidence = turns.partition(": ")
        return reject(check, evidence)
    if not images and any(IMAGE_TOKEN in turn.text for turn in turns):
        return reject("image_token_without_image", turns[0].text)
    turns = _with_placeholders(turns, len(images))
    if isinstance(turns, str):
        return reject("image_tokens_differ", turns)
    category = record.get("category")
    image = images[0] if images else None
    return Sample(
        sample_id,
        record_index,
        source_of(image, default=default_source) if image else TEXT_ONLY,
        image,
        None if category is None else str(category),
        turns,
        coco_id=_given_id(record.get("coco_id")) or (coco_id(image) if image else None),
        visual_genome_id=_given_id(record.get("visual_genome_id")) or (visual_genome_id(image) if image else None),
        further_images=tuple(SampleImage(name, None, coco_id(name), visual_genome_id(name)) for name in images[1:]),
    )


def _given_id(value: Any) -> int | None:
    """An id that the record itself states; some tables hold theirs as floating-point numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 2**53:
        return None
    return int(value)


def source_of(image: str, *, default: str) -> str:
    """Where an image comes from: the first folder of its path, as LLaVA-1.5 lays them out (``coco/``, ``gqa/``, ...).

    A path without a folder, or with a numbered one as those of LLaVA-Pretrain (``00453/``), does not say.
    """
    folder, slash, _ = image.partition("/")
    return folder if slash and folder not in ("", "..") and not folder.isdigit() else default


def _texts(result: Sample | Finding) -> Iterator[str]:
    """All texts of a result that will be stored."""
    yield result.sample_id or ""
    if isinstance(result, Finding):
        yield result.evidence
        return
    yield from (*result.images, result.category or "")
    for turn in result.turns:
        yield turn.text
        yield turn.original or ""


def _turns(conversations: Any) -> tuple[Turn, ...] | str:
    """The turns, or "check: evidence" of what is wrong with them."""
    if not isinstance(conversations, list) or not conversations:
        return f"conversation_missing: {conversations!r}"
    turns = []
    for message in conversations:
        if not isinstance(message, dict):
            return f"turn_not_an_object: {message!r}"
        role = ROLES.get(str(message.get("from", message.get("role"))))
        if role is None:
            return f"role_unknown: {message.get('from', message.get('role'))!r}; known are {', '.join(ROLES)}"
        value = message.get("value", message.get("content"))
        translation = message.get("jp")
        text = value if translation is None else translation  # an empty translation is not its English original
        if not isinstance(text, str):
            return f"text_missing: {message!r}"
        original = value if translation is not None and isinstance(value, str) else None
        turns.append(Turn(role, text, original))
    if any(turn.role != ("user", "assistant")[index % 2] for index, turn in enumerate(turns)):
        return f"roles_do_not_alternate: {[turn.role for turn in turns]}"
    if len(turns) % 2:
        return f"answer_missing: {turns[-1].text}"
    return tuple(turns)


def _with_placeholders(turns: tuple[Turn, ...], num_images: int) -> tuple[Turn, ...] | str:
    """The turns with one placeholder for each image, or the evidence that the two differ in number."""
    if num_images < 2:
        return turns
    in_questions = sum(turn.text.count(IMAGE_TOKEN) for turn in turns if turn.role == "user")
    in_answers = sum(turn.text.count(IMAGE_TOKEN) for turn in turns if turn.role != "user")
    if in_questions == num_images and not in_answers:
        return turns
    is_anywhere = in_questions or in_answers or any(IMAGE_TOKEN in (turn.original or "") for turn in turns)
    if not is_anywhere:  # a translation that lost them would be found nowhere else
        return (replace(turns[0], text=f"{IMAGE_TOKEN}\n" * num_images + turns[0].text), *turns[1:])
    beside = f" and {in_answers} in the answers" if in_answers else ""
    return f"{num_images} images, and {in_questions} {IMAGE_TOKEN} in the questions{beside}"


def exchanges_of(turns: Sequence[dict[str, str]]) -> list[tuple[str, str]]:
    """Turns as they are stored, as pairs of a user's message and its answer."""
    texts = [turn["text"] for turn in turns]
    return list(zip(texts[::2], texts[1::2], strict=True))


COCO_NAME = re.compile(r"(?:^|/)(?:COCO_(?:train|val|test)20\d\d_)?(\d{12})\.\w+$")
"""``coco/train2017/000000000009.jpg``, ``COCO_train2014_000000000009.jpg``: twelve digits since 2014."""
VISUAL_GENOME_NAME = re.compile(r"(?:^|/)(?:VG_100K(?:_2)?|gqa/images)/(\d+)\.\w+$")
"""``vg/VG_100K_2/2354786.jpg``; the images of GQA are those of Visual Genome under the same numbers."""


def coco_id(image: str) -> int | None:
    """The COCO id of an image path, None when it does not tell."""
    found = COCO_NAME.search(image)
    return int(found[1]) if found else None


def visual_genome_id(image: str) -> int | None:
    """The Visual Genome id of an image path, None when it does not tell."""
    found = VISUAL_GENOME_NAME.search(image)
    return int(found[1]) if found else None
