"""Code blocks of the documentation, for tests that follow it."""

import re

from tests.support.shared_data import REPOSITORY

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"^`([\w./-]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def files_of(page: str) -> dict[str, str]:
    """The files that a page shows: a line with a path and a colon, then a block with the content."""
    return dict(FILE.findall((REPOSITORY / "docs" / page).read_text(encoding="utf-8")))


def blocks_of(page: str) -> list[str]:
    """All code blocks of a page, in order."""
    return [text for _, text in BLOCK.findall((REPOSITORY / "docs" / page).read_text(encoding="utf-8"))]
