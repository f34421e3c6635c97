"""Metrics of a person's own, member by member: functions of all rows of a part, and objects that are shown its blocks.

An object that has `update`, `compute` and `reset`, as those of torchmetrics have, sees each block once and keeps what
it needs of it; each member has a copy of its own.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch

from tunelab.errors import ExperimentError, TunelabError

RUNNING = ("reset", "update", "compute")
"""What a metric has that keeps a state."""


class Meter(ABC):
    """One metric of one member over the blocks of a part."""

    @abstractmethod
    def reset(self) -> None:
        """Forget all blocks."""

    @abstractmethod
    def update(self, out: Any, y: torch.Tensor) -> None:
        """Take the outputs and targets of one more block."""

    @abstractmethod
    def compute(self) -> Any:
        """Return the metric over all blocks since the last `reset`."""


class Whole(Meter):
    """A function of the outputs and targets of all rows at once.

    Args:
        function: the metric.
    """

    def __init__(self, function: Callable[[Any, torch.Tensor], Any]) -> None:
        self._function = function
        self.reset()

    def reset(self) -> None:
        """Forget all blocks."""
        self._blocks: list[tuple[Any, torch.Tensor]] = []

    def update(self, out: Any, y: torch.Tensor) -> None:
        """Keep the block."""
        self._blocks.append((out, y))

    def compute(self) -> Any:
        """Call the function on all rows."""
        outputs, targets = zip(*self._blocks, strict=True)
        return self._function(_joined(outputs), torch.cat(targets))


class Meters:
    """All metrics of all members.

    Args:
        metrics: by name.
    """

    def __init__(self, metrics: Mapping[str, Any]) -> None:
        self._metrics = metrics
        self._members: list[dict[str, Meter]] = []

    def reset(self) -> None:
        """Forget all blocks."""
        for meters in self._members:
            for meter in meters.values():
                meter.reset()

    def update(self, out: Any, y: torch.Tensor) -> None:
        """Take the outputs `(P, B, ...)` of everybody and the targets `(B, ...)` of one more block."""
        if not self._metrics:
            return
        outputs = _by_member(out)
        while len(self._members) < len(outputs):
            self._members.append({name: meter_of(metric) for name, metric in self._metrics.items()})
        for meters, own in zip(self._members, outputs, strict=True):
            for name, meter in meters.items():
                with _named(name):
                    meter.update(own, y)

    def compute(self) -> dict[str, torch.Tensor]:
        """Return each metric, `(P,)` float64, and forget all blocks."""
        found: dict[str, list[torch.Tensor]] = {name: [] for name in self._metrics}
        for meters in self._members:
            for name, meter in meters.items():
                with _named(name):
                    found[name].append(_number(name, meter.compute()))
        self.reset()
        return {name: torch.stack(values) for name, values in found.items()}


def meter_of(metric: Any) -> Meter:
    """Return what takes a metric's blocks: a copy of it if it keeps a state, so that no two members share one."""
    if all(callable(getattr(metric, name, None)) for name in RUNNING):
        own: Meter = deepcopy(metric)
        own.reset()
        return own
    return Whole(metric)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Say which metric raised."""
    try:
        yield
    except TunelabError:
        raise
    except Exception as error:
        told = str(error).partition("\n")[0]
        raise ExperimentError(f"the metric {name!r} raised {type(error).__name__}: {told}") from error


def _number(name: str, value: Any) -> torch.Tensor:
    try:
        found = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        raise ExperimentError(f"the metric {name!r} must return one number, returned {value!r}") from None
    if found.numel() != 1:
        raise ExperimentError(f"the metric {name!r} must return one number, returned one of shape {tuple(found.shape)}")
    return found.detach().double().reshape(())


def _by_member(out: Any) -> list[Any]:
    """Return each member's outputs, of outputs `(P, B, ...)`; they may be tuples."""
    if isinstance(out, tuple):
        return list(zip(*map(_by_member, out), strict=True))
    return list(out)


def _joined(outputs: tuple[Any, ...]) -> Any:
    """Return one member's outputs for all rows, of outputs for some rows at a time."""
    if isinstance(outputs[0], tuple):
        return tuple(_joined(column) for column in zip(*outputs, strict=True))
    return torch.cat(outputs)
