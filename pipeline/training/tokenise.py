"""Accepted conversations to token ids, many at a time: what fits, what is cut after an answer, what is left out."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from model.conversation.encode import IMAGE_TOKEN_ID, ConversationEncoder, Tokens
from model.conversation.templates import IMAGE_TOKEN, Exchange, TemplateError, Written
from pipeline.data.image_table import FURTHER_IMAGES
from pipeline.data.sample_images import images_of
from pipeline.data.samples import Finding

TOKEN_SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        # Of the images whose placeholders the tokens hold, in their order.
        pa.field("images", pa.list_(pa.field("element", pa.string(), nullable=False)), nullable=False),
        pa.field("input_ids", pa.list_(pa.field("element", pa.int32(), nullable=False)), nullable=False),
        # Ranges of the supervised tokens: start, end, start, end, ...
        pa.field("supervised", pa.list_(pa.field("element", pa.int32(), nullable=False)), nullable=False),
        # Tokens with the vision tokens in place of the images' placeholders.
        pa.field("length", pa.int32(), nullable=False),
    ]
)

IMAGES_TYPE = TOKEN_SCHEMA.field("images").type

SAMPLES_AT_ONCE = 2048
"""Conversations that the tokenizer's threads share."""


@dataclass(slots=True)
class _Talk:
    """A conversation on its way to tokens."""

    sample_id: str
    record_index: int
    images: list[str]
    exchanges: list[Exchange]
    num_kept: int
    tokens: Tokens | None = None

    @property
    def kept(self) -> list[Exchange]:
        """What is tried now."""
        return self.exchanges[: self.num_kept]

    @property
    def num_images(self) -> int:
        """How many images the kept exchanges show: of several, those whose placeholders they hold."""
        if len(self.images) < 2:
            return len(self.images)
        return sum(question.count(IMAGE_TOKEN) for question, _ in self.kept)


class SampleTokeniser:
    """Tokenises the samples of a dataset for one training.

    Args:
        encoder: writes and tokenises conversations.
        has_features: whether an image can be trained on, by its sha256.
        max_length: longest sequence, vision tokens included, in tokens.
        num_vision_tokens: tokens of one image.
        lost_token_id: cut every conversation at ``max_length``, be it within an answer, and lose all tokens of this
            id, as LLaVA-JP does with its tokenizer's unk, which it also pads with. None: keep answers whole.
    """

    def __init__(
        self,
        encoder: ConversationEncoder,
        *,
        has_features: Callable[[str], bool],
        max_length: int,
        num_vision_tokens: int,
        lost_token_id: int | None = None,
    ) -> None:
        self._encoder = encoder
        self._has_features = has_features
        self._max_length = max_length
        self._num_vision_tokens = num_vision_tokens
        self._lost_token_id = lost_token_id

    def tokenise(self, samples: pa.RecordBatch) -> tuple[pa.RecordBatch, list[Finding]]:
        """What can be trained on, as a batch of ``TOKEN_SCHEMA``, and why the rest cannot; both in the given order.

        ``samples`` has the columns sample_id, record_index, image_sha256 and turns of a dataset; it may have
        further_images, and say which dropped_exchanges are left out.
        """
        talks = _talks(samples)
        findings: list[Finding] = []
        waiting = [talk for talk in talks if self._is_ready(talk, findings)]
        while waiting:
            written = [(talk, text) for talk in waiting if (text := self._written(talk, findings)) is not None]
            encoded = self._encoder.tokenise([text for _, text in written])
            waiting = []
            for (talk, _), tokens in zip(written, encoded, strict=True):
                if self._is_cut(talk, tokens, findings):
                    waiting.append(talk)
        ready = [talk for talk in talks if talk.tokens is not None]
        return self._table(ready), sorted(findings, key=lambda finding: finding.record_index)

    def _is_ready(self, talk: _Talk, findings: list[Finding]) -> bool:
        missing = [image for image in talk.images if not self._has_features(image)]
        if missing:
            findings.append(_finding("no_features", talk, f"image {', '.join(missing)}"))
        return not missing

    def _written(self, talk: _Talk, findings: list[Finding]) -> Written | None:
        try:
            return self._encoder.write(talk.kept, num_images=talk.num_images)
        except TemplateError as error:
            findings.append(_finding("not_in_template", talk, str(error)[:500]))
            return None

    def _is_cut(self, talk: _Talk, tokens: Tokens, findings: list[Finding]) -> bool:
        """Whether fewer exchanges must be tried; otherwise the talk gets its tokens or a finding."""
        if self._lost_token_id is not None:
            tokens = self._cut_anywhere(talk, tokens, self._lost_token_id, findings)
        length = self._length(tokens)
        if length > self._max_length:
            talk.num_kept = self._num_that_fit(tokens, talk.num_kept)
            if not talk.num_kept:
                evidence = f"{length} tokens up to the first answer's end, of {self._max_length}"
                findings.append(_finding("too_long", talk, evidence))
            return bool(talk.num_kept)
        if not tokens.num_predicted:
            findings.append(_finding("nothing_supervised", talk, talk.exchanges[0][1][:500]))
            return False
        talk.tokens = tokens
        if talk.num_kept < len(talk.exchanges):
            evidence = f"{talk.num_kept} of {len(talk.exchanges)} answers fit into {self._max_length} tokens"
            findings.append(_finding("shortened", talk, evidence))
        return False

    def _cut_anywhere(self, talk: _Talk, tokens: Tokens, lost_token_id: int, findings: list[Finding]) -> Tokens:
        """LLaVA-JP's collator cuts before the images are expanded, its model again afterwards.

        Where that cut is inside an image, or before it, the image's placeholder goes and so does the image: what comes
        before an image does not depend on it.
        """
        seen = tokens.cut(self._max_length).without(lost_token_id)
        if self._length(seen) > self._max_length:
            seen = seen.cut(bisect_right(self._ends(seen), self._max_length))
        if len(seen.input_ids) < len(tokens.input_ids) and seen.num_predicted:
            evidence = f"{len(seen.input_ids)} of {len(tokens.input_ids)} tokens are left"
            findings.append(_finding("shortened", talk, evidence))
        return seen

    def _length(self, tokens: Tokens) -> int:
        return len(tokens.input_ids) + tokens.num_images * (self._num_vision_tokens - 1)

    def _ends(self, tokens: Tokens) -> list[int]:
        """Where each token ends in the sequence that the LLM sees."""
        return list(accumulate(self._num_vision_tokens if one == IMAGE_TOKEN_ID else 1 for one in tokens.input_ids))

    def _num_that_fit(self, tokens: Tokens, num_kept: int) -> int:
        """How many exchanges to try next: one more than the answers that end within the room, and fewer than now."""
        if len(tokens.supervised) < num_kept:  # an answer of white space has no range
            return num_kept - 1
        ends = self._ends(tokens)
        return min(num_kept - 1, 1 + sum(ends[end - 1] <= self._max_length for _, end in tokens.supervised))

    def _table(self, talks: Sequence[_Talk]) -> pa.RecordBatch:
        tokens = [talk.tokens for talk in talks if talk.tokens is not None]
        columns = [
            pa.array([talk.sample_id for talk in talks], pa.string()),
            pa.array([talk.images[: row.num_images] for talk, row in zip(talks, tokens, strict=True)], IMAGES_TYPE),
            _lists([row.input_ids for row in tokens]),
            _lists([[place for span in row.supervised for place in span] for row in tokens]),
            pa.array([self._length(row) for row in tokens], pa.int32()),
        ]
        return pa.record_batch(columns, schema=TOKEN_SCHEMA)


