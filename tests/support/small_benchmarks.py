"""Small sets of the shape of the published benchmarks, as their repositories on the Hub hold them."""

import base64
import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.benchmarks.known import KNOWN_BENCHMARKS
from tests.support.hub_server import HubServer, Repository
from tests.support.small_data import picture

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
TEXT = pa.string()
NUMBER = pa.int64()
VALUE = pa.struct([("value", TEXT)])
ITEM = pa.struct([("item_name", VALUE), ("item_price", VALUE), ("item_quantity", VALUE)])
SCALARS = ("store_name", "store_address", "receipt_id", "date", "time", "total_amount", "tax_amount")
PICTURES = [f"image_{number}" for number in range(1, 8)]
PAGES = [f"image_{number}" for number in range(4)]
SCHEMAS: dict[str, dict[str, pa.DataType]] = {
    "jmmmu": {
        **dict.fromkeys(("id", "question", "question_type", "options", "answer"), TEXT),
        **dict.fromkeys(PICTURES, IMAGE),
    },
    "mecha-ja": {
        **dict.fromkeys(("id", "question", "background_text"), TEXT),
        "options": pa.list_(TEXT),
        "image": IMAGE,
        **dict.fromkeys(("answer", "answer_type"), NUMBER),
        "explanation": TEXT,
    },
    "cvqa": {
        "image": IMAGE,
        **dict.fromkeys(("ID", "Subset", "Question", "Translated Question"), TEXT),
        **dict.fromkeys(("Options", "Translated Options"), pa.list_(TEXT)),
        "Label": NUMBER,
        "Category": TEXT,
    },
    "ja-multi-image-vqa": {"images": pa.list_(IMAGE), "question": TEXT, "answer": TEXT},
    "jdocqa": {
        **dict.fromkeys(("question", "answer"), TEXT),
        **dict.fromkeys(("answer_type", "question_id"), NUMBER),
        **dict.fromkeys(PAGES, IMAGE),
    },
    "jawildtext-board-vqa": {"image": IMAGE, "question": TEXT, "answer": TEXT},
    "jawildtext-handwriting-ocr": {
        "image": IMAGE,
        "polygons": pa.list_(pa.struct([("polygon", pa.list_(pa.list_(pa.float64()))), ("text", TEXT)])),
    },
    "jawildtext-receipt-kie": {
        "image": IMAGE,
        "fields": pa.struct([*((name, VALUE) for name in SCALARS), ("line_items", pa.list_(ITEM))]),
    },
}


def image(shade: int) -> dict[str, Any]:
    """An image as Datasets stores it."""
    return {"bytes": picture(shade), "path": f"{shade}.png"}


def table(name: str, *rows: dict[str, Any]) -> bytes:
    """Rows of a benchmark as a Parquet file; what a row does not say is null."""
    schema = pa.schema(SCHEMAS[name])
    whole = [{column: row.get(column) for column in schema.names} for row in rows]
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(whole, schema=schema), file)
    return file.getvalue()


def choices(number: int) -> list[str]:
    """Four options."""
    return [f"{letter}{number}" for letter in "あいうえ"]


def jmmmu_row(subject: str, number: int) -> dict[str, Any]:
    """A question with a choice, or an open one if the number is odd."""
    kind = "open" if number % 2 else "multiple-choice"
    row = {"id": f"test_{subject}_{number}", "question": f"<image 1>{subject}の問{number}。", "question_type": kind}
    return {**row, "options": str([] if number % 2 else choices(number)), "answer": "7" if number % 2 else "B"}


