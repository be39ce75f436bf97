import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor

from pipeline.core.pixel_budget import PixelBudget, pixel_budget, renew_pixel_budget


def test_threads_never_hold_more_pixels_than_there_may_be():
    budget, guard, now, most = PixelBudget(100), threading.Lock(), [0], []

    def decode(num_pixels):
        with budget.taking(num_pixels):
            with guard:
                now[0] += num_pixels
                most.append(now[0])
            threading.Event().wait(0.002)
            with guard:
                now[0] -= num_pixels

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(decode, [60, 30, 10, 99, 1] * 8))
    assert max(most) <= 100
    assert len(most) == 40


def test_an_image_larger_than_all_there_may_be_is_decoded_alone():
    budget = PixelBudget(100)
    taken = threading.Event()

    def take():
        with budget.taking(1):
            taken.set()

    with budget.taking(1000):
        thread = threading.Thread(target=take)
        thread.start()
        assert not taken.wait(0.05)
    assert taken.wait(5)
    thread.join()


def _hold(budget, is_holding, may_go):
    with budget.taking(80):
        is_holding.set()
        may_go.wait(5)


def test_a_forked_decoder_takes_from_the_same_budget():
    context, budget = multiprocessing.get_context("fork"), PixelBudget(100)
    is_holding, may_go = context.Event(), context.Event()
    child = context.Process(target=_hold, args=(budget, is_holding, may_go))
    child.start()
    assert is_holding.wait(10)
    taken = threading.Event()

    def take():
        with budget.taking(30):
            taken.set()

    thread = threading.Thread(target=take)
    thread.start()
    assert not taken.wait(0.05)
    may_go.set()
    assert taken.wait(5)
    thread.join()
    child.join()


def test_what_fails_gives_its_pixels_back():
    budget = PixelBudget(10)
    for _ in range(3):
        try:
            with budget.taking(10):
                raise ValueError
        except ValueError:
            pass


def test_threads_that_begin_at_once_have_one_budget():
    renew_pixel_budget()
    barrier = threading.Barrier(8)

    def begin(_):
        barrier.wait()
        return pixel_budget()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(begin, range(8)))) == 1
