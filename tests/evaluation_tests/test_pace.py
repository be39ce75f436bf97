import heapq

import pytest

from pipeline.evaluation.pace import Pace


class SimulatedServer:
    """Answers ``capacity`` requests at once in a second each; with more each takes longer. Refuses beyond a number."""

    def __init__(self, capacity, *, refuses_from=10_000):
        self.capacity, self.refuses_from = capacity, refuses_from
        self.now, self.under_way, self.num_asked = 0.0, [], 0

    def ask(self, num_answers, pace):
        """Seconds that so many answers take."""
        start = self.now
        for _ in range(num_answers):
            while len(self.under_way) < pace.limit:
                self.num_asked += 1
                if len(self.under_way) + 1 >= self.refuses_from:
                    pace.refused()
                    continue
                seconds = max(1.0, (len(self.under_way) + 1) / self.capacity) * (0.9 + self.num_asked % 7 / 35)
                heapq.heappush(self.under_way, self.now + seconds)
            self.now = heapq.heappop(self.under_way)
            pace.answered()
        return self.now - start


@pytest.mark.parametrize(("capacity", "fewest", "most"), [(1, 6, 18), (8, 8, 18), (32, 24, 64), (200, 64, 64)])
def test_the_number_grows_as_long_as_the_server_gets_faster(capacity, fewest, most):
    server = SimulatedServer(capacity)
    pace = Pace(most=64, clock=lambda: server.now)
    server.ask(2000, pace)
    assert fewest <= pace.limit <= most
    assert 500 / server.ask(500, pace) > 0.8 * min(capacity, 64)


def test_a_server_that_refuses_is_asked_less_and_later_tried_again():
    server = SimulatedServer(100, refuses_from=12)
    pace = Pace(most=64, clock=lambda: server.now)
    limits = []
    for _ in range(1000):
        server.ask(1, pace)
        limits.append(pace.limit)
    assert max(limits) <= 18
    assert 4 <= sum(limits[500:]) / 500 < 12


def test_what_was_asked_at_once_and_refused_at_once_halves_the_number_once():
    pace = Pace(most=64, clock=lambda: 0.0)
    for _ in range(8):
        pace.refused()
    assert pace.limit == 4


def test_a_server_that_gets_slower_is_asked_less_and_one_that_gets_faster_more():
    server = SimulatedServer(32)
    pace = Pace(most=64, clock=lambda: server.now)
    server.ask(1500, pace)
    busy = pace.limit
    server.capacity = 2
    server.ask(1500, pace)
    assert pace.limit < busy / 2
    server.capacity = 64
    server.ask(3000, pace)
    assert pace.limit > busy / 2


def test_one_at_a_time_stays_one_at_a_time():
    server = SimulatedServer(8)
    pace = Pace(most=1, clock=lambda: server.now)
    server.ask(100, pace)
    pace.refused()
    assert pace.limit == 1
