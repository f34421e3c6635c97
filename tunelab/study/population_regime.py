"""Trials that train together in populations, on data that the study has parted."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ClassVar

from tunelab.contracts import Executor, Model, ModuleModel, Work
from tunelab.errors import WorkerError
from tunelab.experiments import Experiment
from tunelab.study.engine import COMPANY
from tunelab.study.folder import CHECKPOINTS
from tunelab.study.prepare import places_for, prepare
from tunelab.study.regime import Regime
from tunelab.training.member_checkpoint import forget
from tunelab.training.trained import TrainedModel
from tunelab.training.trainer import Job
from tunelab.training.weights_file import WEIGHTS, read
from tunelab.trial import Ended, Finish, Finished, Limits, Orders, Result, State, Trial


class PopulationRegime(Regime):
    """Populations, sized by the cache; the best trial's weights are kept.

    Args:
        experiment: what is trained.
        population: members that train together at most; None for as many as the cache holds.

    Raises:
        DataError, ExperimentError: what cannot be trained.
    """

    keeps_models: ClassVar[bool] = True

    def __init__(self, experiment: Experiment, population: int | None) -> None:
        self._experiment = experiment
        self._population = population
        self._parts, self.data = prepare(experiment)

    def work(self, home: Path, limits: Limits) -> Work:
        """Return the experiment and its rows."""
        return Job(self._experiment, self._parts, self._population, home.absolute() / CHECKPOINTS, limits)

    def pace(self, *, prunes: bool) -> tuple[int | None, int]:
        """Return enough trials to fill populations; the worker never waits."""
        places = self._population or places_for(self._experiment, self._parts)
        return COMPANY * places if places else None, 2

    def settle(self, home: Path, result: Result, ended: Ended, *, is_best: bool) -> None:
        """Keep the weights of the best trial so far; let go of the checkpoint."""
        if result.state is not State.INTERRUPTED:
            forget(home / CHECKPOINTS, result.trial.number)
        if is_best and ended.weights is not None:
            model, dtype = self._model(result.trial), self._experiment.dtype
            TrainedModel.of(model, ended.weights, self._parts, dtype, result.trial.seed).save(home / WEIGHTS)

    def finish(self, home: Path, best: Trial, executor: Executor, *, export: bool) -> Finished:
        """Let the worker measure the best trial on the test part, and make its module a program."""
        export = export and isinstance(self._model(best), ModuleModel)
        if not (export or self._parts.has_test):
            return Finished()
        weights, _ = read(home / WEIGHTS)
        try:
            executor.send(Orders(finish=Finish(best, weights, export)))
            while (finished := executor.receive().finished) is None:
                pass  # rounds that were ordered ahead, and had nothing to train
        except WorkerError as error:
            return Finished(notes=(f"the best trial is neither tested nor exported: {error}",))
        for name, program in finished.programs.items():
            (home / name).write_bytes(program)
        return finished

    def loader(self, home: Path, best: Trial) -> Callable[[], TrainedModel]:
        """Return what loads the weights that were kept."""
        return partial(TrainedModel.load, home, self._model(best))

    def _model(self, trial: Trial) -> Model:
        return self._experiment.configure(dict(trial.params)).model
