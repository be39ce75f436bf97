"""Answers of an endpoint that are no chat completion: each may have been paid for, so its bytes are kept.

    unread_answers/<what was asked>-<what came>.txt      in the store; the first digits of two hashes

Nothing reads them again. People may: a server that speaks another dialect, or one that was charged for.
"""

import hashlib
from pathlib import Path

from pipeline.core.disk import explaining_full_disk
from pipeline.core.files import write_bytes
from pipeline.evaluation.inquiry import Inquiry

FOLDER = "unread_answers"
DIGITS = 16


def keep_unread(root: Path, inquiry: Inquiry, body: bytes) -> Path:
    """The file that holds the answer from now on; the same answer to the same inquiry is kept once.

    Raises:
        StoreError: the disk is full or not writable.
    """
    name = f"{inquiry.key[:DIGITS]}-{hashlib.sha256(body).hexdigest()[:DIGITS]}.txt"
    path = root / FOLDER / name
    with explaining_full_disk("an answer that was paid for", root):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, body)
    return path
