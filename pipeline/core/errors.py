"""The errors a user can act on. Each message says what is wrong, where, and what to do; none says a secret."""

from pydantic import ValidationError

from pipeline.core.censoring import censored
from pipeline.core.wording import encodable


class MessageError(Exception):
    """An error that people read, and that Prefect and MLflow store."""

    def __init__(self, *parts: object) -> None:
        super().__init__(*(encodable(censored(part)) if isinstance(part, str) else part for part in parts))


class PipelineError(MessageError):
    """Base of all errors that time does not cure: a retry would fail in the same way."""


class ConfigError(PipelineError):
    """An experiment file, an override or a setting is wrong."""


class DataError(PipelineError):
    """The input data is not fit for what was asked."""


class StoreError(PipelineError):
    """The artifact store cannot be written, or what it holds is damaged."""


class TrainingError(PipelineError):
    """A training process stopped and would stop again."""


class WorkerError(PipelineError, RuntimeError):
    """A process of a job ended without saying why in one of these errors."""


class JudgeError(PipelineError):
    """The judge cannot be asked, or may not cost more."""


class EndpointError(PipelineError):
    """A measured model behind an endpoint cannot be asked."""


class StoppedError(PipelineError):
    """A training was asked to leave and saved before it did; the same command goes on."""


class QueryError(PipelineError):
    """A query does not exist or was called with wrong parameters."""


class TransientError(MessageError):
    """Something that time may cure, such as a busy device or a lost connection: worth a retry."""


def explain(error: ValidationError, source: str) -> str:
    """All problems of a validation, one line each, with the value that was given."""
    problems = [
        f"  {'.'.join(map(str, item['loc'])) or 'experiment'}: {item['msg']} (got {_short(item['input'])})"
        for item in error.errors()
    ]
    return "\n".join([f"{source} is not valid:", *problems])


def _short(value: object) -> str:
    text = censored(repr(value))  # before it is cut: half a secret would not be known for one
    return text if len(text) <= 80 else text[:79] + "…"
