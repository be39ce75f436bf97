"""Writes the traces of finished calls to MLflow. Its own tracing is made for calls that it watches, one process-wide
server and a queue that forgets; these come from the outbox, when there is a server.
"""

import json
from collections.abc import Mapping
from typing import Any

from mlflow.entities import Span, SpanType, TraceInfo, TraceLocation, TraceState
from mlflow.tracing.client import TracingClient
from mlflow.tracing.constant import (
    TRACE_SCHEMA_VERSION_KEY,
    SpanAttributeKey,
    TokenUsageKey,
    TraceMetadataKey,
    TraceTagKey,
)

SCHEMA_VERSION = "3"
PREVIEW_CHARACTERS = 1000


def log_trace(uri: str, *, experiment_id: str, run_id: str, values: Mapping[str, Any]) -> None:
    """Write one trace with one span; the same trace again changes nothing.

    Raises:
        ValueError: the server is too old for spans.
        MlflowException: it does not take them.
    """
    client = TracingClient(uri)
    trace_id = f"tr-{values['id']}"
    client.start_trace(_info(trace_id, experiment_id, run_id, values))
    try:
        client.log_spans(experiment_id, [_span(trace_id, experiment_id, values)])
    except NotImplementedError as error:
        raise ValueError(f"it takes no spans: {error}") from error


def _info(trace_id: str, experiment_id: str, run_id: str, values: Mapping[str, Any]) -> TraceInfo:
    question = str(values["inputs"]["messages"][-1]["content"])
    metadata = {TraceMetadataKey.SOURCE_RUN: run_id, TRACE_SCHEMA_VERSION_KEY: SCHEMA_VERSION}
    if usage := _usage(values):
        metadata[TraceMetadataKey.TOKEN_USAGE] = json.dumps(usage)
    return TraceInfo(
        trace_id=trace_id,
        trace_location=TraceLocation.from_experiment_id(experiment_id),
        request_time=values["start_ns"] // 1_000_000,
        execution_duration=(values["end_ns"] - values["start_ns"]) // 1_000_000,
        state=TraceState.ERROR if values["is_error"] else TraceState.OK,
        request_preview=question[:PREVIEW_CHARACTERS],
        response_preview=str(values["outputs"]["content"] or "")[:PREVIEW_CHARACTERS],
        trace_metadata=metadata,
        tags={TraceTagKey.TRACE_NAME: values["name"], **values["tags"]},
    )


def _span(trace_id: str, experiment_id: str, values: Mapping[str, Any]) -> Span:
    attributes = {
        SpanAttributeKey.REQUEST_ID: trace_id,
        SpanAttributeKey.EXPERIMENT_ID: experiment_id,
        SpanAttributeKey.SPAN_TYPE: SpanType.CHAT_MODEL,
        SpanAttributeKey.INPUTS: values["inputs"],
        SpanAttributeKey.OUTPUTS: values["outputs"],
        SpanAttributeKey.MODEL: values["model"],
        **values["attributes"],
    }
    if usage := _usage(values):
        attributes[SpanAttributeKey.CHAT_USAGE] = usage
    return Span.from_dict(
        {
            "trace_id": trace_id,
            "span_id": values["id"][:16],
            "parent_span_id": None,
            "name": values["name"],
            "start_time_unix_nano": values["start_ns"],
            "end_time_unix_nano": values["end_ns"],
            "status": {"code": "ERROR" if values["is_error"] else "OK", "message": ""},
            "attributes": {name: json.dumps(value, ensure_ascii=False) for name, value in attributes.items()},
        }
    )


def _usage(values: Mapping[str, Any]) -> dict[str, int] | None:
    given, made = values["num_input_tokens"], values["num_output_tokens"]
    if given is None or made is None:
        return None
    return {
        TokenUsageKey.INPUT_TOKENS: given,
        TokenUsageKey.OUTPUT_TOKENS: made,
        TokenUsageKey.TOTAL_TOKENS: given + made,
    }
