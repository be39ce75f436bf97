"""Looks at the files of the models that an experiment names, before hours are spent on what comes before them."""

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import BaseModel

from model.config import LocalFolder
from model.whole_files import ModelFolderError, require_whole
from pipeline.core.errors import ConfigError


def require_whole_models(config: BaseModel) -> None:
    """Every model in a folder of this machine.

    Raises:
        ConfigError: a file of one is cut, empty, a pointer of Git LFS, a web page, or missing.
    """
    with explaining_damage():
        for use, model in _models(config):
            require_whole(model.folder, has_weights=use != "tokenizer")


@contextmanager
def explaining_damage() -> Iterator[None]:
    """A damaged file of a model is one message, without a traceback.

    Raises:
        ConfigError: in place of a ``ModelFolderError``.
    """
    try:
        yield
    except ModelFolderError as error:
        raise ConfigError(str(error)) from error


def _models(section: BaseModel) -> Iterator[tuple[str, LocalFolder]]:
    """With the names of the fields that hold them."""
    for name, value in section:
        if isinstance(value, LocalFolder):
            yield name, value
        elif isinstance(value, BaseModel):
            yield from _models(value)
