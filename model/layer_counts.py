"""Whether a config speaks of layers that its weights do not have: Transformers would draw them at random.

Looked at before anything is built, in what the header of a safetensors file says.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

COUNTS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
"""What the layers of a model are called in its config."""
NUMBERED = re.compile(r"([^0-9]*?)\.?(\d+)\.")
"""``model.layers.10.mlp.weight``: what is numbered, and its number."""


def missing_layers(config: Any, tensors: Iterable[str]) -> str:
    """What a config says of layers that no part of the weights has so many of; empty when there is nothing to say.

    Weights may have more: an encoder of text beside the one of images, layers that predict further tokens.
    """
    numbers: dict[str, int] = {}
    for name in tensors:
        if found := NUMBERED.match(name):
            numbers[found[1]] = max(numbers.get(found[1], 0), int(found[2]) + 1)
    most = max(numbers.values(), default=0)
    if not most:
        return ""
    return next(
        (f"{name} is {count}, and the weights have {most}" for name, count in _counts(config) if count > most), ""
    )


def _counts(config: Any, *, around: str = "") -> Iterator[tuple[str, int]]:
    """The numbers of layers in a config and in the configs of its parts."""
    for key, value in config.items() if isinstance(config, dict) else ():
        if key in COUNTS and type(value) is int:
            yield f"{around}{key}", value
        elif key.endswith("_config") and isinstance(value, dict):
            yield from _counts(value, around=f"{key}.")
