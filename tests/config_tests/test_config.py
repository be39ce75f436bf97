import json
import re
from pathlib import Path

import pytest
import yaml

from model.config import GENERATION_PRESETS, GenerationConfig
from pipeline.config.evaluation import BenchmarkConfig, EvaluationConfig
from pipeline.config.experiment import ExperimentName, PublishedSource, load_experiment
from pipeline.core.errors import ConfigError
from pipeline.core.settings import load_settings
from pipeline.planning.plan import plan_experiment
from tests.config_tests.freeze_experiments import FROZEN, fingerprints


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("LLAVA_JP_STORE", str(tmp_path / "store"))


def write(path: Path, **values: object) -> str:
    path.write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    return str(path)


def problem(name: str, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_experiment(name, overrides)
    return str(caught.value)


def test_a_protocol_brings_its_metrics_and_its_generation_and_an_experiment_may_name_others():
    plain = BenchmarkConfig.model_validate({"name": "ja-vg-vqa-500"})
    theirs = BenchmarkConfig.model_validate({"name": "ja-vg-vqa-500", "protocol": "eval-mm-9f450a5"})
    own = {"name": "ja-vg-vqa-500", "protocol": "eval-mm-9f450a5", "metrics": ["rougeL"], "generation": "sakana"}
    assert (plain.metrics, plain.generation) == (("rougeL", "rougeL_ja"), None)
    assert (theirs.metrics, theirs.generation) == (("rougeL_nfkc",), GENERATION_PRESETS["greedy-256"])
    changed = BenchmarkConfig.model_validate(own)
    assert (changed.metrics, changed.generation) == (("rougeL",), GENERATION_PRESETS["sakana"])


def test_a_misspelled_key_is_named_with_its_section():
    message = problem("smoke", "finetune.learningrate=1.0e-3")
    assert message == (
        "smoke finetune.learningrate=1.0e-3 is not valid:\n"
        "  finetune.learningrate: Extra inputs are not permitted (got 0.001)"
    )


def test_all_problems_are_named_at_once():
    message = problem("smoke", "pretrain.global_batch_size=0", "llm.weights.hidden_size=big", "features.scales=[2.0]")
    assert "pretrain.global_batch_size: Input should be greater than 0 (got 0)" in message
    assert "llm.weights.random.hidden_size: Input should be a valid integer" in message
    assert "features: Value error, scale 2.0 is not in (0, 1]" in message


def test_a_branch_name_is_no_revision():
    weights = "vision_tower.weights={kind: hub, id: google/siglip-so400m-patch14-384, revision: main}"
    message = problem("smoke", weights)
    assert "vision_tower.weights.hub.revision: String should match pattern '^[0-9a-f]{40}$' (got 'main')" in message


def test_a_commit_is_a_revision():
    weights = f"vision_tower.weights={{kind: hub, id: someone/tower, revision: {'0a' * 20}}}"
    assert load_experiment("smoke", [weights]).vision_tower.weights.revision == "0a" * 20


def test_a_scale_that_is_no_whole_number_of_tiles_is_explained():
    message = problem("demo-v1.0", "features.image_size=100")
    assert "scale 1.0 gives 100 pixels, which is not a multiple of tile_size=56" in message


def test_a_scale_that_is_no_whole_number_of_pixels_is_explained():
    message = problem("demo-v1.1", "features.scales=[1.0, 0.3]")
    assert "scale 0.3 of image_size=112 is not a whole number of pixels" in message


def test_benchmarks_need_different_names():
    benchmark = {"name": "b", "source": {"kind": "shapes-ja", "content": "questions", "num_images": 1}}
    benchmarks = json.dumps([{**benchmark, "metrics": ["exact_match"]}] * 2)
    message = problem("smoke", f"evaluation.benchmarks={benchmarks}")
    assert "benchmarks must differ in name or protocol: ['b/all', 'b/all']" in message


def evaluation(*benchmarks, **fields):
    return EvaluationConfig.model_validate({"benchmarks": benchmarks, **fields})


def test_a_known_benchmark_needs_its_name_only():
    (benchmark,) = evaluation({"name": "ja-vg-vqa-500"}).benchmarks
    assert benchmark.source == PublishedSource(kind="published", name="ja-vg-vqa-500")
    assert (benchmark.protocol, benchmark.label) == ("first-of-8", "ja-vg-vqa-500/first-of-8")
    assert benchmark.metrics == ("rougeL", "rougeL_ja")


def test_the_same_benchmark_may_be_asked_by_two_protocols():
    both = evaluation({"name": "ja-vg-vqa-500"}, {"name": "ja-vg-vqa-500", "protocol": "all"}).benchmarks
    assert [one.label for one in both] == ["ja-vg-vqa-500/first-of-8", "ja-vg-vqa-500/all"]


@pytest.mark.parametrize(
    ("benchmark", "message"),
    [
        (
            "{name: ja-vg-vqa-500, protocol: first}",
            "ja-vg-vqa-500 has no protocol 'first'; there are: first-of-8, all",
        ),
        ("{name: mine, source: {kind: published, name: x}, metrics: [bleu]}", "evaluation.benchmarks.0.metrics.0"),
        (
            "{name: ja-vg-vqa-501}",
            "no published benchmark is named 'ja-vg-vqa-501'; there are: cc-ocr, cvqa, ja-multi-image-vqa, "
            "ja-vg-vqa-500, ja-vlm-bench-in-the-wild, japanese-heron-bench, jawildtext-board-vqa, "
            "jawildtext-handwriting-ocr, jawildtext-receipt-kie, jdocqa, jic-vqa, jmmmu, mecha-ja, mmmlu. "
            "One of your own needs source and metrics",
        ),
        (
            "{name: ja-vg-vqa-500, generation: fast}",
            "no generation preset is named 'fast'; there are: greedy-256, sakana, demo, heron",
        ),
    ],
)
def test_a_benchmark_that_is_not_clear_is_refused(benchmark, message):
    assert message in problem("smoke", f"evaluation.benchmarks=[{benchmark}]")


def test_a_benchmark_cannot_have_two_sources():
    with pytest.raises(ValueError, match="benchmark ja-vg-vqa-500 has two sources"):
        elsewhere = {"kind": "published", "name": "other"}
        evaluation({"name": "ja-vg-vqa-500"}, {"name": "ja-vg-vqa-500", "protocol": "all", "source": elsewhere})


def test_generation_is_the_benchmarks_own_or_that_of_the_evaluation():
    config = evaluation({"name": "ja-vg-vqa-500"}, {"name": "japanese-heron-bench", "generation": "heron"})
    assert [config.generation_for(benchmark).preset for benchmark in config.benchmarks] == ["greedy-256", "heron"]


def test_presets_are_the_settings_of_published_numbers():
    presets = {name: preset.model_dump(exclude_defaults=True) for name, preset in GENERATION_PRESETS.items()}
    assert presets == {
        "greedy-256": {},
        "sakana": {"max_new_tokens": 512, "num_beams": 5, "repetition_penalty": 1.5},
        "demo": {"do_sample": True, "temperature": 0.1},
        "heron": {"no_repeat_ngram_size": 2},
    }
    assert GENERATION_PRESETS["greedy-256"].max_new_tokens == 256
    assert GenerationConfig(max_new_tokens=8).preset == "custom"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"do_sample": True, "num_beams": 5}, "do_sample draws one answer; num_beams=5 searches for one: choose"),
        ({"temperature": 0.1}, "temperature and top_p change nothing without do_sample: true"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(fields, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        GenerationConfig(**fields)


def test_the_form_of_a_known_benchmark_may_be_short():
    schema = EvaluationConfig.model_json_schema()
    assert schema["$defs"]["BenchmarkConfig"]["required"] == ["name"]
    assert {"enum": list(GENERATION_PRESETS), "type": "string"} in schema["properties"]["generation"]["anyOf"]


def test_paths_start_at_the_folder_of_the_file(tmp_path):
    source = {"kind": "local", "annotations": "data/train.json", "images": "/elsewhere/images"}
    folder = tmp_path / "deep"
    folder.mkdir()
    experiment = load_experiment(write(folder / "a.yaml", extends="smoke", datasets={"pretrain": source}))
    assert experiment.datasets.pretrain.annotations == folder / "data" / "train.json"
    assert experiment.datasets.pretrain.images == Path("/elsewhere/images")


def test_a_relative_path_on_the_command_line_is_refused():
    source = "datasets.pretrain={kind: local, annotations: train.json, images: /images}"
    message = problem("smoke", source)
    assert "datasets.pretrain.local.annotations" in message
    assert "train.json is relative; give an absolute path" in message


def test_a_file_extends_an_experiment_field_by_field(tmp_path):
    experiment = load_experiment(write(tmp_path / "a.yaml", extends="smoke", name="a", finetune={"num_epochs": 3}))
    smoke = load_experiment("smoke")
    assert experiment.name == "a"
    assert experiment.finetune == smoke.finetune.model_copy(update={"num_epochs": 3})
    assert experiment.llm == smoke.llm


def test_a_file_that_extends_another_experiment_is_not_taken_for_it(tmp_path):
    assert load_experiment(write(tmp_path / "mine.yaml", extends="smoke")).name == "mine"


def test_a_file_extends_a_file_beside_it(tmp_path):
    write(tmp_path / "base.yaml", extends="smoke", description="base")
    assert load_experiment(write(tmp_path / "a.yaml", extends="base.yaml", name="a")).description == "base"


def test_a_section_of_another_kind_replaces_the_old_one_whole(tmp_path):
    weights = {"kind": "local", "folder": "llm"}
    experiment = load_experiment(write(tmp_path / "a.yaml", extends="smoke", llm={"weights": weights}))
    assert experiment.llm.weights.model_dump() == {"kind": "local", "folder": tmp_path / "llm"}
    assert experiment.llm.tokenizer == load_experiment("smoke").llm.tokenizer


def test_experiments_that_extend_each_other_in_a_circle_are_refused(tmp_path):
    one, two = write(tmp_path / "one.yaml", extends="two.yaml"), write(tmp_path / "two.yaml", extends="one.yaml")
    assert problem(one) == f"experiments extend each other in a circle: {one} -> {two} -> {one}"


@pytest.mark.parametrize(("text", "rate"), [("2e-5", 2e-5), ("2.0e-5", 2e-5), ("0.5", 0.5), ("1", 1.0)])
def test_an_override_sets_a_number_however_it_is_written(text, rate):
    assert load_experiment("smoke", [f"finetune.learning_rate={text}"]).finetune.learning_rate == rate


def test_an_override_changes_one_field_and_nothing_else():
    changed = load_experiment("smoke", ["features.images_per_shard=2"])
    smoke = load_experiment("smoke")
    assert changed.features == smoke.features.model_copy(update={"images_per_shard": 2})
    assert changed.model_copy(update={"features": smoke.features}) == smoke


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("finetune", "--set 'finetune' is not of the form section.field=value"),
        ("=3", "--set '=3' is not of the form section.field=value"),
        ("name.first=3", "--set 'name.first=3': 'name' is not a section"),
        ("name=[", "--set 'name=[': the value is not YAML"),
    ],
)
def test_an_override_that_cannot_be_read_is_explained(override, message):
    assert message in problem("smoke", override)


