"""optuna-dashboard shows a study of tunelab like any other of Optuna's."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from ports import free_port

from tunelab.trial import State

from .rig import search, wine

START = "from optuna_dashboard._cli import main; main()"


@contextmanager
def dashboard(storage: str) -> Iterator[str]:
    """Serve a storage on this machine alone; yield the address."""
    port = free_port()
    command = [sys.executable, "-c", START, storage, "--host", "127.0.0.1", "--port", str(port), "--server", "wsgiref"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def answer(url: str) -> Any:
    deadline = time.monotonic() + 60
    while True:
        try:
            with urlopen(url) as page:
                return json.load(page)
        except URLError:
            assert time.monotonic() < deadline, f"no answer from {url}"
            time.sleep(0.1)


@pytest.mark.parametrize("place", ["journal", "database"])
def test_it_shows_every_trial_with_its_value_and_its_curve(place: str, tmp_path: Path) -> None:
    url = None if place == "journal" else f"sqlite:///{tmp_path}/optuna.db"
    study = search(wine(), tmp_path, trials=20, pruner="median", storage=url)
    assert study.counts()[State.PRUNED] > 0
    with dashboard(url or str(study.folder / "optuna.journal")) as address:
        (summary,) = answer(f"{address}/api/studies")["study_summaries"]
        assert (summary["study_name"], summary["directions"]) == ("wine-1", ["maximize"])
        shown = answer(f"{address}/api/studies/{summary['study_id']}?after=0")["trials"]
    assert [trial["number"] for trial in shown] == list(range(20))
    for trial, result in zip(shown, study.trials, strict=True):
        assert trial["state"] == {"complete": "Complete", "pruned": "Pruned"}[result.state]
        curve = result.curves["val_accuracy"]
        assert trial["values"] == [curve.values[-1]]
        assert [(each["step"], each["value"]) for each in trial["intermediate_values"]] == list(
            zip(curve.epochs, curve.values, strict=True)
        )
