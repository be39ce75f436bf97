import errno
import logging
import os
import socket
import stat
import subprocess
import sys

import pytest

from pipeline.core.errors import ConfigError, StoreError, TransientError
from pipeline.store.remote.storage import explained_error, open_storage, parse_url
from tests.support.object_server import KEY, SECRET
from tests.support.shared_data import REPOSITORY


@pytest.mark.parametrize(
    ("url", "container", "prefix", "text"),
    [
        ("s3://bucket", "bucket", "", "s3://bucket"),
        ("s3://bucket/a//b/", "bucket", "a/b", "s3://bucket/a/b"),
        ("gs://bucket/a@b", "bucket", "a@b", "gs://bucket/a@b"),
        ("file:///mnt/share/", "/mnt/share", "", "file:///mnt/share"),
    ],
)
def test_a_url_is_taken_apart(url, container, prefix, text):
    parsed = parse_url(url)
    assert (parsed.container, parsed.prefix, str(parsed)) == (container, prefix, text)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("bucket/prefix", "'bucket/prefix' is not the URL of a storage; there are s3://bucket/prefix, gs://bucket/pr"),
        ("http://host/a", "'http://host/a' is not the URL of a storage"),
        ("simplecache::s3://bucket", "'simplecache::s3://bucket' is not the URL of a storage"),
        ("s3://", "the URL 's3://' cannot be used: it names no bucket"),
        ("s3:///key", "the URL 's3:///key' cannot be used: it names no bucket"),
        ("s3://bucket/../other", "the URL 's3://bucket/../other' cannot be used: it climbs with '..'"),
        ("file://share/a", "the URL 'file://share/a' cannot be used: a file:// URL needs three slashes"),
        ("file:///", "the URL 'file:///' cannot be used: it names no folder"),
    ],
)
def test_a_url_that_cannot_be_used_is_explained(url, message):
    with pytest.raises(ConfigError) as caught:
        open_storage(url)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://AKIA:sesame@bucket/a", "the URL s3://…@bucket/a has credentials in it"),
        ("s3://AKIA:ses/ame@bucket/a", "the URL s3://…@bucket/a has credentials in it"),
        ("s3://sesame@bucket", "the URL s3://…@bucket has credentials in it"),
        ("s3://AKIA:sesame", "the URL s3://…@… has credentials in it"),
        ("https://user:sesame@host/a", "the URL https://…@host/a has credentials in it"),
        ("s3://bucket/a?token=sesame", "the URL 's3://bucket/a' cannot be used: it has a query"),
        ("https://host/a?token=sesame", "'https://host/a' is not the URL of a storage"),
    ],
)
def test_a_url_with_a_secret_is_refused_and_the_secret_is_not_shown(url, shown):
    with pytest.raises(ConfigError) as caught:
        open_storage(url)
    assert str(caught.value).startswith(shown)
    assert "sesame" not in str(caught.value)


def test_credentials_go_to_the_environment(monkeypatch):
    with pytest.raises(ConfigError) as caught:
        open_storage("s3://a:b@bucket")
    assert str(caught.value).endswith("; leave them out and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead")


def test_a_bucket_that_is_not_there_is_said(server):
    with pytest.raises(ConfigError) as caught:
        open_storage("s3://no-such-bucket/prefix")
    assert str(caught.value) == (
        "there is no bucket 'no-such-bucket'; make it first, or correct the URL s3://no-such-bucket/prefix"
    )


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(ConfigError) as caught:
        open_storage(f"file://{tmp_path}/not-mounted")
    assert str(caught.value) == (
        f"there is no folder '{tmp_path}/not-mounted'; make it first, or correct the URL file://{tmp_path}/not-mounted"
    )


def test_a_file_is_not_taken_for_a_folder(tmp_path):
    (tmp_path / "file").write_text("1")
    with pytest.raises(ConfigError, match=f"there is no folder '{tmp_path}/file'; make it first"):
        open_storage(f"file://{tmp_path}/file")


def test_missing_credentials_are_said(server, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ConfigError) as caught:
        open_storage("s3://bucket")
    assert str(caught.value) == (
        "s3://bucket: no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
    )


def test_a_key_without_its_secret_is_said(server, monkeypatch):
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ConfigError, match="^s3://bucket: no credentials were found; set AWS_ACCESS_KEY_ID and AWS_"):
        open_storage("s3://bucket")