def test_an_unknown_experiment_names_those_there_are():
    assert problem("demo").startswith("no experiment is named 'demo'; there are: demo-v1.0, demo-v1.1, llava-jp-")
    assert problem("demo").endswith("; or give the path of a .yaml file")


def test_a_file_that_is_not_there_is_named(tmp_path):
    assert problem(str(tmp_path / "no.yaml")) == f"there is no experiment file {tmp_path / 'no.yaml'}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "is not YAML"),
        ("", "must hold the fields of an experiment, not None"),
        ("- a", "must hold the fields of an experiment, not ['a']"),
    ],
)
def test_a_file_that_holds_no_fields_is_explained(tmp_path, text, message):
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    assert message in problem(str(tmp_path / "a.yaml"))


@pytest.mark.parametrize("name", list(ExperimentName))
def test_every_experiment_is_valid_and_has_the_name_of_its_file(name):
    assert load_experiment(name).name == name


def test_the_demo_pair_differs_in_its_features_alone():
    small, large = (load_experiment(name).model_dump(mode="json") for name in ("demo-v1.0", "demo-v1.1"))
    assert {key for key in small if small[key] != large[key]} == {"name", "description", "features"}
    assert (small["features"]["image_size"], small["features"]["scales"]) == (56, [1.0])
    assert (large["features"]["image_size"], large["features"]["scales"]) == (112, [1.0, 0.5])
    assert small["features"]["images_per_shard"] == large["features"]["images_per_shard"]


