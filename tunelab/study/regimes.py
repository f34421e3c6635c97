"""How the trials of each kind of experiment train."""

from functools import singledispatch

from tunelab.errors import ExperimentError
from tunelab.experiments import Experiment
from tunelab.loop import Loop
from tunelab.searchable import Searchable
from tunelab.study.loop_regime import LoopRegime
from tunelab.study.population_regime import PopulationRegime
from tunelab.study.regime import Regime


@singledispatch
def regime_of(experiment: Searchable, population: int | None) -> Regime:
    """Return how the trials of an experiment of this kind train.

    Raises:
        InputError: what cannot be trained.
    """
    raise ExperimentError(f"a study searches an Experiment or a loop, was {experiment!r}")


@regime_of.register
def _(experiment: Experiment, population: int | None) -> Regime:
    return PopulationRegime(experiment, population)


@regime_of.register
def _(experiment: Loop, population: int | None) -> Regime:
    return LoopRegime(experiment, population)
