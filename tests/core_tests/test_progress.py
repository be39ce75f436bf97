import logging

import pytest

from pipeline.core.progress import Event, Progress, listening
from pipeline.core.wording import duration_text, rate_text


def test_listeners_hear_every_event_of_the_enclosed_work():
    events = []
    progress = Progress("encode", total=4, unit="images", start=1)
    progress.advance()
    with listening(events.append):
        progress.advance(2, metrics=[(7, {"loss": 0.5})])
    progress.advance()
    assert events == [Event("encode", 4, 4, "images", [(7, {"loss": 0.5})])]


def test_listeners_inside_listeners_all_hear():
    outer, inner = [], []
    with listening(outer.append):
        with listening(inner.append):
            Progress("a", total=1, unit="x").advance()
        Progress("b", total=1, unit="x").advance()
    assert [event.name for event in outer] == ["a", "b"]
    assert [event.name for event in inner] == ["a"]


def test_a_line_says_how_much_is_done():
    progress = Progress("encode", total=400, unit="images", start=120)
    assert progress.line("loss 0.5") == "encode: 120/400 images (30%), loss 0.5"


def test_a_line_of_nothing_to_do_divides_by_nothing():
    assert Progress("encode", total=0, unit="images").line() == "encode: 0/0 images (0%)"


def test_the_rate_counts_what_was_done_now():
    progress = Progress("encode", total=400, unit="images", start=120)
    progress.advance(80)
    line = progress.line()
    assert line.startswith("encode: 200/400 images (50%), ")
    assert line.endswith(" left")


def test_the_end_is_logged_with_a_note(caplog):
    with caplog.at_level(logging.INFO):
        progress = Progress("train", total=2, unit="steps")
        progress.advance(2)
        progress.finish("loss 0.500")
    (message,) = caplog.messages
    assert message.startswith("train: 2 steps in ")
    assert message.endswith(" steps/s, loss 0.500")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.9, "9.9 s"),
        (45, "45 s"),
        (99, "99 s"),
        (200, "3 min 20 s"),
        (3500, "58 min 20 s"),
        (3600, "1 h 0 min"),
        (18600, "5 h 10 min"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds, text):
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (24180.4, "24180 images/s"),
        (612.3, "612 images/s"),
        (61.25, "61.2 images/s"),
        (6.125, "6.12 images/s"),
        (0.6123, "0.612 images/s"),
        (0.0456, "0.0456 images/s"),
        (0.005, "1 in 3 min 20 s"),
        (0.0, "0.00 images/s"),
    ],
)
def test_a_rate_has_three_digits_or_is_the_time_for_one(rate, text):
    assert rate_text(rate, "images") == text
