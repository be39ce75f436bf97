import threading

import pytest

from pipeline.core.errors import TransientError
from pipeline.core.retries import Patience, TryAgainError


def tried(patience, outcomes, *, stop=None, num_bytes=lambda: 0):
    """What a call of the patience brings when the attempts have these outcomes."""
    remaining = iter(outcomes)

    def attempt():
        outcome = next(remaining)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return patience.call(
        attempt,
        stop=stop or threading.Event(),
        give_up=lambda failures, error: TransientError(f"{failures} failures; {error}"),
        num_bytes=num_bytes,
    )


def test_pauses_double_up_to_the_longest_and_a_server_may_ask_for_more():
    waits = []
    patience = Patience(attempts=6, longest_delay=3.0, sleep=waits.append, jitter=lambda: 1.0)
    asked = TryAgainError("busy", after=9.0)
    assert tried(patience, [TryAgainError("busy")] * 3 + [asked, "reply"]) == "reply"
    assert waits == [1.0, 2.0, 3.0, 9.0]


def test_after_the_last_attempt_nothing_is_waited_for():
    waits = []
    with pytest.raises(TransientError, match="3 failures; third"):
        tried(Patience(attempts=3, sleep=waits.append), map(TryAgainError, ("first", "second", "third")))
    assert len(waits) == 2


def test_failures_that_bring_bytes_are_forgiven():
    progress = iter([0, 10, 20, 30, 30, 30])
    patience = Patience(attempts=2, sleep=lambda _: None)
    with pytest.raises(TransientError, match="2 failures"):
        tried(patience, [TryAgainError("cut")] * 9, num_bytes=lambda: next(progress))
    assert list(progress) == [30]


def test_a_stop_during_a_pause_ends_the_attempts():
    stop = threading.Event()
    patience = Patience(attempts=5, sleep=lambda _: stop.set())
    with pytest.raises(TransientError, match="1 failures; busy"):
        tried(patience, [TryAgainError("busy"), "reply"], stop=stop)


def test_hours_are_not_waited_for():
    with pytest.raises(TransientError, match="asks to wait 7200 s"):
        tried(Patience(), [TryAgainError("busy", after=7200.0), "reply"])
