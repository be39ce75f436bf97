"""What a process that runs flows or commands logs: our own lines, and of the libraries only what is wrong."""

import logging

OUR_LOGGERS = ("flows", "pipeline", "model")
TALKATIVE = ("httpx", "httpcore", "httpx2", "httpcore2", "huggingface_hub", "openai")
"""They have a line for every request, which would drown ours."""


def set_log_levels() -> None:
    """Called where a process begins its work; ``PREFECT_LOGGING_EXTRA_LOGGERS`` alone drops our INFO lines."""
    for name in OUR_LOGGERS:
        logging.getLogger(name).setLevel(logging.INFO)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
