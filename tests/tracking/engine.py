"""An engine that is killed: tells of trials from a process of its own until it dies.

`python engine.py <folder> <trials>`: then it leaves one trial open and waits.
"""

import sys
import time
from pathlib import Path

from told import AT, metrics, record, tell_trial, trial

from tunelab.tracking import MLflowTracker
from tunelab.trial import Report, State

if __name__ == "__main__":
    count = int(sys.argv[2])
    tracker = MLflowTracker()
    tracker.begin(record(Path(sys.argv[1])), AT)
    for number in range(count):
        tell_trial(tracker, number, State.COMPLETE)
    tracker.start(trial(count), AT + 10)
    tracker.report(Report(count, 1, 20, metrics(count, 1)), AT + 11)
    print("told", flush=True)
    time.sleep(600)
