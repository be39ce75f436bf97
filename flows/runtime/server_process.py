"""Prefect's temporary server as a process that ends when its standard input does.

    python -P server_process.py PORT

``flows.runtime.server`` starts it, named by its file: it needs nothing of this project.
"""

import os
import sys
import threading

import uvicorn
from uvicorn.config import STARTUP_FAILURE

SECONDS_TO_STOP = 5.0
"""To write down what it was told last."""


def main(port: int) -> None:
    """Serve until nobody holds the other end of standard input any more."""
    config = uvicorn.Config(
        "prefect.server.api.server:create_app", factory=True, host="127.0.0.1", port=port, log_level="error"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=_serve, args=(server,), daemon=True)  # not the main thread: it takes no signals
    thread.start()
    os.read(0, 1)
    server.should_exit = True
    thread.join(SECONDS_TO_STOP)
    os._exit(0)


def _serve(server: uvicorn.Server) -> None:
    """A server that ends by itself, such as one whose port another one has, ends the process, with uvicorn's code."""
    code = STARTUP_FAILURE
    try:
        server.run()
        code = 0 if server.started else STARTUP_FAILURE
    finally:
        os._exit(code)


if __name__ == "__main__":
    main(int(sys.argv[1]))
