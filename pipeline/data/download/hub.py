"""Ask the Hugging Face Hub what a source consists of; its answers to people without access, explained.

``huggingface_hub`` resolves revisions and lists files; ``http_files`` fetches the bytes, so nothing goes through Xet or
the library's cache. The token comes from ``HF_TOKEN`` only, is kept nowhere and goes to ``HF_ENDPOINT`` only.
"""

import logging
import os
import re
import threading
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError is that of the client it uses
    GatedRepoError,
    HfHubHTTPError,
    HTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from pydantic import ValidationError

from model.hub import guard_hub_answers
from pipeline.core.bounded_http import AnswerTooLargeError, bounding
from pipeline.core.deadlines import TooSlowError, within
from pipeline.core.errors import ConfigError, DataError, PipelineError, TransientError
from pipeline.core.retries import Patience, TryAgainError, retry_after
from pipeline.core.safe_paths import safe_parts
from pipeline.data.download.http import BUSY_STATUSES, RefusedError
from pipeline.data.download.registry import SOURCES_FILE
from pipeline.store.lockfile import LOCK_NAME, LockedFile, LockedSource, problem_of
from pipeline.store.sources import Source

log = logging.getLogger(__name__)

MAX_ANSWER_BYTES = 64 << 20
NO_ANSWERS = (AnswerTooLargeError, TooSlowError, RecursionError, HTTPError)
"""What ``huggingface_hub`` raises of an answer without an end, one that nests too deeply, or no HTTP at all."""
"""A longer listing of a repository is none: it would name two hundred thousand files."""
MAX_ANSWER_SECONDS = 300.0
"""For the body of an answer to whoever asks through ``huggingface_hub``; we wait less."""


def endpoint() -> str:
    """Address of the Hub, without a slash at its end."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def token() -> str | None:
    """The user's token, from the environment only.

    Raises:
        ConfigError: it has characters that no token has.
    """
    secret = os.environ.get("HF_TOKEN", "").strip()
    if not re.fullmatch(r"[\x21-\x7e]*", secret):
        raise ConfigError("HF_TOKEN has characters that no token has, such as spaces; copy it again")
    return secret or None


def bound_answers() -> None:
    """Bound what the Hub's API may answer in this process, to us and to the libraries that ask it; not its files."""
    guard_hub_answers(_bounded)


def _bounded(response: Any) -> None:
    hooks = bounding(max_bytes=MAX_ANSWER_BYTES, seconds=MAX_ANSWER_SECONDS, only=_is_api)
    for hook in hooks["response"]:
        hook(response)


def _is_api(url: str) -> bool:
    return url.startswith(f"{endpoint()}/api/")


def page_of(source: Source) -> str:
    """Where a person reads about a source of the Hub."""
    return f"{endpoint()}/{'datasets/' if source.repo_type == 'dataset' else ''}{source.repo}"


def file_url(source: Source, path: str, *, revision: str) -> str:
    """Address of one file at one commit."""
    return hf_hub_url(str(source.repo), path, repo_type=source.repo_type, revision=revision, endpoint=endpoint())


def auth_headers(url: str) -> dict[str, str]:
    """The token, for an address on the Hub only: it belongs to that server, whatever is asked for."""
    secret = token() if _server(url) == _server(endpoint()) else None
    return {"Authorization": f"Bearer {secret}"} if secret else {}


def _server(url: str) -> tuple[str, str]:
    """Protocol, and host with port; ``HF_ENDPOINT`` may be another's server, but the whole of it."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


def list_hub(source: Source, *, revision: str | None, patience: Patience, stop: threading.Event) -> LockedSource:
    """The commit that a revision stands for (None: the main branch) and the source's files there.

    Raises:
        ConfigError: the user has no access; the message says what to do.
        DataError: the repository, the revision or a file does not exist.
        TransientError: the Hub does not answer now.
    """
    info = _ask(source, revision=revision, patience=patience, stop=stop)
    listed = info.siblings or ()
    if not all(isinstance(sibling.rfilename, str) for sibling in listed):
        raise DataError(f"{_no_answer_of_a_hub(source)}: a file's name is no text")
    siblings = {sibling.rfilename: sibling for sibling in listed}
    patterns = tuple(file.name for file in source.files)
    chosen: dict[str, tuple[Any, str | None]] = {}
    for wanted in source.files:
        names = [name for name in sorted(siblings) if matches(name, wanted.name)]
        if not names:
            has = ", ".join(sorted(siblings)[:20]) or "no files"
            raise DataError(
                f"{page_of(source)} at {info.sha} has no file {wanted.name!r}; it has: {has}. "
                f"Correct source {source.name} in {SOURCES_FILE}"
            )
        for name in names:
            safe_parts(name, where=page_of(source))
            chosen[name] = (siblings[name], wanted.sha256)
    try:
        files = tuple(_locked(sibling, sha256=sha256) for sibling, sha256 in chosen.values())
        return LockedSource(where=where(source), revision=str(info.sha), patterns=patterns, files=files)
    except ValidationError as error:
        raise DataError(f"{_no_answer_of_a_hub(source)}: {problem_of(error)}; nothing is taken from it") from error


def where(source: Source) -> str:
    """What a source is pinned for; another repository or address must be pinned anew."""
    if source.is_on_hub:
        return f"{source.kind} {source.repo}"
    return " ".join(str(file.url) for file in source.files)


EVERY_FILE = "**"
"""The pattern of all files of a repository."""


def matches(name: str, pattern: str) -> bool:
    """Whether a path is meant; ``*`` does not cross a ``/``, ``**`` does."""
    if "**" in pattern:
        between = (re.escape(part).replace(r"\*", "[^/]*") for part in pattern.split("**"))
        return re.fullmatch(".*".join(between), name, re.DOTALL) is not None
    return name.count("/") == pattern.count("/") and fnmatchcase(name, pattern)


def explain_refusal(source: Source, error: RefusedError, *, revision: str) -> PipelineError:
    """What a user can do about a file that a server does not give."""
    if error.status in (401, 403) and source.is_on_hub:
        return _no_access(source, error.status, is_gated=source.is_gated or error.error_code == "GatedRepo")
    if error.error_code == "RevisionNotFound":
        return _no_revision(source, revision)
    if error.error_code == "RepoNotFound":
        return _no_repository(source)
    return DataError(
        f"{error.url} answers {error.status}: the file has moved or may not be fetched. "
        f"Correct source {source.name} in {SOURCES_FILE}"
    )


def _ask(source: Source, *, revision: str | None, patience: Patience, stop: threading.Event) -> Any:
    """The Hub's record of a repository; busy answers and lost connections are tried again."""

    def give_up(failures: int, error: TryAgainError) -> TransientError:
        return TransientError(f"{page_of(source)}: {error}, {failures} times in a row; try again later")

    return patience.call(
        lambda: _ask_once(source, revision=revision, timeout=patience.timeout), stop=stop, give_up=give_up
    )


