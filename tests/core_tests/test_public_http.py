import socket

import pytest

from pipeline.core import public_http
from pipeline.core.public_http import NotFetchedError, fetch_public, is_public, public_address, public_client
from tests.support.hub_server import Trick, running_hub


@pytest.fixture
def client(monkeypatch):
    """One for which this machine is a public host."""
    monkeypatch.setattr(public_http, "is_public", lambda address: address != "127.0.0.2")
    with public_client(max_bytes=1000, seconds=5) as made:
        yield made


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "::1", "fe80::1", "fd00::1",
     "::ffff:127.0.0.1", "224.0.0.1"],
)  # fmt: skip
def test_an_address_of_this_machine_or_its_neighbours_is_not_public(address):
    assert not is_public(address)


def test_addresses_of_the_internet_are_public():
    assert is_public("93.184.215.14")
    assert is_public("2606:2800:21f:cb07:6820:80da:af6b:8b2c")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/a.jpg", "http://localhost:1/a.jpg", "http://[::1]:1/a.jpg"])
def test_a_host_that_is_not_public_is_never_asked(url):
    with (
        public_client(max_bytes=1000, seconds=5) as client,
        pytest.raises(NotFetchedError, match="not a public address") as error,
    ):
        fetch_public(url, client)
    assert not error.value.may_come


def test_a_name_with_one_hidden_address_is_refused(monkeypatch):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in ("93.184.215.14", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_options: found)
    with pytest.raises(NotFetchedError, match=r"photos\.example is 10\.0\.0\.1, which is not a public address"):
        public_address("photos.example", 80)


def test_a_file_is_fetched_and_a_redirect_to_a_hidden_host_is_not_followed(client):
    with running_hub() as hub:
        hub.files |= {"/a.jpg": b"photo", "/b.jpg": b""}
        hub.misbehave("/b.jpg", Trick(status=302, headers={"Location": "http://127.0.0.2:1/secret"}))
        assert fetch_public(f"{hub.cdn_url}/a.jpg", client) == b"photo"
        with pytest.raises(NotFetchedError, match=r"127\.0\.0\.2 is 127\.0\.0\.2, which is not a public address"):
            fetch_public(f"{hub.cdn_url}/b.jpg", client)


def test_what_is_too_long_or_not_there_says_so_and_whether_it_may_come(client):
    with running_hub() as hub:
        hub.files |= {"/long.jpg": b"-" * 2000, "/busy.jpg": b"-"}
        hub.misbehave("/busy.jpg", Trick(status=503))
        reasons = {}
        for name in ("long.jpg", "busy.jpg", "gone.jpg"):
            with pytest.raises(NotFetchedError) as error:
                fetch_public(f"{hub.cdn_url}/{name}", client)
            reasons[name] = (str(error.value), error.value.may_come)
    assert reasons == {
        "long.jpg": ("the answer is longer than 1.0 kB", False),
        "busy.jpg": ("the server answers 503", True),
        "gone.jpg": ("the server answers 404", False),
    }


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/a.jpg", "nowhere", "http://[", "", "http://a b/"])
def test_what_is_no_address_of_the_web_is_refused(url, client):
    with pytest.raises(NotFetchedError):
        fetch_public(url, client)
