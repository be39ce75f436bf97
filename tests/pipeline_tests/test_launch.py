import socket

import pytest

from pipeline.errors import ConfigError
from pipeline.launch import launch


def test_a_port_in_use_is_explained_before_anything_starts(tmp_path):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(ConfigError) as caught:
            launch(tmp_path / "job.json", num_processes=1, master_port=port)
    assert str(caught.value) == (
        f"port {port} (LLAVA_JP_MASTER_PORT) cannot be used: Address already in use; "
        "unset the variable to use any free port, or stop the program that holds it"
    )
    assert list(tmp_path.iterdir()) == []


def test_workers_that_die_show_the_end_of_what_they_said(tmp_path):
    # There is no job file: the worker's traceback is all there is to go by.
    with pytest.raises(RuntimeError, match=r"(?s)the workers of .*job\.json stopped with code \d+:.*job\.json"):
        launch(tmp_path / "job.json", num_processes=1, master_port=None)
    assert "job.json" in (tmp_path / "worker.log").read_text(encoding="utf-8")
