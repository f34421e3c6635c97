"""A real MLflow server: answers, dies in the middle, comes back; and what a browser shows of it."""

import socket
import time
from pathlib import Path

import pytest
from browser import Browser, free_port, is_installed
from conftest import Server
from mlflow import MlflowClient
from shown import children_of, curve
from told import AT, EPOCHS, record, summary, tell_trial

from tunelab.errors import InputError, StoreError, TrackingError
from tunelab.tracking import MLflowTracker
from tunelab.tracking.ui import address, latest_comparison, serve
from tunelab.trial import State

COMPLETE = (State.COMPLETE,)


def test_a_server_that_dies_and_comes_back_shows_everything(server: Server, folder: Path) -> None:
    tracker = MLflowTracker(server.uri)
    tracker.begin(record(folder, experiment="outage"), AT)
    for number in range(8):
        tell_trial(tracker, number, State.COMPLETE)
    client = MlflowClient(server.uri)
    until = time.monotonic() + 20
    while not children_of(client, "outage"):
        assert time.monotonic() < until
        time.sleep(0.05)
    server.stop()
    for number in range(8, 16):
        tell_trial(tracker, number, State.COMPLETE)
    server.start()
    mirror = tracker.finish(summary(COMPLETE * 16), AT + 100)
    children = children_of(client, "outage")
    assert {number: run.info.run_id for number, run in children.items()} == mirror.runs
    assert sorted(children) == list(range(16))
    for run in children.values():
        assert run.info.status == "FINISHED"
        assert [step for step, _ in curve(client, run.info.run_id, "lr")] == list(range(1, EPOCHS + 1))
    assert (mirror.url or "").startswith(f"{server.uri}/#/experiments/{mirror.experiment_id}/runs?")


def test_a_server_that_stays_dead_leaves_the_rest_in_the_spool(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunelab.tracking.writer_process._PATIENCE", 3.0)
    tracker = MLflowTracker(server.uri)
    tracker.begin(record(folder, experiment="dead"), AT)
    server.stop()
    tell_trial(tracker, 0, State.COMPLETE)
    with pytest.raises(TrackingError, match=r"spool\.jsonl.*nothing is lost"):
        tracker.finish(summary(COMPLETE), AT + 100)
    tracker.close()
    server.start()


def test_nothing_that_answers_is_refused_at_once(folder: Path) -> None:
    began = time.monotonic()
    with pytest.raises(StoreError, match="refused") as refusal:
        MLflowTracker(f"http://ada:secret@127.0.0.1:{free_port()}").begin(record(folder), AT)
    assert time.monotonic() - began < 6
    assert "secret" not in str(refusal.value)
    assert not folder.exists()


def test_a_server_that_accepts_and_says_nothing_is_refused_in_time(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(StoreError, match="timed out"):
            MLflowTracker(f"http://127.0.0.1:{silent.getsockname()[1]}").begin(record(folder), AT)
        assert time.monotonic() - began < 15


@pytest.mark.parametrize("port", [5060, 5061])
def test_a_port_that_browsers_refuse_is_refused(port: int) -> None:
    with pytest.raises(InputError, match=str(port)):
        serve("sqlite:///x.db", port)


@pytest.mark.skipif(not is_installed(), reason="needs Debian's chromium and chromium-driver")
def test_the_link_opens_on_the_comparison(server: Server, tmp_path: Path) -> None:
    """A person sees curves, parallel coordinates, and learning rate against objective: without a click."""
    folder = tmp_path / "studies" / "seen-1"
    tracker = MLflowTracker(server.uri)
    tracker.begin(record(folder, experiment="seen"), AT)
    for number in range(12):
        tell_trial(tracker, number, State.COMPLETE)
    mirror = tracker.finish(summary(COMPLETE * 12), AT + 100)
    path = latest_comparison(tmp_path / "studies", server.uri)
    assert mirror.url == address(server.uri, 0) + (path or "")
    browser = Browser()
    try:
        browser.open(mirror.url)
        browser.wait_for("return document.querySelectorAll('.parcoords .y-axis').length >= 4")
        browser.wait_for("return document.querySelectorAll('.scatterlayer .trace, .gl-container canvas').length > 0")
        text = browser.wait_for("const t = document.body.innerText; return t.includes('train_loss') && t")
        browser.screenshot(tmp_path / "comparison.png")
    finally:
        browser.close()
    for seen in ("log10 optimizer.lr", "objective", "val_accuracy", "Parallel Coordinates", "12 matching runs"):
        assert seen in text