def small_sets(photos: str) -> dict[str, dict[str, bytes]]:
    """Files by benchmark, two items each; ``photos`` is the address where photos of JIC-VQA lie."""
    japanese = {"Subset": "('Japanese', 'Japan')", "Category": "Food"}
    lines = [f"{n},{photos}/{name},バラ,この花は何ですか。" for n, name in enumerate(["a.png", "b.png", "gone.png"])]
    code = base64.b64encode(picture(70)).decode()
    ocr = [f"{n}\t{code}\tx.png\t文字を読んで。\t営業中{n}\tm\t{what}\ttest" for n, what in enumerate(LANGUAGES)]
    return {
        "cc-ocr": {
            "multi_lan_ocr/all/all.tsv": "\n".join(
                ["index\timage\timage_name\tquestion\tanswer\tcategory\tl2-category\tsplit", *ocr, ""]
            ).encode()
        },
        "cvqa": {
            "data/test-00000-of-00001.parquet": table(
                "cvqa",
                {"Subset": "('Breton', 'France')", "Question": "?", "Options": [], "Label": 9, "image": {"bytes": b""}},
                *(
                    {**japanese, "Question": f"何{n}。", "Options": choices(n), "Label": n, "image": image(40 + n)}
                    for n in range(2)
                ),
            )
        },
        "ja-multi-image-vqa": {
            "data/test-00000-of-00001.parquet": table(
                "ja-multi-image-vqa",
                {"images": [image(10), image(20)], "question": "<image> <image> 同じですか。", "answer": "違います。"},
                {"images": [image(30)], "question": "<image> 何。", "answer": "箱。"},
            )
        },
        "jawildtext-board-vqa": {
            "board_vqa/train-00000-of-00001.parquet": table(
                "jawildtext-board-vqa", *({"image": image(n), "question": "何。", "answer": "箱"} for n in (50, 51))
            )
        },
        "jawildtext-handwriting-ocr": {
            "handwriting_ocr/train-00000-of-00001.parquet": table(
                "jawildtext-handwriting-ocr", *({"image": image(60 + n), "polygons": []} for n in range(2))
            )
        },
        "jawildtext-receipt-kie": {
            "receipt_kie/train-00000-of-00001.parquet": table(
                "jawildtext-receipt-kie",
                {"image": image(80), "fields": {"store_name": {"value": "山田商店"}, "line_items": []}},
                {"image": image(81), "fields": None},
            )
        },
        "jdocqa": {
            "data/test-00000-of-00001.parquet": table(
                "jdocqa",
                {"question_id": 5, "question": "何割。\n", "answer": "7割", "answer_type": 2, "image_0": image(90)},
                {"question_id": 6, "question": "何。", "answer": "箱", "answer_type": 3, "image_0": image(90),
                 "image_2": image(91)},
            )
        },
        "jic-vqa": {"jaflower30.csv": "\n".join(["id,url,category,question", *lines, ""]).encode()},
        "jmmmu": {
            f"{subject}/test-00000-of-00001.parquet": table("jmmmu", {**jmmmu_row(subject, n), "image_1": image(99)})
            for n, subject in enumerate(("Biology", "Japanese_Art"), start=2)
        },
        "mecha-ja": {
            "data/test-00000-of-00001.parquet": table(
                "mecha-ja",
                *({"id": f"x{n}", "question": f"何{n}。", "options": choices(n), "image": image(100 + n), "answer": n,
                   "answer_type": n, "background_text": ""} for n in range(2)),
            )
        },
        "mmmlu": {
            "test/mmlu_JA-JP.csv": "\n".join(
                [",Question,A,B,C,D,Answer,Subject", *(f"{n},問{n}。,1,2,NA,4,C,anatomy" for n in range(2)), ""]
            ).encode()
        },
    }  # fmt: skip


LANGUAGES = ("Japanese", "Korean", "Japanese")


def publish(hub: HubServer) -> None:
    """Put all small sets on a Hub, where their benchmarks look for them."""
    hub.files |= {"/a.png": picture(110), "/b.png": picture(120)}
    for name, files in small_sets(hub.cdn_url).items():
        (source,) = KNOWN_BENCHMARKS[name].sources
        repository = hub.repositories.setdefault(f"datasets/{source.repo}", Repository())
        revision = source.revision or f"{len(hub.repositories):040x}"
        repository.commits[revision] = {**repository.commits.get(revision, {}), **files, "README.md": b"# card\n"}
        repository.branches["main"] = revision
