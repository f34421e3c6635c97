"""The learning rate falls when a metric no longer gets better."""

import math
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt

from tunelab.contracts import Array, Hyper, Schedule
from tunelab.errors import PluginError, suggestion
from tunelab.space import Float, FromTrials, Int


class ReduceOnPlateau(Schedule):
    """A drop to a part of itself after more than `patience` epochs in a row without a better value of a metric.

        better: value < best * (1 - threshold)  for "min",  value > best * (1 + threshold)  for "max"
        after patience + 1 epochs that were not:  factor <- max(gamma * factor, final)

    1 at the first step and throughout the first epoch; at the last step, whatever the metric has left. Epochs are those
    that are reported (`steps_per_epoch`), warm-up's included. It remembers and so is no function of the step alone, but
    each member has a memory of its own: a trial's curve still depends on nothing but the trial. PyTorch's
    `ReduceLROnPlateau(factor=gamma, min_lr=final * lr, eps=0)` with its relative threshold, stepped at each epoch's
    end; its own eps omits drops by less than 1e-8. Optax's `contrib.reduce_on_plateau` scales updates instead.

    Attributes:
        gamma: what a drop leaves of the learning rate.
        threshold: what counts as better, relative to the best value so far.
        final: the lowest factor.
        patience: epochs without a better value that lead to no drop yet.
        cooldown: epochs after a drop that do not count.
        metric: what is followed: `train_loss`, `val_accuracy`, ...; by default `val_loss`, or `loss` of a function.
        mode: whether less of it is better, or more.

    >>> plateau = ReduceOnPlateau(gamma=0.5, patience=1)
    >>> memory = plateau.memory()
    >>> for loss in (0.9, 0.8, 0.8, 0.8):
    ...     memory = plateau.observe(memory, {"val_loss": loss})
    >>> memory["level"]
    0.5

    Reference: a common recipe without an author; the defaults are PyTorch's.
    """

    gamma: Annotated[float, Field(gt=0, lt=1), Float(0.05, 0.8, log=True), FromTrials(25)] = 0.1
    threshold: Annotated[float, Field(ge=0, lt=1)] = 1e-4
    final: Annotated[float, Field(ge=0, le=1)] = 0.0
    patience: Annotated[NonNegativeInt, Int(1, 20, log=True), FromTrials(25)] = 10
    cooldown: NonNegativeInt = 0
    metric: str | None = None
    mode: Literal["min", "max"] = "min"

    def memory(self) -> dict[str, float]:
        """Return the factor, the best value, the epochs in a row that were no better, and those that still rest."""
        return {"level": 1.0, "best": math.inf if self.mode == "min" else -math.inf, "bad": 0, "resting": 0}

    def observe(self, memory: Mapping[str, float], metrics: Mapping[str, float]) -> Mapping[str, float]:
        """Return the memory after one more epoch."""
        value, best = self._value(metrics), memory["best"]
        better = value < best * (1 - self.threshold) if self.mode == "min" else value > best * (1 + self.threshold)
        bad = 0 if better or memory["resting"] else memory["bad"] + 1
        drops = bad > self.patience
        return {
            "level": max(self.gamma * memory["level"], self.final) if drops else memory["level"],
            "best": value if better else best,
            "bad": 0 if drops else bad,
            "resting": self.cooldown if drops else max(memory["resting"] - 1, 0),
        }

    def _value(self, metrics: Mapping[str, float]) -> float:
        name = self.metric or ("val_loss" if "val_loss" in metrics else "loss")
        if name not in metrics:
            raise PluginError(f"ReduceOnPlateau: this training has no metric {name!r}; {suggestion(name, metrics)}")
        return metrics[name]

    def factor(self, hyper: Hyper, step: Array, total: Array) -> Array:
        """Return what the drops so far have left."""
        return hyper.level
