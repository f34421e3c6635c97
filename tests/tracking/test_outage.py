"""A tracking server that is away in the middle of a study: training goes on, and nothing is missing afterwards."""

import sqlite3
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from conftest import Server
from mlflow import MlflowClient
from mlflow.entities import Run

from tunelab import Choice, Experiment, Float
from tunelab.models import MLP
from tunelab.optimizers import SGD, Adam
from tunelab.study import Snapshot, Study, run
from tunelab.trial import OBJECTIVE, Result

EPOCHS = 4
AWAY = 10  # trials that have ended when the server goes
BACK = 40  # trials that have ended when it comes back, at the earliest


class Outage:
    """Watches a study, and lets its server go and come back.

    Args:
        server: the server.
        how: `stop` (SIGTERM) and `kill` (SIGKILL) refuse connections from then on, `freeze` (SIGSTOP) takes them
            and says nothing, `none` leaves it there.
        seconds: how long at least.
    """

    def __init__(self, server: Server, how: str, seconds: float) -> None:
        self._go = {"stop": server.stop, "kill": server.kill, "freeze": server.freeze, "none": lambda: None}[how]
        self._come = {"freeze": server.thaw, "none": lambda: None}.get(how, server.start)
        self._seconds = seconds
        self.gone: tuple[int, float] | None = None
        self.back: tuple[int, float] | None = None
        self.last = 0, 0.0

    @property
    def rate(self) -> float:
        """Trials a second while it was away, until the last one."""
        assert self.gone
        return (self.last[0] - self.gone[0]) / (self.last[1] - self.gone[1])

    def __call__(self, snapshot: Snapshot) -> None:
        now = time.monotonic()
        if not self.back and snapshot.done > self.last[0]:
            self.last = snapshot.done, now
        if self.gone is None and snapshot.done >= AWAY:
            self._go()
            self.gone = snapshot.done, now
        elif self.gone and not self.back and snapshot.done >= BACK and now - self.gone[1] >= self._seconds:
            self.back = snapshot.done, now
            self._come()


@pytest.mark.parametrize("how", ["stop", "kill", "freeze"])
def test_training_goes_on_and_everything_is_shown_afterwards(
    how: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "3")
    study, outage = searched(how, 60, 0.0, server, tmp_path)
    assert outage.gone
    assert outage.back
    assert outage.back[0] - outage.gone[0] >= 20, "trials ended while nobody took what they reported"
    check_shown(study, server)


@pytest.mark.soak
def test_an_outage_of_a_minute(server: Server, tmp_path: Path) -> None:
    """Prints how fast training went meanwhile, beside a study whose server is there all the time."""
    for how in ("none", "kill", "freeze"):
        began = time.monotonic()
        study, outage = searched(how, 1_500, 60.0, server, tmp_path / how)
        took = time.monotonic() - began
        assert outage.back
        check_shown(study, server)
        print(f"{how}: {outage.rate:.1f} trials a second meanwhile, {took:.0f} s until MLflow showed all of it")


def searched(how: str, trials: int, seconds: float, server: Server, folder: Path) -> tuple[Study, Outage]:
    rates = Float(1e-3, 0.1, log=True)
    experiment = Experiment(
        name=f"outage-{how}-{trials}",
        data="wine",
        model=MLP(width=8),
        optimizer=Choice(SGD.search(lr=rates), Adam.search(lr=rates)),
        epochs=EPOCHS,
    )
    outage = Outage(server, how, seconds)
    study = run(experiment, trials=trials, sampler="random", tracking_uri=server.uri, folder=folder, watch=outage)
    return study, outage


def check_shown(study: Study, server: Server) -> None:
    """Every trial has one run, which says what came of it, and every metric of it at every epoch, once."""
    assert study.mirror.incomplete is None
    client = MlflowClient(server.store)
    points = all_points(server.store)
    assert client.get_run(study.mlflow_run_id).info.status == "FINISHED"
    shown = {int(each.data.tags["tunelab.trial"]): each for each in runs_of(client, study)}
    assert len(shown) == len(study.trials) == sum(1 for _ in runs_of(client, study))
    for result in study.trials:
        check_run(result, shown[result.trial.number])
        expected = {
            name: list(zip(curve.epochs, curve.values, strict=True)) for name, curve in result.curves.items()
        } | {OBJECTIVE: [(EPOCHS, result.value)]}
        assert points[shown[result.trial.number].info.run_id] == expected


def check_run(result: Result, shown: Run) -> None:
    assert shown.info.status == "FINISHED"
    assert shown.data.tags["tunelab.state"] == result.state
    assert shown.data.params["optimizer.lr"] == str(result.trial.params["optimizer.lr"])
    assert shown.data.metrics[OBJECTIVE] == result.value


def runs_of(client: MlflowClient, study: Study) -> list[Run]:
    found: list[Run] = []
    query, token = f"tags.`mlflow.parentRunId` = '{study.mlflow_run_id}'", None
    while True:
        page = client.search_runs([study.mlflow_experiment_id], query, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def all_points(store: str) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Return every point in the store, by run and metric; asking for one metric of one run at a time takes minutes."""
    found: Any = defaultdict(lambda: defaultdict(list))
    with sqlite3.connect(store.removeprefix("sqlite:///")) as connection:
        for run_id, name, step, value in connection.execute(
            "SELECT run_uuid, key, step, value FROM metrics ORDER BY step"
        ):
            found[run_id][name].append((step, value))
    connection.close()
    return found
