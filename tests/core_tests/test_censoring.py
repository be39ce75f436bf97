import traceback

import pytest

from pipeline.core.censoring import (
    censor_error,
    censored,
    censored_values,
    has_credentials,
    without_credentials,
    without_secrets,
)
from pipeline.core.errors import ConfigError, TransientError


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "no answer from http://yamada:sesame@mlflow.example:5000/api",
            "no answer from http://…@mlflow.example:5000/api",
        ),
        ("'https://hf_abc@hub.example' and 'http://a:b@c'", "'https://…@hub.example' and 'http://…@c'"),
        ("postgresql+psycopg2://me:ses/ame@db:5432/mlflow is away", "postgresql+psycopg2://…@db:5432/mlflow is away"),
        ("mysql://me:se@same@db/x", "mysql://…@db/x"),
        ("Authorization: Basic eWFtYWRhOnNlc2FtZQ==", "Authorization: Basic …"),
        ("authorization: bearer abc_1234567", "authorization: bearer …"),
        (
            "https://s3.example/a?X-Amz-Signature=9f86d0&X-Amz-Date=1",
            "https://s3.example/a?X-Amz-Signature=…&X-Amz-Date=1",
        ),
        ("https://host/v1?api_key=sesame", "https://host/v1?api_key=…"),
    ],
)
def test_credentials_in_an_address_or_a_header_are_not_shown(text, shown):
    assert censored(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "http://localhost:8080/owner/name@main",
        "https://huggingface.co/owner/name@main",
        "s3://bucket/a@b",
        "sqlite:////home/me@host/mlflow.db",
        "hf://datasets/owner/name@main/data",
        '{"uri":"http://host","mail":"me@host.example"}',
        "Basic information on bearer certificates",
        "犬が2匹います: 10:30",
    ],
)
def test_what_is_no_secret_stays(text):
    assert censored(text) == text


SECRETS = {
    "HF_TOKEN": "hf_sesame",
    "OPENAI_API_KEY": "sk-open-sesame",
    "AWS_SECRET_ACCESS_KEY": "aws/se+same",
    "MLFLOW_TRACKING_USERNAME": "yamada",
    "MLFLOW_TRACKING_PASSWORD": "hirake",
    "LLAVA_JP_TRACKING_URI": "http://tanaka:go%40ma@mlflow.example",
}


@pytest.mark.parametrize(
    "text",
    [
        "hf_sesame",
        "sk-open-sesame",
        "aws/se+same",
        "aws%2Fse%2Bsame",
        "hirake",
        "eWFtYWRhOmhpcmFrZQ==",  # yamada:hirake
        "go%40ma",
        "go@ma",
        "tanaka:go@ma",
        "dGFuYWthOmdvQG1h",  # tanaka:go@ma
        "c3V6dWtpOmdvQG1h",  # suzuki:go@ma: the user's name is another
        "Z29AbWE=",  # go@ma
        "%67o%40%6d%61",  # go@ma, with letters quoted as well
        "go%2540ma",  # go@ma, quoted twice
        "aws%2fse%2bsame",  # quoted in small letters
    ],
)
def test_secrets_of_the_environment_are_known_in_every_form(monkeypatch, text):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    assert censored(f"the server says: {text!r}") == "the server says: '…'"
    assert str(ConfigError(f"bad {text}")) == "bad …"
    assert str(TransientError(f"bad {text}")) == "bad …"


def test_settings_that_only_sound_secret_hide_no_words(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    monkeypatch.setenv("LLAVA_JP_JUDGE_TOKEN_CEILING", "100000")
    assert censored("none of 100000 is false") == "none of 100000 is false"


def test_a_caller_may_know_more_secrets():
    assert censored("Incorrect key: abc", "abc") == "Incorrect key: …"
    assert censored("user me, password sesame", "http://me:sesame@host") == "user me, password …"


def fail():
    try:
        raise OSError(5, "cannot reach http://me:sesame@host")
    except OSError as cause:
        raise RuntimeError("http://me:sesame@host is away") from cause


def test_an_error_loses_its_secrets_and_those_of_its_cause():
    with pytest.raises(RuntimeError) as caught:
        fail()
    censor_error(caught.value)
    assert str(caught.value) == "http://…@host is away"
    assert str(caught.value.__cause__) == "[Errno 5] cannot reach http://…@host"


@pytest.mark.parametrize(
    ("url", "plain", "has_some"),
    [
        ("http://yamada:sesame@host:1/x", "http://host:1/x", True),
        ("postgresql://me:ses/ame@db/x", "postgresql://db/x", True),
        ("https://host/v1?api_key=sesame", "https://host/v1", True),
        ("http://host:8000/v1", "http://host:8000/v1", False),
        ("sqlite:////a/b.db", "sqlite:////a/b.db", False),
    ],
)
def test_an_address_is_stored_without_credentials(url, plain, has_some):
    assert (without_credentials(url), has_credentials(url)) == (plain, has_some)


def test_half_a_character_in_an_error_can_be_written():
    assert str(ConfigError("no file '\udc83'")) == "no file '\\udc83'"


def test_an_error_that_makes_its_text_anew_is_replaced_by_its_text():
    from sqlalchemy.exc import OperationalError

    error = OperationalError("select 1", {"uri": "http://me:sesame@host"}, Exception("http://me:sesame@host"))
    group = ExceptionGroup("several", [error, ConnectionError("http://me:sesame@host")])
    group.add_note("while http://me:sesame@host was asked")
    clean = censor_error(group)
    assert [type(one) for one in clean.exceptions] == [RuntimeError, ConnectionError]
    text = "".join(traceback.format_exception(clean))
    assert "sesame" not in text
    assert "OperationalError: (builtins.Exception) http://…@host" in text


def test_the_kind_of_an_error_that_time_may_cure_stays():
    class AwayError(ConnectionError):
        def __str__(self):
            return "http://me:sesame@host is away"

    with pytest.raises(ConnectionError, match="^AwayError: http://…@host is away$"), without_secrets():
        raise AwayError


def test_texts_in_values_lose_their_secrets():
    values = {"a": ["http://me:sesame@host", 1, None], "b": {"c": "http://me:sesame@host"}}
    assert censored_values(values) == {"a": ["http://…@host", 1, None], "b": {"c": "http://…@host"}}
