import json

import pytest
from mlflow.tracking import MlflowClient

from pipeline.config.experiment import load_experiment
from pipeline.core.settings import Settings
from pipeline.evaluation.inquiry import Inquiry
from pipeline.evaluation.judge.replies import Answered
from pipeline.evaluation.judge.rows import JudgedItem
from pipeline.evaluation.judge.traces import trace_of
from pipeline.tracking.tracker import Tracker
from tests.support.judged_benchmark import replied

ITEM = JudgedItem("7", "conv", "anime", "文脈", "質問", "参照")
INQUIRY = Inquiry(
    model="gpt-4-0125-preview",
    messages=({"role": "system", "content": "judge"}, {"role": "user", "content": "[Context] 寿司"}),
    sampling={"temperature": 0.0, "max_tokens": 1024},
    repeat=1,
    attempt=0,
)


def traced(text, **values):
    reply = replied(text, started_at=1_700_000_000.5, seconds=2.0, **values)
    return trace_of(ITEM, Answered(INQUIRY, reply, is_new=True), label="heron-official.gpt-4-0125-preview")


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """A trace, the same again as after a lost answer, and a refusal."""
    settings = Settings(store=tmp_path_factory.mktemp("store"))
    with Tracker(settings).experiment_run(load_experiment("smoke"), tags={}) as run:
        run.log_trace(traced("8 6\nよい。"))
        run.log_trace(traced("8 6\nよい。"))
        run.log_trace({**traced(None, refusal="the content filter"), "id": "f" * 32})
    return MlflowClient(settings.mlflow_uri)


@pytest.fixture(scope="module")
def traces(database):
    experiment = database.get_experiment_by_name("llava-jp")
    found = database.search_traces(locations=[experiment.experiment_id], max_results=10)
    return {trace.info.state.value: trace for trace in found}, len(found)


def test_a_call_is_one_trace_however_often_it_is_delivered(traces):
    by_state, count = traces
    assert (set(by_state), count) == ({"OK", "ERROR"}, 2)


def test_a_trace_has_question_reply_time_tokens_and_its_run(traces, database):
    trace = traces[0]["OK"]
    (run,) = database.search_runs([trace.info.experiment_id])
    assert trace.info.trace_metadata["mlflow.sourceRun"] == run.info.run_id
    assert (trace.info.request_time, trace.info.execution_duration) == (1_700_000_000_500, 2000)
    assert trace.info.token_usage == {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120}
    assert trace.info.tags["item_id"] == "7"
    (span,) = trace.data.spans
    assert span.name == "judge 7"
    assert span.span_type == "CHAT_MODEL"
    assert span.inputs == {"messages": list(INQUIRY.messages)}
    assert span.outputs == {"role": "assistant", "content": "8 6\nよい。"}
    assert span.get_attribute("temperature") == 0.0
    assert (span.get_attribute("repeat"), span.get_attribute("served_model")) == (1, "gpt-4-0125-preview")


def test_a_refusal_is_an_error(traces):
    (span,) = traces[0]["ERROR"].data.spans
    assert span.get_attribute("refusal") == "the content filter"
    assert span.status.status_code.value == "ERROR"


def test_a_trace_is_plain_json():
    assert json.loads(json.dumps(traced("8 6")))["attributes"]["reply_key"] == INQUIRY.key
