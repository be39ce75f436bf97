"""Python reads this file at its start, where its folder is on the path: a process that dies as soon as it is told to.

The first process that is about to publish a feature shard, and finds the file ``KILL_ONCE``, kills itself.
"""

import os
import signal
import sys


def before_rename(event: str, arguments: tuple) -> None:
    if event == "os.rename" and "/artifacts/feature_shard/" in str(arguments[1]):
        try:
            os.unlink(os.environ["KILL_ONCE"])
        except FileNotFoundError:
            return
        os.kill(os.getpid(), signal.SIGKILL)


sys.addaudithook(before_rename)
