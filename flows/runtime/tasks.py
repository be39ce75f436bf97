"""Steps as Prefect tasks: retries for what time may cure, progress, tables and charts on the run's page."""

import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

import httpx
from prefect import task
from prefect.artifacts import (
    create_image_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.tasks import Task

from pipeline.core.censoring import censored, without_secrets
from pipeline.core.errors import TransientError
from pipeline.core.progress import Event, listening
from pipeline.core.wording import markdown_text
from pipeline.data.images import data_url

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

SECONDS_BETWEEN_UPDATES = 2.0
SECONDS_WITHOUT_SERVER = 60.0
"""From the time that the server has not answered until it is given something for the run's page again."""


def is_transient(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Retry what time may cure: a network, a busy GPU. Bad data, a bad config and a bug stay what they are."""
    try:
        state.result()
    except (TransientError, ConnectionError, TimeoutError):
        return True
    except Exception:
        return False
    return False


def as_task(step: Callable[P, R], *, name: str, retries: int = 0, retry_delay_seconds: float = 30) -> Task[P, R]:
    """Wrap a step. The artifact store decides what is already done, so Prefect must not cache as well."""
    decorate = task(
        name=name,
        retries=retries,
        retry_delay_seconds=retry_delay_seconds,
        retry_condition_fn=is_transient,
        cache_policy=NO_CACHE,
        persist_result=False,
    )
    return decorate(_without_secrets(step))


def _without_secrets(step: Callable[P, R]) -> Callable[P, R]:
    """The step; Prefect stores the text of what it raises."""

    @wraps(step)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with without_secrets():
            return step(*args, **kwargs)

    return run


@contextmanager
def progress_on_the_run_page(role: str) -> Iterator[None]:
    """Show every event of the enclosed step as a progress bar on the run's page."""
    bars: dict[str, UUID] = {}
    next_update = next_try = 0.0

    def show(event: Event) -> None:
        nonlocal next_update, next_try
        is_expected = event.name not in bars or event.done == event.total  # people look for the first and the last
        if time.monotonic() < (next_try if is_expected else next_update):
            return
        percent = 100 * event.done / max(event.total, 1)
        next_update = time.monotonic() + SECONDS_BETWEEN_UPDATES
        try:
            with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):  # the next event is the retry
                if event.name in bars:
                    update_progress_artifact(bars[event.name], progress=percent)
                    return
                made = create_progress_artifact(
                    progress=percent, key=artifact_key(f"{role}-{event.name}"), description=f"{role}: {event.name}"
                )
        except httpx.HTTPError:
            next_update = next_try = time.monotonic() + SECONDS_WITHOUT_SERVER
            return
        assert isinstance(made, UUID)  # a coroutine in asynchronous flows only
        bars[event.name] = made

    with listening(show):
        yield


class _RunPage:
    """The run's page at Prefect's server is for people to look at: the work goes on without it."""

    def __init__(self) -> None:
        self._next_try = 0.0

    def show(self, key: str, create: Callable[..., object], **values: Any) -> None:
        """Make an artifact there; a server that does not take it is waited for as long as Prefect's client does."""
        if time.monotonic() < self._next_try:
            return
        try:
            create(key=artifact_key(key), **values)
        except httpx.HTTPError as error:
            self._next_try = time.monotonic() + SECONDS_WITHOUT_SERVER
            log.warning("Prefect's server does not take %s for the run's page (%s); the work goes on", key, error)


_page = _RunPage()


def show_table(key: str, rows: Sequence[Mapping[str, Any]], *, description: str) -> None:
    """A table on the run's page, which shows cells and description as Markdown."""
    table = [{column: _shown(value) for column, value in row.items()} for row in rows]
    _page.show(key, create_table_artifact, table=table, description=_shown(description))


def show_chart(key: str, image: Path, *, description: str) -> None:
    """A PNG on the run's page, carried inside the artifact so that it needs no file server."""
    _page.show(key, create_image_artifact, image_url=data_url(image.read_bytes()), description=censored(description))


def show_text(key: str, text: str) -> None:
    """A text on the run's page, whatever it holds."""
    show_markdown(key, _shown(text))


def show_markdown(key: str, markdown: str) -> None:
    """A page of Markdown on the run's page, whose foreign texts are ``markdown_text`` already."""
    _page.show(key, create_markdown_artifact, markdown=censored(markdown))


def _shown(value: Any) -> Any:
    """Texts as Markdown that shows them, paragraph by paragraph; other values as they are."""
    if not isinstance(value, str):
        return value
    return "\n\n".join(markdown_text(censored(paragraph)) for paragraph in value.split("\n\n"))


def artifact_key(text: str) -> str:
    """Prefect allows lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
