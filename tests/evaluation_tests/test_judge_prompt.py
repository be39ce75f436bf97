import hashlib
import json
import re

import pytest

from pipeline.core.errors import DataError
from pipeline.evaluation.judge.prompt import read_prompt
from pipeline.evaluation.judge.protocols import wording_of
from pipeline.evaluation.judge.rows import JudgedItem
from tests.support.judged_benchmark import RULES
from tests.support.shared_data import shared_data

ITEM = JudgedItem("7", "detail", "food", "寿司の$写真。", "何ですか。", "{寿司}です。")


def rules_file(tmp_path, rules):
    path = tmp_path / "rule.json"
    path.write_text(json.dumps(rules), encoding="utf-8")
    return path


def test_the_judge_reads_context_question_reference_answer_rule_and_a_last_sentence(tmp_path):
    prompt = read_prompt("heron-official", rules_file(tmp_path, RULES))
    system, user = prompt.messages(ITEM, "ラーメン\n$rule")
    assert system["role"] == "system"
    assert system["content"] == "You are a helpful and precise assistant for checking the quality of the answer."
    assert user["role"] == "user"
    blocks = user["content"].split("\n\n")
    assert blocks[:-3] == [
        "[Context]\n寿司の$写真。",
        "[Question]\n何ですか。",
        "[Assistant 1]\n{寿司}です。",
        "[End of Assistant 1]",
        "[Assistant 2]\nラーメン\n$rule",
        "[End of Assistant 2]",
    ]
    assert blocks[-3] == "[System]\nRate both, detail."
    assert blocks[-2].endswith("give it a low score.")
    assert blocks[-1] == ""


def test_the_text_is_the_official_one_byte_for_byte(tmp_path):
    """The hash is of the text that the expression in ``eval_heron_bench.py`` at 883cd7c gives for this item."""
    _, user = read_prompt("heron-official", rules_file(tmp_path, RULES)).messages(ITEM, "ラーメン")
    expected = "72bc3fbc1731de93a19fe76d2153b52b5d393b1861d2f80de0db03ab1f74291c"
    assert hashlib.sha256(user["content"].encode()).hexdigest() == expected


def test_the_published_rules_are_read_as_they_were_downloaded():
    prompt = read_prompt("heron-official", shared_data() / "heron_bench" / "rule.json")
    assert {name: (rule.role, len(rule.prompt)) for name, rule in prompt.rules.items()} == {
        "conv": ("Assistant", 1240),
        "detail": ("Assistant", 1240),
        "complex": ("Assistant", 1240),
    }


def test_another_rule_is_another_prompt_and_an_unused_one_is_not(tmp_path):
    first = read_prompt("heron-official", rules_file(tmp_path, RULES)).sha256
    more = {**RULES, "math": {"role": "Assistant", "prompt": "Solve it."}}
    other = {**RULES, "conv": {"role": "Assistant", "prompt": "Rate kindly."}}
    assert read_prompt("heron-official", rules_file(tmp_path, more)).sha256 == first
    assert read_prompt("heron-official", rules_file(tmp_path, other)).sha256 != first


def test_the_wording_names_its_source_and_licence():
    wording = wording_of("heron-official")
    assert "eval_heron_bench.py at 883cd7c" in wording.source
    assert wording.licence == "Apache-2.0"
    assert (wording.num_items, wording.categories) == (103, ("conv", "detail", "complex"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "the judge's rules, cannot be read"),
        ("[]", "has no rule for conv, detail, complex"),
        ('{"conv": {"role": "Assistant", "prompt": "x"}}', "has no rule for detail, complex"),
        (json.dumps({**RULES, "conv": {"role": "Assistant"}}), "prompt: Field required"),
    ],
)
def test_rules_that_are_not_those_of_the_benchmark_are_refused(tmp_path, text, message):
    path = tmp_path / "rule.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=re.escape(message)):
        read_prompt("heron-official", path)
