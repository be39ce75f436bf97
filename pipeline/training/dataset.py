"""Training samples: accepted conversations as token ids with labels, in one file that all processes map into memory.

The first process tokenises and writes the file into the job's work folder; the others wait for it, and a restart finds
it. An accepted sample that cannot be trained on is a finding, which the stage publishes with its result.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from model.config import Supervision, TemplateName
from model.conversation.encode import ConversationEncoder, Encoded, Tokens
from model.conversation.templates import TemplateError
from pipeline.core.clusters import image_clusters
from pipeline.core.errors import ConfigError
from pipeline.core.files import appearing
from pipeline.core.parquet import table_writer
from pipeline.data.samples import FINDING_SCHEMA, Finding
from pipeline.store.artifacts import WORK_FOLDER
from pipeline.training.feature_source import FeatureSource
from pipeline.training.tokenise import TOKEN_SCHEMA, SampleTokeniser, accepted_batches

TOKENS_FILE = "samples-2.arrow"
"""In the work folder. The number is that of the layout: raise it, and a restart tokenises again."""
FINDINGS_FILE = "findings.parquet"
BATCHES_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class TrainingSample:
    """A tokenised conversation and the images it is about, in the order of their placeholders."""

    sample_id: str
    encoded: Encoded
    images: tuple[str, ...]
    """Their sha256."""


class TrainingSamples(Sequence[TrainingSample]):
    """What can be trained on, in the order of the dataset, and how much of the accepted data cannot.

    Token ids are read from the file when a sample is asked for. Safe to share between threads.

    Attributes:
        lengths: tokens of every sample, vision tokens expanded; int32.
        num_findings: accepted samples that are left out or shortened, by the name of the finding.
    """

    def __init__(self, directory: Path) -> None:
        with pa.memory_map(str(directory / WORK_FOLDER / TOKENS_FILE)) as source:
            reader = pa.ipc.open_file(source)
            self._batches = [_Mapped(reader.get_batch(index)) for index in range(reader.num_record_batches)]
        self._ends: NDArray[np.int64] = np.cumsum([batch.num_rows for batch in self._batches], dtype=np.int64)
        self.lengths: NDArray[np.int32] = np.concatenate([np.zeros(0, np.int32), *(b.lengths for b in self._batches)])
        checks = pq.read_table(directory / FINDINGS_FILE, columns=["check"])["check"].to_pylist()
        self.num_findings: Counter[str] = Counter(checks)

    def __len__(self) -> int:
        return len(self.lengths)

    @overload
    def __getitem__(self, index: int) -> TrainingSample: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[TrainingSample]: ...
    def __getitem__(self, index: int | slice) -> TrainingSample | Sequence[TrainingSample]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        batch, row = self._place(index)
        return batch.sample(row)

    def sample_id(self, index: int) -> str:
        """The name of one sample, without its tokens."""
        batch, row = self._place(index)
        return batch.sample_id(row)

    def subjects(self) -> list[str]:
        """What each sample is about: its image's sha256, or itself. Samples that share any image have one subject."""
        clusters = image_clusters([own for batch in self._batches for own in batch.images()])
        names = (name for batch in self._batches for name in batch.sample_ids())
        return [cluster or f"sample {name}" for cluster, name in zip(clusters, names, strict=True)]

    def _place(self, index: int) -> tuple["_Mapped", int]:
        if not 0 <= index < len(self):
            raise IndexError(f"there is no sample {index} of {len(self)}")
        number = int(np.searchsorted(self._ends, index, side="right"))
        batch = self._batches[number]
        return batch, index - int(self._ends[number]) + batch.num_rows


