"""MLflow's client as this process has it: it asks a server once, and narrates nothing."""

import logging
import os

from mlflow.tracking import MlflowClient

from pipeline.core.censoring import censored
from pipeline.core.wording import encodable

REQUEST_SECONDS = "30"
MAX_ERROR_CHARACTERS = 500
LEVELS = {"mlflow": logging.WARNING, "alembic": logging.WARNING, "mlflow.store.db": logging.CRITICAL}
"""They narrate the set-up of the database and its absence; and each error with a traceback, before they raise it."""


def set_up_mlflow() -> None:
    """Tell MLflow what it reads from nowhere but the environment of the process; the same for everyone in it.

    Within the client a call could be done twice: whoever asks tries again, after a look at what was done.
    """
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", REQUEST_SECONDS)
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    for name, level in LEVELS.items():
        logging.getLogger(name).setLevel(level)


def connect(uri: str) -> MlflowClient:
    """A client of a tracking server or database."""
    set_up_mlflow()
    return MlflowClient(uri)


def explained(error: BaseException, uri: str) -> str:
    """What an error says; a password in the tracking URI is not for messages and files."""
    return encodable(censored(f"{error}" or type(error).__name__, uri))[:MAX_ERROR_CHARACTERS]
