"""A real MLflow server: answers, dies in the middle, comes back; and what a browser shows of it."""

import re
import socket
import time
from pathlib import Path

import pytest
from browser import Browser, is_installed
from conftest import Server
from leaving_server import leaving_server
from mlflow import MlflowClient
from ports import free_port
from shown import children_of, curve, wait_until
from told import AT, EPOCHS, record, summary, tell_trial

from tunelab import Experiment
from tunelab.errors import InputError, StoreError
from tunelab.models import MLP
from tunelab.study import Snapshot
from tunelab.study.study_file import StudyFile
from tunelab.tracking import MLflowTracker
from tunelab.tracking.mirror_state import MirrorState
from tunelab.tracking.sync import sync
from tunelab.tracking.ui import HOST, address, comparison, serve
from tunelab.trial import State

COMPLETE = (State.COMPLETE,)
TITLES = "Array.from(document.querySelectorAll('.xtitle')).map(title => title.textContent)"


def test_a_server_that_dies_and_comes_back_shows_everything(server: Server, folder: Path) -> None:
    tracker = MLflowTracker(server.uri)
    tracker.begin(record(folder, experiment="outage"), AT)
    for number in range(8):
        tell_trial(tracker, number, State.COMPLETE)
    client = MlflowClient(server.uri)
    wait_until(lambda: children_of(client, "outage"))
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


def test_a_server_that_stays_dead_leaves_the_rest_in_the_spool(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunelab.tracking.writer_process._PATIENCE", 2.0)
    tracker = MLflowTracker(leaving_server())
    tracker.begin(record(folder), AT)
    tell_trial(tracker, 0, State.COMPLETE)
    told: list[int] = []
    tracker.watched_by(told.append)
    mirror = tracker.finish(summary(COMPLETE), AT + 100)
    tracker.close()
    assert (mirror.runs, mirror.url, set(told)) == ({}, None, {0})
    assert re.search(
        rf"\(nothing came through for 2 s: .*\): {EPOCHS + 4} events wait in .*spool\.jsonl, and nothing is lost; "
        rf"when it answers: tunelab sync {folder} --tracking-uri http://127\.0\.0\.1:\d+$",
        mirror.incomplete or "",
    )


def test_a_study_that_ends_without_its_server_is_returned_and_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunelab.tracking.writer_process._PATIENCE", 2.0)
    experiment = Experiment(name="alone", data="wine", model=MLP(width=8), optimizer="adam", epochs=2)
    uri = leaving_server()
    study = experiment.run(trials=3, register="wine", tracking_uri=uri, executor="inline", folder=tmp_path)
    assert [result.state for result in study.trials] == ["complete"] * 3
    assert study.mirror.incomplete in study.notes
    assert StudyFile.load(study.folder).finished
    assert sync(study.folder, f"sqlite:///{tmp_path}/mlflow.db") is None
    shown = children_of(MlflowClient(f"sqlite:///{tmp_path}/mlflow.db"), "alone")
    assert {number: run.data.metrics["objective"] for number, run in shown.items()} == {
        result.trial.number: result.value for result in study.trials
    }
    assert MirrorState.load(study.folder).registered == "models:/wine/1"


def test_a_study_that_is_stopped_without_its_server_says_what_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunelab.tracking.writer_process._PATIENCE", 1.0)
    experiment = Experiment(name="alone", data="wine", model=MLP(width=8), optimizer="adam", epochs=2)

    def watch(snapshot: Snapshot) -> None:
        raise KeyboardInterrupt

    uri = leaving_server()
    with pytest.raises(KeyboardInterrupt) as stopped:
        experiment.run(trials=3, tracking_uri=uri, executor="inline", folder=tmp_path, watch=watch)
    (note,) = stopped.value.__notes__
    assert f"events wait in {tmp_path}/alone-1/spool.jsonl" in note
    assert not StudyFile.load(tmp_path / "alone-1").finished


def test_nothing_that_answers_is_refused_at_once(folder: Path) -> None:
    began = time.monotonic()
    with pytest.raises(StoreError, match="refused") as refusal:
        MLflowTracker(f"http://ada:secret@127.0.0.1:{free_port()}").begin(record(folder), AT)
    assert time.monotonic() - began < 6
    assert "secret" not in str(refusal.value)
    assert not folder.exists()


def test_a_server_that_accepts_and_says_nothing_is_refused_in_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunelab.tracking.server_check._TIMEOUT", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(StoreError, match="timed out"):
            MLflowTracker(f"http://127.0.0.1:{silent.getsockname()[1]}").begin(record(folder), AT)
        assert time.monotonic() - began < 3


@pytest.mark.parametrize("port", [5060, 5061])
def test_a_port_that_browsers_refuse_is_refused(port: int) -> None:
    with pytest.raises(InputError, match=str(port)):
        serve("sqlite:///x.db", port)


def test_a_server_listens_on_this_machine_alone(server: Server) -> None:
    socket.create_connection((HOST, server.port), timeout=5).close()
    for other in ("127.0.0.2", "::1"):  # where only one that listens on all addresses would be
        with pytest.raises(OSError):  # noqa: PT011 - refused, or no such family of addresses here
            socket.create_connection((other, server.port), timeout=5).close()


@pytest.mark.skipif(not is_installed(), reason="needs Debian's chromium and chromium-driver")
def test_the_link_opens_on_the_comparison(server: Server, tmp_path: Path) -> None:
    """A person sees curves, parallel coordinates, and learning rate against objective: without a click."""
    folder = tmp_path / "studies" / "seen-1"
    tracker = MLflowTracker(server.uri)
    tracker.begin(record(folder, experiment="seen"), AT)
    for number in range(12):
        tell_trial(tracker, number, State.COMPLETE)
    mirror = tracker.finish(summary(COMPLETE * 12), AT + 100)
    assert mirror.url == address(server.uri, 0) + comparison(folder)
    browser = Browser()
    try:
        browser.open(mirror.url)
        browser.wait_for("return document.querySelectorAll('.parcoords canvas').length")
        browser.wait_for(f"return {TITLES}.includes('log10 optimizer.lr') && {TITLES}.includes('Step')")
        browser.wait_for("return document.querySelectorAll('.scatterlayer .trace').length >= 24")
        text = browser.text()
        browser.screenshot(tmp_path / "comparison.png")
    finally:
        browser.close()
    for seen in ("log10 optimizer.lr", "objective", "val_accuracy", "Parallel Coordinates", "12 matching runs"):
        assert seen in text
