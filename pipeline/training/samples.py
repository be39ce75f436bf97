"""Training samples: accepted conversations as token ids with labels, in one file that all processes map into memory.

The first process tokenises and writes the file into the job's work folder; the others wait for it, and a restart finds
it. An accepted sample that cannot be trained on is a finding, which the stage publishes with its result.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from model.config import TemplateName
from model.conversation import ConversationEncoder, Encoded, Tokens
from model.templates import TemplateError
from pipeline.errors import ConfigError
from pipeline.features.sources import FeatureSource
from pipeline.parquet import table_writer
from pipeline.samples import FINDING_SCHEMA, Finding
from pipeline.store import UNFINISHED_SUFFIX, WORK_FOLDER
from pipeline.training.tokenisation import TOKEN_SCHEMA, SampleTokeniser, accepted_batches

TOKENS_FILE = "samples-1.arrow"
"""In the work folder. The number is that of the layout: raise it, and a restart tokenises again."""
FINDINGS_FILE = "findings.parquet"


@dataclass(frozen=True, slots=True)
class TrainingSample:
    """A tokenised conversation and the image it is about, if any."""

    sample_id: str
    encoded: Encoded
    image_sha256: str | None


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
            self._batches = [reader.get_batch(index) for index in range(reader.num_record_batches)]
        sizes = [batch.num_rows for batch in self._batches]
        self._ends: NDArray[np.int64] = np.cumsum(sizes, dtype=np.int64)
        columns = [batch.column("length").to_numpy() for batch in self._batches]
        self.lengths: NDArray[np.int32] = np.concatenate([np.zeros(0, np.int32), *columns])
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
        ids, ranges = (_row_of(batch.column(name), row) for name in ("input_ids", "supervised"))
        tokens = Tokens(ids.tolist(), list(zip(ranges[::2].tolist(), ranges[1::2].tolist(), strict=True)))
        image = batch.column("image_sha256")[row].as_py()
        return TrainingSample(batch.column("sample_id")[row].as_py(), tokens.encoded(), image)

    def sample_id(self, index: int) -> str:
        """The name of one sample, without its tokens."""
        batch, row = self._place(index)
        return str(batch.column("sample_id")[row])

    def _place(self, index: int) -> tuple[pa.RecordBatch, int]:
        if not 0 <= index < len(self):
            raise IndexError(f"there is no sample {index} of {len(self)}")
        number = int(np.searchsorted(self._ends, index, side="right"))
        batch = self._batches[number]
        return batch, index - int(self._ends[number]) + batch.num_rows


def _row_of(column: pa.ListArray, row: int) -> NDArray[np.int32]:
    start, end = column.offsets[row].as_py(), column.offsets[row + 1].as_py()
    values: NDArray[np.int32] = column.values[start:end].to_numpy()
    return values


def load_samples(
    samples_file: Path,
    accepted_file: Path,
    *,
    features: FeatureSource,
    tokenizer: PreTrainedTokenizerBase,
    template: TemplateName,
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
            encoder = ConversationEncoder(template, tokenizer)
        except TemplateError as error:
            raise ConfigError(f"template {template}: {error}") from error
        tokeniser = SampleTokeniser(
            encoder,
            has_features=features.__contains__,
            max_length=max_length,
            num_vision_tokens=features.num_vision_tokens,
        )
        batches = accepted_batches(samples_file, accepted_file)
        _write(map(tokeniser.tokenise, batches), path, directory / FINDINGS_FILE)
    wait()
    return TrainingSamples(directory)


def _write(results: Iterable[tuple[pa.RecordBatch, list[Finding]]], path: Path, findings_file: Path) -> None:
    """Both files appear under their names when they are complete, the tokens last."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + UNFINISHED_SUFFIX)
    with table_writer(findings_file, FINDING_SCHEMA) as findings, pa.ipc.new_file(unfinished, TOKEN_SCHEMA) as tokens:
        for batch, found in results:
            tokens.write_batch(batch)
            if found:
                findings.write_table(pa.Table.from_pylist([one.row() for one in found], schema=FINDING_SCHEMA))
    os.replace(unfinished, path)
