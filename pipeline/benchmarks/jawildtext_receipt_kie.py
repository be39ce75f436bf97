"""JaWildText, receipts: 1,151 photos of receipts whose fields are to be given as JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.benchmarks.benchmark import OURS, Pair, Protocol
from pipeline.benchmarks.eval_mm import EVAL_MM, eval_mm_protocol, record
from pipeline.benchmarks.jawildtext import part
from pipeline.benchmarks.rows import parquet_rows, records_of

FIELDS = ("store_name", "store_address", "receipt_id", "date", "time", "total_amount", "tax_amount")
ITEM_FIELDS = ("item_name", "item_price", "item_quantity")
PROMPT = (
    "レシート画像からキー情報を抽出し、JSON形式で返してください。 フィールド: store_name, store_address, receipt_id, "
    "date, time, total_amount, tax_amount, line_items[]. 値は画像の文字をそのまま出力してください"
    "（推測・正規化・整形しない）。無い項目は null にしてください。 "
    'line_items は {"item_name": "", "item_price": "", "item_quantity": ""} の配列で返してください。'
)


def read(files: Sequence[Path], images: Path) -> Iterator[Pair]:
    """One record for each row, whose number is its id."""
    return records_of(parquet_rows(files, columns=("image", "fields")), _records)


def _records(index: int, row: dict[str, Any]) -> Iterator[tuple[dict[str, Any], tuple[bytes, ...]]]:
    yield record(str(index), PROMPT, reference(row["fields"]), images=[row["image"]])


def reference(fields: Mapping[str, Any] | None) -> str:
    """What the receipt says, as JSON; of a receipt without fields the seven nulls, and no ``line_items``."""
    found = fields or {}
    values: dict[str, Any] = {name: _value(found.get(name)) for name in FIELDS}
    if fields is not None:
        items = found.get("line_items") or ()
        values["line_items"] = [{name: _value(item.get(name)) for name in ITEM_FIELDS} for item in items]
    return json.dumps(values, ensure_ascii=False)


def _value(field: Mapping[str, Any] | None) -> Any:
    return None if field is None else field["value"]


BENCHMARK = part(
    "jawildtext-receipt-kie",
    config="receipt_kie",
    what="1,151 photos of receipts",
    protocols={
        EVAL_MM: eval_mm_protocol(1_151, "all receipts", metrics=("jawildtext-receipt-kie",)),
        OURS: Protocol(1_151, "the same receipts; any JSON object is read", metrics=("receipt_fields",)),
    },
    read=read,
)
