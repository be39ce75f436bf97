"""Where the records and images of a dataset come from."""

from typing import Annotated, Literal

from pydantic import Field

from model.config import AbsolutePath, Section


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


DatasetSource = Annotated[ShapesJaSource | LocalSource | PublishedSource, Field(discriminator="kind")]
