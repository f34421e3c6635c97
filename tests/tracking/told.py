"""A small study, as an engine tells it to a tracker."""

import math
import random
from pathlib import Path
from typing import Any

from tunelab.contracts import Tracker
from tunelab.trial import DataRecord, Report, State, StudyRecord, Summary, Trial

DATA = DataRecord("digits", "sklearn", "cd" * 32, {"train": 1437, "validation": 360, "test": 0}, 64, "classes", 10)
STATES = (State.COMPLETE, State.COMPLETE, State.PRUNED, State.DIVERGED, State.FAILED, State.INTERRUPTED)
EPOCHS = 4
AT = 1.7e9  # Unix seconds


def record(folder: Path, **fields: Any) -> StudyRecord:
    plain: dict[str, Any] = {
        "name": folder.name,
        "experiment": "digits",
        "experiment_json": '{"name": "digits"}',
        "experiment_hash": "ab" * 32,
        "objective": "val_accuracy",
        "maximize": True,
        "searched": ("optimizer", "optimizer.lr", "optimizer.momentum", "schedule"),
        "shared": ("optimizer", "optimizer.lr", "schedule"),
        "seed": 0,
        "folder": folder,
        "data": DATA,
        "settings": {"trials": 6, "sampler": "tpe"},
        "versions": {"tunelab": "1.2.3", "their-rules": "4.5.6"},
        "platform": "an abacus",
    }
    return StudyRecord(**{**plain, **fields})


def trial(number: int) -> Trial:
    draw = random.Random(number)
    optimizer, schedule = draw.choice(["sgd", "adam", "rmsprop"]), draw.choice(["constant", "cosine"])
    rate = 10 ** draw.uniform(-4, 0)
    return Trial(
        number, number + 100, {"optimizer": optimizer, "optimizer.lr": rate, "schedule": schedule, "none": None}
    )


def quality(number: int) -> float:
    rate = trial(number).params["optimizer.lr"]
    assert isinstance(rate, float)
    return 0.97 - 0.15 * abs(math.log10(rate) + 2)


def metrics(number: int, epoch: int) -> dict[str, float]:
    learned = quality(number) * (1 - math.exp(-epoch))
    return {"train_loss": 2.3 * (1 - learned), "val_loss": 2.35 * (1 - learned), "val_accuracy": learned, "lr": 0.1}


def tell_trial(tracker: Tracker, number: int, state: State, *, epochs: int = EPOCHS, at: float = AT) -> None:
    tracker.start(trial(number), at + number)
    for epoch in range(1, epochs + 1):
        tracker.report(Report(number, epoch, 20 * epoch, metrics(number, epoch)), at + number + epoch / 100)
    value = metrics(number, epochs)["val_accuracy"] if state is State.COMPLETE else None
    reason = None if state is State.COMPLETE else f"{state} on purpose"
    tracker.end(number, state, value, reason, at + number + 0.5)


def summary(states: tuple[State, ...] = STATES, **fields: Any) -> Summary:
    complete = [number for number, state in enumerate(states) if state is State.COMPLETE]
    best = max(complete, key=quality, default=None)
    value = None if best is None else metrics(best, EPOCHS)["val_accuracy"]
    plain: dict[str, Any] = {
        "counts": {state: states.count(state) for state in states},
        "best": best,
        "best_value": value,
        "metrics": {"best_value": value} if value is not None else {},
    }
    return Summary(**{**plain, **fields})


def tell_study(tracker: Tracker, study: StudyRecord, states: tuple[State, ...] = STATES) -> None:
    tracker.begin(study, AT)
    for number, state in enumerate(states):
        tell_trial(tracker, number, state)
