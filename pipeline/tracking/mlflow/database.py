"""MLflow's SQLite database, which appears whole or not at all, and databases that cannot be opened.

MLflow makes a new database in some fifty migrations. SQLite does not undo half of one, so a process that is killed in
between would leave a file that MLflow never opens again.
"""

import os
from glob import escape
from pathlib import Path

from mlflow.store.db.db_types import DATABASE_ENGINES
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from pipeline.core.files import UNFINISHED_SUFFIX
from pipeline.core.locks import locked
from pipeline.core.settings import sqlite_uri
from pipeline.tracking.mlflow.client import connect


def is_database(uri: str) -> bool:
    """Whether a tracking URI names a database, not a server."""
    return uri.partition(":")[0].partition("+")[0] in DATABASE_ENGINES


def file_of(uri: str) -> Path | None:
    """The file of a SQLite database; None for every other address."""
    if not is_database(uri):
        return None
    url = make_url(uri)
    is_file = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
    return Path(str(url.database)) if is_file else None


def make_database(uri: str) -> None:
    """Make the database of a SQLite address if there is none; other addresses are left alone."""
    path = file_of(uri)
    if path is None or path.is_file():
        return
    with locked(path.with_name(f"{path.name}.lock"), "another process makes MLflow's database"):
        if path.is_file():
            return
        unfinished = path.with_name(path.name + UNFINISHED_SUFFIX)
        for left_over in path.parent.glob(
            f"{escape(unfinished.name)}*"
        ):  # of a process that was killed; also its journal
            left_over.unlink()
        connect(sqlite_uri(unfinished)).search_experiments()
        os.replace(unfinished, path)


def require_database(uri: str) -> None:
    """Open the database of an address once; of one that it cannot open, MLflow asks again for minutes.

    Raises:
        SQLAlchemyError: it cannot be opened.
    """
    if is_database(uri):
        engine = create_engine(uri, poolclass=NullPool)
        with engine.connect():
            pass
