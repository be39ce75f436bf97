"""What a person calls a model, to the folder it lies in: an experiment, a fingerprint, a folder, a Hub repository."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config.experiment import ExperimentName, load_experiment
from pipeline.core.errors import ConfigError, TransientError
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Manifest

if TYPE_CHECKING:
    from model.disk.checkpoint import LoadedModel

log = logging.getLogger(__name__)

MODEL_STEP = "finetune"
"""The step whose artifact is a whole model."""
DIGITS = re.compile("[0-9a-f]{1,16}")
ON_THE_HUB = re.compile(r"(?P<id>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")
FILES = ("*.json", "*.safetensors", "mm_projector.bin")
"""What is fetched of a repository: no code and, but for LLaVA-JP's projector, which is read as tensors, no pickle."""


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model before it is loaded."""

    name: str
    """How it was called, or the name of its experiment."""
    folder: Path
    manifest: Manifest | None = None
    """Of a model that was trained in this store."""


def find_model(name: str, *, store: ArtifactStore) -> ModelSource:
    """The model of this name.

    Args:
        name: an experiment or a ``.yaml`` file, first digits of a fingerprint, a folder, or ``owner/name@revision``.
        store: where experiments and fingerprints are looked up.

    Raises:
        ConfigError: it is none of them, was not trained yet, or the Hub does not have it.
        StoreError: the digits match no artifact or several.
        TransientError: the Hub does not answer.
    """
    if (Path(name) / "config.json").is_file():
        return _in_folder(name, store)
    if Path(name).is_dir() and name not in set(ExperimentName):
        raise ConfigError(f"folder {name} holds no model: it has no config.json")
    if name in set(ExperimentName) or name.endswith((".yaml", ".yml")):
        return _of_experiment(name, store)
    if DIGITS.fullmatch(name):
        return _of_artifact(store.by_fingerprint(name))
    if found := ON_THE_HUB.fullmatch(name):
        if not found["revision"]:
            raise ConfigError(f"{name} is no folder with a model; a repository on the Hub is written {name}@REVISION")
        return ModelSource(name, download_model(found["id"], revision=found["revision"]))
    raise ConfigError(
        f"no model is named {name!r}: give an experiment ({', '.join(ExperimentName)}) or its .yaml file, the first "
        "digits of a fingerprint, a folder with a model, or a repository on the Hub as owner/name@revision"
    )


def _of_experiment(name: str, store: ArtifactStore) -> ModelSource:
    from pipeline.planning.plan import plan_experiment

    config = load_experiment(name)
    plan = {step.role: step for step in plan_experiment(config)}
    manifest = store.find(plan[MODEL_STEP].request)
    if manifest is None:
        raise ConfigError(f"{config.name} has not been trained yet in {store.root}; `llava-jp run {name}` does it")
    return ModelSource(config.name, manifest.directory, manifest)


def _of_artifact(manifest: Manifest) -> ModelSource:
    if manifest.request.step != MODEL_STEP:
        raise ConfigError(f"{manifest.address} is not a model; a {MODEL_STEP} artifact is")
    return ModelSource(manifest.fingerprint, manifest.directory, manifest)


def _in_folder(name: str, store: ArtifactStore) -> ModelSource:
    folder = Path(name).resolve()
    address = f"{folder.parent.name}/{folder.name}"
    if folder == (store.root / "artifacts" / address).resolve() and (manifest := store.at(address)):
        return _of_artifact(manifest)
    return ModelSource(folder.name, folder)


def open_model(folder: Path) -> "LoadedModel":
    """The model of a folder, on the best device of this machine.

    Raises:
        ConfigError: the folder cannot be read.
    """
    from model.disk.open import load_any_model  # torch is loaded only when a model is
    from model.disk.published import ModelFolderError
    from pipeline.features.encoder import default_device

    try:
        return load_any_model(folder, device=default_device())
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

    from pipeline.data.download.hub import endpoint, token

    page = f"{endpoint()}/{repo}"
    try:
        folder = snapshot_download(
            repo, revision=revision, allow_patterns=list(patterns), endpoint=endpoint(), token=token() or False
        )
    except GatedRepoError as error:
        raise ConfigError(f"{page} is gated: accept its terms there and set HF_TOKEN to a read token") from error
    except RevisionNotFoundError as error:
        raise ConfigError(f"{page} has no revision {revision!r}; its commits are listed at {page}/commits") from error
    except RepositoryNotFoundError as error:
        raise ConfigError(f"{page} does not exist, or is private: then set HF_TOKEN to a token with access") from error
    except (HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise TransientError(f"{page} cannot be fetched now: {_reason(error)}") from error
    return Path(folder)


def _reason(error: Exception) -> str:
    """The first line of what ``huggingface_hub`` says; it puts ``Got:`` before an error of the connection."""
    return str(error).splitlines()[0].removeprefix("Got: ")
