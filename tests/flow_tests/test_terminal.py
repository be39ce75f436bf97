import errno
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
import typer
from safetensors import SafetensorError

from flows.cli import terminal
from flows.cli.terminal import explained, interrupted_by_schedulers
from flows.runtime.logs import set_log_levels
from pipeline.core.errors import DataError, StoppedError, TransientError


def test_a_training_that_saved_and_left_gives_an_exit_code_of_its_own(capsys):
    @explained
    def command():
        raise StoppedError("finetune was asked to stop: saved at optimizer step 7 of 9")

    with pytest.raises(typer.Exit) as caught:
        command()
    assert caught.value.exit_code == 75
    assert capsys.readouterr().err == "finetune was asked to stop: saved at optimizer step 7 of 9\n"


EVIL = "色\x1b[2J\x9b31m\r\u202e[bold]x\ud83d http://me:sesame@host"
SHOWN = "色[2J31m[bold]x\\ud83d http://…@host"


def test_no_text_from_outside_moves_the_cursor_or_tells_a_secret(capsys, monkeypatch):
    monkeypatch.setattr(terminal, "console", terminal.CleanConsole(width=160))
    terminal.print_rows(["category", EVIL], [[EVIL, ["a", EVIL]], [{"key": EVIL}, 0.5]], title="Scores")
    terminal.print_rows(["category"], [["y" * 200 + EVIL]])
    terminal.console.print(EVIL, markup=False, soft_wrap=True, highlight=False)
    with pytest.raises(typer.Exit):
        explained(fail_with)(EVIL)
    out, err = capsys.readouterr()
    assert SHOWN in out
    assert err == f"error: {SHOWN}\n"
    assert not {"\x1b", "\x9b", "\r", "\u202e", "\ud83d"} & set(out + err)
    assert "sesame" not in out + err


def fail_with(text):
    raise DataError(text)


def test_a_traceback_tells_no_secret(capsys):
    try:
        raise RuntimeError(EVIL)
    except RuntimeError as error:
        terminal.print_traceback(RuntimeError, error, error.__traceback__)
    assert capsys.readouterr().err.endswith(f"RuntimeError: {SHOWN}\n")


@pytest.fixture
def record_factory():
    before = logging.getLogRecordFactory()
    yield
    logging.setLogRecordFactory(before)


@pytest.mark.usefixtures("record_factory")
def test_a_line_of_any_logger_is_clean_wherever_it_goes(caplog):
    set_log_levels()
    with caplog.at_level(logging.WARNING):
        logging.getLogger("mlflow.somewhere").warning("cannot reach %s", EVIL)
        try:
            raise OSError(EVIL)
        except OSError:
            logging.getLogger("prefect.task_runs").exception("100 %s", "done")
        logging.getLogger("pipeline.data").warning("%d of %s", 3, "4")
    first, second, third = caplog.records
    assert first.getMessage() == f"cannot reach {SHOWN}"
    assert (second.getMessage(), second.exc_text.splitlines()[-1]) == ("100 done", f"OSError: {SHOWN}")
    assert (third.msg, third.args) == ("%d of %s", (3, "4"))
    assert "sesame" not in caplog.text


def be_killed(number):
    os.kill(os.getpid(), number)
    time.sleep(10)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_what_a_scheduler_stopped_is_to_be_started_again(number):
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGUSR1)}
    interrupted_by_schedulers()
    try:
        with pytest.raises(typer.Exit) as caught:
            explained(be_killed)(number)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    assert caught.value.exit_code == 75


def test_libraries_draw_no_bars_of_their_own_on_the_terminal():
    """Transformers asks huggingface_hub, which reads its environment when it is imported."""
    program = (
        "import flows.cli.main as cli; from huggingface_hub.utils import are_progress_bars_disabled\n"
        "cli.app = lambda: print(are_progress_bars_disabled()); cli.main()"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_an_error_while_stopping_is_a_stop(capsys):
    @explained
    def command():
        try:
            raise KeyboardInterrupt
        finally:
            raise ConnectionError("the server was stopped as well")

    with pytest.raises(typer.Exit) as caught:
        command()
    assert caught.value.exit_code == 130
    assert capsys.readouterr().err.startswith("stopped; what is finished is kept")


def test_an_error_of_ours_while_stopping_is_a_stop_as_well(capsys):
    @explained
    def command():
        try:
            raise KeyboardInterrupt
        finally:
            raise TransientError("Prefect's server went away")

    with pytest.raises(typer.Exit) as caught:
        command()
    assert caught.value.exit_code == 130
    assert "went away" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "error: No space left on device; free some space and run the same command again: what is"),
        (errno.EROFS, "error: '/store/locks/x.lock': Read-only file system; it cannot be written there: make it"),
        (errno.EACCES, "error: '/store/locks/x.lock': Permission denied; give access to it, or name another folder"),
        (errno.ENOENT, "error: '/store/locks/x.lock': No such file or directory; it was there, or should be: bring it"),
    ],
)
def test_an_error_of_a_disk_is_one_message(capsys, number, message):
    @explained
    def command():
        raise OSError(number, os.strerror(number), *(() if number == errno.ENOSPC else ("/store/locks/x.lock",)))

    with pytest.raises(typer.Exit) as caught:
        command()
    assert caught.value.exit_code == 1
    assert capsys.readouterr().err.startswith(message)


@pytest.mark.parametrize("error", [BrokenPipeError(errno.EPIPE, "Broken pipe"), ValueError("a bug")])
def test_other_errors_keep_their_traceback(error):
    @explained
    def command():
        raise error

    with pytest.raises(type(error)):
        command()


@pytest.mark.parametrize(
    "error",
    [
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        sqlite3.OperationalError("database or disk is full"),
    ],
)
def test_a_full_disk_that_only_the_text_of_an_error_tells_is_one_message(capsys, error):
    @explained
    def command():
        raise error

    with pytest.raises(typer.Exit):
        command()
    assert capsys.readouterr().err == (
        f"error: {error}; free some space and run the same command again: what is finished is kept\n"
    )
