"""Takes secrets out of a text before anybody reads it: a terminal, a log, Prefect's and MLflow's databases, a manifest.

What is secret is said by the environment, where tokens, keys and the addresses of servers stand; a caller that knows
more hands it in. Beside these, whatever looks like credentials in an address or a header goes.
"""

import base64
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from html import escape
from typing import Any
from urllib.parse import quote_plus, unquote

MASK = "…"
SECRET_NAME = re.compile(r"(TOKEN|KEY|KEY_ID|SECRET|PASSWORD|PASSWD|AUTH_STRING)$", re.IGNORECASE)
TOLD_APART = (KeyboardInterrupt, SystemExit, ConnectionError, TimeoutError)
"""Errors that are handled by their kind; see ``flows.runtime.tasks.is_transient``."""
SHORTEST_SECRET = 6
"""Characters; a shorter value of such a variable is a word such as ``none``, which other texts have too."""
SHORTEST_PASSWORD = 3
"""The same for a part of an address, which is a secret whatever it looks like."""
USERINFO = re.compile(r"(?<=://)(?:[^\s/\"'<>?#]*@|[^\s/:@\"'<>]*:(?!\d{1,5}(?:/|$))[^\s@\"'<>]*@)")
"""User and password of an address, with the ``@``; a password may hold a ``/`` or an ``@``, a port is none."""
QUERY = re.compile(
    r"(?<=[?&])([\w-]*(?:key|token|secret|passw(?:or)?d|pwd|signature|credential)[\w-]*)=([^&\s\"'#]+)", re.I
)
BASE64 = re.compile(r"(?<![\w+/-])[\w+/-]{8,2000}={0,2}(?![\w+/-])", re.ASCII)
"""No longer ones: in the bytes of a picture a short secret stands by chance."""
BASIC = re.compile(r"(?<=Basic )[\w+/=-]{4,}", re.IGNORECASE)
BEARER = re.compile(r"(?<=Bearer )(?=\S*[\d_-])[\w.~+/=-]{8,}", re.IGNORECASE)


def censored(text: str, *secrets: str) -> str:
    """The text without secrets; ``secrets`` are further ones, also addresses with a password in them."""
    known = _known(frozenset(os.environ.items()), secrets)
    text = known.pattern.sub(MASK, text) if known.pattern else text
    text = USERINFO.sub(f"{MASK}@", text)
    text = QUERY.sub(rf"\1={MASK}", text)
    text = BASE64.sub(lambda found: MASK if known.is_packed_in(found[0]) else found[0], text)
    text = BASIC.sub(lambda found: MASK if _is_userinfo(found[0]) else found[0], text)
    return BEARER.sub(MASK, text)


def censored_values(value: Any) -> Any:
    """The same for every text in a JSON value."""
    if isinstance(value, str):
        return censored(value)
    if isinstance(value, dict):
        return {key: censored_values(item) for key, item in value.items()}
    return [censored_values(item) for item in value] if isinstance(value, list | tuple) else value


def censor_error(error: BaseException, *secrets: str) -> BaseException:
    """Take secrets out of the texts of an error and of those that it was raised from; gives the error to raise.

    That is another one where a library makes its text anew whenever it is asked for: then only the text is kept.
    """
    return _without_secrets(error, secrets, set())


@contextmanager
def without_secrets(*secrets: str) -> Iterator[None]:
    """What the enclosed work raises is stored by others, such as Prefect: as it may be."""
    try:
        yield
    except BaseException as error:
        if (clean := censor_error(error, *secrets)) is error:
            raise
        raise clean from None


