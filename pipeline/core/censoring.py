"""Takes secrets out of a text before anybody reads it: a terminal, a log, Prefect's and MLflow's databases, a manifest.

What is secret is said by the environment, where tokens, keys and the addresses of servers stand; a caller that knows
more hands it in. Beside these, whatever looks like credentials in an address or a header goes.
"""

import base64
import json
import os
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus, unquote

MASK = "…"
SECRET_NAME = re.compile(r"(TOKEN|KEY|KEY_ID|SECRET|PASSWORD|PASSWD|AUTH_STRING)$", re.IGNORECASE)
SHORTEST_SECRET = 6
"""Characters; a shorter value of such a variable is a word such as ``none``, which other texts have too."""
SHORTEST_PASSWORD = 3
"""The same for a part of an address, which is a secret whatever it looks like."""
USERINFO = re.compile(r"(?<=://)(?:[^\s/\"'<>?#]*@|[^\s/:@\"'<>]*:(?!\d{1,5}(?:/|$))[^\s@\"'<>]*@)")
"""User and password of an address, with the ``@``; a password may hold a ``/`` or an ``@``, a port is none."""
QUERY = re.compile(
    r"(?<=[?&])([\w-]*(?:key|token|secret|passw(?:or)?d|pwd|signature|credential)[\w-]*)=([^&\s\"'#]+)", re.I
)
BASIC = re.compile(r"(?<=Basic )[\w+/=-]{4,}", re.IGNORECASE)
BEARER = re.compile(r"(?<=Bearer )(?=\S*[\d_-])[\w.~+/=-]{8,}", re.IGNORECASE)


def censored(text: str, *secrets: str) -> str:
    """The text without secrets; ``secrets`` are further ones, also addresses with a password in them."""
    for secret in sorted(_secrets(secrets), key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = USERINFO.sub(f"{MASK}@", text)
    text = QUERY.sub(rf"\1={MASK}", text)
    text = BASIC.sub(lambda found: MASK if _is_userinfo(found[0]) else found[0], text)
    return BEARER.sub(MASK, text)


def censor_error(error: BaseException, *secrets: str) -> None:
    """Take secrets out of the texts of an error and of those that it was raised from."""
    seen: set[int] = set()
    inner: BaseException | None = error
    while inner is not None and id(inner) not in seen:
        seen.add(id(inner))
        inner.args = tuple(censored(one, *secrets) if isinstance(one, str) else one for one in inner.args)
        if isinstance(inner, OSError) and isinstance(inner.strerror, str):  # its text is not made of its arguments
            inner.strerror = censored(inner.strerror, *secrets)
        inner = inner.__cause__ or inner.__context__


def has_credentials(url: str) -> bool:
    """Whether an address has a user, a password or a key in it."""
    return USERINFO.search(url) is not None or QUERY.search(url) is not None


def without_credentials(url: str) -> str:
    """The address as it may be shown and stored: without user, password and query."""
    return USERINFO.sub("", url).partition("?")[0]


def _secrets(more: tuple[str, ...]) -> set[str]:
    found: set[str] = set()
    for name, value in os.environ.items():
        if "://" in value:
            found |= set(_of_address(value))
        elif SECRET_NAME.search(name) and len(value.strip()) >= SHORTEST_SECRET:
            found |= set(_forms(value.strip()))
    user = os.environ.get("MLFLOW_TRACKING_USERNAME", "")
    if password := os.environ.get("MLFLOW_TRACKING_PASSWORD", ""):
        found |= set(_forms(f"{user}:{password}"))
    for value in more:
        if "://" in value:
            found |= set(_of_address(value))
        elif len(value) >= SHORTEST_PASSWORD:
            found |= set(_forms(value))
    return found


def _of_address(url: str) -> Iterator[str]:
    """The secrets of an address: user and password together, the password, and values of its query."""
    for userinfo in (found[:-1] for found in USERINFO.findall(url)):
        user, colon, password = userinfo.partition(":")
        for secret in (userinfo, password or user, userinfo if colon else f"{user}:"):
            if len(secret) >= SHORTEST_PASSWORD:
                yield from _forms(secret)
    for _, value in QUERY.findall(url):
        if len(value) >= SHORTEST_PASSWORD:
            yield from _forms(value)


def _forms(secret: str) -> Iterator[str]:
    """A secret as it is, quoted for an address or in JSON, and as basic authentication sends it."""
    for plain in {secret, unquote(secret)}:
        yield from (
            plain,
            quote(plain),
            quote(plain, safe=""),
            quote_plus(plain),
            json.dumps(plain)[1:-1],
            repr(plain)[1:-1],
        )
        if ":" in plain:
            yield base64.b64encode(plain.encode("utf-8", "surrogateescape")).decode()
            yield base64.urlsafe_b64encode(plain.encode("utf-8", "surrogateescape")).decode()


def _is_userinfo(text: str) -> bool:
    """Whether it is base64 of ``user:password``; a word such as ``information`` is none."""
    try:
        return b":" in base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_")
    except ValueError:
        return False
