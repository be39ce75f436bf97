"""A judge's replies, kept as soon as they arrive and never asked for twice: ``judge_replies/`` in the store.

One JSON file a reply, under the hash of all that decides it: model, messages (with the answer), sampling and the
numbers of repeat and attempt. Experiments share them, and a run that was killed finds those that had arrived.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.core.disk import explaining_full_disk
from pipeline.core.errors import StoreError
from pipeline.core.files import write_text
from pipeline.core.hashing import sha256_of_json
from pipeline.evaluation.inquiry import Inquiry, Reply

FOLDER = "judge_replies"


class StoredReply(BaseModel):
    """The content of a file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    inquiry: Inquiry
    reply: Reply
    reply_sha256: str | None = None
    """Of the reply as it arrived; None in files that were written before there was one."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply and whether it was asked for now or had been before."""

    inquiry: Inquiry
    reply: Reply
    is_new: bool


class ReplyCache:
    """The replies in a store. Threads may share it; processes take turns through ``ArtifactStore.locked``."""

    def __init__(self, root: Path) -> None:
        self.folder = root / FOLDER
        self._guard = threading.Lock()
        self._asking: dict[str, threading.Lock] = {}

    def find(self, inquiry: Inquiry) -> Reply | None:
        """The reply to an inquiry that was made before.

        Raises:
            StoreError: its file is damaged.
        """
        path = self._path(inquiry.key)
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            stored = StoredReply.model_validate_json(text)
        except ValidationError as error:
            problem = error.errors()[0]["msg"]
            raise StoreError(f"{path} is damaged: {problem}. Delete it to ask the judge again") from error
        if stored.inquiry != inquiry:
            raise StoreError(f"{path} is the reply to another inquiry. Delete it to ask the judge again")
        if stored.reply_sha256 not in (None, _sha256_of(stored.reply)):
            raise StoreError(
                f"{path} is damaged: the reply is not the one that arrived. Delete it to ask the judge again"
            )
        return stored.reply

    def get(self, inquiry: Inquiry, ask: Callable[[Inquiry], Reply]) -> Answered:
        """The kept reply, or that of ``ask``, which is on the disk when this returns."""
        with self._alone(inquiry.key):
            if kept := self.find(inquiry):
                return Answered(inquiry, kept, is_new=False)
            reply = ask(inquiry)
            self._keep(inquiry, reply)
            return Answered(inquiry, reply, is_new=True)

    @contextmanager
    def _alone(self, key: str) -> Iterator[None]:
        """Two threads never ask the same at once."""
        with self._guard:
            lock = self._asking.setdefault(key, threading.Lock())
        with lock:
            yield

    def _keep(self, inquiry: Inquiry, reply: Reply) -> None:
        path = self._path(inquiry.key)
        with explaining_full_disk("the judge's reply", self.folder.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            stored = StoredReply(inquiry=inquiry, reply=reply, reply_sha256=_sha256_of(reply))
            write_text(path, stored.model_dump_json(indent=1))

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"


def _sha256_of(reply: Reply) -> str:
    return sha256_of_json(reply.model_dump(mode="json"))
