"""Hugging Face Datasets without bars and warnings on the terminal, and without a word to anyone of what is read."""

import logging


def quieten() -> None:
    """For this process; Datasets is imported here, which takes a second."""
    import datasets

    datasets.disable_progress_bars()
    datasets.utils.logging.set_verbosity(logging.CRITICAL)
    datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = False
