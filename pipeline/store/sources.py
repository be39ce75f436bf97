"""What can be fetched: files under one licence at one revision, and published datasets that consist of them."""

from typing import Literal

from pydantic import Field, model_validator

from model.config import Section

COMMIT_PATTERN = r"^[0-9a-f]{40}$"


class Unpacked(Section):
    """What an archive becomes."""

    folder: str = Field(description="folder below the store's image folder")
    num_bytes: int = Field(gt=0, description="about how many bytes come out of the archive")
    num_files: int = Field(gt=0, description="about how many files come out of the archive")


class SourceFile(Section):
    """One file, or a pattern of files of a Hub repository."""

    name: str = Field(min_length=1, description="path in the repository or below the source's folder")
    url: str | None = Field(None, pattern=r"^https?://", description="address of a file that is not on the Hub")
    approximate_bytes: int = Field(gt=0, description="size in bytes for a plan; not a check")
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$", description="checked where it is given")
    unpacked: Unpacked | None = Field(None, description="what the archive becomes")


class Source(Section):
    """Files that are fetched together, under one licence."""

    name: str
    what: str = Field(description="what it is, in a phrase")
    kind: Literal["hub_dataset", "hub_model", "http"]
    repo: str | None = Field(None, description="Hub id")
    revision: str | None = Field(None, pattern=COMMIT_PATTERN, description="commit; None: pinned at the first fetch")
    files: tuple[SourceFile, ...] = Field(min_length=1)
    licence: str
    is_non_commercial: bool = Field(False, description="the licence forbids commercial use, at least of a part")
    is_gated: bool = Field(False, description="the Hub asks to accept terms first")
    citation: str
    note: str = ""

    @model_validator(mode="after")
    def _address(self) -> "Source":
        if (self.repo is None) == (self.kind != "http"):
            raise ValueError("a Hub source has a repo, an http source has none")
        if any((file.url is None) == (self.kind == "http") for file in self.files):
            raise ValueError("every file of an http source has a url, a file of a Hub source has none")
        return self

    @property
    def is_on_hub(self) -> bool:
        return self.kind != "http"

    @property
    def repo_type(self) -> Literal["dataset", "model"]:
        return "model" if self.kind == "hub_model" else "dataset"

    @property
    def approximate_bytes(self) -> int:
        """Size of all files in bytes, for a plan."""
        return sum(file.approximate_bytes for file in self.files)


class DatasetFile(Section):
    """A file of a source that a dataset reads."""

    source: str
    file: str = Field(description="name or pattern; of an unpacked file: path below the store's image folder")
    is_unpacked: bool = Field(False, description="the file comes out of an archive")


class PublishedDataset(Section):
    """A training set or a benchmark that other people published."""

    name: str
    annotations: DatasetFile
    originals: DatasetFile | None = Field(None, description="the English text that was translated")
    images: tuple[str, ...] = Field((), description="sources of the images")
    image_folder: str = Field(
        "",
        description="where image paths start: below the store's image folder, or beside the annotations",
    )
    others: tuple[str, ...] = Field((), description="sources of anything else that belongs to it")
    kept: tuple[DatasetFile, ...] = Field((), description="files that stay in the prepared dataset as they are")
    num_records: int = Field(gt=0, description="about how many records, for a plan")
    num_images: int = Field(gt=0, description="about how many images they name, for a plan")

    def source_names(self) -> tuple[str, ...]:
        """All sources to fetch, each once, the small ones first."""
        originals = (self.originals.source,) if self.originals else ()
        kept = (file.source for file in self.kept)
        return tuple(dict.fromkeys((self.annotations.source, *originals, *kept, *self.others, *self.images)))
