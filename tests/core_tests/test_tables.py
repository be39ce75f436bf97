"""What lies on the disk does not change when a row's class does: the schemas of the tables, in full."""

from dataclasses import make_dataclass

import pyarrow as pa
import pytest

from pipeline.core.tables import schema_of
from pipeline.data.images import IMAGE_SCHEMA
from pipeline.data.samples import FINDING_SCHEMA, SAMPLE_SCHEMA
from pipeline.evaluation.judge.rows import JUDGEMENT_SCHEMA
from pipeline.evaluation.rows import PREDICTION_SCHEMA

TURN_TYPE = pa.struct(
    [
        pa.field("role", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("original", pa.string()),
    ]
)
FURTHER_IMAGE_TYPE = pa.struct(
    [
        pa.field("image", pa.string(), nullable=False),
        pa.field("image_sha256", pa.string()),
        pa.field("coco_id", pa.int64()),
        pa.field("visual_genome_id", pa.int64()),
    ]
)
ON_DISK = {
    "SAMPLE_SCHEMA": pa.schema(
        [
            pa.field("sample_id", pa.string(), nullable=False),
            pa.field("record_index", pa.int64(), nullable=False),
            pa.field("source", pa.string(), nullable=False),
            pa.field("image", pa.string()),
            pa.field("image_sha256", pa.string()),
            pa.field("coco_id", pa.int64()),
            pa.field("visual_genome_id", pa.int64()),
            pa.field("category", pa.string()),
            pa.field("turns", pa.list_(pa.field("element", TURN_TYPE, nullable=False)), nullable=False),
            pa.field(
                "further_images", pa.list_(pa.field("element", FURTHER_IMAGE_TYPE, nullable=False)), nullable=False
            ),
        ]
    ),
    "FINDING_SCHEMA": pa.schema(
        [
            pa.field("check", pa.string(), nullable=False),
            pa.field("severity", pa.string(), nullable=False),
            pa.field("sample_id", pa.string()),
            pa.field("record_index", pa.int64()),
            pa.field("turn_index", pa.int64()),
            pa.field("evidence", pa.string(), nullable=False),
        ]
    ),
    "IMAGE_SCHEMA": pa.schema(
        [
            pa.field("image", pa.string(), nullable=False),
            pa.field("image_sha256", pa.string()),
            pa.field("perceptual_hash", pa.int64()),
            pa.field("file", pa.string()),
            pa.field("bytes", pa.binary()),
            pa.field("format", pa.string()),
            pa.field("width", pa.int32()),
            pa.field("height", pa.int32()),
            pa.field("status", pa.string(), nullable=False),
            pa.field("reason", pa.string()),
        ]
    ),
    "PREDICTION_SCHEMA": pa.schema(
        [
            pa.field("benchmark", pa.string(), nullable=False),
            pa.field("protocol", pa.string(), nullable=False),
            pa.field("item_id", pa.string(), nullable=False),
            pa.field("category", pa.string()),
            pa.field("image_category", pa.string()),
            pa.field("question", pa.string(), nullable=False),
            pa.field("reference", pa.string(), nullable=False),
            pa.field("prediction", pa.string()),
            pa.field("image_sha256", pa.string()),
            pa.field("error", pa.string()),
            pa.field("scoring", pa.string()),
            pa.field("further_images_sha256", pa.list_(pa.string())),
        ]
    ),
    "JUDGEMENT_SCHEMA": pa.schema(
        [
            pa.field("benchmark", pa.string(), nullable=False),
            pa.field("item_id", pa.string(), nullable=False),
            pa.field("category", pa.string()),
            pa.field("image_category", pa.string()),
            pa.field("repeat", pa.int64(), nullable=False),
            pa.field("status", pa.string(), nullable=False),
            pa.field("reason", pa.string()),
            pa.field("reference_score", pa.float64()),
            pa.field("model_score", pa.float64()),
            pa.field("official_reference_score", pa.float64()),
            pa.field("official_model_score", pa.float64()),
            pa.field("parsers_differ", pa.bool_(), nullable=False),
            pa.field("replies", pa.list_(pa.string()), nullable=False),
            pa.field("protocol", pa.string(), nullable=False),
            pa.field("judge_model", pa.string(), nullable=False),
            pa.field("served_model", pa.string()),
            pa.field("prompt_sha256", pa.string(), nullable=False),
            pa.field("num_input_tokens", pa.int64(), nullable=False),
            pa.field("num_output_tokens", pa.int64(), nullable=False),
            pa.field("image_sha256", pa.string()),
        ]
    ),
}
DERIVED = {
    "SAMPLE_SCHEMA": SAMPLE_SCHEMA,
    "FINDING_SCHEMA": FINDING_SCHEMA,
    "IMAGE_SCHEMA": IMAGE_SCHEMA,
    "PREDICTION_SCHEMA": PREDICTION_SCHEMA,
    "JUDGEMENT_SCHEMA": JUDGEMENT_SCHEMA,
}


@pytest.mark.parametrize("name", ON_DISK)
def test_a_tables_schema_is_the_one_on_the_disk_to_the_byte(name):
    assert DERIVED[name].serialize() == ON_DISK[name].serialize()


def test_a_field_that_no_column_can_hold_is_refused():
    with pytest.raises(TypeError, match="no column can hold <class 'complex'>; Annotated names the type"):
        schema_of(make_dataclass("Row", [("value", complex)]))
