"""Optuna's samplers by name."""

import hashlib
import warnings
from collections.abc import Callable, Mapping
from importlib.util import find_spec

import optuna
from optuna.samplers import BaseSampler

from tunelab.errors import ExperimentError, suggestion

Sampler = str | BaseSampler

BY_NAME: Mapping[str, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed),
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "qmc": lambda seed: optuna.samplers.QMCSampler(scramble=True, seed=seed, warn_independent_sampling=False),
    "cmaes": lambda seed: optuna.samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False),
    "gp": lambda seed: optuna.samplers.GPSampler(seed=seed, warn_independent_sampling=False),
    "nsgaii": lambda seed: optuna.samplers.NSGAIISampler(seed=seed),
    "grid": lambda seed: optuna.samplers.RandomSampler(seed=seed),
}
"""A grid is enqueued point by point (Optuna's own grid sampler raises on its last point under ask and tell)."""

NEEDS = {"cmaes": ("cmaes",), "gp": ("torch", "scipy"), "qmc": ("scipy",)}


def sampler_seed(seed: int, after: str | None) -> int:
    """Return the seed of a study's sampler: in one that extends another, not the same points are to be drawn again.

    Args:
        seed: the study's.
        after: the study that it extends, if it does.

    >>> sampler_seed(7, None), sampler_seed(7, "digits-1") != sampler_seed(7, "digits-2")
    (7, True)
    """
    return seed if after is None else int.from_bytes(hashlib.sha256(f"{seed} {after}".encode()).digest()[:4])


def sampler_of(given: Sampler, seed: int) -> BaseSampler:
    """Return the sampler of a name, or the one that was given.

    Raises:
        ExperimentError: an unknown name, or one whose package is not installed.
    """
    if isinstance(given, BaseSampler):
        return given
    if not isinstance(given, str):
        raise ExperimentError(f"a sampler is a name or an Optuna sampler (an instance, not a class), was {given!r}")
    if given not in BY_NAME:
        raise ExperimentError(f"no sampler named {given!r}; {suggestion(given, BY_NAME)}")
    missing = [package for package in NEEDS.get(given, ()) if find_spec(package) is None]
    if missing:
        raise ExperimentError(
            f"the sampler {given!r} needs {' and '.join(missing)}; pip install 'tunelab[samplers]', or choose another"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return BY_NAME[given](seed)
