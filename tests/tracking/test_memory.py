from pathlib import Path

from told import STATES, record, summary, tell_study, tell_trial

from tunelab.tracking import MemoryTracker
from tunelab.trial import State


def test_it_keeps_what_it_is_told(tmp_path: Path) -> None:
    tracker = MemoryTracker()
    tell_study(tracker, record(tmp_path))
    mirror = tracker.finish(summary(), 2e9)
    tracker.close()
    assert [tracked.state for tracked in tracker.trials.values()] == list(STATES)
    assert tracker.trials[0].curve("val_accuracy").epochs == (1, 2, 3, 4)
    assert tracker.summary == summary()
    assert set(mirror.runs) == set(range(6))
    assert tracker.closed


def test_a_trial_that_goes_on_keeps_its_reports_once(tmp_path: Path) -> None:
    tracker = MemoryTracker()
    tracker.begin(record(tmp_path), 0.0)
    tell_trial(tracker, 0, State.INTERRUPTED, epochs=2)
    tell_trial(tracker, 0, State.COMPLETE, epochs=4)
    assert tracker.trials[0].curve("lr").epochs == (1, 2, 3, 4)
    assert tracker.trials[0].state is State.COMPLETE
    assert tracker.trials[0].reason is None
