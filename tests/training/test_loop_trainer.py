"""The worker's side of a loop: the oldest trial first, one report a round, one generator at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tunelab import Trial, experiment
from tunelab.training.loop_trainer import LoopJob, LoopTrainer
from tunelab.trial import STOPPED, Ended, Orders, Progress, State

STORY: list[str] = []


@pytest.fixture(autouse=True)
def _new_story() -> None:
    STORY.clear()


@experiment(minimize="loss")
def loop(trial: Trial) -> Iterator[Any]:
    """As many reports as it is told."""
    STORY.append(f"start {trial.number}")
    try:
        for epoch in range(int(trial.params["epochs"] or 0)):
            yield {"loss": float(epoch)}
    finally:
        STORY.append(f"end {trial.number}")


def trials(*epochs: int) -> tuple[Trial, ...]:
    return tuple(Trial(number, 0, {"epochs": each}) for number, each in enumerate(epochs))


def trainer(folder: Path, given: Any = loop) -> LoopTrainer:
    return LoopJob(given, folder).worker()


def told(progress: Progress) -> tuple[Any, ...]:
    reports = [(report.trial, report.epoch) for report in progress.reports]
    return progress.began, reports, [(end.trial, end.state) for end in progress.ended]


def test_the_oldest_trial_is_drawn_report_by_report_and_then_the_next(tmp_path: Path) -> None:
    worker = trainer(tmp_path)
    found = [told(worker.round(Orders(start=trials(2, 1))))] + [told(worker.round(Orders())) for _ in range(5)]
    assert found == [
        ((0,), [(0, 1)], []),
        ((), [(0, 2)], []),
        ((), [], [(0, State.COMPLETE)]),
        ((1,), [(1, 1)], []),
        ((), [], [(1, State.COMPLETE)]),
        ((), [], []),
    ]
    assert STORY == ["start 0", "end 0", "start 1", "end 1"]


def test_it_counts_one_member_of_one_in_a_round_that_trains_and_none_in_another(tmp_path: Path) -> None:
    worker = trainer(tmp_path)
    busy, idle = worker.round(Orders(start=trials(1))), trainer(tmp_path).round(Orders())
    assert (busy.members, busy.capacity) == (1, 1)
    assert busy.seconds > 0
    assert idle == Progress()


def test_a_trial_that_is_stopped_is_closed_before_another_report_is_drawn(tmp_path: Path) -> None:
    worker = trainer(tmp_path)
    worker.round(Orders(start=trials(9, 1, 1)))
    progress = worker.round(Orders(stop=(0, 1, 77)))
    assert progress.ended == (Ended(0, State.PRUNED, 1, 1, STOPPED), Ended(1, State.PRUNED, 0, 0, STOPPED))
    assert told(progress)[:2] == ((2,), [(2, 1)])
    assert STORY == ["start 0", "end 0", "start 2"]


def test_close_closes_what_runs_and_twice_is_once(tmp_path: Path) -> None:
    worker = trainer(tmp_path)
    worker.round(Orders(start=trials(9, 9)))
    worker.close()
    worker.close()
    assert STORY == ["start 0", "end 0"]


def test_each_trial_has_a_checkpoint_of_its_own_and_parameters_of_its_own(tmp_path: Path) -> None:
    @experiment(minimize="loss")
    def saving(trial: Trial) -> Iterator[Any]:
        assert trial.checkpoint is not None
        assert trial.checkpoint.load() is None
        trial.checkpoint.save(number=trial.number)
        trial.params["more"] = 1  # type: ignore[index]
        yield {"loss": 1.0}
        assert trial.checkpoint.load() == {"number": trial.number}

    given = trials(1, 1)
    worker = trainer(tmp_path / "checkpoints", saving)
    ended = [end for _ in range(5) for end in worker.round(Orders(start=given if not _ else ())).ended]
    assert [end.state for end in ended] == [State.COMPLETE] * 2
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["trial-0", "trial-1"]
    assert given == trials(1, 1), "what the engine holds is not theirs to change"


def test_each_kind_of_failure_is_printed_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    @experiment(minimize="loss")
    def failing(trial: Trial) -> Iterator[Any]:
        yield {"loss": 1.0}
        raise ValueError("odd" if trial.number % 2 else "even")

    worker = trainer(tmp_path, failing)
    ended = [end for _ in range(10) for end in worker.round(Orders(start=trials(1, 1, 1, 1) if not _ else ())).ended]
    assert [end.state for end in ended] == [State.FAILED] * 4
    printed = capsys.readouterr().err
    assert printed.count("Traceback") == 2
    assert "trial 0 of failing failed: ValueError: even (test_loop_trainer.py, line " in printed
    assert "trial 1 of failing failed: ValueError: odd" in printed