@pytest.mark.parametrize("name", ["demo-v1.0", "demo-v1.1"])
def test_a_published_experiment_still_asks_for_the_same_artifacts(name):
    frozen = json.loads(FROZEN.read_text(encoding="utf-8"))[name]
    now = fingerprints(name)
    changed = sorted(role for role in frozen.keys() | now.keys() if frozen.get(role) != now.get(role))
    assert not changed, (
        f"{name} would make these steps anew: {', '.join(changed)}. Published results would no longer be found. "
        "Undo the change, or give the new experiment a new name. If the change is meant (a step's VERSION was raised), "
        "run `python -m tests.config_tests.freeze_experiments` and commit the result"
    )


def test_a_field_of_a_stage_changes_that_stage_and_what_follows_from_it():
    before, after = (
        {
            str(step.role): step.fingerprint
            for step in plan_experiment(load_experiment("smoke", overrides), load_settings())
        }
        for overrides in ([], ["finetune.learning_rate=1.0e-4"])
    )
    assert {role for role in before if before[role] != after[role]} == {
        "finetune",
        "predictions/shapes-ja",
        "scores/shapes-ja",
    }


def test_a_name_and_a_description_and_a_limit_change_no_step():
    changed = ["name=other", "description=other", "limits.max_rejected_fraction=1.0"]
    plans = [plan_experiment(load_experiment("smoke", overrides), load_settings()) for overrides in ([], changed)]
    before, after = ([(step.role, step.request) for step in plan] for plan in plans)
    assert before == after


