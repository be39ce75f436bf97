"""A model card with texts from outside: categories of a benchmark, names in manifests of others, a folder's name."""

import re
from dataclasses import replace

import yaml
from huggingface_hub import EvalResultEntry, parse_eval_result_entries

from pipeline.release.card import model_card
from pipeline.release.facts import DataFact, ModelFacts, ScoreFact
from pipeline.release.gguf import why_no_gguf
from pipeline.release.metadata import eval_results
from tests.support.small_model import build_model

EVIL = "![x](http://evil.example/x.png)<img src=y>|\x1b[2J\ud83d"
SHOWN = "\\![x\\](http:&#47;&#47;evil.example/x.png)&lt;img src=y&gt;\\|[2J\\\\ud83d"


DATE = "2026-11-30T12:00:00+00:00"


def facts_of(*, non_commercial=()):
    return ModelFacts(
        fingerprint="0123456789abcdef",
        created_at="2026-01-01T00:00:00+00:00",
        git_commit=EVIL,
        versions={"torch": EVIL},
        llm=f"{EVIL} at {EVIL}",
        tower="google/siglip at 0000",
        data=(DataFact("finetune", EVIL, 7, (EVIL,), (), non_commercial=non_commercial, repos=("team/talks", EVIL)),),
        stages=(),
        scores=(
            ScoreFact("shapes-ja/all", "rougeL_ja", EVIL, 12.34, 10.0, 14.0, 24, DATE),
            ScoreFact("ja-vg-vqa-500/first-of-8", "rougeL_ja", "overall", 12.34567, 10.0, 14.0, 500, DATE),
            ScoreFact("ja-vg-vqa-500/first-of-8", "rougeL_ja", "colour", 50.0, 10.0, 90.0, 5, DATE),
        ),
    )


def card(*, name="vlm", repo="team/vlm", non_commercial=()):
    facts = facts_of(non_commercial=non_commercial)
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


def test_the_hub_reads_languages_base_models_datasets_licence_and_task():
    head = card().removeprefix("---\n").partition("\n---\n")[0]
    shown = EVIL.replace("\ud83d", "\\ud83d")
    assert yaml.safe_load(head) == {
        "language": ["ja"],
        "library_name": "transformers",
        "pipeline_tag": "image-text-to-text",
        "license": "other",
        "license_name": "see-model-card",
        "license_link": "README.md",
        "tags": ["llava", "japanese", "vision-language-model", "s2"],
        "base_model": [shown, "google/siglip"],
        "datasets": ["team/talks", shown],
    }


def test_a_model_of_non_commercial_parts_is_non_commercial_and_says_which_parts():
    text = card(non_commercial=("llava-instruct-620k-ja", "coco-train2017"))
    assert yaml.safe_load(text.removeprefix("---\n").partition("\n---\n")[0])["license"] == "cc-by-nc-4.0"
    assert "the strictest licence of the parts holds for the whole: llava-instruct-620k-ja, coco-train2017." in text
    assert "学習データのうち llava-instruct-620k-ja、coco-train2017 が商用利用を禁じており" in text
    assert "CC BY-NC" not in card()


def test_scores_are_results_that_the_hub_reads_with_protocol_interval_date_and_source():
    files = eval_results(facts_of(), page="https://hub.example/team/vlm")
    (text,) = files.values()
    assert list(files) == ["ja-vg-vqa-500.first-of-8.yaml"]
    (entry,) = parse_eval_result_entries(yaml.safe_load(text))
    assert entry == EvalResultEntry(
        dataset_id="SakanaAI/JA-VG-VQA-500",
        task_id="first-of-8.rougeL_ja",
        value=12.3457,
        dataset_revision="8e8d0611735b18ff15492a29b98e1300460a8489",
        date=DATE,
        source_url="https://hub.example/team/vlm",
        source_name="Model card",
        notes="rougeL_ja in percent, protocol first-of-8, 500 items, 95 % interval 10.00 to 14.00",
    )


def test_the_card_says_how_engines_serve_the_model():
    text = card(repo="team/vlm; rm -rf /")
    assert "transformers serve 'team/vlm; rm -rf /' --trust-remote-code\n" in text
    assert "vllm serve 'team/vlm; rm -rf /' --trust-remote-code --media-io-kwargs" in text


def test_gguf_is_refused_with_the_reason():
    model = build_model("llama")
    assert "llama.cpp shows its image encoder every image once" in why_no_gguf(model)
    assert "the scales [1.0, 0.5]" in why_no_gguf(model)
    images = model.config.images.model_copy(update={"image_size": 16, "scales": (1.0,)})
    single = replace(model, config=model.config.model_copy(update={"images": images}))
    assert "Pixtral's image encoder alone and refuses this one (siglip_vision_model:" in why_no_gguf(single)
