import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim.lr_scheduler import ReduceLROnPlateau

from tunelab.errors import PluginError
from tunelab.schedules import ReduceOnPlateau

from .factors import TOTALS, alone

CASES = [
    ReduceOnPlateau(),
    ReduceOnPlateau(patience=0),
    ReduceOnPlateau(patience=2, gamma=0.5, final=0.2),
    ReduceOnPlateau(patience=1, cooldown=3, gamma=0.7),
    ReduceOnPlateau(patience=1, cooldown=1, threshold=0.2),
    ReduceOnPlateau(patience=3, threshold=0.0, mode="max"),
    ReduceOnPlateau(patience=1, cooldown=2, threshold=0.1, mode="max", gamma=0.5),
]


def levels(schedule: ReduceOnPlateau, values: Sequence[float]) -> list[float]:
    """Return the factor of every epoch after the first."""
    memory: Any = schedule.memory()
    found = []
    for value in values:
        memory = schedule.observe(memory, {"val_loss": value, "train_loss": math.nan})
        found.append(memory["level"])
    return found


def torch_levels(schedule: ReduceOnPlateau, values: Sequence[float]) -> list[float]:
    optimizer: Any = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    fields = {name: getattr(schedule, name) for name in ("mode", "patience", "threshold", "cooldown")}
    scheduler = ReduceLROnPlateau(optimizer, factor=schedule.gamma, min_lr=schedule.final, eps=0, **fields)
    found = []
    for value in values:
        scheduler.step(value)
        found.append(optimizer.param_groups[0]["lr"])
    return found


def losses(seed: int, epochs: int = 200) -> list[float]:
    rng = np.random.default_rng(seed)
    return (np.exp(-np.arange(epochs) / 40) + 0.3 * rng.random(epochs)).tolist()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("schedule", CASES, ids=str)
def test_equals_torch(schedule: ReduceOnPlateau, seed: int) -> None:
    values = losses(seed) if schedule.mode == "min" else [1 / value for value in losses(seed)]
    assert levels(schedule, values) == torch_levels(schedule, values)
    assert len(set(levels(schedule, values))) > 1, "it never fell: nothing was compared"


@settings(derandomize=True, deadline=None)
@given(st.sampled_from(CASES), st.lists(st.floats(-3, 3) | st.sampled_from([0.0, 1.0, math.inf]), max_size=40))
def test_equals_torch_on_any_values(schedule: ReduceOnPlateau, values: list[float]) -> None:
    assert levels(schedule, values) == torch_levels(schedule, values)


@pytest.mark.parametrize(
    "wrong", [{"patience": 2}, {"patience": 0}, {"cooldown": 2}, {"cooldown": 4}, {"threshold": 0.0}, {"gamma": 0.6}]
)
def test_another_field_is_rejected(wrong: dict[str, Any]) -> None:
    schedule = ReduceOnPlateau(patience=1, cooldown=3, gamma=0.7, threshold=0.05)
    other = schedule.model_copy(update=wrong)
    assert levels(schedule, losses(0)) == torch_levels(schedule, losses(0)) != levels(other, losses(0))


def test_observing_changes_nothing_that_was_there() -> None:
    schedule = ReduceOnPlateau(patience=0)
    before = schedule.memory()
    kept = dict(before)
    schedule.observe(before, {"val_loss": math.inf})
    assert before == kept


@pytest.mark.parametrize(
    ("metric", "metrics", "level"),
    [
        (None, {"train_loss": 0.0, "val_loss": 9.0}, 0.1),
        (None, {"loss": 9.0}, 0.1),
        ("train_loss", {"train_loss": 0.0, "val_loss": 9.0}, 1.0),
    ],
)
def test_it_follows_the_metric_that_it_is_told(metric: str | None, metrics: dict[str, float], level: float) -> None:
    schedule = ReduceOnPlateau(patience=0, metric=metric)
    memory = schedule.observe(schedule.memory(), dict.fromkeys(metrics, 1.0))
    assert schedule.observe(memory, metrics)["level"] == level


def test_a_metric_that_is_not_there_is_refused() -> None:
    with pytest.raises(PluginError, match="no metric 'val_acuracy'; did you mean 'val_accuracy'"):
        ReduceOnPlateau(metric="val_acuracy").observe({}, {"val_accuracy": 1.0})


@pytest.mark.parametrize("total", TOTALS)
def test_before_anything_is_observed_the_factor_is_one(total: int) -> None:
    assert (alone(ReduceOnPlateau(), total) == 1).all()
