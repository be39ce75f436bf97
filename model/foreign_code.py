"""Whether a model folder wants code of its own to be run. Data alone is read from models; only a user allows more."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.tokenization_auto import tokenizer_class_from_name

KERNEL_KEYS = ("attn_implementation", "experts_implementation")
"""Endings of the settings that may name a repository whose compiled code Transformers would fetch and run."""


class ForeignCodeError(ValueError):
    """A model folder cannot be used without code of a stranger."""


def require_no_code(folder: Path, *, has_our_class: bool = False) -> None:
    """Check the folder of a model or a tokenizer before Transformers reads it; the model's class may be one of ours.

    Raises:
        ForeignCodeError: Transformers has no class for it, or it names a kernel of somebody's repository.
    """
    config, tokenizer = _record(folder / "config.json"), _record(folder / "tokenizer_config.json")
    if "auto_map" in config and not has_our_class and config.get("model_type") not in CONFIG_MAPPING:
        raise ForeignCodeError(_needs_code(folder, f"of the type {config.get('model_type')!r}"))
    name = tokenizer.get("tokenizer_class")
    if "auto_map" in tokenizer and (not isinstance(name, str) or tokenizer_class_from_name(name) is None):
        raise ForeignCodeError(_needs_code(folder, f"with the tokenizer class {name!r}"))
    if kernels := sorted(set(_kernels(config))):
        raise ForeignCodeError(
            f"{folder / 'config.json'} asks for compiled code of the Hub ({', '.join(kernels)}), which is not run; "
            "remove the setting from the file"
        )


def _needs_code(folder: Path, what: str) -> str:
    return (
        f"{folder} is a model {what}, which needs the Python files that lie with it. Such code can do anything to this "
        "machine and is not run here; take a model that Transformers itself has a class for"
    )


def _record(path: Path) -> dict[str, Any]:
    """The JSON object of a file; empty where there is none. What is wrong with it is said by whoever reads it."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _kernels(value: Any) -> Iterator[str]:
    """Repositories that a config names in place of an implementation, on any level of it."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(item, dict | list):
            yield from _kernels(item)
        elif isinstance(item, str) and str(key).endswith(KERNEL_KEYS) and "/" in item:
            yield item
