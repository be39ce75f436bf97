import logging
import re

import pytest

from pipeline.config.evaluation import EvaluationConfig
from pipeline.core.errors import DataError, TransientError
from pipeline.core.settings import load_settings
from pipeline.data.download.registry import known_sources
from pipeline.evaluation import language_gate as gate_module
from pipeline.evaluation.language_gate import LanguageGate, language_gate, require_language_gate


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("LLAVA_JP_STORE", str(tmp_path / "store"))
    monkeypatch.delenv("LLAVA_JP_LANGUAGE_MODEL", raising=False)


JAPANESE = "この写真には赤いバスが写っています。"
ENGLISH = "There is a red bus in this picture."


@pytest.mark.parametrize(
    ("reference", "prediction", "passed"),
    [
        (JAPANESE, "バスは赤いです。", "バスは赤いです。"),
        (JAPANESE, ENGLISH, ""),
        (ENGLISH, ENGLISH, ENGLISH),
        (ENGLISH, JAPANESE, JAPANESE),
        (JAPANESE, "", ""),
        (JAPANESE, "これは\n赤いバスの\n写真です。", "これは\n赤いバスの\n写真です。"),
    ],
)
def test_a_prediction_passes_unless_only_the_reference_is_japanese(lid_176, reference, prediction, passed):
    assert LanguageGate(lid_176).passed(reference, prediction) == passed


def test_the_models_checksum_is_that_of_the_registry(lid_176):
    assert LanguageGate(lid_176).sha256 == known_sources()["lid-176"].files[0].sha256


def test_the_model_is_that_of_the_settings(lid_176, monkeypatch):
    assert language_gate(load_settings()) is None
    monkeypatch.setenv("LLAVA_JP_LANGUAGE_MODEL", str(lid_176))
    assert language_gate(load_settings()).file == lid_176


def test_a_model_that_is_not_there_is_an_error(monkeypatch):
    monkeypatch.setenv("LLAVA_JP_LANGUAGE_MODEL", "/nowhere/lid.176.ftz")
    with pytest.raises(DataError, match=re.escape("LLAVA_JP_LANGUAGE_MODEL=/nowhere/lid.176.ftz does not exist")):
        language_gate(load_settings())


def test_a_file_that_is_no_model_is_an_error(tmp_path):
    (tmp_path / "lid.176.ftz").write_bytes(b"no model")
    with pytest.raises(DataError, match=r"lid\.176\.ftz is not a model of fastText"):
        LanguageGate(tmp_path / "lid.176.ftz").passed(JAPANESE, ENGLISH)


EVALUATION = EvaluationConfig.model_validate({"benchmarks": [{"name": "ja-vlm-bench-in-the-wild"}]})


def test_without_a_network_the_run_goes_on_and_says_what_is_missing(monkeypatch, caplog):
    def no_network(*_args, **_kwargs):
        raise TransientError("dl.fbaipublicfiles.com does not answer")

    monkeypatch.setattr(gate_module, "fetch", no_network)
    with caplog.at_level(logging.INFO):
        require_language_gate(EVALUATION, load_settings())
    assert "fetching lid-176 for rougeL_ja" in caplog.text
    assert "CC BY-SA 3.0" in caplog.text
    assert "rougeL_ja is not computed: dl.fbaipublicfiles.com does not answer. `llava-jp fetch lid-176`" in caplog.text


def test_nothing_is_fetched_where_no_metric_needs_it(monkeypatch):
    monkeypatch.setattr(gate_module, "fetch", None)
    require_language_gate(EvaluationConfig(), load_settings())
    heron = EvaluationConfig.model_validate({"benchmarks": [{"name": "japanese-heron-bench"}]})
    require_language_gate(heron, load_settings())
