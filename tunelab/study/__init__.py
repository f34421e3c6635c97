"""Search an experiment with Optuna: ask, train, tell. The only room that imports optuna."""

from tunelab.study.ledger import Snapshot
from tunelab.study.resume import resume
from tunelab.study.run import run
from tunelab.study.study import Study

__all__ = ["Snapshot", "Study", "resume", "run"]
