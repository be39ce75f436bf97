"""Exports a model: the folder that Transformers loads, with its card. Complete or absent, like an artifact."""

import logging
from pathlib import Path

from model.config import Dtype
from model.disk.llava_folder import NotALlavaError, write_llava
from model.disk.release_folder import write_release
from pipeline.core.errors import ConfigError
from pipeline.core.files import appearing_folder, write_text
from pipeline.data.download.hub import endpoint
from pipeline.evaluation.models.weights import ModelSource, open_model
from pipeline.release.card import ReleaseFormat, model_card
from pipeline.release.facts import model_facts
from pipeline.release.gguf import why_no_gguf
from pipeline.release.metadata import EVAL_RESULTS, eval_results
from pipeline.store.artifacts import ArtifactStore

log = logging.getLogger(__name__)

CARD = "README.md"


def export_model(
    source: ModelSource,
    folder: Path,
    *,
    form: ReleaseFormat,
    dtype: Dtype,
    store: ArtifactStore,
    repo: str | None = None,
    mlflow_run: str | None = None,
) -> None:
    """Write a released folder: the model, its card, and its scores as the Hub reads them.

    Args:
        source: the model.
        folder: must not exist, or be empty.
        form: ``llava-jp`` comes with its own code; ``transformers`` is Transformers' own LLaVA, for one scale;
            ``gguf`` is refused with the reason.
        dtype: number format of all weights.
        store: where the facts of the card come from.
        repo: the name on the Hub that the card's example uses; without it the folder's name.
        mlflow_run: id of the run that trained the model, for the card.

    Raises:
        ConfigError: the folder is not empty, the model cannot be read, or it cannot take this form.
        StoreError: a file of the model is damaged.
    """
    folder = folder.resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is not empty; export writes a new folder")
    model = open_model(source.intact_folder())
    if form == "gguf":
        raise ConfigError(f"{source.name}: {why_no_gguf(model)}")
    facts = model_facts(source.manifest, store=store) if source.manifest else None
    card = model_card(
        model,
        facts,
        name=(repo or source.name).rpartition("/")[2],
        repo=repo or folder.name,
        source=source.name,
        form=form,
        dtype=dtype,
        mlflow_run=mlflow_run,
    )
    results = eval_results(facts, page=f"{endpoint()}/{repo}" if repo else None) if facts else {}
    with appearing_folder(folder) as unfinished:
        try:
            (write_release if form == "llava-jp" else write_llava)(model, unfinished, dtype=dtype)
        except NotALlavaError as error:
            raise ConfigError(f"{source.name}: {error}") from error
        write_text(unfinished / CARD, card)
        for name, text in results.items():
            (unfinished / EVAL_RESULTS).mkdir(exist_ok=True)
            write_text(unfinished / EVAL_RESULTS / name, text)
