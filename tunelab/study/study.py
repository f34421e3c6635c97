"""`Study`: what a search found."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tunelab.checkpoint import Checkpoint
from tunelab.errors import RunError
from tunelab.searchable import Searchable
from tunelab.study.bounds import AtBound
from tunelab.study.folder import CHECKPOINTS
from tunelab.study.ledger import Snapshot
from tunelab.study.narrow import Held
from tunelab.training.member_checkpoint import trial_folder
from tunelab.trial import COLUMNS, Mirror, Result, State

if TYPE_CHECKING:
    import optuna
    import pandas as pd

    from tunelab.training.trained import TrainedModel


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
    experiment: Searchable
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
        if self.best is None:
            raise RunError(f"the study {self.name} has no complete trial, so no trained model")
        if self.best.loader is None:
            raise RunError(
                f"{self.experiment.name} is a loop, which keeps its own models: let it call "
                "trial.checkpoint.save(...), and study.best_checkpoint().load() gives that back"
            )
        return self.best.loader()  # type: ignore[no-any-return]

    def best_checkpoint(self) -> Checkpoint:
        """Return what the best trial of a loop saved last.

        Raises:
            RunError: no trial completed, or the best one saved nothing.
        """
        if self.best is None:
            raise RunError(f"the study {self.name} has no complete trial, so no checkpoint")
        folder = trial_folder(self.folder / CHECKPOINTS, self.best.trial.number)
        if not folder.exists():
            raise RunError(f"the best trial of {self.name}, {self.best.trial.number}, saved no checkpoint")
        return Checkpoint(folder)

    def frame(self) -> "pd.DataFrame":
        """Return one row a trial: number, state, value, reason, hyperparameters, and the last value of every metric.

        A metric that has the name of another column is called `last NAME`; of a reason there is the first line.
        """
        import pandas as pd

        return pd.DataFrame([self._row(result) for result in self.trials])

    def _row(self, result: Result) -> dict[str, object]:
        trial, state = result.trial, str(result.state)
        run = self.mirror.runs.get(trial.number)
        facts = (trial.number, state, result.value, result.why, trial.seed, result.seconds, run)
        row: dict[str, object] = {**dict(zip(COLUMNS, facts, strict=True)), **trial.params}
        return row | {f"last {name}" if name in row else name: value for name, value in result.metrics.items()}
