"""One call of the judge as a trace: what it was asked, what it replied, how long it took and what it cost."""

import hashlib
from typing import Any

from pipeline.evaluation.judge.replies import Answered
from pipeline.evaluation.judge.rows import JudgedItem


def trace_of(item: JudgedItem, answered: Answered, *, label: str) -> dict[str, Any]:
    """Plain values for ``TrackedRun.log_trace``; ``label`` is that of the judge's numbers.

    ``id`` makes the trace the same however often it is delivered.
    """
    inquiry, reply = answered.inquiry, answered.reply
    start = int(reply.started_at * 1e9)
    details = {
        "item_id": item.item_id,
        "category": item.category,
        "repeat": inquiry.repeat,
        "attempt": inquiry.attempt,
        "served_model": reply.served_model,
        "finish_reason": reply.finish_reason,
        "refusal": reply.refusal,
        "reply_key": inquiry.key,
        **inquiry.sampling,
    }
    return {
        "id": hashlib.sha256(f"{inquiry.key}/{start}".encode()).hexdigest()[:32],
        "name": f"judge {item.item_id}",
        "start_ns": start,
        "end_ns": start + int(reply.seconds * 1e9),
        "model": inquiry.model,
        "inputs": {"messages": list(inquiry.messages)},
        "outputs": {"role": "assistant", "content": reply.text},
        "is_error": reply.text is None,
        "num_input_tokens": reply.input_tokens,
        "num_output_tokens": reply.output_tokens,
        "attributes": {name: value for name, value in details.items() if value is not None},
        "tags": {"judge": label, "item_id": item.item_id, "category": item.category},
    }
