"""Sizes in the config of a model that no model has: whoever builds what they say builds for hours, or fills the memory.

Looked at in the file itself, because some classes of Transformers make lists of as many entries as there are layers.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig

LIMITS: tuple[tuple[re.Pattern[str], int], ...] = (
    (re.compile(r"(layers?|depths?|blocks|stages)$"), 1_000),
    (re.compile(r"(heads?|experts|groups)$"), 10_000),
    (re.compile(r"image_size|patch_size|num_patches|num_channels"), 100_000),
    (re.compile(r"vocab_size"), 10_000_000),
    (re.compile(r"(size|dim|width|n_embd|n_inner|d_model|d_ff|rank)$"), 1_000_000),
    (re.compile(r"positions|position_embeddings|seq_len(gth)?$"), 100_000_000),
)
"""By the name of a field, the first that fits: far more than any model has."""


class ModelSizeError(ValueError):
    """A model's config asks for a size that no model has, or is no config."""


def require_possible_sizes(name: str | Path, **options: Any) -> None:
    """Check the config of a folder or of a repository on the Hub before Transformers reads it.

    Raises:
        ModelSizeError: a size is beyond all bounds, or the file cannot be read.
        OSError: there is no such config.
    """
    try:
        record, _ = PreTrainedConfig.get_config_dict(name, **options)
    except RecursionError as error:
        raise ModelSizeError(f"the config.json of {name} nests too deeply") from error
    refuse_impossible_sizes(record, where=f"the config.json of {name}")


def read_record(path: Path) -> dict[str, Any]:
    """The JSON object of a config file, with sizes that are possible.

    Raises:
        ModelSizeError: it is none.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelSizeError(f"{path} is not JSON: {error}") from error
    if not isinstance(record, dict):
        raise ModelSizeError(f"{path} is no JSON object, but a {type(record).__name__}")
    refuse_impossible_sizes(record, where=str(path))
    return record


def refuse_impossible_sizes(record: Any, *, where: str) -> None:
    """Check the fields of a config, and of the configs in it.

    Raises:
        ModelSizeError: a size is beyond all bounds.
    """
    if wrong := list(_impossible(record)):
        raise ModelSizeError(f"{where} cannot be that of a model: {', '.join(wrong[:3])}")


def _impossible(value: Any) -> Iterator[str]:
    for key, item in value.items() if isinstance(value, dict) else ():
        if isinstance(item, dict | list):
            yield from _impossible(
                item if isinstance(item, dict) else dict.fromkeys([key], max(_numbers(item), default=0))
            )
        elif isinstance(item, int | float):
            limit = next((limit for pattern, limit in LIMITS if pattern.search(str(key))), None)
            if limit is not None and not abs(item) <= limit:
                yield f"{key} is {item}, and more than {limit} are not read"


def _numbers(items: list[Any]) -> Iterator[float]:
    return (abs(item) for item in items if isinstance(item, int | float))
