"""Opening the weights of a model, and fetching those of a repository on the Hub."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from model.config import Dtype
from pipeline.core.errors import ConfigError, TransientError
from pipeline.store.manifest import Manifest
from pipeline.store.sources import COMMIT_PATTERN

if TYPE_CHECKING:
    from model.disk.checkpoint import LoadedModel

log = logging.getLogger(__name__)

COMMIT = re.compile(COMMIT_PATTERN)
FILES = ("*.json", "*.safetensors", "mm_projector.bin")
"""What is fetched of a repository: no code and, but for LLaVA-JP's projector, which is read as tensors, no pickle."""


def open_model(folder: Path, *, dtype: Dtype = "float32") -> "LoadedModel":
    """The model of a folder, on the best device of this machine, its weights read straight into ``dtype``.

    Raises:
        ConfigError: the folder cannot be read.
    """
    from model.disk.open import load_any_model  # torch is loaded only when a model is
    from model.whole_files import ModelFolderError
    from pipeline.features.encoder import default_device

    try:
        return load_any_model(folder, device=default_device(), dtype=dtype)
    except ModelFolderError as error:
        raise ConfigError(str(error)) from error


def download_model(repo: str, *, revision: str, patterns: Sequence[str] = FILES) -> Path:
    """A snapshot of a repository in the cache of ``huggingface_hub``; nothing is fetched that is there already.

    The folder's name is the commit that the revision stands for.

    Raises:
        ConfigError: there is no such repository or revision, or no access.
        TransientError: the Hub does not answer.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    from model.hub import HubAnswerError
    from pipeline.data.download.hub import NO_ANSWERS, bound_answers, endpoint, token

    bound_answers()
    page = f"{endpoint()}/{repo}"
    try:
        commit = _commit(repo, revision)
        folder = snapshot_download(
            repo,
            revision=commit or revision,
            allow_patterns=list(patterns),
            local_files_only=commit is None,
            endpoint=endpoint(),
            token=token() or False,
        )
    except HubAnswerError as error:
        raise ConfigError(str(error)) from error
    except GatedRepoError as error:
        raise ConfigError(f"{page} is gated: accept its terms there and set HF_TOKEN to a read token") from error
    except RevisionNotFoundError as error:
        raise ConfigError(f"{page} has no revision {revision!r}; its commits are listed at {page}/commits") from error
    except RepositoryNotFoundError as error:
        raise ConfigError(f"{page} does not exist, or is private: then set HF_TOKEN to a token with access") from error
    except (*NO_ANSWERS, HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise TransientError(f"{page} cannot be fetched now: {_reason(error)}") from error
    return Path(folder)


def _commit(repo: str, revision: str) -> str | None:
    """The commit that a revision stands for; None when the Hub does not answer, and the cache alone can tell.

    Raises:
        ConfigError: the answer names none. ``huggingface_hub`` would make a path of whatever stands there.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HTTPError, OfflineModeIsEnabled  # type: ignore[attr-defined]

    from pipeline.data.download.hub import endpoint, token

    if COMMIT.fullmatch(revision):
        return revision
    try:
        sha = HfApi(endpoint=endpoint(), token=token() or False).model_info(repo, revision=revision).sha
    except (HTTPError, OfflineModeIsEnabled) as error:
        if getattr(error, "response", None) is not None:
            raise  # an answer: the caller explains it
        return None
    except (LookupError, TypeError, AttributeError, ValueError) as error:  # the library on another JSON, or a bad name
        raise ConfigError(f"{endpoint()} has no answer about {repo}: {error}. Is HF_ENDPOINT a Hub?") from error
    if not COMMIT.fullmatch(str(sha)):
        raise ConfigError(f"{endpoint()} names no commit of {repo}: {str(sha)[:80]!r}. Is HF_ENDPOINT a Hub?")
    return str(sha)


def _reason(error: Exception) -> str:
    """The first line of what ``huggingface_hub`` says; it puts ``Got:`` before an error of the connection."""
    return (str(error).splitlines() or [type(error).__name__])[0].removeprefix("Got: ")


MODEL_STEP = "finetune"
"""The step whose artifact is a whole model."""


ON_THE_HUB = re.compile(r"(?P<id>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model before it is loaded."""

    name: str
    """How it was called, or the name of its experiment."""
    folder: Path
    manifest: Manifest | None = None
    """Of a model that was trained in this store."""

    def intact_folder(self) -> Path:
        """The folder, before it is read: what was published is compared with its manifest.

        Raises:
            StoreError: a file is damaged.
        """
        if self.manifest is not None:
            self.manifest.require_intact()
        return self.folder


DIGITS = re.compile("[0-9a-f]{1,16}")
