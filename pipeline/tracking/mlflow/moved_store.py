"""A store is a folder that can be moved and copied: MLflow's database in it is told where it lies now.

MLflow keeps the full address of a run's files. After a move or a copy they would still be written into the old place.
"""

import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pipeline.core.settings import Settings

log = logging.getLogger(__name__)

DATABASE = "mlflow.db"
ARTIFACTS = "mlflow-artifacts"
ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("datasets", "dataset_source"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("trace_tags", "value"),
)
"""Tables and columns of MLflow with addresses of files."""


def artifacts_folder(settings: Settings) -> Path:
    """Where MLflow keeps the files of runs, beside a database of this machine."""
    return settings.store_root / ARTIFACTS


def follow_store(settings: Settings, *, experiment: str) -> None:
    """Let the addresses in the store's own database begin with the store's folder, if it is another than before."""
    path = settings.store_root / DATABASE
    if settings.tracking_uri or not path.is_file():
        return
    with closing(sqlite3.connect(path, timeout=60)) as database, database:
        recorded = database.execute("select artifact_location from experiments where name = ?", [experiment]).fetchone()
        if recorded is None or recorded[0] == artifacts_folder(settings).as_uri():
            return
        old, new = recorded[0].removesuffix(ARTIFACTS), f"{settings.store_root.as_uri()}/"
        if not old.startswith("file:///") or old == recorded[0]:
            return  # not of our making
        tables = {name for (name,) in database.execute("select name from sqlite_master where type = 'table'")}
        for table, column in ADDRESSES:
            if table in tables:
                database.execute(f"update {table} set {column} = replace({column}, ?, ?)", [old, new])
        _update_folders(database, old=_path(old), new=_path(new))
    log.info("the store was at %s: MLflow's records follow it to %s", _path(old), _path(new))


def _update_folders(database: sqlite3.Connection, *, old: str, new: str) -> None:
    """The registry notes the folder of a model as a path."""
    database.execute(
        "update model_version_tags set value = ? || substr(value, ?) where key = 'folder' and substr(value, 1, ?) = ?",
        [new, len(old) + 1, len(old), old],
    )


def _path(address: str) -> str:
    return unquote(urlsplit(address).path)
