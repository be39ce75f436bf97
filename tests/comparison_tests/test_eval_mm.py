import json
import re

import pytest

from pipeline.comparison.eval_mm import export_results
from pipeline.core.errors import DataError
from pipeline.core.parquet import write_rows
from pipeline.evaluation.predict import PredictionsSummary
from pipeline.evaluation.rows import PREDICTION_SCHEMA, Prediction
from pipeline.store.artifacts import ArtifactStore
from pipeline.store.manifest import Request
from tests.support.summaries import summary_with


def predictions(tmp_path, benchmark: str, *answers: str | None, protocol: str = "all"):
    rows = [
        Prediction(
            *(benchmark, str(number), None, "何ですか。", "犬", answer, None),
            error="out of memory" if answer is None else None,
            protocol=protocol,
        )
        for number, answer in enumerate(answers)
    ]

    def work(directory):
        write_rows(directory / "predictions.parquet", [row.row() for row in rows], schema=PREDICTION_SCHEMA)
        return summary_with(PredictionsSummary, benchmark=benchmark, protocol=protocol)

    request = Request(step="predictions", version=1, config={"answers": list(answers)})
    return ArtifactStore(tmp_path / "store").produce(request, work)


def lines(file):
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_answers_go_to_the_folder_of_their_task_and_model(tmp_path):
    made = predictions(tmp_path, "ja-vlm-bench-in-the-wild", "犬です。", "")
    place = export_results(made, model="team/model", folder=tmp_path / "result")
    assert place == tmp_path / "result" / "ja-vlm-bench-in-the-wild" / "team" / "model"
    assert lines(place / "prediction.jsonl") == [
        {"question_id": "0", "text": "犬です。"},
        {"question_id": "1", "text": ""},
    ]
    assert not (place / "error_message.jsonl").exists()


def test_a_failed_item_is_an_empty_text_and_an_error_message(tmp_path):
    made = predictions(tmp_path, "japanese-heron-bench", "犬です。", None)
    place = export_results(made, model="m", folder=tmp_path / "result")
    assert lines(place / "prediction.jsonl")[1] == {"question_id": "1", "text": ""}
    assert lines(place / "error_message.jsonl") == [{"question_id": "1", "error": "out of memory"}]
    export_results(predictions(tmp_path, "japanese-heron-bench", "犬。", "猫。"), model="m", folder=tmp_path / "result")
    assert not (place / "error_message.jsonl").exists()


@pytest.mark.parametrize(
    ("benchmark", "protocol", "message"),
    [
        ("jic-vqa", "eval-mm-9f450a5", "fetches the photos of jic-vqa itself and pairs answers by their order"),
        ("cvqa", "eval-mm-9f450a5-blind", "eval-mm-9f450a5-blind has 1 of them"),
        ("mine", "all", "llm-jp-eval-mm has no task 'mine'; of the benchmarks here it has cc-ocr, "),
        (
            "ja-vg-vqa-500",
            "first-of-8",
            "first-of-8 has 1 of them. Add {name: ja-vg-vqa-500, protocol: eval-mm-",
        ),
    ],
)
def test_what_cannot_be_scored_there_is_refused(tmp_path, benchmark, protocol, message):
    made = predictions(tmp_path, benchmark, "犬", protocol=protocol)
    with pytest.raises(DataError, match=re.escape(message)):
        export_results(made, model="m", folder=tmp_path / "result")


@pytest.mark.parametrize("name", ["../elsewhere", "/etc", "a\\b", ""])
def test_a_models_name_stays_inside_the_folder(tmp_path, name):
    made = predictions(tmp_path, "ja-vlm-bench-in-the-wild", "犬です。")
    with pytest.raises(DataError, match="the model's name: .* is not a path inside a folder"):
        export_results(made, model=name, folder=tmp_path / "result")
