"""Puts a released folder on the Hugging Face Hub, in one commit. The token comes from ``HF_TOKEN`` only."""

import logging
import re
from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HTTPError  # type: ignore[attr-defined]

from pipeline.core.censoring import censored
from pipeline.core.errors import ConfigError, TransientError
from pipeline.data.download.http import BUSY_STATUSES
from pipeline.data.download.hub import bound_answers, endpoint, token

REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")

log = logging.getLogger(__name__)


def require_access(repo: str) -> str:
    """The token, if what is asked for can be tried at all.

    Raises:
        ConfigError: the name is not that of a repository, or there is no token.
    """
    if not REPOSITORY.fullmatch(repo):
        raise ConfigError(f"{repo!r} is not the name of a repository on the Hub; it is written owner/name")
    if (secret := token()) is None:
        raise ConfigError(f"publishing needs HF_TOKEN: create a write token at {endpoint()}/settings/tokens")
    return secret


def publish_folder(folder: Path, repo: str, *, is_private: bool, message: str) -> str:
    """The address of the commit. The repository is made where there is none; files that are there stay or are replaced.

    Raises:
        ConfigError: there is no token, or it may not write there.
        TransientError: the Hub does not answer.
    """
    bound_answers()
    api = HfApi(endpoint=endpoint(), token=require_access(repo))
    num_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    log.info("publish %s: %.1f MB to %s/%s", folder.name, num_bytes / 1e6, endpoint(), repo)
    try:
        api.create_repo(repo, private=is_private, exist_ok=True)
        commit = api.upload_folder(repo_id=repo, folder_path=folder, commit_message=message)
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in BUSY_STATUSES:
            raise TransientError(f"{endpoint()}/{repo} answers {status}; the same command may succeed later") from error
        if status in (401, 403):
            raise ConfigError(
                f"the token in HF_TOKEN may not write to {repo} (status {status}): create one with write access to it "
                f"at {endpoint()}/settings/tokens"
            ) from error
        raise ConfigError(f"{endpoint()}/{repo} refuses the folder (status {status}): {_reason(error)}") from error
    except RuntimeError as error:  # a large file was not taken
        raise TransientError(
            f"{endpoint()}/{repo}: {error} ({_cause(error)}); the same command may succeed later"
        ) from error
    except (HTTPError, ConnectionError) as error:
        raise TransientError(f"{endpoint()} does not answer: {error}") from error
    return str(commit.commit_url)


def _cause(error: RuntimeError) -> str:
    """In a word: the text of the cause holds a signed address."""
    cause = error.__cause__
    return f"status {cause.response.status_code}" if isinstance(cause, HfHubHTTPError) else type(cause).__name__


def _reason(error: HfHubHTTPError) -> str:
    return censored(error.server_message or str(error).splitlines()[0])
