"""The English conversations that a dataset was translated from, found again for each translated one.

The published translations leave the English out and name no line of it. Ids repeat (LLaVA-1.5's mix uses a COCO id for
several conversations on one image), so a conversation is found by id and image, among those with as many turns, by the
likeness of its lengths and digits; each is used once.
"""

import json
import math
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.data.samples import Sample, Turn, normalise

CHARACTERS_PER_CHARACTER = 2.0
"""English characters for one of Japanese, about."""
COST_OF_A_DIGIT_GROUP = 0.5
"""Of one that only one of the two texts has, against the logarithm of a ratio of lengths."""


class Originals:
    """English conversations on disk, each given out once."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def attach(self, sample: Sample) -> tuple[Sample, str | None]:
        """The sample with the English text of every turn, where there is one; else why none of those found fits.

        A sample whose record already holds its English is left as it is.
        """
        if any(turn.original is not None for turn in sample.turns):
            return sample, None
        found = self._database.execute(
            "select rowid, texts from originals where key = ? and not is_used", (_key(sample),)
        ).fetchall()
        conversations = {rowid: json.loads(texts) for rowid, texts in found}
        fitting = {rowid: texts for rowid, texts in conversations.items() if len(texts) == len(sample.turns)}
        if not fitting:
            counts = sorted({len(texts) for texts in conversations.values()})
            return sample, f"{len(sample.turns)} turns; in English {' or '.join(map(str, counts))}" if found else None
        best = (
            min(fitting, key=lambda rowid: _cost(sample, fitting[rowid])) if len(fitting) > 1 else next(iter(fitting))
        )
        self._database.execute("update originals set is_used = 1 where rowid = ?", (best,))
        turns = (Turn(turn.role, turn.text, text) for turn, text in zip(sample.turns, fitting[best], strict=True))
        return replace(sample, turns=tuple(turns)), None


@contextmanager
def originals_on_disk(records: Iterable[Any], *, file: Path) -> Iterator[Originals]:
    """Put English records into a SQLite file, which goes when the block ends.

    Records that cannot be read are left out: what they belong to then has no original.
    """
    file.unlink(missing_ok=True)
    database = sqlite3.connect(file)
    try:
        for pragma in ("journal_mode = off", "synchronous = off"):  # the file never outlives the block
            database.execute(f"pragma {pragma}")
        database.execute("create table originals (key text, texts text, is_used integer)")
        samples = (normalise(record, record_index=index) for index, record in enumerate(records))
        database.executemany(
            "insert into originals values (?, ?, 0)",
            (
                (_key(sample), json.dumps([turn.text for turn in sample.turns], ensure_ascii=False))
                for sample in samples
                if isinstance(sample, Sample)
            ),
        )
        database.execute("create index by_key on originals (key)")
        yield Originals(database)
    finally:
        database.close()
        file.unlink(missing_ok=True)


def _key(sample: Sample) -> str:
    """Id and image name; the translators renamed some endings, such as .gif to .jpg."""
    return f"{sample.sample_id}\0{PurePosixPath(sample.image).stem if sample.image else ''}"


def _cost(sample: Sample, texts: Sequence[str]) -> float:
    return sum(_distance(turn.text, text) for turn, text in zip(sample.turns, texts, strict=True))


def _distance(japanese: str, english: str) -> float:
    ratio = (1 + CHARACTERS_PER_CHARACTER * len(japanese)) / (1 + len(english))
    digits = set(re.findall(r"\d+", japanese)) ^ set(re.findall(r"\d+", english))
    return abs(math.log(ratio)) + COST_OF_A_DIGIT_GROUP * len(digits)
