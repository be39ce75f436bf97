import subprocess
import sys
import threading
import time

from pipeline.evaluation.judge.headline import read_judge_scores
from pipeline.store.artifacts import ArtifactStore
from tests.support.judge_server import serving, verdict
from tests.support.judged_benchmark import judged
from tests.support.shared_data import REPOSITORY


def start(store, url) -> subprocess.Popen:
    command = [sys.executable, "-m", "tests.support.judge_once", str(store.root), url]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)


def test_a_run_that_is_killed_half_way_goes_on_where_it_was_and_asks_for_nothing_twice(tmp_path):
    undisturbed, _ = judged(ArtifactStore(tmp_path / "undisturbed"))
    store = ArtifactStore(tmp_path / "store")
    half, goes_on = threading.Semaphore(50), threading.Event()

    def script(item, _count):
        if not goes_on.is_set() and not half.acquire(blocking=False):
            goes_on.wait(30)  # the first run gets 50 replies and waits for the others
        return verdict(item)

    def num_kept() -> int:
        return len(list((store.root / "judge_replies").rglob("*.json")))

    with serving(script) as server:
        first = start(store, server.url)
        deadline = time.monotonic() + 60
        while num_kept() < 50 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert num_kept() == 50
        first.kill()
        first.wait()
        assert not list(store.root.glob("artifacts/judgements/*"))
        answered_first = dict(server.delivered)
        goes_on.set()
        second = start(store, server.url)
        printed, _ = second.communicate(timeout=60)
        assert second.returncode == 0
    assert sum(answered_first.values()) == 50
    assert [server.asked[item] for item in answered_first] == [1] * 50
    assert read_judge_scores(store.by_fingerprint(printed.strip())) == read_judge_scores(undisturbed)
