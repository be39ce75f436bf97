"""Faults of both servers: MLflow and Prefect away, slow, failing, killed in the middle and started again.

A run goes on; what MLflow was told arrives once and in order. A run that cannot go on says so, and the next one does.
"""

import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from pipeline.config.experiment import load_experiment
from pipeline.core.progress import Event
from pipeline.core.settings import Settings
from pipeline.store.manifest import Request
from pipeline.tracking import delivery
from pipeline.tracking.mlflow.client import set_up_mlflow
from pipeline.tracking.outbox import FOLDER
from pipeline.tracking.tracker import Tracker
from tests.campaign.cases import LostError
from tests.campaign.damage import EXPERIMENT
from tests.campaign.prefect_server import _free_port
from tests.campaign.runs import Ends, Runs, count, explained
from tests.support.mlflow_rest import RefusedHereError, TrackingServer

REQUEST = Request(step="pretrain", version=1, config={"stage": {"learning_rate": 0.001}})
FAULTS = ("", "", "500", "500", "hang up", "applied", "cut", "page", "endless", "bomb", "slow")
WEIGHTS = (6, 6, 4, 4, 4, 4, 3, 2, 1, 1, 0.2)
CALLS = ("experiments/get-by-name", "runs/create", "runs/log-batch", "runs/log-inputs", "metrics/get-history",
         "runs/search", "runs/update")  # fmt: skip
DELIVERIES_AT_ONCE = 5
SHARE_OF_RUNS = 0.1
"""Of the cases: whole runs, which take half a minute."""
SECONDS_OF_ABSENCE = 20.0
SECONDS_TO_DELIVER = 30.0


class Mlflow(TrackingServer):
    """What it does not know it refuses."""

    def answer(self, call: str, body: Any) -> Any:
        try:
            return super().answer(call, body)
        except AttributeError as error:
            raise RefusedHereError from error


class Servers:
    """Deliveries to a server with faults, and runs beside such servers."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        set_up_mlflow()

    def case(self, chance: random.Random, folder: Path) -> Mapping[str, int]:
        """Some deliveries, or one run."""
        ends: Ends = {}
        if chance.random() >= SHARE_OF_RUNS:
            for number in range(DELIVERIES_AT_ONCE):
                count(ends, deliver(chance, folder / str(number)))
            return ends
        store = self._runs.copy(folder, first_missing=chance.randrange(len(self._runs.addresses)))
        count(ends, (self._beside_mlflow if chance.random() < 0.5 else self._beside_prefect)(chance, store))
        self._runs.prefect.be_well()
        self._runs.require_same(store, f"{ends}")
        return ends

    def _beside_mlflow(self, chance: random.Random, store: Path) -> str:
        """A run while MLflow fails, and comes and goes."""
        server, port = Mlflow(store.parent / "mlflow"), _free_port()
        _have_faults(server, chance, most=30)
        uri = {"LLAVA_JP_TRACKING_URI": f"http://127.0.0.1:{port}"}
        with _coming_and_going(server, port, chance):
            code, text = self._runs.finished(store, "run", EXPERIMENT, **uri)
        explained(code, text, after="a run beside an MLflow with faults")
        if code:
            raise LostError(f"MLflow with faults stopped a run: {text[-600:]}")
        server.faults.clear()
        with server.listening(port):
            code, text = self._runs.finished(store, "deliver", **uri)
        if code:
            raise LostError(f"deliver ended with {code}: {text[-600:]}")
        _require_delivered(server, store, "a run beside an MLflow with faults")
        return "run beside MLflow"

    def _beside_prefect(self, chance: random.Random, store: Path) -> str:
        """A run while Prefect's server is slow, away, cuts answers off, or is killed and started again."""
        prefect, kind = self._runs.prefect, chance.choice(("slow", "away", "cut", "killed", "killed"))
        run = self._runs.start(store, "run", EXPERIMENT)
        try:
            if run.wait(chance.uniform(0.5, 10)) is None:
                self._disturb(kind, chance)
            code = run.wait(400)
        finally:
            run.end()
            prefect.be_well()
        text = run.log.read_text(encoding="utf-8", errors="replace")
        if code is None:
            raise LostError(f"beside a Prefect server that was {kind} a run was not over in 400 s: {text[-600:]}")
        return f"Prefect {kind}: {explained(code, text, after=f'a run beside a Prefect server that was {kind}')}"

    def _disturb(self, kind: str, chance: random.Random) -> None:
        prefect = self._runs.prefect
        match kind:
            case "slow":
                prefect.delay = chance.uniform(0.05, 1.0)
            case "cut":
                prefect.share_cut = chance.uniform(0.05, 0.5)
            case "away":
                prefect.is_shut = True
            case "killed":
                prefect.kill()
        time.sleep(chance.uniform(1, SECONDS_OF_ABSENCE))
        prefect.be_well()
        if kind == "killed":
            prefect.start()


