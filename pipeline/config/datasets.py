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
    """Your own data: LLaVA-style records and a folder of images."""

    kind: Literal["local"]
    annotations: AbsolutePath = Field(description=".json (an array) or .jsonl with id, image, conversations")
    images: AbsolutePath = Field(description="folder that the records' image paths start from")
    originals: AbsolutePath | None = Field(None, description="the English records it was translated from, for checks")


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
    path: str = Field(
        min_length=1,
        description="owner/name on the Hub; or a file, a folder or a pattern of files on this machine, "
        "which in an experiment file starts with ./ or /",
    )
    revision: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{40}$",
        description="commit hash on the Hub. None: pinned at the first run, in the store's lock file",
    )
    name: str | None = Field(None, min_length=1, description="configuration of a dataset that has several")
    split: str = Field("train", pattern=r"^[\w.-]+$", description="split, such as train or test")
    columns: DatasetColumns = Field(description="which column is what")
    images: AbsolutePath | None = Field(
        None, description="folder where image paths start, when the rows name files in place of holding images"
    )

    @property
    def is_on_hub(self) -> bool:
        return not Path(self.path).is_absolute()

    @model_validator(mode="after")
    def _somewhere(self) -> "HfDatasetSource":
        if self.is_on_hub and not re.fullmatch(HUB_ID, self.path):
            raise ValueError(
                f"{self.path} is neither owner/name on the Hub nor an absolute path "
                "(in an experiment file, a path starts with ./ or / and ./ is the file's folder)"
            )
        if not self.is_on_hub and self.revision is not None:
            raise ValueError("files on this machine have no revision; what they hold is their name")
        return self


DatasetSource = Annotated[ShapesJaSource | LocalSource | PublishedSource | HfDatasetSource, Field(discriminator="kind")]
