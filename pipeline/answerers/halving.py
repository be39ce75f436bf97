"""A batch that does not fit into the device's memory is asked in halves; a single question that does not fit, fails."""

import gc
import logging
from collections.abc import Callable, Sequence

import torch

from pipeline.answering import Question, Unanswered

log = logging.getLogger(__name__)

Answer = Callable[[Sequence[Question]], list[str | Unanswered]]


def in_halves(answer: Answer, questions: Sequence[Question]) -> list[str | Unanswered]:
    """Answers in order, with as few questions at a time as the memory of the device makes necessary."""
    try:
        return answer(questions)
    except torch.OutOfMemoryError as error:
        reason = str(error).splitlines()[0]
    gc.collect()  # outside of the handler: the traceback holds what has to go
    torch.cuda.empty_cache()
    if len(questions) == 1:
        return [Unanswered(f"the device has too little memory for this one question: {reason}")]
    log.warning("%d questions do not fit into the device's memory at once; they are asked in halves", len(questions))
    middle = len(questions) // 2
    return in_halves(answer, questions[:middle]) + in_halves(answer, questions[middle:])
