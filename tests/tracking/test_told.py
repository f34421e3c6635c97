"""What a spool says in the end."""

from pathlib import Path

from told import AT, EPOCHS, metrics, record, trial

from tunelab.tracking.spool import SPOOL, EpochReported, Event, Spool, StudyBegan, StudyClosed, TrialEnded, TrialStarted
from tunelab.tracking.told import Told
from tunelab.trial import OBJECTIVE, Report, State


def said(folder: Path, *events: Event) -> Told:
    spool = Spool(folder / SPOOL)
    for event in (StudyBegan(record(folder), "run.py", AT), *events):
        spool.append(event)
    spool.close()
    return Told(folder / SPOOL)


def reported(number: int, *epochs: int) -> list[Event]:
    return [EpochReported(Report(number, epoch, epoch, metrics(number, epoch)), AT + epoch) for epoch in epochs]


def test_a_trial_that_was_interrupted_and_goes_on(tmp_path: Path) -> None:
    """Epochs that it told twice are there once; its first line is where it started first."""
    told = said(
        tmp_path,
        TrialStarted(trial(0), AT),
        *reported(0, 1, 2),
        TrialEnded(0, State.INTERRUPTED, None, "a break", AT + 2),
        TrialStarted(trial(0), AT + 3),
        *reported(0, 1, 2, 3, 4),
        TrialEnded(0, State.COMPLETE, 0.5, None, AT + 9),
    )
    (found,) = told.trials.values()
    assert (found.state, found.reason, found.epoch) == (State.COMPLETE, None, EPOCHS)
    assert found.points == dict.fromkeys(metrics(0, 1), (EPOCHS, EPOCHS)) | {OBJECTIVE: (1, EPOCHS)}
    assert found.hyperparameters == len(trial(0).params)
    assert (told.at, told.stop) == (AT + 9, (tmp_path / SPOOL).stat().st_size)
    assert told.metric_names == list(metrics(0, 1))
    assert (tmp_path / SPOOL).read_bytes()[found.line :].startswith(b'{"event": "start"')


def test_a_study_that_was_closed_has_interrupted_what_trained(tmp_path: Path) -> None:
    told = said(tmp_path, TrialStarted(trial(0), AT), TrialStarted(trial(1), AT), *reported(1, 1), StudyClosed(AT + 5))
    assert {number: found.state for number, found in told.trials.items()} == dict.fromkeys((0, 1), State.INTERRUPTED)
    assert told.last_word is not None
    assert told.last_word.event == StudyClosed(AT + 5)


def test_a_trial_that_trains_has_no_state(tmp_path: Path) -> None:
    told = said(tmp_path, TrialStarted(trial(0), AT), *reported(0, 1))
    assert told.trials[0].state is None
    assert told.last_word is not None
    assert told.last_word.start == 0
