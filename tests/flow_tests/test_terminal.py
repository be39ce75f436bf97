import os
import signal
import time

import pytest
import typer

from flows.terminal import explained, interrupted_by_schedulers
from pipeline.errors import StoppedError


def test_a_training_that_saved_and_left_gives_an_exit_code_of_its_own(capsys):
    @explained
    def command():
        raise StoppedError("finetune was asked to stop: saved at optimizer step 7 of 9")

    with pytest.raises(typer.Exit) as caught:
        command()
    assert caught.value.exit_code == 75
    assert capsys.readouterr().err == "finetune was asked to stop: saved at optimizer step 7 of 9\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_the_signals_of_schedulers_interrupt_like_ctrl_c(number):
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGUSR1)}
    interrupted_by_schedulers()
    try:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
            time.sleep(10)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
