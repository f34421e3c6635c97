"""`Study`: what a search found."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tunelab.errors import RunError
from tunelab.experiments import Experiment
from tunelab.study.bounds import AtBound
from tunelab.study.ledger import Snapshot
from tunelab.study.narrow import Held
from tunelab.trial import Mirror, Result, State

if TYPE_CHECKING:
    import optuna
    import pandas as pd

    from tunelab.training.trained import TrainedModel

WEIGHTS = "best.npz"
"""The file of a study's folder that holds its best trial's trained model."""


@dataclass(frozen=True)
class Study:
    """A search that has ended, and all that it found.

    Attributes:
        name: unique in its storage, and the name of its folder.
        experiment: what was searched: without the ranges that were held, wider where it was widened.
        folder: where its files are: Optuna's journal, the tracker's spool, the best trial's weights.
        trials: every trial that ended, in the order of their numbers.
        best: the best complete trial, or None.
        progress: counts, rates and how full the populations were.
        first_trial_s: seconds from the start to the first trial's end.
        test: the best trial's metrics on the test part, where there is one.
        mirror: where the tracker shows it.
        optuna: the same study as Optuna holds it.
        held: ranges that plugins bring and that the number of trials was too small to search.
        notes: what a person should know of how trials trained: why some could not train together.
        at_bounds: the best trial's hyperparameters that lie at an end of their range; `widen=True` moves those ends.
    """

    name: str
    experiment: Experiment
    folder: Path
    trials: tuple[Result, ...]
    best: Result | None
    progress: Snapshot
    first_trial_s: float | None
    test: Mapping[str, float]
    mirror: Mirror
    optuna: "optuna.Study"
    held: tuple[Held, ...] = ()
    at_bounds: tuple[AtBound, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def mlflow_experiment_id(self) -> str | None:
        """MLflow's experiment."""
        return self.mirror.experiment_id

    @property
    def mlflow_run_id(self) -> str | None:
        """MLflow's parent run of this study."""
        return self.mirror.run_id

    def counts(self) -> dict[State, int]:
        """Return how many trials ended in each state."""
        return self.progress.counts

    def best_model(self) -> "TrainedModel":
        """Return the best trial's trained model, which predicts.

        Raises:
            RunError: no trial completed.
        """
        from tunelab.training.trained import TrainedModel

        if self.best is None:
            raise RunError(f"the study {self.name} has no complete trial, so no trained model")
        return TrainedModel.load(self.folder / WEIGHTS)

    def frame(self) -> "pd.DataFrame":
        """Return one row a trial: number, state, value, reason, hyperparameters, and the last value of every metric."""
        import pandas as pd

        rows = [
            {
                "trial": result.trial.number,
                "state": str(result.state),
                "value": result.value,
                "reason": result.reason,
                "seed": result.trial.seed,
                "seconds": result.seconds,
                "mlflow_run_id": self.mirror.runs.get(result.trial.number),
                **result.trial.params,
                **result.metrics,
            }
            for result in self.trials
        ]
        return pd.DataFrame(rows)