def _without_secrets(error: BaseException, secrets: tuple[str, ...], seen: set[int]) -> BaseException:
    seen.add(id(error))
    error.args = tuple(censored(one, *secrets) if isinstance(one, str) else one for one in error.args)
    for name in ("strerror", "filename", "filename2") if isinstance(error, OSError) else ():
        if isinstance(text := getattr(error, name), str):  # its text is not made of its arguments
            setattr(error, name, censored(text, *secrets))
    if notes := getattr(error, "__notes__", None):
        error.__notes__ = [censored(str(note), *secrets) for note in notes]
    clean: BaseException = error
    if isinstance(error, BaseExceptionGroup):
        clean = error.derive([_without_secrets(one, secrets, seen) for one in error.exceptions])
    elif censored(text := str(error), *secrets) != text:
        kind = next((kind for kind in TOLD_APART if isinstance(error, kind)), RuntimeError)
        clean = kind(censored(f"{type(error).__name__}: {text}", *secrets))
        clean.__traceback__ = error.__traceback__
    for name in ("__cause__", "__context__"):
        inner = getattr(error, name)
        if inner is not None and id(inner) not in seen:
            is_suppressed = error.__suppress_context__
            setattr(clean, name, _without_secrets(inner, secrets, seen))
            clean.__suppress_context__ = is_suppressed
    return clean


def has_credentials(url: str) -> bool:
    """Whether an address has a user, a password or a key in it."""
    return USERINFO.search(url) is not None or QUERY.search(url) is not None


def without_credentials(url: str) -> str:
    """The address as it may be shown and stored: without user, password and query."""
    return USERINFO.sub("", url).partition("?")[0]


class _Known:
    """The secrets of an environment, as one pattern and as bytes."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True)
        self.pattern = re.compile("|".join(map(_in_any_quoting, forms))) if forms else None
        self._packed = [form.encode("utf-8", "surrogateescape") for form in forms]

    def is_packed_in(self, text: str) -> bool:
        """Whether base64 holds one of them, alone or beside something else, such as a user's name."""
        if not self._packed:
            return False
        try:
            content = base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=_altchars(text))
        except ValueError:
            return False
        return any(secret in content for secret in self._packed)


@lru_cache(maxsize=32)
def _known(environment: frozenset[tuple[str, str]], more: tuple[str, ...]) -> _Known:
    found: set[str] = set()
    values = dict(environment)
    for name, value in values.items():
        if "://" in value:
            found |= set(_of_address(value))
        elif SECRET_NAME.search(name) and len(value.strip()) >= SHORTEST_SECRET:
            found.add(value.strip())
    if password := values.get("MLFLOW_TRACKING_PASSWORD", ""):
        found.add(f"{values.get('MLFLOW_TRACKING_USERNAME', '')}:{password}")
    for value in more:
        if "://" in value:
            found |= set(_of_address(value))
        elif len(value) >= SHORTEST_PASSWORD:
            found.add(value)
    return _Known(found)


def _of_address(url: str) -> Iterator[str]:
    """The secrets of an address: user and password together, the password, and values of its query."""
    for userinfo in (found[:-1] for found in USERINFO.findall(url)):
        user, colon, password = userinfo.partition(":")
        for secret in (userinfo, password or user, userinfo if colon else f"{user}:"):
            if len(secret) >= SHORTEST_PASSWORD:
                yield secret
    for _, value in QUERY.findall(url):
        if len(value) >= SHORTEST_PASSWORD:
            yield value


def _forms(secret: str) -> Iterator[str]:
    """A secret as it is, as texts of Python, JSON and HTML show it, and as basic authentication sends it."""
    for plain in {secret, unquote(secret)}:
        yield from (plain, quote_plus(plain), json.dumps(plain)[1:-1], repr(plain)[1:-1], escape(plain))
        packed = base64.b64encode(plain.encode("utf-8", "surrogateescape")).decode()
        yield from (packed, packed.translate(str.maketrans("+/", "-_")))


def _in_any_quoting(secret: str) -> str:
    """A pattern of the secret with any of its characters quoted for an address, also more than once."""
    return "".join(f"(?:{re.escape(character)}|{_quoted(character)})" for character in secret)


def _quoted(character: str) -> str:
    """``@`` is ``%40``, and ``%2540`` where that was quoted again."""
    return "".join(f"%(?:25)*(?i:{byte:02x})" for byte in character.encode("utf-8", "surrogateescape"))


def _altchars(text: str) -> bytes:
    return b"-_" if "-" in text or "_" in text else b"+/"


def _is_userinfo(text: str) -> bool:
    """Whether it is base64 of ``user:password``; a word such as ``information`` is none."""
    try:
        return b":" in base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_")
    except ValueError:
        return False
