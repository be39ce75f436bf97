"""Where the records and images of a dataset come from."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from model.config import AbsolutePath, Section

HUB_ID = r"[\w.-]+/[\w.-]+"
"""``owner/name``."""


class ShapesJaSource(Section):
    """Generated: coloured shapes with Japanese captions, conversations or questions."""

    kind: Literal["shapes-ja"]
    content: Literal["captions", "conversations", "questions"] = Field(description="what to say about each image")
    num_images: int = Field(gt=0, description="images to draw")
    seed: int = Field(0, ge=0, description="seed of the scenes")


class LocalSource(Section):
    """Your own data: records in files of this machine, and a folder of images."""

    kind: Literal["local"]
    annotations: AbsolutePath | tuple[AbsolutePath, ...] = Field(
        description="files of records, also several or a pattern: .json, .jsonl (both also .gz), .parquet, .arrow, .tar"
    )
    images: AbsolutePath | None = Field(
        None, description="folder that the records' image paths start from, when the records do not hold their images"
    )
    originals: AbsolutePath | None = Field(None, description="the English records it was translated from, for checks")

    @property
    def patterns(self) -> tuple[str, ...]:
        """The files of records, as they are given."""
        return tuple(map(str, self.annotations if isinstance(self.annotations, tuple) else (self.annotations,)))


class PublishedSource(Section):
    """A dataset of ``pipeline/data/download/sources.yaml``: fetched, pinned and checked."""

    kind: Literal["published"]
    name: str = Field(description="name of a dataset in pipeline/data/download/sources.yaml")


class DatasetColumns(Section):
    """Which column is what; ``a.b`` is field b of column a. Conversations, or question and answer, or captions."""

    image: str | None = Field(None, min_length=1, description="the image: its bytes, or the name of its file")
    conversations: str | None = Field(
        None, min_length=1, description="messages: from and value, role and content, or user and assistant"
    )
    question: str | None = Field(None, min_length=1, description="what is asked; with answer")
    answer: str | None = Field(None, min_length=1, description="its answer; with question")
    caption: str | None = Field(None, min_length=1, description="what the image shows, for pretraining")
    id: str | None = Field(None, min_length=1, description="name of the sample; default: the number of its row")
    category: str | None = Field(None, min_length=1, description="category of the sample or benchmark item")

    @model_validator(mode="after")
    def _one_text(self) -> "DatasetColumns":
        if (self.question is None) != (self.answer is None):
            raise ValueError("question and answer belong together: name both columns or neither")
        if sum(column is not None for column in (self.conversations, self.question, self.caption)) != 1:
            raise ValueError("name one of: conversations; question and answer; caption")
        return self

    def names(self) -> dict[str, str]:
        """The columns that are named, by what they are."""
        return {field: column for field, column in self if column is not None}


class HfDatasetSource(Section):
    """Rows of Parquet, Arrow, WebDataset or JSON Lines, here or on the Hub, read by Hugging Face Datasets."""

    kind: Literal["dataset"]
    path: Annotated[str, Field(min_length=1)] | tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        description="owner/name on the Hub; or a file, a folder or a pattern of files on this machine, or several, "
        "which in an experiment file start with ./ or /",
    )
    revision: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{40}$",
        description="commit hash on the Hub. None: pinned at the first run, in the store's lock file",
    )
    name: str | None = Field(None, min_length=1, description="configuration of a dataset that has several")
    split: str = Field("train", pattern=r"^[\w.-]+$", description="split, such as train or test")
    columns: DatasetColumns | None = Field(
        None, description="which column is what; default: by their names, as for records of JSON"
    )
    images: AbsolutePath | None = Field(
        None, description="folder where image paths start, when the rows name files in place of holding images"
    )

    @property
    def patterns(self) -> tuple[str, ...]:
        """The files, or the repository, as they are given."""
        return self.path if isinstance(self.path, tuple) else (self.path,)

    @property
    def where(self) -> str:
        """The same for people."""
        return ", ".join(self.patterns)

    @property
    def is_on_hub(self) -> bool:
        return not all(Path(pattern).is_absolute() for pattern in self.patterns)

    @model_validator(mode="after")
    def _somewhere(self) -> "HfDatasetSource":
        if self.is_on_hub and (isinstance(self.path, tuple) or not re.fullmatch(HUB_ID, self.path)):
            raise ValueError(
                f"{self.where} is neither owner/name on the Hub nor an absolute path "
                "(in an experiment file, a path starts with ./ or / and ./ is the file's folder)"
            )
        if not self.is_on_hub and self.revision is not None:
            raise ValueError("files on this machine have no revision; what they hold is their name")
        return self


DatasetSource = Annotated[ShapesJaSource | LocalSource | PublishedSource | HfDatasetSource, Field(discriminator="kind")]
