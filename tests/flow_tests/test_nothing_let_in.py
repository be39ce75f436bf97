"""Nothing that lies beside somebody's data is ever code: neither in the working directory, nor in the store."""

import sys

import pytest

from tests.support.commands import REPOSITORY, Commands, clean_environment

NAMES = (
    *("grp", "random", "typing_extensions", "json", "uuid", "secrets", "sqlite3", "multiprocessing", "yaml", "torch"),
    *("numpy", "PIL", "transformers", "tokenizers", "deepspeed", "prefect", "uvicorn", "mlflow", "alembic", "duckdb"),
    *(
        "pyarrow",
        "flows",
        "pipeline",
        "model",
        "sitecustomize",
        "usercustomize",
        "rouge_score",
        "fugashi",
        "matplotlib",
    ),
)
SCRIPT = "from flows.cli.main import main\nmain()\n"
"""What an installation makes of the command."""


@pytest.mark.slow
@pytest.mark.long
def test_modules_beside_the_data_and_in_the_store_do_not_run(tmp_path):
    data = tmp_path / "data"
    for folder in (data, data / "store"):
        folder.mkdir()
        for name in NAMES:
            (folder / f"{name}.py").write_text(
                f"open({str(tmp_path / 'ran')!r}, 'a').write({name!r})\nraise SystemExit"
            )
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "llava-jp").write_text(SCRIPT)
    commands = Commands({**clean_environment(tmp_path), "PYTHONPATH": str(REPOSITORY)}, folder=data)
    settings = {"LLAVA_JP_STORE": "store", "LLAVA_JP_NUM_PROCESSES": "2", "LLAVA_JP_NUM_DECODERS": "1"}
    done = commands.finished(sys.executable, str(tmp_path / "bin" / "llava-jp"), "run", "smoke", **settings)
    assert not (tmp_path / "ran").exists(), (tmp_path / "ran").read_text()
    assert done.returncode == 0, done.stdout + done.stderr
