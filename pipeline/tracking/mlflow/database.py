"""MLflow's SQLite database, which appears whole or not at all.

MLflow makes a new database in some fifty migrations. SQLite does not undo half of one, so a process that is killed in
between would leave a file that MLflow never opens again.
"""

import os
from pathlib import Path

from pipeline.core.files import UNFINISHED_SUFFIX
from pipeline.core.locks import locked
from pipeline.tracking.mlflow.client import connect

SQLITE = "sqlite:///"


def make_database(uri: str) -> None:
    """Make the database of a ``sqlite:///`` address if there is none; other addresses are left alone."""
    if not uri.startswith(SQLITE):
        return
    path = Path(uri.removeprefix(SQLITE))
    if path.is_file():
        return
    with locked(path.with_name(f"{path.name}.lock"), "another process makes MLflow's database"):
        if path.is_file():
            return
        unfinished = path.with_name(path.name + UNFINISHED_SUFFIX)
        for left_over in path.parent.glob(f"{unfinished.name}*"):  # of a process that was killed; also its journal
            left_over.unlink()
        connect(f"{SQLITE}{unfinished}").search_experiments()
        os.replace(unfinished, path)