def accepted_batches(samples_file: Path, accepted_file: Path) -> Iterator[pa.RecordBatch]:
    """The accepted samples of a dataset in their order, ``SAMPLES_AT_ONCE`` of the dataset at a time.

    Each has the column dropped_exchanges, too: what of a conversation is left out.
    """
    table = pq.read_table(accepted_file).combine_chunks()
    accepted = table["sample_id"].combine_chunks()
    dropped = table["dropped_exchanges"].combine_chunks() if "dropped_exchanges" in table.column_names else None
    columns = ["sample_id", "record_index", "image_sha256", "turns", FURTHER_IMAGES]  # the last one only where it is
    with pq.ParquetFile(samples_file) as file:
        for batch in file.iter_batches(SAMPLES_AT_ONCE, columns=columns):
            kept = batch.filter(pc.is_in(batch.column("sample_id"), value_set=accepted))
            if dropped is None:  # an artifact of before exchanges were left out
                yield kept
            else:
                exchanges = dropped.take(pc.index_in(kept.column("sample_id"), value_set=accepted))
                yield kept.append_column("dropped_exchanges", exchanges)


def _talks(samples: pa.RecordBatch) -> list[_Talk]:
    turns = samples.column("turns")
    texts = turns.flatten().field("text").to_pylist()
    ends = np.cumsum(pc.list_value_length(turns).to_numpy(zero_copy_only=False)).tolist()
    names, records = (samples.column(name).to_pylist() for name in ("sample_id", "record_index"))
    of_images = [name for name in ("image_sha256", FURTHER_IMAGES) if name in samples.schema.names]
    images = [images_of(row) for row in samples.select(of_images).to_pylist()]
    has_dropped = "dropped_exchanges" in samples.schema.names
    dropped = samples.column("dropped_exchanges").to_pylist() if has_dropped else [()] * len(names)
    talks = []
    start = 0
    for name, record, own, end, left_out in zip(names, records, images, ends, dropped, strict=True):
        exchanges = list(zip(texts[start:end:2], texts[start + 1 : end : 2], strict=True))
        if left_out:
            exchanges = [exchange for index, exchange in enumerate(exchanges) if index not in left_out]
        talks.append(_Talk(name, record, own, exchanges, len(exchanges)))
        start = end
    return talks


def _lists(rows: Sequence[Sequence[int]]) -> pa.ListArray:
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int32)
    values = np.fromiter((value for row in rows for value in row), dtype=np.int32, count=int(offsets[-1]))
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values), type=TOKEN_SCHEMA.field("input_ids").type)


def _finding(check: str, talk: _Talk, evidence: str) -> Finding:
    severity: Literal["reject", "warn"] = "warn" if check == "shortened" else "reject"
    return Finding(check, talk.sample_id, talk.record_index, evidence, severity=severity)
