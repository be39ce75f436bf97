"""The Hugging Face Hub as ``huggingface_hub`` sees it, for whoever lets that library fetch files into its cache.

The library makes file names of an answer's ETag and commit, so that a mirror could write anywhere. Answers with names
that are no names are refused before the library reads them.
"""

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from huggingface_hub import set_client_factory
from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]
from huggingface_hub.utils._http import default_client_factory

NAMES = ("ETag", "X-Linked-Etag", "X-Repo-Commit")
LEADS_OUT = re.compile(r'\.\.|\\|^(W/)?"?/')
"""A path that climbs or is absolute; a ``/`` alone is in many ETags, which are base64."""


CONFIGS = ("config.json", "generation_config.json")
TOKENIZERS = ("tokenizer_config.json", "tokenizer.json", "special_tokens_map.json", "added_tokens.json")
WEIGHTS = (
    *("model.safetensors", "model.safetensors.index.json"),
    *("pytorch_model.bin", "pytorch_model.bin.index.json"),
)
"""In the order in which Transformers looks for them; the first that is there is read."""


class HubAnswerError(ValueError):
    """Why an answer is not taken for that of a Hub."""


ResponseHook = Callable[[Any], None]

_hooks: list[ResponseHook] = []


@cache
def guard_hub_answers(*more: ResponseHook) -> None:
    """From now on, in this process, ``huggingface_hub`` sees only answers whose names stay inside its cache.

    ``more`` is done with every answer as well, also by those that call this without.
    """
    _hooks.extend(hook for hook in (_refuse_paths, *more) if hook not in _hooks)
    set_client_factory(_guarded)


def fetched_folder(id: str, revision: str, *, has_weights: bool = True) -> Path | None:
    """Where the files lie that Transformers will read of a repository, fetched as it fetches them; None without any.

    It is for a look at them before they are read. What cannot be fetched now its reader says.
    """
    found = [path for name in (CONFIGS if has_weights else TOKENIZERS) if (path := _fetched(id, revision, name))]
    for name in WEIGHTS if has_weights else ():
        if (path := _fetched(id, revision, name)) is None:
            continue
        found.append(path)
        for shard in _shards(path) if name.endswith(".json") else ():
            _fetched(id, revision, shard)
        break
    return found[0].parent if found else None


def _fetched(id: str, revision: str, name: str) -> Path | None:
    from transformers.utils import cached_file  # a command silences Transformers before it is imported

    try:
        path = cached_file(id, name, revision=revision)
    except (OSError, HTTPError):
        return None
    return Path(path) if path else None


def _shards(index: Path) -> list[str]:
    try:
        return sorted({str(name) for name in json.loads(index.read_bytes())["weight_map"].values()})
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return []  # what is wrong with it is said by the look at it


def _guarded() -> Any:
    client = default_client_factory()
    client.event_hooks = {**client.event_hooks, "response": [*client.event_hooks["response"], *_hooks]}
    return client


def _refuse_paths(response: Any) -> None:
    for header in NAMES:
        value = response.headers.get(header, "")
        if LEADS_OUT.search(value):
            raise HubAnswerError(
                f"{response.url.host} is not the answer of a Hub: its {header} is {value[:80]!r}; nothing is taken "
                "from it. Is HF_ENDPOINT a Hub?"
            )
