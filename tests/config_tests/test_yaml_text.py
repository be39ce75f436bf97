"""YAML that people write: what would be lost, go on for ever or break a file later is refused with its line."""

import time

import pytest

from pipeline.config.experiment import load_experiment
from pipeline.config.yaml_text import read_yaml
from pipeline.core.errors import ConfigError

TENFOLD = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_a_section_that_stands_twice_is_refused(tmp_path):
    text = "extends: smoke\nname: a\nfinetune: {learning_rate: 1.0e-3}\nfinetune: {num_epochs: 3}\n"
    (tmp_path / "dup.yaml").write_text(text)
    with pytest.raises(ConfigError, match="'finetune' stands twice, in lines 3 and 4, and only the last would count"):
        load_experiment(str(tmp_path / "dup.yaml"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: {c: 1, d: 2, c: 3}\n", "e.yaml: 'c' stands twice, in lines 2 and 2, and only the last would count"),
        ("name: 2020-13-45\n", r"e.yaml holds a value that looks like a date or a number and is none \(month must be"),
        (f"n: {'9' * 5000}\n", r"e.yaml holds a value that looks like a date or a number and is none \(Exceeds the"),
        ("a: &a {b: [1, *a]}\n", r"e.yaml, line 1: an alias \(\*\) leads into its own anchor \(&\); write it out"),
        (TENFOLD, r"e.yaml has more than 100000 values, with its aliases \(\*\) written out"),
        ("[" * 3000, "e.yaml is nested too deeply to be read"),
        ('a: "\\ud83d"\n', "e.yaml, line 1: '.ud83d' holds half a character or a NUL, which is no text"),
        ('a: 1\nb: "x\\0y"\n', "e.yaml, line 2: 'x.x00y' holds half a character or a NUL, which is no text"),
        ("a: [\n", "e.yaml is not YAML: while parsing"),
        ("a: !!python/object:os.system x\n", "e.yaml is not YAML: could not determine a constructor for the tag"),
        ("? [a]\n: 1\n", "e.yaml is not YAML: while constructing a mapping"),
    ],
)
def test_yaml_that_cannot_be_meant_is_refused_at_once(text, message):
    started = time.process_time()
    with pytest.raises(ConfigError, match=message):
        read_yaml(text, source="e.yaml")
    assert time.process_time() - started < 5


def test_anchors_and_merged_keys_are_yaml_as_ever():
    text = "base: &base {a: 1, b: 2}\nfirst: {<<: *base, b: 3}\nsecond: [*base, *base]\n"
    both = {"a": 1, "b": 2}
    assert read_yaml(text, source="e") == {"base": both, "first": {"a": 1, "b": 3}, "second": [both, both]}
    assert read_yaml("", source="e") is None


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (f"name={'a' * 300}", "the name has 300 bytes in UTF-8, and files are named after it: 200 at most"),
        (f"name={'名' * 67}", "the name has 201 bytes in UTF-8"),
        (f"evaluation.benchmarks=[{{name: {'b' * 300}, source: {{kind: shapes_ja}}}}]", "the name has 300 bytes"),
        ("finetune.learning_rate=1e400", "finetune.learning_rate: Input should be a finite number"),
        ("finetune.warmup_fraction=.nan", "finetune.warmup_fraction: Input should be"),
        ("finetune.num_epochs=1\n---\n2", "the value is not YAML: expected a single document"),
    ],
)
def test_values_that_would_break_later_are_refused_now(override, message):
    with pytest.raises(ConfigError, match=message):
        load_experiment("smoke", [override])


def test_a_name_of_200_bytes_is_a_name():
    assert load_experiment("smoke", [f"name={'名' * 66}"]).name == "名" * 66


@pytest.mark.parametrize("character", ["\0", "\x1a", "\x7f", "\ud83d"])
def test_a_character_that_no_yaml_has_is_an_error_that_names_the_file(character):
    with pytest.raises(ConfigError, match=r"^e\.yaml is not YAML: unacceptable character"):
        read_yaml(f"a: b{character}", source="e.yaml")
