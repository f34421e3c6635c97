"""Trials that train together in populations, on data that the study has parted."""

from pathlib import Path

from tunelab.contracts import LayerModel, Work
from tunelab.data.items import Items
from tunelab.data.split import Split
from tunelab.experiments import Experiment
from tunelab.study.engine import COMPANY
from tunelab.study.folder import WEIGHTS
from tunelab.study.prepare import places_for, prepare
from tunelab.study.regime import Regime
from tunelab.training.trained import TrainedModel
from tunelab.training.trainer import Job
from tunelab.trial import Ended, Result


class PopulationRegime(Regime):
    """Populations, sized by the cache; the best trial's weights are kept.

    Args:
        experiment: what is trained.
        population: members that train together at most; None for as many as the cache holds.

    Raises:
        DataError, ExperimentError: what cannot be trained.
    """

    def __init__(self, experiment: Experiment, population: int | None) -> None:
        self._experiment = experiment
        self._population = population
        self._parts, self.data = prepare(experiment)

    def work(self, home: Path) -> Work:
        """Return the experiment and its rows."""
        return Job(self._experiment, self._parts, self._population)

    def pace(self, *, prunes: bool) -> tuple[int | None, int]:
        """Return enough trials to fill populations; the worker never waits."""
        places = self._population or places_for(self._experiment, self._parts)
        return COMPANY * places if places else None, 2

    def settle(self, home: Path, result: Result, ended: Ended, *, is_best: bool) -> None:
        """Keep the weights of the best trial so far."""
        if is_best and ended.weights is not None:
            model = self._experiment.configure(dict(result.trial.params)).model
            if isinstance(model, LayerModel) and isinstance(self._parts, Split):
                TrainedModel.of(model, ended.weights, self._parts, self._experiment.dtype).save(home / WEIGHTS)

    def test(self, home: Path) -> dict[str, float]:
        """Return the metrics of the weights that were kept, on the test part."""
        if isinstance(self._parts, Items) or not len(self._parts.x_test):
            return {}
        found = TrainedModel.load(home / WEIGHTS).evaluate(self._parts.x_test, self._parts.y_test)
        return {f"test_{name}": value for name, value in found.items()}