def test_the_demo_pair_shares_its_data():
    small, large = (fingerprints(name) for name in ("demo-v1.0", "demo-v1.1"))
    assert {role for role in small if small[role] == large[role]} == {
        "dataset/pretrain",
        "dataset/finetune",
        "dataset/shapes-ja",
        "translation/pretrain",
        "translation/finetune",
        "contamination/pretrain",
        "contamination/finetune",
    }


def test_a_stage_whose_sequences_are_longer_than_the_llm_can_take_is_refused():
    expected = "finetune.max_length=1532 is more than the LLM's max_position_embeddings=512"
    with pytest.raises(ConfigError, match=re.escape(expected)):
        load_experiment("smoke", ["finetune.max_length=1532"])


def test_another_model_does_not_inherit_the_revision(tmp_path):
    changed = {"llm": {"weights": {"id": "someone/llm"}}}
    experiment = load_experiment(write(tmp_path / "a.yaml", extends="llava-jp-v1.1", **changed))
    assert experiment.llm.weights.model_dump() == {"kind": "hub", "id": "someone/llm", "revision": None}
    assert experiment.llm.tokenizer.revision == "4642dbb68bbe6da93eb38de93f1f831a4b00c2e6"


def test_a_longer_sequence_than_a_known_model_can_take_is_refused_before_anything_is_fetched():
    message = problem("llava-jp-v1.1", "finetune.max_length=2049")
    assert "finetune.max_length=2049 is more than the LLM's max_position_embeddings=2048" in message
    message = problem("llava-jp-v1.1", "features.image_size=800")
    assert "scale 1.0 gives 800 pixels, which is not a multiple of tile_size=384" in message


def test_low_rank_updates_in_pretraining_are_refused():
    assert "pretrain.lora: pretraining trains the projector alone; set finetune.lora" in problem(
        "smoke", "pretrain.lora={rank: 4}"
    )


