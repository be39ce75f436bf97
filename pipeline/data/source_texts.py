"""The English conversations that a dataset was translated from, found again for each translated one.

The published translations leave the English out and name no line of it. Ids repeat (LLaVA-1.5's mix uses a COCO id for
several conversations on one image), so conversations are looked up by id and image, and those of one id are paired as
``pipeline.data.original_pairs`` says. What is not clear has no original.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from pipeline.data.original_pairs import pairs_of, shape_of
from pipeline.data.samples import Sample, Turn, normalise

PAIRING_VERSION = 2  # raise when the same files should be paired in another way

Remarks = list[tuple[str, str]]
"""Checks, each with its evidence."""


class _Text(NamedTuple):
    """A conversation in one of the two tables."""

    place: int
    """Index of the translated record, or row of the original."""
    texts: list[str]


class Originals:
    """English conversations on disk, each belonging to one translated conversation at most."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._originals: dict[int, int] = {}
        self._remarks: dict[int, tuple[str, str]] = {}

    def pair(self, records: Iterable[tuple[int, Any]]) -> None:
        """Find out which original belongs to which of the translated records, given with their indices."""
        self._database.execute("create table translated (key text, place integer, texts text)")
        self._database.executemany(
            "insert into translated values (?, ?, ?)",
            (
                (_key(sample), index, _texts(sample))
                for index, record in records
                if isinstance(sample := normalise(record, record_index=index), Sample) and not _has_original(sample)
            ),
        )
        query = "select key, place, texts from {} where key in (select key from {}) order by key, place"
        there = _groups(self._database.execute(query.format("originals", "translated")))
        for (key, translated), (other_key, originals) in zip(
            _groups(self._database.execute(query.format("translated", "originals"))), there, strict=True
        ):
            assert key == other_key
            self._pair_one_id(translated, originals)

    def attach(self, sample: Sample) -> tuple[Sample, Remarks]:
        """The sample with the English text of every turn, where it is clear; else why it is not."""
        remark = self._remarks.get(sample.record_index)
        place = self._originals.get(sample.record_index)
        if place is None:
            return sample, [remark] if remark else []
        (texts,) = self._database.execute("select texts from originals where place = ?", (place,)).fetchone()
        turns = (Turn(turn.role, turn.text, text) for turn, text in zip(sample.turns, json.loads(texts), strict=True))
        return replace(sample, turns=tuple(turns)), []

    def _pair_one_id(self, translated: list[_Text], originals: list[_Text]) -> None:
        counts = [len(text.texts) for text in originals]
        if len(translated) == len(originals) == 1 and len(translated[0].texts) == counts[0]:
            pairs: list[int | None] = [0]
        else:
            here = [shape_of(text.texts, is_japanese=True) for text in translated]
            pairs = pairs_of(here, [shape_of(text.texts, is_japanese=False) for text in originals])
        for text, pair in zip(translated, pairs, strict=True):
            if pair is not None:
                self._originals[text.place] = originals[pair].place
            elif (num_turns := len(text.texts)) not in counts:
                there = " or ".join(map(str, sorted(set(counts))))
                self._remarks[text.place] = ("original_has_other_turns", f"{num_turns} turns; in English {there}")
            else:
                evidence = f"{len(translated)} conversations of this id and image here, {len(originals)} in English"
                self._remarks[text.place] = ("original_unclear", evidence)


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
        database.execute("create table originals (place integer primary key, key text, texts text)")
        samples = (normalise(record, record_index=index) for index, record in enumerate(records))
        database.executemany(
            "insert into originals values (?, ?, ?)",
            ((sample.record_index, _key(sample), _texts(sample)) for sample in samples if isinstance(sample, Sample)),
        )
        yield Originals(database)
    finally:
        database.close()
        file.unlink(missing_ok=True)


def _groups(rows: Iterable[tuple[str, int, str]]) -> Iterator[tuple[str, list[_Text]]]:
    """The conversations of each key, in the order of their files."""
    for key, group in groupby(rows, key=itemgetter(0)):
        yield key, [_Text(place, json.loads(texts)) for _, place, texts in group]


def _has_original(sample: Sample) -> bool:
    return any(turn.original is not None for turn in sample.turns)


def _texts(sample: Sample) -> str:
    return json.dumps([turn.text for turn in sample.turns], ensure_ascii=False)


def _key(sample: Sample) -> str:
    """Id and image names; the translators renamed some endings, such as .gif to .jpg."""
    stems = (PurePosixPath(image).stem for image in sample.images)
    return f"{sample.sample_id}\0{'|'.join(stems)}"
