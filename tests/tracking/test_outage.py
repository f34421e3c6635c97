"""A tracking server that is away in the middle of a study: training goes on, and nothing is missing afterwards."""

import time
from pathlib import Path
from typing import Any

import pytest
from conftest import Server
from mlflow import MlflowClient

from tunelab import Choice, Experiment, Float
from tunelab.models import MLP
from tunelab.optimizers import SGD, Adam
from tunelab.study import Snapshot, run

EPOCHS = 4


@pytest.mark.parametrize(("seconds", "trials"), [(0, 150), pytest.param(60, 6_000, marks=pytest.mark.soak)])
def test_training_goes_on_and_everything_is_shown_afterwards(
    seconds: float, trials: int, server: Server, tmp_path: Path
) -> None:
    gone: list[tuple[int, float]] = []
    back: list[int] = []

    def watch(snapshot: Snapshot) -> None:
        if not gone and snapshot.done >= 20:
            server.stop()
            gone.append((snapshot.done, time.monotonic()))
        elif gone and not back and snapshot.done >= 100 and time.monotonic() - gone[0][1] >= seconds:
            server.start()
            back.append(snapshot.done)

    rates = Float(1e-3, 0.1, log=True)
    experiment = Experiment(
        name=f"outage-{trials}",
        data="wine",
        model=MLP(width=8),
        optimizer=Choice(SGD.search(lr=rates), Adam.search(lr=rates)),
        epochs=EPOCHS,
    )
    study = run(experiment, trials=trials, sampler="random", tracking_uri=server.uri, folder=tmp_path, watch=watch)
    assert back[0] - gone[0][0] >= 20, "trials ended while nobody took what they reported"
    check_shown(MlflowClient(server.uri), experiment.name, {each.trial.number: each for each in study.trials})


def check_shown(client: MlflowClient, name: str, results: dict[int, Any]) -> None:
    runs = {}
    token = None
    while True:
        page = client.search_runs([client.get_experiment_by_name(name).experiment_id],
                                  "tags.`tunelab.trial` != ''", page_token=token)  # fmt: skip
        for each in page:
            assert runs.setdefault(int(each.data.tags["tunelab.trial"]), each) is each, "a trial has one run"
        token = page.token
        if not token:
            break
    assert runs.keys() == results.keys()
    for number, shown in runs.items():
        result = results[number]
        assert (shown.info.status, shown.data.metrics["objective"]) == ("FINISHED", result.value)
        assert shown.data.params["optimizer.lr"] == str(result.trial.params["optimizer.lr"])
    for number in list(runs)[:: max(1, len(runs) // 200)]:
        points = client.get_metric_history(runs[number].info.run_id, "val_loss")
        curve = results[number].curves["val_loss"]
        assert [(point.step, point.value) for point in points] == list(zip(curve.epochs, curve.values, strict=True))
