"""A study in the middle, without running one."""

from tunelab.cli.progress import Scope
from tunelab.study.ledger import Snapshot
from tunelab.trial import Result, State, Trial

PARAMS = {
    "optimizer": "adam",
    "optimizer.lr": 0.0271238,
    "optimizer.beta1": 0.9,
    "schedule": "cosine",
    "batch_size": 32,
}

SCOPE = Scope("digits", "val_accuracy", (*PARAMS, "optimizer.momentum"), None)


def snapshot(
    *, done: int = 130, running: int = 12, waiting: int = 8, total: int | None = 200, shown: int | None = None
) -> Snapshot:
    best = Result(Trial(57, 1, PARAMS | {"epochs": 20}), State.COMPLETE, 0.98765, None, {}, 0.0, 1.0)
    counts = (
        dict.fromkeys(State, 0) | {State.COMPLETE: done - 2, State.DIVERGED: 2} if done else dict.fromkeys(State, 0)
    )
    return Snapshot(
        study="digits-3",
        total=total,
        counts=counts,
        running=running,
        waiting=waiting,
        best=best if done else None,
        seconds=65.0,
        fullness=0.75,
        sharing=12.0,
        shown=shown,
    )
