"""What a model is asked, and what is right, are llm-jp-eval-mm's own for every row that was tried there."""

import base64
import json
from pathlib import Path

import pytest

from pipeline.benchmarks.known import KNOWN_BENCHMARKS
from tests.support import small_benchmarks
from tests.support.small_benchmarks import PICTURES, image
from tests.support.small_data import picture

VECTORS = json.loads((Path(__file__).parent / "eval_mm_prompts.json").read_text(encoding="utf-8"))["prompts"]


def table(path: Path, name: str, *rows: dict) -> Path:
    """A file of rows as the Hub has it."""
    path.write_bytes(small_benchmarks.table(name, *rows))
    return path


def read(name: str, *files: Path) -> list:
    return list(KNOWN_BENCHMARKS[name].read(files, files[0].parent))


def asked(record: dict) -> tuple[str, str, str]:
    return record["id"], record["question"], record["conversations"][1]["value"]


def wanted(vector: dict) -> tuple[str, str, str]:
    return vector["id"], vector["text"], vector["reference"]


def test_every_vector_is_tried_here():
    assert {name: len(vectors) for name, vectors in VECTORS.items()} == {
        "jmmmu": 2, "mecha-ja": 1, "cvqa": 1, "mmmlu": 1, "ja-multi-image-vqa": 1, "jdocqa": 1, "jic-vqa": 3,
        "jawildtext-board-vqa": 1, "jawildtext-handwriting-ocr": 2, "jawildtext-receipt-kie": 2,
    }  # fmt: skip


def test_jmmmu_asks_with_its_choices_and_shows_the_images_that_it_names(tmp_path):
    for number, vector in enumerate(VECTORS["jmmmu"]):
        row = {**vector["doc"], **{name: image(10 * place) for place, name in enumerate(PICTURES, start=1)}}
        ((record, contents),) = read("jmmmu", table(tmp_path / f"{number}.parquet", "jmmmu", row))
        assert asked(record) == wanted(vector)
        assert contents == tuple(row[name]["bytes"] for name in vector["images"])


def test_mecha_ja_asks_once_as_it_is_and_four_times_with_its_choices_rotated(tmp_path):
    (vector,) = VECTORS["mecha-ja"]
    found = read("mecha-ja", table(tmp_path / "t.parquet", "mecha-ja", {**vector["doc"], "image": image(10)}))
    assert [asked(record) for record, _ in found] == [wanted(one) for one in (vector["plain"], *vector["rotated"])]
    assert {record["image"] for record, _ in found} == {"0-0.png"}
    assert {contents for _, contents in found} == {(picture(10),)}


def test_cvqa_asks_the_japanese_rows_only_and_counts_them_from_0(tmp_path):
    (vector,) = VECTORS["cvqa"]
    other = {"Subset": "('Breton', 'France')", "Question": "Petra?", "Options": ["a"], "Label": 0, "image": image(1)}
    row = {**vector["doc"], "Subset": "('Japanese', 'Japan')", "image": image(10)}
    ((record, contents),) = read("cvqa", table(tmp_path / "t.parquet", "cvqa", other, row))
    assert asked(record) == wanted(vector)
    assert contents == (picture(10),)


def test_mmmlu_asks_in_one_line_and_shows_no_image(tmp_path):
    (vector,) = VECTORS["mmmlu"]
    names = ["Question", "A", "B", "C", "D", "Answer", "Subject"]
    line = ",".join(vector["doc"][name] for name in names)
    (tmp_path / "t.csv").write_text(f",{','.join(names)}\n0,{line}\n", encoding="utf-8")
    ((record, contents),) = read("mmmlu", tmp_path / "t.csv")
    assert asked(record) == wanted(vector)
    assert (contents, "image" in record, "images" in record) == ((), False, False)


def test_ja_multi_image_vqa_takes_the_tags_out_for_the_model_and_keeps_them_for_the_judge(tmp_path):
    (vector,) = VECTORS["ja-multi-image-vqa"]
    row = {**vector["doc"], "images": [image(10), image(20)]}
    ((record, contents),) = read("ja-multi-image-vqa", table(tmp_path / "t.parquet", "ja-multi-image-vqa", row))
    assert asked(record) == (vector["id"], vector["text"], vector["reference"])
    assert record["scoring"]["judge_question"] == vector["judge_sees_question"]
    assert (record["images"], contents) == (["0-0.png", "0-1.png"], (picture(10), picture(20)))


def test_jdocqa_asks_as_it_is_written_on_the_pages_that_there_are(tmp_path):
    (vector,) = VECTORS["jdocqa"]
    row = {**vector["doc"], **{name: image(10) for name in vector["doc"]["not_null"]}}
    ((record, contents),) = read("jdocqa", table(tmp_path / "t.parquet", "jdocqa", row))
    assert asked(record) == wanted(vector)
    assert (contents, record["category"]) == ((picture(10),), "numerical")


@pytest.mark.parametrize("name", ["jawildtext-board-vqa", "jawildtext-handwriting-ocr", "jawildtext-receipt-kie"])
def test_jawildtext_asks_with_its_own_words(name, tmp_path):
    for vector in VECTORS[name]:
        row = {**vector["doc"], "image": image(10)}
        found = read(name, table(tmp_path / "t.parquet", name, *[row] * (int(vector["id"]) + 1)))
        assert asked(found[-1][0]) == wanted(vector)
        assert found[-1][1] == (picture(10),)


def test_cc_ocr_asks_the_japanese_lines_only_with_images_out_of_base64(tmp_path):
    lines = ["index\timage\timage_name\tquestion\tanswer\tcategory\tl2-category\tsplit"]
    for language, answer in (("Korean", "안녕"), ("Japanese", "NA"), ("Japanese", "営業中")):
        code = base64.b64encode(picture(10)).decode()
        lines.append(f"0\t{code}\ta.png\t文字を読んで。\t{answer}\tmulti\t{language}\ttest")
    (tmp_path / "t.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = read("cc-ocr", tmp_path / "t.tsv")
    assert [asked(record) for record, _ in found] == [("0", "文字を読んで。", "NA"), ("1", "文字を読んで。", "営業中")]
    assert [contents for _, contents in found] == [(picture(10),)] * 2
