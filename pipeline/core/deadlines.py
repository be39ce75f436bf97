"""A deadline for calls that know none: an exchange with a server, a library that tries again for minutes."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from pipeline.core.wording import duration_text

T = TypeVar("T")

GRACE_SECONDS = 0.2
"""A client that has a time-out of its own, for the next bytes, uses it first: it closes the connection."""


class TooSlowError(Exception):
    """A server needs longer than it may for the whole of its answer."""


def within(seconds: float, exchange: Callable[[], T]) -> T:
    """What an exchange with a server returns, however slowly the server sends its answer.

    Raises:
        TooSlowError: it is not over after ``seconds``. Its thread is left to itself.
    """
    found: Future[T] = Future()

    def work() -> None:
        try:
            found.set_result(exchange())
        except BaseException as error:  # raised again by the thread that waits
            found.set_exception(error)

    threading.Thread(target=work, name="exchange with a server", daemon=True).start()
    try:
        return found.result(timeout=seconds + GRACE_SECONDS)
    except TimeoutError:
        if found.done():
            raise
    raise TooSlowError(f"no whole answer in {duration_text(seconds)}")
