"""A Hub that refuses a folder and repeats what it was sent."""

import base64

import pytest

from pipeline.core.errors import ConfigError
from pipeline.release.hub import publish_folder
from tests.support.hub_server import running_hub

TOKEN = "hf_open-sesame"


@pytest.mark.parametrize(
    "echo",
    [
        f"bad header 'Authorization: Bearer {TOKEN}'",
        f"who is {TOKEN}?",
        f"Basic {base64.b64encode(f'user:{TOKEN}'.encode()).decode()}",
    ],
)
def test_the_token_that_a_refusal_repeats_is_not_shown(monkeypatch, tmp_path, echo):
    (tmp_path / "README.md").write_text("a model")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with running_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        hub.write_status, hub.write_error = 400, echo
        with pytest.raises(ConfigError, match=r"refuses the folder \(status 400\): .*…") as refused:
            publish_folder(tmp_path, "team/vlm", is_private=True, message="a model")
    assert "sesame" not in str(refused.value)
    assert "c2VzYW1l" not in str(refused.value)