def _ask_once(source: Source, *, revision: str | None, timeout: float) -> Any:
    bound_answers()
    api = HfApi(endpoint=endpoint(), token=token() or False)
    asked: dict[str, Any] = {"repo_type": source.repo_type, "revision": revision, "files_metadata": True}
    try:
        return within(timeout, lambda: api.repo_info(str(source.repo), timeout=timeout, **asked))
    except GatedRepoError as error:
        raise _no_access(source, error.response.status_code, is_gated=True) from error
    except RevisionNotFoundError as error:
        raise _no_revision(source, str(revision)) from error
    except RepositoryNotFoundError as error:
        if error.response.status_code == 401 and (token() or source.is_gated):
            raise _no_access(source, 401, is_gated=source.is_gated) from error
        raise _no_repository(source) from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            raise _no_access(source, status, is_gated=source.is_gated) from error
        if status not in BUSY_STATUSES:
            raise DataError(f"{page_of(source)} answers {status}; correct source {source.name}") from error
        raise TryAgainError(f"the Hub answers {status}", after=retry_after(error.response.headers)) from error
    except AnswerTooLargeError as error:
        raise DataError(f"{page_of(source)}: {error}; is HF_ENDPOINT a Hub?") from error
    except (HTTPError, ConnectionError, TooSlowError) as error:
        raise TryAgainError(str(error).splitlines()[0] if str(error) else type(error).__name__) from error
    except (
        LookupError,
        TypeError,
        AttributeError,
        ValueError,
        RecursionError,
    ) as error:  # what the library says of another JSON
        raise DataError(f"{_no_answer_of_a_hub(source)}; is HF_ENDPOINT a Hub?") from error


def _no_answer_of_a_hub(source: Source) -> str:
    return f"what {endpoint()} says of {source.repo} is not the answer of a Hub"


def _locked(sibling: Any, *, sha256: str | None) -> LockedFile:
    is_lfs = sibling.lfs is not None
    return LockedFile(
        path=sibling.rfilename,
        num_bytes=sibling.size,
        sha256=sibling.lfs.sha256 if is_lfs else sha256,
        git_sha1=None if is_lfs else sibling.blob_id,
    )


def _no_access(source: Source, status: int, *, is_gated: bool) -> ConfigError:
    again = "then run the same command again"
    if token() is not None and status == 401:
        return ConfigError(
            f"the Hub refuses the token in HF_TOKEN (status 401, for {source.repo}): "
            f"create another at {endpoint()}/settings/tokens and set HF_TOKEN; {again}"
        )
    what, terms = ("is gated", "accept its terms") if is_gated else ("is not public", "ask for access")
    if token() is None:
        steps = f"create a read token at {endpoint()}/settings/tokens, and set HF_TOKEN"
    else:
        steps = "with the account of the token in HF_TOKEN, and wait if it must be approved"
    comma = "," if token() is None else ""
    return ConfigError(f"{source.repo} {what} (status {status}): {terms} at {page_of(source)}{comma} {steps}; {again}")


def _no_revision(source: Source, revision: str) -> DataError:
    if source.revision == revision:
        remedy = f"give source {source.name} another revision in {SOURCES_FILE}"
    else:
        remedy = f"remove {source.name} from {LOCK_NAME} to pin what is there now, which may be other data"
    return DataError(f"{page_of(source)} no longer has revision {revision}: its history was rewritten; {remedy}")


def _no_repository(source: Source) -> DataError:
    return DataError(
        f"{page_of(source)} does not exist, or is private: correct source {source.name} in {SOURCES_FILE}, "
        "or set HF_TOKEN to a token with access"
    )
