"""How many requests a server is sent at once: as many as it answers faster for, and no more.

A server that works on several requests together answers more of them a second the more it has, up to a point; beyond it
each answer only takes longer. So the number grows while the rate of answers grows with it, goes back when the rate does
not, and is halved when the server refuses. Once found, it is tried anew from time to time: servers get other company.
When answers come much slower than they did, the number falls as long as that costs nothing.
"""

import math
import threading
import time
from collections.abc import Callable

FIRST = 8
GROWTH = 1.5
GAIN = 0.4
"""So much of what more requests could bring at best they must bring to be worth it."""
LOSS = 0.6
"""So much slower answers mean that the server has other work."""
SAME = 0.9
"""A rate like this is the same one."""
ROUNDS_HELD = 10
"""Until it is tried whether more are worth it now."""


class Pace:
    """The number for one server. Threads may tell of trouble; answers are counted by one."""

    def __init__(self, *, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = min(FIRST, most)
        self._most = most
        self._clock = clock
        self._guard = threading.Lock()
        self._proven, self._rate = self.limit, 0.0
        """What was found to be worth it, and how many answers came a second then."""
        self._num_held = ROUNDS_HELD
        self._is_falling = False
        self._start, self._num_answers, self._is_refused = clock(), 0, False

    def answered(self) -> None:
        """One more answer came."""
        with self._guard:
            self._num_answers += 1
            if self._num_answers == self.limit:
                self._start = self._clock()  # those before were asked for among another number
            elif self._num_answers >= 3 * self.limit:
                self._end_round(2 * self.limit / max(self._clock() - self._start, 1e-9))

    def refused(self) -> None:
        """The server was busy, or gone. What was asked at once is refused at once: a round halves the number once."""
        with self._guard:
            if not self._is_refused:
                self.limit = self._proven = max(1, self.limit // 2)
                self._rate, self._num_held, self._is_falling = 0.0, 0, False
                self._begin()
                self._is_refused = True

    def _begin(self) -> None:
        self._start, self._num_answers, self._is_refused = self._clock(), 0, False

    def _end_round(self, rate: float) -> None:
        """Keep what was tried, or go back; hold what is proven for some rounds, then try more."""
        is_tried = self.limit > self._proven
        worth_it = self._rate * (1 + GAIN * (self.limit / self._proven - 1))
        if is_tried and rate < worth_it:
            self.limit, self._num_held = self._proven, 0
        elif is_tried or self._num_held >= ROUNDS_HELD:
            self._proven, self._rate = self.limit, rate
            self.limit = min(self._most, math.ceil(GROWTH * self.limit))
        elif self._is_falling and rate < SAME * self._rate:
            self._is_falling, self._num_held = False, 0
            self.limit = self._proven = min(self._most, math.ceil(GROWTH * self.limit))
        elif self._is_falling or rate < LOSS * self._rate:
            self._is_falling, self._rate = True, rate
            self.limit = self._proven = max(1, math.floor(self.limit / GROWTH))
        else:
            self._num_held += 1
        self._begin()
