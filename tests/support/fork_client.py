"""Runs a module as ``python -m`` would, in a fork of a process that has imported everything.

    python -S fork_client.py SOCKET MODULE [ARGUMENT ...]

Standard input, output and error, the environment and the working directory are this process's; so are exit code and
signals. When this process is gone, however it ended, so is the fork. See ``fork_server``.
"""

import json
import os
import signal
import socket
import sys

FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


def main(address, *command):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address)
    asked = json.dumps({"command": command, "environment": dict(os.environ), "folder": os.getcwd()}).encode()
    socket.send_fds(connection, [len(asked).to_bytes(8, "big")], [0, 1, 2])
    connection.sendall(asked)
    replies = connection.makefile("r")
    process = int(replies.readline())
    for number in FORWARDED:
        signal.signal(number, lambda number, _: os.kill(process, number))
    code = int(replies.readline())
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
