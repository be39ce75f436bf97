"""MLflow's client as this process has it: it asks a server once, reads no more than an answer has, narrates nothing."""

import logging
import os
from collections.abc import Iterator
from typing import Any

import requests
from mlflow.tracking import MlflowClient
from mlflow.utils import request_utils

from pipeline.core.bounded_http import at_most
from pipeline.core.censoring import censored
from pipeline.core.wording import encodable

REQUEST_SECONDS = "30"
MAX_ERROR_CHARACTERS = 500
MAX_ANSWER_BYTES = 64 << 20
"""A page of runs or of a metric's history has a tenth of it."""
SECONDS_FOR_AN_ANSWER = 300.0
"""The client's own timeout is for the next bytes."""
LEVELS = {"mlflow": logging.WARNING, "alembic": logging.WARNING, "mlflow.store.db": logging.CRITICAL}
"""They narrate the set-up of the database and its absence; and each error with a traceback, before they raise it."""


class BoundedAdapter(request_utils.TCPKeepAliveHTTPAdapter):
    """What MLflow's client speaks HTTP through. No answer is longer, packed or unpacked, or takes longer to come."""

    def send(self, request: Any, stream: bool = False, **options: Any) -> requests.Response:  # type: ignore[override]
        response = super().send(request, stream=stream, **options)
        if not stream:  # which is for files
            whole = response.raw.stream

            def bounded(*amount: Any, **decoding: Any) -> Iterator[bytes]:
                return at_most(whole(*amount, **decoding), max_bytes=MAX_ANSWER_BYTES, seconds=SECONDS_FOR_AN_ANSWER)

            response.raw.stream = bounded
        return response


def set_up_mlflow() -> None:
    """Tell MLflow what it reads from nowhere but the environment of the process; the same for everyone in it.

    Within the client a call could be done twice: whoever asks tries again, after a look at what was done.
    """
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", REQUEST_SECONDS)
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    request_utils.TCPKeepAliveHTTPAdapter = BoundedAdapter  # type: ignore[misc]  # its sessions are made of this
    for name, level in LEVELS.items():
        logging.getLogger(name).setLevel(level)


def connect(uri: str) -> MlflowClient:
    """A client of a tracking server or database."""
    set_up_mlflow()
    return MlflowClient(uri)


def explained(error: BaseException, uri: str) -> str:
    """What an error says; a password in the tracking URI is not for messages and files."""
    return encodable(censored(f"{error}" or type(error).__name__, uri))[:MAX_ERROR_CHARACTERS]
