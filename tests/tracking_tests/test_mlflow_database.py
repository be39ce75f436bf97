"""A database of MLflow that was being made when its process was killed is made again."""

import logging
import subprocess
import sys

from mlflow.tracking import MlflowClient

from pipeline.tracking.mlflow.client import set_up_mlflow
from pipeline.tracking.mlflow.database import make_database

KILLED = """
import os, signal, sys
import sqlalchemy
from pipeline.tracking.mlflow.database import make_database

def migration(statement):
    if statement.startswith("ALTER TABLE"):
        os.kill(os.getpid(), signal.SIGKILL)

sqlalchemy.event.listen(
    sqlalchemy.engine.Engine, "before_cursor_execute", lambda _c, _u, statement, *_: migration(statement.strip())
)
make_database(sys.argv[1])
"""


def test_a_process_killed_in_a_migration_leaves_nothing_that_mlflow_cannot_open(tmp_path):
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    done = subprocess.run([sys.executable, "-c", KILLED, uri], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    assert not (tmp_path / "mlflow.db").exists()
    make_database(uri)
    assert MlflowClient(uri).create_experiment("llava-jp")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mlflow.db", "mlflow.db.lock"]


def test_a_database_that_is_there_stays(tmp_path):
    (tmp_path / "mlflow.db").write_bytes(b"somebody's")
    make_database(f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert (tmp_path / "mlflow.db").read_bytes() == b"somebody's"


def test_other_addresses_are_left_alone():
    make_database("http://127.0.0.1:9")


def test_mlflow_prints_no_traceback_of_an_error_that_it_raises_as_well():
    """The database of a full disk: a page for each operation, while the outbox keeps them all."""
    set_up_mlflow()
    assert not logging.getLogger("mlflow.store.db.utils").isEnabledFor(logging.ERROR)
