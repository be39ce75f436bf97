"""Files from addresses that strangers wrote down: public hosts only, bounded in bytes and in time.

A list of addresses may name this machine or its neighbours, or a name that resolves to them; so may a redirect. Every
host is resolved here, refused unless all of its addresses are public, and asked at the address that was looked at.
"""

import ipaddress
import socket

import httpx2

from pipeline.core.bounded_http import IDENTITY, AnswerTooLargeError, bounding
from pipeline.core.deadlines import TooSlowError

HEADERS = {"User-Agent": "Mozilla/5.0 (compatible; llava-jp)", **IDENTITY}
MOST_REDIRECTS = 5
BUSY = (408, 425, 429, 500, 502, 503, 504)


class NotFetchedError(Exception):
    """Why there is no file; ``may_come``: the same address may give it later."""

    def __init__(self, reason: str, *, may_come: bool) -> None:
        super().__init__(reason)
        self.may_come = may_come


def public_client(*, max_bytes: int, seconds: float) -> httpx2.Client:
    """A client for ``fetch_public``; no file is longer or takes longer to come. Threads may share it."""
    return httpx2.Client(
        transport=_PublicTransport(),
        headers=HEADERS,
        timeout=seconds,
        follow_redirects=True,
        max_redirects=MOST_REDIRECTS,
        event_hooks=bounding(max_bytes=max_bytes, seconds=seconds),
    )


def fetch_public(url: str, client: httpx2.Client) -> bytes:
    """The bytes behind an address.

    Raises:
        NotFetchedError: there are none, or the address leads to a host that is not public.
    """
    try:
        response = client.get(url)
    except (AnswerTooLargeError, httpx2.InvalidURL, httpx2.UnsupportedProtocol, httpx2.TooManyRedirects) as error:
        raise NotFetchedError(str(error) or type(error).__name__, may_come=False) from error
    except (TooSlowError, httpx2.RequestError) as error:
        raise NotFetchedError(str(error) or type(error).__name__, may_come=True) from error
    except (ValueError, UnicodeError) as error:  # of addresses that are none
        raise NotFetchedError(f"not an address: {error}", may_come=False) from error
    if response.status_code != 200:
        raise NotFetchedError(f"the server answers {response.status_code}", may_come=response.status_code in BUSY)
    return response.content


class _PublicTransport(httpx2.HTTPTransport):
    """Connects to public addresses only. Each request of a chain of redirects comes through here."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        host = request.url.host
        address = public_address(host, request.url.port or {"http": 80, "https": 443}.get(request.url.scheme, 0))
        request.url = request.url.copy_with(host=address)
        request.extensions = {**request.extensions, "sni_hostname": host}  # certificates are for names
        return super().handle_request(request)


def public_address(host: str, port: int) -> str:
    """An address of a host, all of whose addresses are public.

    Raises:
        NotFetchedError: one of them is not, or the name is not known now.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotFetchedError(f"{host} is not known: {error}", may_come=True) from error
    addresses = [str(one[4][0]).partition("%")[0] for one in found]
    if hidden := [one for one in addresses if not is_public(one)]:
        raise NotFetchedError(f"{host} is {hidden[0]}, which is not a public address", may_come=False)
    return addresses[0]


def is_public(address: str) -> bool:
    """Whether an address may be that of a server for everyone."""
    found = ipaddress.ip_address(address)
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_global and not (mapped or found).is_multicast