def deliver(chance: random.Random, folder: Path) -> str:
    """Figures of a stage, told to a server with faults: each arrives once and in order."""
    server = Mlflow(folder / "mlflow")
    _have_faults(server, chance, most=6)
    num_steps = chance.randint(1, 40)
    with (
        server.listening() as uri,
        patch.multiple(delivery, FIRST_PAUSE_SECONDS=0.002, LONGEST_PAUSE_SECONDS=0.01, FAILURES_BEFORE_WARNING=2),
        patch.object(delivery, "SECONDS_FOR_AN_ABSENT_SERVER", 0.5),
    ):
        tracker = Tracker(Settings(store=folder / "store", tracking_uri=uri))
        with (
            tracker.experiment_run(load_experiment(EXPERIMENT), tags={}) as run,
            run.step("pretrain", REQUEST, []) as step,
        ):
            for number in range(num_steps):
                losses = [(number, {"loss": float(number), f"損失/{number % 3}": 1.0})]
                step.on_progress(Event("pretrain", number, num_steps, "optimizer steps", losses))
        server.faults.clear()
        end = time.monotonic() + SECONDS_TO_DELIVER
        while sorted((folder / "store" / FOLDER).glob("*-*")) and time.monotonic() < end:
            tracker.deliver()  # the thread of the run may still hold what it was about to deliver
            time.sleep(0.02)
    if (found := server.history("loss")) != [(number, float(number)) for number in range(num_steps)]:
        raise LostError(f"of {num_steps} figures MLflow has {found}")
    _require_delivered(server, folder / "store", "deliveries to an MLflow with faults")
    return "delivered"


def _require_delivered(server: TrackingServer, store: Path, after: str) -> None:
    if left := sorted((store / FOLDER).glob("*-*")):
        raise LostError(f"after {after} there is left in the outbox: {left}")
    if open_runs := [run["info"]["run_name"] for run in server.runs.values() if run["info"]["status"] == "RUNNING"]:
        raise LostError(f"after {after} these runs go on for MLflow: {open_runs}")
    own = [tag["value"] for run in server.runs.values() for tag in run["data"]["tags"] if tag["key"] == "llava_jp.run"]
    if len(own) != len(set(own)):
        raise LostError(f"after {after} a run was created twice")
    points = [point[:3] for point in server.metrics]
    if len(points) != len(set(points)):
        raise LostError(f"after {after} a figure arrived twice")


def _have_faults(server: TrackingServer, chance: random.Random, *, most: int) -> None:
    for call in CALLS:
        server.faults[call] = chance.choices(FAULTS, WEIGHTS, k=chance.randint(0, most))


@contextmanager
def _coming_and_going(server: TrackingServer, port: int, chance: random.Random) -> Iterator[None]:
    is_over = threading.Event()

    def come_and_go() -> None:
        while not is_over.wait(chance.uniform(0, 6)):
            with server.listening(port):
                is_over.wait(chance.uniform(0.5, 8))

    thread = threading.Thread(target=come_and_go, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
