"""A member goes on from its checkpoint as if nothing had happened; without one it begins anew, and ends the same."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from laws.runs import drawn, job, varied

from tunelab import Choice, Experiment
from tunelab.checkpoint import NEWEST, PREVIOUS, Checkpoint
from tunelab.optimizers import Adam, Momentum, Switch
from tunelab.training import trainer
from tunelab.training.member_checkpoint import trial_folder
from tunelab.training.trainer import Job, Trainer
from tunelab.trial import Ended, Going, Orders, Report, Trial

MADE = varied(epochs=6)
GIVEN = drawn(MADE, 5, seed=1)


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "SECONDS_A_CHECKPOINT", 0.0)


def made(folder: Path, experiment: Experiment = MADE) -> Job:
    return replace(job(experiment), checkpoints=folder)


def rounds(worker: Trainer, orders: Orders, wanted: int) -> tuple[list[Report], list[Ended]]:
    """Train until every trial has so many epochs, or nothing trains."""
    reports: list[Report] = []
    ended: list[Ended] = []
    while True:
        progress = worker.round(orders)
        orders = Orders()
        reports += progress.reports
        ended += progress.ended
        if not progress.members or (reports and min(r.epoch for r in progress.reports or reports) >= wanted):
            return reports, ended


def whole(experiment: Experiment, given: list[Trial]) -> dict[tuple[int, int], Any]:
    reports, _ = rounds(Trainer(job(experiment)), Orders(tuple(given)), 10**9)
    return {(each.trial, each.epoch): each for each in reports}


def going_on(folder: Path, experiment: Experiment, given: list[Trial], epoch: int) -> dict[tuple[int, int], Any]:
    worker = Trainer(made(folder, experiment))
    reports, ended = rounds(worker, Orders(going=tuple(Going(trial, epoch) for trial in given)), 10**9)
    assert {each.state.value for each in ended} == {"complete"}
    assert min(each.epoch for each in reports) == epoch + 1, "known epochs are not reported again"
    return {(each.trial, each.epoch): each for each in reports}


def test_trials_go_on_from_their_checkpoints(tmp_path: Path) -> None:
    expected = whole(MADE, GIVEN)
    worker = Trainer(made(tmp_path))
    rounds(worker, Orders(tuple(GIVEN)), 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"trial-{trial.number}" for trial in GIVEN]
    found = going_on(tmp_path, MADE, GIVEN, 4)
    assert found == {key: report for key, report in expected.items() if key[1] > 4}


def steps_taken(monkeypatch: pytest.MonkeyPatch, folder: Path, epoch: int) -> int:
    taken = 0
    real = trainer.Population.epoch

    def counted(self: Any) -> Any:
        nonlocal taken
        taken += len(self.members)
        return real(self)

    with monkeypatch.context() as patch:
        patch.setattr(trainer.Population, "epoch", counted)
        going_on(folder, MADE, GIVEN[:1], epoch)
    return taken


def test_what_a_checkpoint_holds_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Trainer(made(tmp_path))
    rounds(worker, Orders(tuple(GIVEN[:1])), 4)
    for population in worker._populations.values():
        worker._checkpoints.save(population.members[0])
    assert steps_taken(monkeypatch, tmp_path, 4) == 2
    assert steps_taken(monkeypatch, tmp_path / "empty", 4) == 6


@pytest.mark.parametrize("damage", ["newest", "both", "another trial's", "later"])
def test_whatever_happens_to_a_checkpoint_the_curve_is_the_same(damage: str, tmp_path: Path) -> None:
    expected = {key: report for key, report in whole(MADE, GIVEN[:1]).items() if key[1] > 2}
    rounds(Trainer(made(tmp_path)), Orders(tuple(GIVEN[:1])), 5 if damage == "later" else 2)
    home = trial_folder(tmp_path, GIVEN[0].number)
    for name in {"newest": [NEWEST], "both": [NEWEST, PREVIOUS]}.get(damage, []):
        if (home / name).exists():
            (home / name).write_bytes((home / name).read_bytes()[:-5] + b"wrong")
    trial = replace(GIVEN[0], seed=7) if damage == "another trial's" else GIVEN[0]
    if trial is not GIVEN[0]:
        expected = {key: report for key, report in whole(MADE, [trial]).items() if key[1] > 2}
    assert going_on(tmp_path, MADE, [trial], 2) == expected


def test_an_optimizer_that_hands_over_begins_anew_and_ends_the_same(tmp_path: Path) -> None:
    experiment = varied(epochs=6, optimizer=Switch(first=Adam(), second=Momentum(), at=0.5))
    given = drawn(experiment, 2, seed=0)
    expected = whole(experiment, given)
    rounds(Trainer(made(tmp_path, experiment)), Orders(tuple(given)), 4)
    assert not list(tmp_path.iterdir())
    assert going_on(tmp_path, experiment, given, 4) == {k: report for k, report in expected.items() if k[1] > 4}


def test_where_none_can_be_written_training_goes_on_and_says_so_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    worker = Trainer(made(tmp_path / "file"))
    notes = list(worker.round(Orders(tuple(GIVEN))).notes)
    for _ in range(8):
        notes += worker.round(Orders()).notes
    assert len({note for note in notes if "no checkpoint" in note}) == 1


def test_checkpoints_take_a_small_share_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = varied(epochs=30, batch_size=Choice(16))
    worker = Trainer(made(tmp_path, experiment))
    saved = 0
    real = worker._checkpoints.save

    def slow(member: Any) -> None:
        nonlocal saved
        saved += 1
        time.sleep(0.05)
        real(member)

    monkeypatch.setattr(worker._checkpoints, "save", slow)
    rounds(worker, Orders(tuple(drawn(experiment, 2, seed=0))), 10**9)
    assert 2 <= saved <= 6, "one of each member, and then not for fifteen times as long as that took"


def test_noise_of_dropout_goes_on_where_it_was(tmp_path: Path) -> None:
    from tunelab.models import MLP

    experiment = varied(epochs=5, model=MLP(width=8, depth=1, dropout=0.4))
    given = drawn(experiment, 2, seed=0)
    rounds(Trainer(made(tmp_path, experiment)), Orders(tuple(given)), 3)
    found = going_on(tmp_path, experiment, given, 3)
    assert found == {key: report for key, report in whole(experiment, given).items() if key[1] > 3}
    assert all(np.isfinite(list(report.metrics.values())).all() for report in found.values())


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't allocate memory: you tried to allocate 9 bytes")])
def test_for_want_of_memory_trials_have_no_checkpoint_and_train_on(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(Checkpoint, "save", refused)
    worker = Trainer(made(tmp_path))
    notes = worker.round(Orders(tuple(GIVEN))).notes
    assert [note for note in notes if "no memory" in note and "have no checkpoint" in note]
    _, ended = rounds(worker, Orders(), 10**9)
    assert {each.state.value for each in ended} == {"complete"}


def test_what_else_goes_wrong_in_a_checkpoint_is_heard_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Checkpoint, "save", refused)
    with pytest.raises(RuntimeError, match="a bug"):
        rounds(Trainer(made(tmp_path)), Orders(tuple(GIVEN)), 10**9)
