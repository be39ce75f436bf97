"""What the errors of object storage mean: wrong credentials, a full disk, or a server that may answer later."""

import errno
import os
import re
from functools import cache
from typing import NamedTuple

from pipeline.errors import ConfigError, PipelineError, StoreError, TransientError

SECRETS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
"""Environment variables whose values never appear in a message."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
NOT_READY = (errno.EBUSY, errno.EIO, errno.EREMOTEIO, errno.ESTALE)
"""As s3fs translates 5xx, SlowDown and codes that it does not know; a share that went away."""

ErrorTypes = tuple[type[BaseException], ...]


class LibraryErrors(NamedTuple):
    """Error types of botocore and aiohttp by what they mean."""

    credentials: ErrorTypes = ()
    network: ErrorTypes = ()
    other: ErrorTypes = ()


def endpoint() -> str:
    """The server of S3 that the environment names; empty for Amazon's."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""


def explained_error(error: Exception, where: str) -> PipelineError | TransientError | None:
    """The error of ``pipeline.errors`` for one of the libraries or the system; None when it is none of theirs."""
    library = _library_errors()
    if isinstance(error, library.credentials):
        return ConfigError(
            f"{where}: no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        )
    if isinstance(error, PermissionError):
        to_check = "its permissions" if where.startswith("file:") else "the credentials in AWS_* and what they allow"
        return ConfigError(f"{where}: access is denied ({_reason(error)}); check {to_check}")
    if isinstance(error, (*library.network, TimeoutError, ConnectionError)):
        return TransientError(
            f"{where}: no answer from {endpoint() or 'the server'} ({type(error).__name__}). "
            "Run the same command again: what is whole is kept"
        )
    if isinstance(error, OSError) and error.errno in NOT_READY:
        return TransientError(
            f"{where}: the storage is not ready ({_reason(error)}). Run the same command again: what is whole is kept"
        )
    if isinstance(error, OSError) and error.errno in FULL:
        return StoreError(
            f"{where} cannot be written: {_reason(error)}. Make room there and run the same command again"
        )
    if isinstance(error, (*library.other, OSError)):
        return ConfigError(f"{where} cannot be used: {_reason(error)}")
    return None


def _reason(error: Exception) -> str:
    """An error's text in one line, without secrets."""
    text = " ".join(str(getattr(error, "strerror", None) or error).split())
    for name in SECRETS:
        if value := os.environ.get(name):
            text = text.replace(value, "…")
    return re.sub(r"://[^/\s]*@", "://…@", text)


@cache
def _library_errors() -> LibraryErrors:
    try:
        import aiohttp
        from botocore import exceptions as boto
    except ImportError:  # file:// needs neither
        return LibraryErrors()
    return LibraryErrors(
        credentials=(boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError),
        network=(
            boto.EndpointConnectionError,
            boto.ConnectTimeoutError,
            boto.ProxyConnectionError,
            boto.HTTPClientError,
            boto.IncompleteReadError,
            aiohttp.ClientError,
        ),
        other=(boto.BotoCoreError, boto.ClientError),
    )