def test_a_server_that_refuses_connections_may_answer_later(server, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        with pytest.raises(TransientError) as caught:
            open_storage("s3://bucket/prefix")
    assert str(caught.value) == (
        f"s3://bucket/prefix: no answer from http://127.0.0.1:{port} (EndpointConnectionError). "
        "Run the same command again: what is whole is kept"
    )


def test_a_server_that_is_busy_may_answer_later(server):
    storage = open_storage(f"s3://{server.new_bucket()}")
    server.status = "503 Slow Down"
    with pytest.raises(TransientError, match="the storage is not ready"):
        storage.size("a")


def test_denied_access_is_said(server):
    storage = open_storage(f"s3://{server.new_bucket()}")
    server.status = "403 Forbidden"
    with pytest.raises(ConfigError) as caught:
        storage.read("a", max_bytes=10)
    assert str(caught.value) == (
        f"{storage.url}/a: access is denied (Forbidden); check the credentials in AWS_* and what they allow"
    )


def test_an_address_that_is_none_is_said_without_it(server, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "sesame")
    with pytest.raises(ConfigError) as caught:
        open_storage("s3://bucket")
    assert str(caught.value) == "s3://bucket cannot be used: AWS_ENDPOINT_URL or another AWS_* variable is not valid"


def test_an_address_with_a_secret_is_refused_and_the_secret_is_not_shown(server, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://user:sesame@127.0.0.1:9000")
    with pytest.raises(ConfigError) as caught:
        open_storage("s3://bucket")
    assert str(caught.value) == (
        "AWS_ENDPOINT_URL has credentials in it; leave them out and set AWS_ACCESS_KEY_ID instead"
    )


def test_a_missing_package_is_named():
    program = (
        "import sys; sys.modules['s3fs'] = sys.modules['gcsfs'] = None\n"
        "from pipeline.store.remote.storage import open_storage\n"
        "for url in ('s3://bucket', 'gs://bucket'):\n"
        "    try: open_storage(url)\n"
        "    except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "ConfigError s3:// needs a package that is not installed: pip install 'llava-jp-pipeline[s3]'",
        "ConfigError gs:// needs a package that is not installed: pip install gcsfs",
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="everything is allowed to root")
def test_a_folder_that_may_not_be_written_is_said(tmp_path):
    storage = open_storage(tmp_path.as_uri())
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(ConfigError, match=r"access is denied \(Permission denied\); check its permissions"):
        storage.write("a", b"1")


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device"),
            StoreError,
            "cannot be written: No space left on device. ",
        ),
        (
            OSError(errno.ESTALE, "Stale file handle"),
            TransientError,
            "storage is not ready (Stale file handle). Run",
        ),
        (PermissionError(errno.EACCES, "Denied"), ConfigError, "access is denied (Denied); check its permissions"),
        (OSError(errno.EINVAL, "a\nb http://u:p@h/"), ConfigError, "cannot be used: a b http://…@h/"),
    ],
)
def test_an_error_of_the_system_is_explained(error, kind, text):
    explanation = explained_error(error, "file:///share/a")
    assert type(explanation) is kind
    assert text in str(explanation)


def test_an_error_that_is_ours_stays():
    assert explained_error(StoreError("x"), "s3://a") is None
    assert explained_error(KeyError("x"), "s3://a") is None


def test_a_server_that_repeats_a_secret_does_not_bring_it_into_a_message(server):
    error = OSError(errno.EINVAL, f"signed by {KEY} with {SECRET}")
    assert str(explained_error(error, "s3://a")) == "s3://a cannot be used: signed by … with …"


def test_no_secret_and_no_chatter_is_logged(server, caplog):
    with caplog.at_level(logging.DEBUG):
        storage = open_storage(f"s3://{server.new_bucket()}")
        storage.write("a", b"content")
        assert storage.read("a", max_bytes=10) == b"content"
    assert [record.name for record in caplog.records if not record.name.startswith("asyncio")] == []
    assert SECRET not in caplog.text
    assert KEY not in caplog.text


def test_an_interrupted_copy_to_a_folder_leaves_no_file_under_its_name(tmp_path):
    storage = open_storage(tmp_path.as_uri())
    (tmp_path / "local").write_bytes(b"1" * 10)

    def stop(num_bytes):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        storage.upload(tmp_path / "local", "remote", on_bytes=stop)
    assert storage.size("remote") is None


def test_an_interrupted_upload_of_many_parts_leaves_no_object(server, tmp_path):
    bucket = server.new_bucket()
    storage = open_storage(f"s3://{bucket}")
    with (tmp_path / "local").open("wb") as file:
        file.truncate(110_000_000)  # more than two of 50 MiB

    def stop(num_bytes):
        raise ValueError("stopped")

    with pytest.raises(ValueError, match="stopped"):
        storage.upload(tmp_path / "local", "remote", on_bytes=stop)
    assert server.keys(bucket) == []
    assert "Uploads" not in server.client.list_multipart_uploads(Bucket=bucket)
