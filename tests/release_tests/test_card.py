"""A model card with texts from outside: categories of a benchmark, names in manifests of others, a folder's name."""

import re

import yaml

from pipeline.release.card import model_card
from pipeline.release.facts import DataFact, ModelFacts, ScoreFact
from tests.support.small_model import build_model

EVIL = "![x](http://evil.example/x.png)<img src=y>|\x1b[2J\ud83d"
SHOWN = "\\![x\\](http:&#47;&#47;evil.example/x.png)&lt;img src=y&gt;\\|[2J\\\\ud83d"


def card(*, name="vlm", repo="team/vlm"):
    facts = ModelFacts(
        fingerprint="0123456789abcdef",
        created_at="2026-01-01T00:00:00+00:00",
        git_commit=EVIL,
        versions={"torch": EVIL},
        llm=f"{EVIL} at {EVIL}",
        tower="google/siglip at 0000",
        data=(DataFact("finetune", EVIL, 7, (EVIL,), (), False),),
        stages=(),
        scores=(ScoreFact("shapes-ja/all", "rougeL_ja", EVIL, 12.34, 10.0, 14.0, 24),),
    )
    options = {"source": EVIL, "form": "llava-jp", "dtype": "bfloat16", "mlflow_run": EVIL}
    return model_card(build_model("llama"), facts, name=name, repo=repo, **options)


def test_no_text_from_outside_becomes_alive_on_a_model_card():
    text = card(name=EVIL, repo=f'a"\nimport os  # {EVIL}')
    head, _, page = text.removeprefix("---\n").partition("\n---\n")
    assert f"# {SHOWN}" in page
    assert f"| shapes-ja/all | rougeL_ja | {SHOWN} | 12.3 | 10.0-14.0 | 24 |" in page
    without_code = "".join(page.split("```")[::2])
    assert not re.search(r"(?<!\\)\]\(", without_code)
    assert "<img" not in without_code
    assert "import os" not in [line.strip()[:9] for line in page.splitlines()]
    assert yaml.safe_load(head)["base_model"] == [EVIL.replace("\ud83d", "\\ud83d"), "google/siglip"]
    text.encode()


def test_plain_names_stand_as_they_are():
    text = card(name="llava-jp-v1.1")
    assert "\n# llava-jp-v1.1\n" in text
    assert 'name = "team/vlm"' in text