class _Mapped:
    """A batch of ``TOKEN_SCHEMA`` in the mapped file."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self.num_rows = batch.num_rows
        self.lengths: NDArray[np.int32] = batch.column("length").to_numpy()
        self._sample_ids = batch.column("sample_id")
        self._images = batch.column("images")
        self._ids = _lists_of(batch.column("input_ids"))
        self._supervised = _lists_of(batch.column("supervised"))

    def sample_id(self, row: int) -> str:
        return str(self._sample_ids[row])

    def sample_ids(self) -> list[str]:
        names: list[str] = self._sample_ids.to_pylist()
        return names

    def images(self) -> list[list[str]]:
        images: list[list[str]] = self._images.to_pylist()
        return images

    def sample(self, row: int) -> TrainingSample:
        ids, ranges = (values[bounds[row] : bounds[row + 1]] for values, bounds in (self._ids, self._supervised))
        tokens = Tokens(ids.tolist(), list(zip(ranges[::2].tolist(), ranges[1::2].tolist(), strict=True)))
        return TrainingSample(self.sample_id(row), tokens.encoded(), tuple(self._images[row].as_py()))


def _lists_of(column: pa.ListArray) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """All values of a column of lists, and where each list begins and the last one ends; nothing is copied."""
    return column.values.to_numpy(), column.offsets.to_numpy()


def load_samples(
    samples_file: Path,
    accepted_file: Path,
    *,
    features: FeatureSource,
    tokenizer: PreTrainedTokenizerBase,
    template: TemplateName,
    supervision: Supervision = "answers",
    max_length: int,
    directory: Path,
    rank: int = 0,
    wait: Callable[[], None] = lambda: None,
) -> TrainingSamples:
    """The accepted samples, tokenised once for all processes.

    Args:
        samples_file: of a dataset.
        accepted_file: of its translation checks.
        features: tells which images can be trained on.
        tokenizer: that of the LLM.
        template: how a conversation is written.
        supervision: what of it is learned; ``llava-jp`` cuts within an answer as well.
        max_length: longest sequence, vision tokens included, in tokens; a longer conversation is cut after a whole
            answer, or left out.
        directory: the partial directory of the stage; gets ``findings.parquet``, and the tokens in its work folder.
        rank: this process; the first one writes.
        wait: returns when all processes have called it.

    Raises:
        ConfigError: the tokenizer does not fit the template.
    """
    path = directory / WORK_FOLDER / TOKENS_FILE
    if rank == 0 and not path.exists():
        try:
            encoder = ConversationEncoder(template, tokenizer, supervision)
        except TemplateError as error:
            raise ConfigError(f"template {template}: {error}") from error
        tokeniser = SampleTokeniser(
            encoder,
            has_features=features.__contains__,
            max_length=max_length,
            num_vision_tokens=features.num_vision_tokens,
            lost_token_id=tokenizer.unk_token_id if supervision == "llava-jp" else None,
        )
        batches = accepted_batches(samples_file, accepted_file)
        _write(_ahead(tokeniser.tokenise, batches), path, directory / FINDINGS_FILE)
    wait()
    return TrainingSamples(directory)


def _ahead(
    tokenise: Callable[[pa.RecordBatch], tuple[pa.RecordBatch, list[Finding]]], batches: Iterable[pa.RecordBatch]
) -> Iterator[tuple[pa.RecordBatch, list[Finding]]]:
    """In order, two at a time: one is put together while the tokenizer's threads are at the next."""
    with ThreadPoolExecutor(BATCHES_AT_ONCE) as pool:
        waiting: deque[Future[tuple[pa.RecordBatch, list[Finding]]]] = deque()
        for batch in batches:
            waiting.append(pool.submit(tokenise, batch))
            if len(waiting) > BATCHES_AT_ONCE:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _write(results: Iterable[tuple[pa.RecordBatch, list[Finding]]], path: Path, findings_file: Path) -> None:
    """Both files appear under their names when they are complete, the tokens last."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        appearing(path) as unfinished,
        table_writer(findings_file, FINDING_SCHEMA) as findings,
        pa.ipc.new_file(unfinished, TOKEN_SCHEMA) as tokens,
    ):
        for batch, found in results:
            tokens.write_batch(batch)
            if found:
                findings.write_table(pa.Table.from_pylist([one.row() for one in found], schema=FINDING_SCHEMA))
