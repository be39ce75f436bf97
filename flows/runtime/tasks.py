"""Steps as Prefect tasks: retries for what time may cure, progress, tables and charts on the run's page."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

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
from prefect.tasks import Task

from pipeline.core.censoring import censor_error, censored
from pipeline.core.errors import TransientError
from pipeline.core.progress import Event, listening
from pipeline.core.wording import markdown_text
from pipeline.data.images import data_url

P = ParamSpec("P")
R = TypeVar("R")

SECONDS_BETWEEN_UPDATES = 2.0


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
        try:
            return step(*args, **kwargs)
        except BaseException as error:
            censor_error(error)
            raise

    return run


@contextmanager
def progress_on_the_run_page(role: str) -> Iterator[None]:
    """Show every event of the enclosed step as a progress bar on the run's page."""
    bars: dict[str, UUID] = {}
    last_update = 0.0

    def show(event: Event) -> None:
        nonlocal last_update
        percent = 100 * event.done / max(event.total, 1)
        if event.name not in bars:
            made = create_progress_artifact(
                progress=percent, key=artifact_key(f"{role}-{event.name}"), description=f"{role}: {event.name}"
            )
            assert isinstance(made, UUID)  # a coroutine in asynchronous flows only
            bars[event.name] = made
        elif time.monotonic() - last_update > SECONDS_BETWEEN_UPDATES or event.done == event.total:
            update_progress_artifact(bars[event.name], progress=percent)
        else:
            return
        last_update = time.monotonic()

    with listening(show):
        yield


def show_table(key: str, rows: Sequence[Mapping[str, Any]], *, description: str) -> None:
    """A table on the run's page, which shows cells and description as Markdown."""
    table = [{column: _shown(value) for column, value in row.items()} for row in rows]
    create_table_artifact(key=artifact_key(key), table=table, description=_shown(description))


def show_chart(key: str, image: Path, *, description: str) -> None:
    """A PNG on the run's page, carried inside the artifact so that it needs no file server."""
    create_image_artifact(image_url=data_url(image.read_bytes()), key=artifact_key(key), description=description)


def show_text(key: str, text: str) -> None:
    """A text on the run's page, whatever it holds."""
    show_markdown(key, _shown(text))


def show_markdown(key: str, markdown: str) -> None:
    """A page of Markdown on the run's page, whose foreign texts are ``markdown_text`` already."""
    create_markdown_artifact(key=artifact_key(key), markdown=markdown)


def _shown(value: Any) -> Any:
    """Texts as Markdown that shows them, paragraph by paragraph; other values as they are."""
    if not isinstance(value, str):
        return value
    return "\n\n".join(markdown_text(censored(paragraph)) for paragraph in value.split("\n\n"))


def artifact_key(text: str) -> str:
    """Prefect allows lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
