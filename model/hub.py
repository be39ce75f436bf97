"""The Hugging Face Hub as ``huggingface_hub`` sees it, for whoever lets that library fetch files into its cache.

The library makes file names of an answer's ETag and commit, so that a mirror could write anywhere. Answers with names
that are no names are refused before the library reads them.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from huggingface_hub import set_client_factory
from huggingface_hub.utils._http import default_client_factory

NAMES = ("ETag", "X-Linked-Etag", "X-Repo-Commit")
LEADS_OUT = re.compile(r'\.\.|\\|^(W/)?"?/')
"""A path that climbs or is absolute; a ``/`` alone is in many ETags, which are base64."""


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
