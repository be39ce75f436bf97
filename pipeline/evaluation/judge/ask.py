"""Asks a judge about all answers at once, as many inquiries at a time as it allows, and keeps what it replies.

An item whose reply cannot be read is asked about again. One that gets no reply does not stop the others, unless the
judge seems to be gone.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from pipeline.core.errors import JudgeError, TransientError
from pipeline.core.progress import Progress
from pipeline.evaluation.chat_completion import most_tokens
from pipeline.evaluation.inquiry import Inquiry, Reply
from pipeline.evaluation.judge.parse import parse_reply
from pipeline.evaluation.judge.prompt import JudgePrompt
from pipeline.evaluation.judge.protocols import Judging
from pipeline.evaluation.judge.replies import Answered, ReplyCache
from pipeline.evaluation.judge.rows import JudgedItem
from pipeline.evaluation.openai_client import CeilingReachedError, Judge

log = logging.getLogger(__name__)

FEWEST_FAILURES = 3
"""So many items in a row without a reply, or one for each thread, mean that the judge is gone."""

OnReply = Callable[[JudgedItem, Answered], None]
"""Told of every reply that was asked for now."""


@dataclass(frozen=True, slots=True)
class Asked:
    """All replies to one item in one repeat; ``missing`` says why the last one did not come, if so."""

    replies: tuple[Reply, ...]
    missing: str | None


@dataclass(frozen=True, slots=True)
class Asker:
    """What the inquiries of one run share."""

    config: Judging
    prompt: JudgePrompt
    judge: Judge
    cache: ReplyCache
    on_reply: OnReply

    def ask_all(self, answers: Mapping[JudgedItem, str]) -> dict[tuple[JudgedItem, int], Asked]:
        """The replies about every answer, by item and repeat.

        Raises:
            JudgeError: the judge cannot be asked, or may not cost more; what it replied is kept.
            TransientError: the judge is gone; what it replied is kept.
        """
        jobs = [(item, repeat) for repeat in range(self.config.repeats) for item in answers]
        self._announce(answers, jobs)
        stop = threading.Event()
        asked: dict[tuple[JudgedItem, int], Asked] = {}
        with ThreadPoolExecutor(max_workers=self.judge.max_concurrency) as pool:
            futures = {
                pool.submit(self._ask, item, answers[item], repeat, stop): (item, repeat) for item, repeat in jobs
            }
            try:
                self._collect(futures, asked)
            except CeilingReachedError as error:
                raise JudgeError(
                    f"the judge would cost more than LLAVA_JP_JUDGE_TOKEN_CEILING allows; {len(asked)} of {len(jobs)} "
                    "judgements are made and their replies are kept. Raise the ceiling and run the same command again"
                ) from error
            finally:
                stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
        return asked

    def needs_no_reply(self, answers: Mapping[JudgedItem, str]) -> bool:
        """Whether all replies about the answers are kept."""
        return all(
            self._is_kept(item, answer, repeat)
            for repeat in range(self.config.repeats)
            for item, answer in answers.items()
        )

    def _is_kept(self, item: JudgedItem, answer: str, repeat: int) -> bool:
        for attempt in range(self.config.attempts):
            reply = self.cache.find(self.inquiry(item, answer, repeat=repeat, attempt=attempt))
            if reply is None:
                return False
            if self._ends(reply):
                return True
        return True

    def inquiry(self, item: JudgedItem, answer: str, *, repeat: int, attempt: int) -> Inquiry:
        """What the judge is asked about an answer."""
        messages = tuple(dict(message) for message in self.prompt.messages(item, answer))
        return Inquiry(
            model=self.config.model, messages=messages, sampling=self.config.sampling, repeat=repeat, attempt=attempt
        )

    def _announce(self, answers: Mapping[JudgedItem, str], jobs: Sequence[tuple[JudgedItem, int]]) -> None:
        firsts = [self.inquiry(item, answers[item], repeat=repeat, attempt=0) for item, repeat in jobs]
        waiting = [inquiry for inquiry in firsts if self.cache.find(inquiry) is None]
        log.info(
            "%s judges %d answers: %d replies are kept, %d to ask for, at most %d tokens if all can be read",
            self.config.model,
            len(jobs),
            len(jobs) - len(waiting),
            len(waiting),
            sum(map(most_tokens, waiting)),
        )

    def _ask(
        self, item: JudgedItem, answer: str, repeat: int, stop: threading.Event
    ) -> tuple[list[Answered], str | None]:
        """In a thread: ask until a reply can be read, at most ``attempts`` times."""
        answered: list[Answered] = []
        for attempt in range(self.config.attempts):
            if stop.is_set():
                raise CancelledError
            inquiry = self.inquiry(item, answer, repeat=repeat, attempt=attempt)
            try:
                answered.append(self.cache.get(inquiry, lambda inquiry: self.judge.ask(inquiry, stop=stop)))
            except TransientError as error:
                return answered, str(error)
            except (JudgeError, CeilingReachedError):
                stop.set()
                raise
            if self._ends(answered[-1].reply):
                break
        return answered, None

    def _ends(self, reply: Reply) -> bool:
        """Whether another attempt would bring nothing that is wanted."""
        if reply.is_cut_off:
            return True
        return reply.text is not None and parse_reply(reply.text, self.prompt.wording.reading).status == "ok"

    def _collect(
        self,
        futures: Mapping[Future[tuple[list[Answered], str | None]], tuple[JudgedItem, int]],
        asked: dict[tuple[JudgedItem, int], Asked],
    ) -> None:
        progress = Progress("judge", total=len(futures), unit="answers")
        failures_in_a_row = 0
        for future in as_completed(futures):
            item, repeat = futures[future]
            try:
                answered, missing = future.result()
            except CancelledError:
                continue  # another one has failed for all, and says so when its turn comes
            asked[item, repeat] = Asked(tuple(one.reply for one in answered), missing)
            for one in answered:
                if one.is_new:
                    self.on_reply(item, one)
            failures_in_a_row = failures_in_a_row + 1 if missing else 0
            if failures_in_a_row >= max(FEWEST_FAILURES, self.judge.max_concurrency) and len(asked) < len(futures):
                raise TransientError(
                    f"{failures_in_a_row} items in a row got no reply, so the judge seems to be gone: {missing}. "
                    f"{len(asked) - failures_in_a_row} of {len(futures)} judgements are made and their replies are "
                    "kept; run the same command again"
                )
            progress.advance()
        progress.finish()
