"""What a process that runs flows or commands logs: our own lines, and of the libraries only what is wrong."""

import logging
from typing import Any

from pipeline.core.censoring import censored
from pipeline.core.wording import printable

OUR_LOGGERS = ("flows", "pipeline", "model")
TALKATIVE = ("httpx", "httpcore", "httpx2", "httpcore2", "huggingface_hub", "openai")
"""They have a line for every request, which would drown ours."""


def set_log_levels() -> None:
    """Called where a process begins its work; ``PREFECT_LOGGING_EXTRA_LOGGERS`` alone drops our INFO lines."""
    for name in OUR_LOGGERS:
        logging.getLogger(name).setLevel(logging.INFO)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.setLogRecordFactory(clean_record)


def clean_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
    """A line of any logger, wherever it goes: without secrets and without what a terminal would obey."""
    record = logging.LogRecord(*args, **kwargs)
    try:
        message = record.getMessage()
    except (TypeError, ValueError):  # a library's mistake in its own line; whoever writes it says so
        return record
    if (clean := clean_text(message)) != message:
        record.msg, record.args = clean, None
    if record.exc_info and record.exc_info[0] is not None:
        record.exc_text = clean_text(logging.Formatter().formatException(record.exc_info))
    return record


def clean_text(text: str) -> str:
    """A text as it may reach a terminal or a log."""
    return printable(censored(text))