ARTICLE = {
    "learning_rate": (1e-3, 2e-5),
    "warmup_fraction": (0.03, 0.03),
    "global_batch_size": (32, 16),
    "max_length": (1532, 1532),
    "optimizer": ("adamw", "adamw-8bit"),
    "weight_decay": (0.0, 0.0),
    "num_epochs": (1, 1),
    "precision": ("bfloat16", "bfloat16"),
    "group_by_length": (False, True),
    "template": ("plain", "v1"),
    "frozen_dropout": (False, False),
    "z_loss": (0.0, 0.0),
}
"""The table of the article and the scripts behind it: pretraining, finetuning."""


@pytest.mark.parametrize("name", ["llava-jp-v1.0", "llava-jp-v1.1"])
def test_the_article_is_followed_to_the_letter(name):
    experiment = load_experiment(name)
    found = {field: (getattr(experiment.pretrain, field), getattr(experiment.finetune, field)) for field in ARTICLE}
    assert found == ARTICLE
    assert experiment.datasets.pretrain.name == "llava-pretrain-ja"
    assert experiment.datasets.finetune.name == "llava-instruct-620k-ja"
    assert experiment.llm.weights.id == "llm-jp/llm-jp-1.3b-v1.0"
    assert experiment.vision_tower.weights.id == "google/siglip-so400m-patch14-384"
    image = (experiment.features.image_size, experiment.features.scales, experiment.features.layout)
    assert image == {"llava-jp-v1.0": (384, (1.0,), "square"), "llava-jp-v1.1": (768, (1.0, 0.5), "square")}[name]


def test_the_lora_variant_has_the_rates_of_the_original_script():
    stage = load_experiment("llava-jp-v1.1-lora").finetune
    assert (stage.lora.rank, stage.lora.alpha) == (128, 256)
    assert (stage.learning_rate, stage.projector_learning_rate) == (2e-4, 2e-5)
    assert (stage.global_batch_size, stage.optimizer) == (16, "adamw")


def test_the_published_layout_goes_on_with_the_published_weights():
    experiment = load_experiment("llava-jp-v1.1-published-layout")
    assert experiment.features.layout == "llava-jp-v1.1"
    assert experiment.llm.weights.source.id == "toshi456/llava-jp-1.3b-v1.1"
    assert experiment.pretrain.frozen_dropout


@pytest.mark.parametrize("size", ["1.8b", "3.7b", "7.2b", "13b"])
def test_a_successor_differs_from_the_article_in_its_llm_and_shares_its_features(size):
    article, successor = fingerprints("llava-jp-v1.1"), fingerprints(f"llava-jp-llm-jp-3-{size}")
    changed = {role.partition("/")[0] for role in article if article[role] != successor[role]}
    assert changed == {"pretrain", "finetune", "predictions", "scores", "judgements"}
    experiment = load_experiment(f"llava-jp-llm-jp-3-{size}")
    assert experiment.llm.weights.id == experiment.llm.tokenizer.id == f"llm-jp/llm-jp-3-{size}"


@pytest.mark.parametrize("base", ["[demo-v1.1]", "{a: 1}", "3"])
def test_an_experiment_extends_one_other(tmp_path, base):
    (tmp_path / "mine.yaml").write_text(f"extends: {base}", encoding="utf-8")
    with pytest.raises(ConfigError, match="extends must be one name or path, not "):
        load_experiment(str(tmp_path / "mine.yaml"))


@pytest.mark.parametrize("name", ["a\\b", "\udc83"])
def test_a_store_whose_path_not_all_can_read_is_refused(monkeypatch, tmp_path, name):
    monkeypatch.setenv("LLAVA_JP_STORE", str(tmp_path / name / "store"))
    with pytest.raises(ConfigError, match="has a backslash or bytes that are no text in UTF-8; choose another folder"):
        load_settings()


def test_a_folder_that_leads_to_such_a_store_is_refused_as_well(monkeypatch, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "a\\b")
    monkeypatch.setenv("LLAVA_JP_STORE", str(tmp_path / "link" / "store"))
    with pytest.raises(ConfigError, match="has a backslash"):
        load_settings()
