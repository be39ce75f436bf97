"""The language gate of ``rougeL_ja``: an answer in another language than its Japanese reference counts as empty.

The languages are told apart by fastText's ``lid.176.ftz``, as Sakana AI does. The file is 1 MB and comes with the two
benchmarks that need it, or from ``LLAVA_JP_LANGUAGE_MODEL``. Without it ``rougeL_ja`` is not computed: a gate that lets
everything through would give the number of ``rougeL`` another name.
"""

import logging
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.config.evaluation import EvaluationConfig
from pipeline.core.errors import DataError, PipelineError, TransientError
from pipeline.core.hashing import sha256_of_file
from pipeline.core.retries import Patience
from pipeline.core.settings import Settings
from pipeline.data.download.fetch import current_pin, fetch, source_folder
from pipeline.data.download.registry import find_source
from pipeline.store.lockfile import SourceLock

log = logging.getLogger(__name__)

METRIC = "rougeL_ja"
SOURCE = "lid-176"
"""In ``pipeline/data/download/sources.yaml``."""
HOW_TO_GET_IT = "`llava-jp fetch lid-176` fetches the model; or LLAVA_JP_LANGUAGE_MODEL names a lid.176.ftz"
JAPANESE = "__label__ja"
THRESHOLD = 0.5
ALL_LANGUAGES = -1
PATIENCE = Patience(attempts=2)
"""The run can go on without the file."""


class LanguageGate:
    """Decides which answers count, with one model file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    @property
    def sha256(self) -> str:
        """Of the model file, which is part of what a gated score is."""
        return sha256_of_file(self.file)

    def passed(self, reference: str, prediction: str) -> str:
        """The prediction; empty where the reference is Japanese and the prediction is not."""
        if self._is_japanese(reference) and not self._is_japanese(prediction):
            return ""
        return prediction

    def _is_japanese(self, text: str) -> bool:
        """By the probability of Japanese among all languages; line ends are taken out, as the protocol says."""
        found = _model(self.file).predict(text.replace("\n", "") + "\n", ALL_LANGUAGES, 0.0, "strict")
        probability: float = {label: probability for probability, label in found}.get(JAPANESE, 0.0)
        return probability >= THRESHOLD


def require_language_gate(evaluation: EvaluationConfig, settings: Settings) -> None:
    """Fetch the model file before the steps are planned, if a metric needs it and it is not there.

    Without a network the run goes on without ``rougeL_ja``, and the log says so.
    """
    if not _is_needed(evaluation) or language_gate(settings):
        return
    source = find_source(SOURCE)
    log.info("fetching %s for %s: %s, %s", source.name, METRIC, source.what, source.licence)
    try:
        fetch([source], root=settings.store_root, patience=PATIENCE)
    except (TransientError, PipelineError) as error:
        log.warning("%s is not computed: %s. %s", METRIC, error, HOW_TO_GET_IT)


def gate_for(evaluation: EvaluationConfig, settings: Settings) -> LanguageGate | None:
    """The gate, if a metric of an evaluation needs it and it is there.

    Raises:
        DataError: the settings name a file that does not exist.
    """
    return language_gate(settings) if _is_needed(evaluation) else None


def _is_needed(evaluation: EvaluationConfig) -> bool:
    return any(METRIC in benchmark.metrics for benchmark in evaluation.benchmarks)


def language_gate(settings: Settings) -> LanguageGate | None:
    """The gate with the file that the settings name, else with the one in the store; None where neither is there.

    Raises:
        DataError: the settings name a file that does not exist.
    """
    if (named := settings.language_model) is not None:
        if not named.is_file():
            raise DataError(f"LLAVA_JP_LANGUAGE_MODEL={named} does not exist; it must be fastText's lid.176.ftz")
        return LanguageGate(named)
    source = find_source(SOURCE)
    pin = current_pin(source, SourceLock(settings.store_root))
    file = source_folder(source, pin, settings.store_root) / source.files[0].name if pin else None
    return LanguageGate(file) if file and file.is_file() else None


@cache
def _model(file: Path) -> Any:
    """The library's inner object: the outer one of some builds does not work with NumPy 2."""
    from fasttext.FastText import _FastText

    try:
        return _FastText(str(file)).f
    except (ValueError, RuntimeError) as error:
        raise DataError(f"{file} is not a model of fastText: {error}") from error
